"""``obs-sse-guard audit``: summaries of files that real calls wrote, and of damaged ones."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import html.parser
import io
import json
import os
import re
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import obs
import pytest

import obs_sse_guard
from obs_sse_guard import SSETransportError
from obs_sse_guard._cli.audit import html as html_report
from obs_sse_guard._cli.audit import phrases
from obs_sse_guard._cli.audit import summary as summary_module
from obs_sse_guard._cli.audit import text as text_report
from obs_sse_guard._cli.audit.summary import NO_SITE, OTHERS, Summary
from obs_sse_guard._cli.main import main
from tests.support.obs_calls import BUCKET, CONTENT, OBJECT, open_client
from tests.support.records import audited
from tests.support.servers import RecordingServer, leaks
from tests.support.sse import KEY

ROOT = Path(__file__).parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
COMMAND = [sys.executable, "-m", "obs_sse_guard", "audit"]
KMS = {"x-amz-server-side-encryption": "kms"}


def _run(*words: object, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, words)]
    done = subprocess.run(command, env=ENVIRONMENT, input=stdin, capture_output=True, timeout=60, check=False)
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


def _line(**changes: Any) -> dict[str, Any]:
    line = {
        "time": "2025-01-06T10:00:00.000Z",
        "verdict": "would-refuse",
        "rule": "table-1/PutObject",
        "documented": "refuse",
        "strict": "refuse",
        "operation": "PutObject",
        "host": "obs.example.com",
        "site": {"file": "/srv/shop/store.py", "line": 7, "function": "put"},
    }
    return {**line, **changes}


def _bytes(*lines: Any) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _summary(data: bytes) -> Summary:
    summary = Summary()
    summary.read(io.BytesIO(data), lambda _: None)
    return summary


def _put(client: Any) -> Any:
    header = obs.PutObjectHeader(sseHeader=obs.SseCHeader.getInstance(KEY))
    return client.putContent(BUCKET, OBJECT, CONTENT, headers=header)


@pytest.fixture
def audit(http: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that real calls wrote: in warn mode, then refused, and some that only strict would refuse."""
    path = tmp_path / "audit.jsonl"
    monkeypatch.setenv("OBS_SSE_GUARD_AUDIT", str(path))
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")
    with open_client("v2", http) as client:
        for _ in range(3):
            assert _put(client).status == 200
        for _ in range(2):
            client.getObjectMetadata(BUCKET, OBJECT, extensionHeaders=KMS)
        monkeypatch.setenv("OBS_SSE_GUARD", "enforce")
        with pytest.raises(SSETransportError):
            _put(client)
        monkeypatch.setenv("OBS_SSE_GUARD_TRUSTED_HOSTS", "127.0.0.1")
        assert _put(client).status == 200
    return path


# -------------------------------------------------------------------------------------- text


def test_text_shows_what_would_be_refused_and_where(audit: Path) -> None:
    result = _run(audit)
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    first, last = (audited(audit)[index]["time"][:19].replace("T", " ") for index in (0, -1))
    assert lines[:4] == [
        f"7 findings in {audit}, {first} to {last} UTC",
        "enforce would refuse 4, from 1 call site",
        "strict would refuse 6, from 2 call sites",
        "already refused: 1",
    ]
    for title, name, counts in (
        ("rule", "table-1/PutObject", [4, 4, 4]),
        ("rule", "table-2/HeadObject", [2, 0, 2]),
        ("rule", "trusted-host", [1, 0, 0]),
        ("operation", "PutObject", [5, 4, 4]),
        ("host", "127.0.0.1", [7, 4, 6]),
        ("call site", "_put", [5, 4, 4]),
    ):
        [row] = [line for line in _rows(lines, title) if line.endswith(name)]
        assert list(map(int, row.split()[:3])) == counts
        assert re.search(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  ){2}", row)
    assert not leaks(result.stdout, KEY)


def _rows(lines: list[str], title: str) -> list[str]:
    begin = next(number for number, line in enumerate(lines) if line.endswith(f"by {title}"))
    return lines[begin + 1 : lines.index("", begin) if "" in lines[begin:] else None]


def test_several_files_and_stdin_are_summarized_together(audit: Path) -> None:
    result = _run(audit, "-", audit, audit, audit, stdin=audit.read_bytes())
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"35 findings in {audit}, -, {audit} and 2 more, ")


def test_an_empty_file_has_no_findings(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    for format_ in ("text", "json", "html"):
        result = _run("--format", format_, tmp_path / "empty")
        assert (result.returncode, result.stderr) == (0, "")
    assert _run(tmp_path / "empty").stdout.startswith("0 findings in ")


def test_a_long_table_shows_how_many_rows_are_left_out() -> None:
    lines = [_line(host=f"host-{number}.test") for number in range(25)]
    text = text_report.render(_summary(_bytes(*lines)), ["audit"])
    assert text.count(".test") == 20
    assert "5 more; use --format json" in text


# -------------------------------------------------------------------------------------- JSON


def test_json_has_everything(audit: Path) -> None:
    report = json.loads(_run("--format", "json", audit).stdout)
    times = [line["time"] for line in audited(audit)]
    assert {name: report[name] for name in ("findings", "enforce", "strict", "refused", "first", "last")} == {
        "findings": 7,
        "enforce": 4,
        "strict": 6,
        "refused": 1,
        "first": min(times),
        "last": max(times),
    }
    assert (report["files"], report["damaged_lines"], report["all_places_told_apart"]) == ([str(audit)], 0, True)
    assert report["call_sites"] == {"enforce": 1, "strict": 2}
    assert report["without_call_site"] == {"enforce": 0, "strict": 0}
    assert [(group["rule"], group["findings"]) for group in report["by_rule"]] == [
        ("table-1/PutObject", 4),
        ("table-2/HeadObject", 2),
        ("trusted-host", 1),
    ]
    assert [group["operation"] for group in report["by_operation"]] == ["PutObject", "HeadObject"]
    assert [group["host"] for group in report["by_host"]] == ["127.0.0.1"]
    assert report["by_call_site"][0]["call_site"].startswith(f"{__file__}:")
    assert len(report["places"]) == 3
    assert {"rule", "operation", "host", "call_site", "strict", "first", "last"} < set(report["places"][0])


# -------------------------------------------------------------------------------------- HTML

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;\u202e\x1b[31m\ud800.test"


class _Page(html.parser.HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        (self.scripts if self._inside == "script" else self.words).append(data)


def test_html_is_one_page_with_a_chart_and_tables(audit: Path, tmp_path: Path) -> None:
    result = _run("--format", "html", "--output", tmp_path / "report.html", audit)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    page = _Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    tags = [tag for tag, _ in page.elements]
    assert tags.count("table") == 5
    assert [attributes["class"] for tag, attributes in page.elements if tag == "rect"][3:] == [
        "enforce-fill",
        "strict-fill",
        "rest-fill",
    ], "after the key, a bar for each of the three rules"
    assert {"7", "4", "6", "table-1/PutObject", "127.0.0.1"} <= set(page.words)
    assert any(word.startswith(f"{__file__}:") for word in page.words)


def test_html_loads_nothing_and_runs_only_its_own_script(audit: Path) -> None:
    text = _run("--format", "html", audit).stdout
    page = _Page(text)
    assert not [name for _, attributes in page.elements for name in attributes if name in ("src", "href", "srcset")]
    assert "url(" not in text
    assert "//" not in re.sub(r"https?://127.0.0.1\S*", "", text)
    [script] = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    [policy] = [attributes["content"] for _, attributes in page.elements if "http-equiv" in attributes]
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert "prefers-color-scheme: dark" in text


def test_untrusted_text_stays_text_in_every_format(tmp_path: Path) -> None:
    site = {"file": HOSTILE, "line": 1, "function": HOSTILE}
    data = _bytes(_line(host=HOSTILE, rule=HOSTILE, operation=HOSTILE, site=site))
    (tmp_path / "audit").write_bytes(data)
    harmless = _Page(html_report.render(_summary(_bytes(_line())), ["audit"])).elements
    page = _run("--format", "html", tmp_path / "audit").stdout
    assert [tag for tag, _ in _Page(page).elements] == [tag for tag, _ in harmless]
    for text in (page, _run(tmp_path / "audit").stdout):
        assert not {"\x1b", "\u202e", "\ud800"} & set(text)
        assert "\\u202e\\x1b[31m\\ud800.test" in text
    report = json.loads(_run("--format", "json", tmp_path / "audit").stdout)
    assert report["by_host"][0]["host"] == HOSTILE


def test_html_of_many_places_shows_how_many_are_left_out() -> None:
    lines = [_line(host=f"host-{number}.test", rule=f"rule-{number}") for number in range(1003)]
    page = html_report.render(_summary(_bytes(*lines)), ["audit"])
    assert page.count("3 more; use --format json") == 3
    assert page.count('<rect class="enforce-fill"') == 1 + 15


def test_one_finding_in_a_million_is_visible_in_the_chart() -> None:
    lines = [_line(documented="log"), *[_line(documented="log", strict="log")] * 1000, _line()]
    page = _Page(html_report.render(_summary(_bytes(*lines)), ["audit"]))
    widths = [float(attributes["width"] or 0) for tag, attributes in page.elements if tag == "rect"][3:]
    assert widths[:2] == [2.0, 2.0]
    assert widths[2] > 500


# --------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    "damaged",
    [
        b"garbage",
        b'{"time": "2025-01-06T10:00:0',
        b"[]",
        b"7",
        b'"text"',
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"time": "2025-01-06T10:00:00.000Z", ',
        _bytes(_line(time="2025-01-06 10:00:00"))[:-1],
        _bytes(_line(time="2025-01-06T10:00:00.000Z and more"))[:-1],
        _bytes(_line(time=7))[:-1],
        _bytes(_line(rule=7))[:-1],
        _bytes(_line(rule="r" * 1001))[:-1],
        _bytes(_line(host=["a"]))[:-1],
        _bytes(_line(documented="perhaps"))[:-1],
        _bytes(_line(strict=["refuse"]))[:-1],
        _bytes(_line(verdict=None))[:-1],
        _bytes(_line(site="file"))[:-1],
        _bytes(_line(site=[]))[:-1],
        _bytes(_line(site={"file": "f", "line": "7", "function": "g"}))[:-1],
        _bytes(_line(site={"file": "f", "line": 7}))[:-1],
        b"x" * (3 << 20),
    ],
    ids=lambda line: line[:40].decode("latin-1"),
)
def test_a_damaged_line_is_counted_and_skipped(damaged: bytes) -> None:
    good = _line()
    other_order = dict(reversed([*good.items()]))
    summary = _summary(_bytes(other_order) + damaged + b"\n" + b"\n  \n" + _bytes(good) + damaged)
    assert (summary.damaged, summary.total().findings) == (2, 2)
    assert "skipped: 2 damaged lines" in text_report.render(summary, ["audit"])
    assert "skipped: 2 damaged lines" in html_report.render(summary, ["audit"])


def test_a_line_without_a_call_site_is_not_damaged() -> None:
    summary = _summary(_bytes(_line(site=None), _line()))
    assert [group.names for group in summary.groups("site_text")] == [
        (NO_SITE,),
        ("/srv/shop/store.py:7 in put",),
    ]
    assert summary.call_sites("enforce") == 1, "findings without a call site are not one call site"
    for report in (text_report.render(summary, ["audit"]), html_report.render(summary, ["audit"])):
        assert "from 1 call site and 1 call in threads or tasks of the SDK" in report


def test_the_first_and_the_last_time_are_found_in_any_order() -> None:
    times = [f"2025-01-{day:02}T10:00:00.000Z" for day in (5, 9, 2, 7)]
    summary = _summary(_bytes(*(_line(time=time) for time in times)))
    assert (summary.total().first, summary.total().last) == (times[2], times[1])
    places = [_line(time=time, rule=rule) for time, rule in zip(times, ("one", "two", "three", "four"))]
    summary = _summary(_bytes(*places))
    assert (summary.total().first, summary.total().last) == (times[2], times[1])


@pytest.mark.parametrize("words", [["missing"], ["audit.jsonl", "missing"], ["-", "missing"], ["folder"]])
def test_a_file_that_cannot_be_read_exits_with_2_and_one_line(words: list[str], audit: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    result = _run(*(word if word == "-" else tmp_path / word for word in words))
    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch(r"\S+/(missing: No such file or directory|folder: Is a directory)\n", result.stderr)


def test_an_output_that_cannot_be_written_exits_with_2_and_one_line(audit: Path, tmp_path: Path) -> None:
    result = _run("--output", tmp_path / "missing" / "report", audit)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"{tmp_path}/missing/report: No such file or directory\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device here")
def test_a_full_disk_exits_with_2_and_one_line(audit: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [*COMMAND, str(audit)]
        done = subprocess.run(command, env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, b"cannot write the report: No space left on device\n")


def test_a_pager_that_is_quit_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "audit").write_bytes(_bytes(*(_line(host=f"host-{number}") for number in range(3000))))
    command = [*COMMAND, "--format", "json", str(tmp_path / "audit")]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.parametrize("words", [[], ["--format", "xml", "audit"]])
def test_invalid_words_exit_with_2(words: list[str]) -> None:
    result = _run(*words)
    assert result.returncode == 2
    assert result.stderr.startswith("usage: obs-sse-guard audit")


# ------------------------------------------------------------------------- long files, memory


def test_memory_does_not_grow_with_the_file() -> None:
    def peak(lines: int) -> int:
        data = io.BytesIO(b"".join(_bytes(_line(pid=number)) for number in range(lines)))
        tracemalloc.start()
        try:
            Summary().read(data, lambda _: None)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(20_000) < 1.2 * peak(5000)


def test_places_are_bounded_and_the_rest_is_counted_as_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary_module, "MAX_PLACES", 10)
    lines = [_line(rule=f"rule-{number % 3}", site=None, host=f"host-{number}") for number in range(50)]
    summary = _summary(_bytes(*lines))
    assert summary.total().findings == 50
    assert [group.tally.findings for group in summary.groups("rule")] == [17, 17, 16], "by rule the counts stay right"
    assert dict(_counts(summary, "host"))[OTHERS] == 40
    assert not summary.is_complete
    for report in (text_report.render(summary, ["audit"]), html_report.render(summary, ["audit"])):
        assert "too many places to list: the rest is counted as (others)" in report
        assert "at least" in report

    summary = _summary(_bytes(*(_line(rule=f"rule-{number}", host=f"host-{number}") for number in range(500))))
    assert summary.total().findings == 500
    assert dict(_counts(summary, "rule"))[OTHERS] == 480
    assert len(summary.groups("rule", "operation", "host", "site_text")) == 21


def _counts(summary: Summary, attribute: str) -> list[tuple[str, int]]:
    return [(group.names[0], group.tally.findings) for group in summary.groups(attribute)]


def test_cached_lines_are_counted_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [_line(rule=f"rule-{number % 7}", time=f"2025-01-06T10:00:{number % 60:02}.000Z") for number in range(700)]
    whole = _summary(_bytes(*lines))
    monkeypatch.setattr(summary_module, "_MAX_CACHED", 3)
    few = _summary(_bytes(*lines))
    monkeypatch.setattr(summary_module, "_MAX_CACHED_BYTES", 0)
    none = _summary(_bytes(*lines))
    for summary in (whole, few, none):
        assert [(group.names, group.tally.as_dict()) for group in summary.groups("rule")] == [
            (group.names, group.tally.as_dict()) for group in whole.groups("rule")
        ]
        assert dict(_counts(summary, "rule")) == {f"rule-{number}": 100 for number in range(7)}


# ------------------------------------------------------------------------------- the progress


def _on_a_terminal(program: str, data: bytes) -> tuple[str, str]:
    """Run a program whose stderr is a terminal; return what it wrote there, and to stdout."""
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", program]
    environment = {**ENVIRONMENT, "TERM": "xterm"}
    with (
        ThreadPoolExecutor(1) as pool,
        subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=theirs
        ) as process,
    ):
        os.close(theirs)
        seen = pool.submit(_read_to_the_end, ours)
        out, _ = process.communicate(data, timeout=60)
        return seen.result(timeout=60).decode(), out.decode()


def _read_to_the_end(terminal: int) -> bytes:
    seen: list[bytes] = []
    with open(terminal, "rb", buffering=0) as stream, contextlib.suppress(OSError):  # EIO where nobody writes any more
        seen.extend(iter(functools.partial(stream.read, 1 << 16), b""))
    return b"".join(seen)


_MAIN = "import sys\n{}\nfrom obs_sse_guard._cli.main import main\nsys.exit(main(['audit', *{!r}]))"


@pytest.mark.skipif(sys.platform == "win32", reason="no terminals of this kind")
def test_a_terminal_shows_the_progress() -> None:
    pytest.importorskip("rich", reason="rich is not installed here")
    seen, out = _on_a_terminal(_MAIN.format("", ["-"]), _bytes(_line()) * 10_000)
    assert "reading" in seen
    assert out.startswith("10,000 findings in -")


@pytest.mark.skipif(sys.platform == "win32", reason="no terminals of this kind")
def test_without_rich_one_line_names_the_extra(tmp_path: Path) -> None:
    hidden = "import importlib.util as u; f = u.find_spec; u.find_spec = lambda n: None if n == 'rich' else f(n)"
    seen, out = _on_a_terminal(_MAIN.format(hidden, ["-"]), _bytes(_line()))
    assert seen == "a progress bar needs rich: pip install 'obs-sse-guard[report]'\r\n"
    assert out.startswith("1 finding in -")
    (tmp_path / "small").write_bytes(_bytes(_line()))
    seen, out = _on_a_terminal(_MAIN.format(hidden, [str(tmp_path / "small")]), b"")
    assert (seen, out.split(" in ")[0]) == ("", "1 finding"), "a small file needs no progress bar"


# -------------------------------------------------------------------------------- the command


def test_the_command_runs_in_this_process(audit: Path, capfdbinary: Any) -> None:
    assert main(["audit", str(audit)]) == 0
    assert capfdbinary.readouterr().out.startswith(b"7 findings")
    assert obs_sse_guard.status()


def test_phrases() -> None:
    assert [phrases.count_of(count, "line") for count in (0, 1, 1234)] == ["0 lines", "1 line", "1,234 lines"]
    assert phrases.printable("a\tb\u200f→") == "a\\tb\\u200f→"
