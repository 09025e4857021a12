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
    report.show(Excerpt("A title", "[table-1/PutObject] is no markup"))
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


def test_a_narrow_terminal_gets_a_table_in_parts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from obs_sse_guard._cli.demo.report import Report
    from obs_sse_guard._cli.demo.results import Check, Column, Row, Table

    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
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

    table = Table((Column("obs"),), (Row("this", (Check("so", "so"),)),))

    def shown(**environment: str) -> str:
        with monkeypatch.context() as patch:
            for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
                patch.delenv(name, raising=False)
            for name, value in {"TERM": "xterm", "COLUMNS": "80", **environment}.items():
                patch.setenv(name, value)
            Report().show(table)
        return capsys.readouterr().out

    green = "\x1b[32m"
    assert "\x1b" not in shown()
    assert green in shown(FORCE_COLOR="1")
    assert green not in shown(FORCE_COLOR="1", NO_COLOR="1")


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
