"""The results of the demo and how they are printed."""

from __future__ import annotations

import io
import re
import sys

import pytest

from obs_sse_guard import SSETransportError
from obs_sse_guard.rules import RULES
from tests.cli.demo.test_testbed import observation_of

pytestmark = pytest.mark.skipif(sys.version_info < (3, 10), reason="MiniStack needs 3.10")


@pytest.mark.parametrize(
    ("logged", "key_in_plaintext", "ok", "notes"),
    [
        ((), False, True, ()),
        (("table-4/SSE-C-to-none",), True, True, ("logged key in plaintext",)),
        (("table-4/SSE-C-to-none", "key-in-url"), True, True, ("logged key in plaintext", "logged key-in-url")),
        ((), True, False, ("key in plaintext, not logged",)),
        (("key-in-url",), True, False, ("logged key-in-url", "key in plaintext, not logged")),
    ],
)
def test_a_key_in_plaintext_must_be_logged(
    logged: tuple[str, ...], *, key_in_plaintext: bool, ok: bool, notes: tuple[str, ...]
) -> None:
    from obs_sse_guard._cli.demo.results import RuleCheck

    observation = observation_of(requests=1, status=200, logged=logged)
    check = RuleCheck(RULES[-1], "http", observation, key_in_plaintext)
    assert (check.ok, check.notes) == (ok, notes)


def test_a_refusal_by_another_rule_is_noted() -> None:
    from obs_sse_guard._cli.demo.results import RuleCheck

    for rule, notes in (("table-1/PutObject", ()), ("key-in-clear", ("refused by key-in-clear",))):
        error = SSETransportError("refused", {"rule": rule})
        check = RuleCheck(RULES[0], "http", observation_of(error=error), key_in_plaintext=False)
        assert (check.ok, check.notes) == (True, notes)


def test_a_report_with_an_unexpected_result_fails(capsys: pytest.CaptureFixture[str]) -> None:
    from obs_sse_guard._cli.demo.report import Report
    from obs_sse_guard._cli.demo.results import Check, Column, Excerpt, Row, RuleCheck, Table

    report = Report()
    cells = (Check("so", "so", ("and more",)), Check("so", "otherwise"))
    report.show(Table((Column("obs"), Column("s3")), (Row("this", cells),)))
    report.show(Excerpt("A title", "[table-1/PutObject] is no markup", "refused"))
    check = RuleCheck(RULES[0], "http", observation_of(requests=1, status=200), key_in_plaintext=False)
    columns = (Column("obs", "http"), Column("obs", "https"))
    report.show(Table(columns, (Row("PutObject", (check, None), "HTTPS"),), "Table 1"))
    assert not report.summary()
    out = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert "* this: and more (obs)" in out
    assert "✗ this, s3: otherwise, expected: so" in out
    assert "✗ PutObject, obs over http: sent, expected: refused" in out
    assert "[table-1/PutObject] is no markup" in "".join(out)
    assert any(re.fullmatch(r"this +so\* +✗ otherwise", line) for line in out)
    assert any(re.fullmatch(r"PutObject +HTTPS +✗ sent +-", line) for line in out)
    assert "2 of 3 checks are NOT as expected." in out


def _pretend_terminal(monkeypatch: pytest.MonkeyPatch, columns: str, term: str = "dumb") -> None:
    for name in ("NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"COLUMNS": columns, "LINES": "25", "FORCE_COLOR": "1", "TERM": term}.items():
        monkeypatch.setenv(name, value)


def _plain(text: str) -> list[str]:
    return re.sub(r"\x1b\[.*?[A-Za-z]", "", text).splitlines()


def test_a_narrow_terminal_gets_a_table_in_parts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from obs_sse_guard._cli.demo.report import Report
    from obs_sse_guard._cli.demo.results import Check, Column, Row, Table

    _pretend_terminal(monkeypatch, "80")
    cells = tuple(Check(str(number), str(number), ("a note",)) for number in range(5))
    columns = tuple(Column(f"SDK {number}") for number in range(5))
    report = Report()
    report.show(Table(columns, (Row("this", cells),)))
    lines = [re.sub(r"\x1b\[.*?m", "", line).split() for line in capsys.readouterr().out.splitlines()]
    rows = [line for line in lines if line[0] == "this"]
    assert rows == [["this", "0*", "1*", "2*"], ["this", "3*", "4*"]]
    assert len([line for line in lines if line[0] == "*"]) == 1, "notes once, after all parts"
    assert report.summary()


def test_colors_are_for_terminals_that_want_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from obs_sse_guard._cli.demo.report import Report
    from obs_sse_guard._cli.demo.results import Check, Column, Row, Table

    cells = tuple(Check(word, word) for word in ("so", "refused", "in plaintext"))
    table = Table((Column("obs"), Column("boto3"), Column("s3fs")), (Row("this", cells),))

    def shown(**environment: str) -> str:
        with monkeypatch.context() as patch:
            for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
                patch.delenv(name, raising=False)
            for name, value in {"TERM": "xterm", "COLUMNS": "80", **environment}.items():
                patch.setenv(name, value)
            Report().show(table)
        return capsys.readouterr().out

    green, red = "\x1b[32mrefused", "\x1b[31min plaintext"
    assert "\x1b" not in shown()
    assert shown(FORCE_COLOR="1").count("\x1b[3") == sum(color in shown(FORCE_COLOR="1") for color in (green, red)) == 2
    assert "\x1b[3" not in shown(FORCE_COLOR="1", NO_COLOR="1")


def test_everything_is_whole_at_60_columns(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from obs_sse_guard._cli.demo.report import Report
    from obs_sse_guard._cli.demo.results import Check, Column, Excerpt, Row, RuleCheck, Table
    from obs_sse_guard._cli.demo.runner import INTRODUCTION, LEGEND

    _pretend_terminal(monkeypatch, "60")
    report = Report()
    report.write(INTRODUCTION)
    report.legend(LEGEND.items())
    sdks = ("ObsClient", "huaweicloud", "minio")
    columns = tuple(Column(sdk, scheme) for sdk in sdks for scheme in ("http", "https"))
    refused = observation_of(error=SSETransportError("refused", {"rule": "key-in-clear"}))
    sent = observation_of(requests=1, status=200, logged=("key-in-url",))
    rules = (RuleCheck(RULES[2], "http", refused, False), RuleCheck(RULES[2], "https", sent, False))
    report.show(Table(columns, (Row("InitiateMultipartUpload", 3 * rules, "HTTPS"),), "Table 1\nSSE-C"))
    worst = Check("unreadable 400", "unreadable 400")
    report.show(Table(tuple(map(Column, sdks)), (Row("the customer key on the wire", (worst, worst, worst)),)))
    report.show(Excerpt("A title", "word " * 30, "in plaintext"))
    lines = _plain(capsys.readouterr().out)
    assert max(map(len, lines)) == 60
    assert not any("\u2026" in line for line in lines), "nothing is cut off"
    rows = [line.split() for line in lines if line.startswith("InitiateMultipartUpload")]
    assert rows == [["InitiateMultipartUpload", "HTTPS", *count * ["refused*", "sent*"]] for count in (2, 1)]
    text = " ".join(" ".join(lines).split())
    assert " ".join(LEGEND["-"].split()) in text
    assert text.count("word") == 30


@pytest.mark.parametrize(("term", "is_live"), [("xterm", True), ("dumb", False), ("", False)])
def test_a_live_line_shows_progress_on_terminals(
    term: str, is_live: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from obs_sse_guard._cli.demo.report import Report

    _pretend_terminal(monkeypatch, "60", term)
    if not term:
        monkeypatch.delenv("FORCE_COLOR")
    report = Report()
    report.count_call()
    with report.progress("Starting"):
        report.heading("A scenario with a title that is longer than a line of the terminal is wide")
        report.count_call()
        report.write("what is printed is followed by the live line")
    out = capsys.readouterr().out
    assert ("Call 2: A scenario with a title" in out) is is_live
    assert "A scenario" in out
    assert ("\x1b[?25h" in out) is is_live, "the cursor is shown again"


def test_an_ascii_terminal_shows_question_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    from obs_sse_guard._cli.demo.report import Report

    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii", write_through=True))
    Report().write("✗ sent")
    assert written.getvalue() == b"? sent\n"


def test_a_stream_without_an_encoding_is_written_to_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from obs_sse_guard._cli.demo.report import Report

    written = io.StringIO()
    monkeypatch.setattr(sys, "stdout", written)
    Report().write("✗ sent")
    assert written.getvalue() == "✗ sent\n"
