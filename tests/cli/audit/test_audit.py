"""``obs-sse-guard audit`` summarizes files of real calls, and damaged ones."""

from __future__ import annotations

import errno
import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import duckdb
import obs
import pytest

from obs_sse_guard import SSETransportError
from obs_sse_guard._cli.audit import remedies, report, summary
from obs_sse_guard._cli.sdks import SDKS
from obs_sse_guard._enforcement.audit import LONGEST_LINE
from obs_sse_guard._hooks.crt import CRT
from tests.cli.audit.lines import TIME, Audit, armed, encoded, finding
from tests.support.obs_calls import BUCKET, CONTENT, OBJECT, open_client
from tests.support.records import audited
from tests.support.servers import RecordingServer, leaks
from tests.support.sse import KEY

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "obs_sse_guard", "audit"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
KMS = {"x-amz-server-side-encryption": "kms"}


def _put(client: Any) -> Any:
    header = obs.PutObjectHeader(sseHeader=obs.SseCHeader.getInstance(KEY))
    return client.putContent(BUCKET, OBJECT, CONTENT, headers=header)


@pytest.fixture
def audit(http: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of real calls: in warn mode, refused, and refused by strict alone."""
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


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A file with one finding."""
    (tmp_path / "small").write_bytes(encoded(finding()))
    return tmp_path / "small"


def _report(run: Audit, data: bytes, *words: str) -> Any:
    return json.loads(run("--format", "json", *words, "-", stdin=data).out)


# -------------------------------------------------------------------------------- what it shows


def test_text_shows_what_would_be_refused_and_where(audit: Path, run: Audit) -> None:
    result = run(audit)
    assert (result.status, result.err) == (0, "")
    lines = result.out.splitlines()
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
        ("call site", "_put", [5, 4, 4]),
    ):
        [row] = [line for line in _rows(lines, title) if line.endswith(name)]
        assert list(map(int, row.split()[:3])) == counts
        assert re.search(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  ){2}", row)
    [row] = _rows(lines, "endpoint")
    assert row.split()[-1].startswith("http://127.0.0.1:")
    assert not leaks(result.out, KEY)


def _rows(lines: list[str], title: str) -> list[str]:
    begin = next(number for number, line in enumerate(lines) if line.endswith(f"by {title}"))
    return lines[begin + 1 : lines.index("", begin) if "" in lines[begin:] else None]


def test_json_has_every_group_and_every_place_with_its_remedy(audit: Path, run: Audit) -> None:
    result = json.loads(run("--format", "json", audit).out)
    times = [line["time"] for line in audited(audit)]
    assert {name: result[name] for name in ("findings", "enforce", "strict", "refused", "would_refuse", "damaged")} == {
        "findings": 7,
        "enforce": 4,
        "strict": 6,
        "refused": 1,
        "would_refuse": 3,
        "damaged": 0,
    }
    assert (result["first"], result["last"], result["files"]) == (min(times), max(times), [str(audit)])
    assert result["call_sites"] == {"enforce": 1, "strict": 2}
    assert result["without_call_site"] == {"enforce": 0, "strict": 0}
    assert [(group["rule"], group["findings"]) for group in result["by_rule"]] == [
        ("table-1/PutObject", 4),
        ("table-2/HeadObject", 2),
        ("trusted-host", 1),
    ]
    assert [group["operation"] for group in result["by_operation"]] == ["PutObject", "HeadObject"]
    assert result["by_call_site"][0]["call_site"].startswith(f"{__file__}:")
    put, head, trusted = result["places"]
    assert put["remedy"] == 'ObsClient(server="https://127.0.0.1")   a scheme in server= overrides is_secure='
    assert {"rule", "operation", "endpoint", "call_site", "strict", "first", "last"} < set(head)
    assert trusted["remedy"] == "none if the trust is intended"


def test_lines_of_before_the_host_was_written_are_read(run: Audit) -> None:
    old = {
        name: value for name, value in finding(host="obs.example.com:80").items() if name not in ("event", "endpoint")
    }
    result = _report(run, encoded(old))
    assert [group["endpoint"] for group in result["by_endpoint"]] == ["obs.example.com:80"]
    assert (result["findings"], result["damaged"], result["hosts"]) == (1, 0, [])


def test_a_line_without_a_call_site_is_not_damaged(run: Audit) -> None:
    data = encoded(finding(site=None), finding())
    result = _report(run, data)
    assert {group["call_site"] for group in result["by_call_site"]} == {report.NO_SITE, "/srv/shop/store.py:7 in put"}
    assert result["call_sites"] == {"enforce": 1, "strict": 1}, "findings without a call site are not one call site"
    assert "from 1 call site and 1 call in threads or tasks of the SDK" in run("-", stdin=data).out


def test_the_first_and_the_last_time_are_found_in_any_order(run: Audit) -> None:
    times = [f"2026-01-{day:02}T10:00:00.000Z" for day in (5, 9, 2, 7)]
    result = _report(
        run, encoded(*(finding(time=time, rule=f"rule-{number % 2}") for number, time in enumerate(times)))
    )
    assert (result["first"], result["last"]) == (times[2], times[1])


def test_text_names_how_many_rows_it_leaves_out(run: Audit) -> None:
    lines = [finding(rule=f"rule-{number:02}") for number in range(22)]
    out = run("-", stdin=encoded(*lines)).out
    assert "2 more; use --format json" in out
    assert "rule-19" in out
    assert "rule-20" not in out


def test_an_empty_file_has_no_findings(tmp_path: Path, run: Audit) -> None:
    (tmp_path / "empty").write_bytes(b"")
    for format_ in ("text", "json", "html"):
        assert run("--format", format_, "--expect", os.devnull, tmp_path / "empty")[::2] == (0, "")
    assert run(tmp_path / "empty").out == (
        f"0 findings in {tmp_path}/empty\n"
        "enforce would refuse 0, from 0 call sites\nstrict would refuse 0, from 0 call sites\n"
    )


def test_parquet_keeps_the_tallies(audit: Path, tmp_path: Path, run: Audit) -> None:
    target = tmp_path / "tallies.parquet"
    assert run("--format", "parquet", "--output", target, audit) == (0, "", "")
    tallies = duckdb.read_parquet(str(target)).filter("entry = 'finding'")
    sums = tallies.aggregate("kind, sum(entries)", "kind").order("kind").fetchall()
    assert sums == [("host", 7), ("place", 7)]
    result = run("--format", "parquet", audit)
    assert result == (2, "", "obs-sse-guard audit: error: --format parquet needs --output\n")


# --------------------------------------------------------------------------------- the machines


def test_the_hosts_are_listed_with_what_they_run(run: Audit) -> None:
    later, last = "2026-02-06T10:00:00.000Z", "2026-03-06T10:00:00.000Z"
    result = _report(
        run,
        encoded(
            armed("node-2"),
            armed("node-2", time=later, version="0.2.0", mode="warn"),
            finding(host="node-2", time=last, mode="warn"),
            finding(host="node-1"),
        ),
    )
    assert result["hosts"] == [
        {
            "host": "node-1",
            "armed_since": None,
            "processes": 0,
            "version": None,
            "mode": "warn",
            "findings": 1,
            "last_seen": TIME,
        },
        {
            "host": "node-2",
            "armed_since": TIME,
            "processes": 2,
            "version": "0.2.0",
            "mode": "warn",
            "findings": 1,
            "last_seen": last,
        },
    ]
    assert result["armed"] == 2


def test_expected_hosts_that_never_reported_are_listed(tmp_path: Path, run: Audit) -> None:
    (tmp_path / "hosts").write_text("node-1\n\n# a comment\nNODE-2.  # a name is a name\nnode-3\nnode-3\n")
    (tmp_path / "audit").write_bytes(encoded(armed("node-2"), finding(host="node-1")))
    result = run("--expect", tmp_path / "hosts", tmp_path / "audit")
    assert result.status == 1
    assert "armed: 1 process on 1 host\nnever reported: node-3\n" in result.out
    result = run("--expect", "-", "--format", "json", tmp_path / "audit", stdin=b"node-1\nnode-9")
    assert (result.status, json.loads(result.out)["missing_hosts"]) == (1, ["node-9"])
    assert "never reported: node-9" in run("--expect", "-", "--format=html", tmp_path / "audit", stdin=b"node-9").out
    assert run("--expect", "-", tmp_path / "audit", stdin=b"node-1\n").status == 0
    assert run("--expect", "-", tmp_path / "audit", stdin=b"\xef\xbb\xbfnode-1\r\n").status == 0, "written on Windows"


def test_standard_input_is_read_once(run: Audit) -> None:
    message = "obs-sse-guard audit: error: standard input can be read once: give one -\n"
    assert run("--expect", "-", "-") == (2, "", message)
    assert run("-", "-") == (2, "", message)


def test_a_damaged_line_is_no_sign_of_life(tmp_path: Path, run: Audit) -> None:
    (tmp_path / "audit").write_bytes(
        encoded(finding(), {"event": "armed", "host": "node-2"}, armed("node-3", time="x"))
    )
    result = _report(run, (tmp_path / "audit").read_bytes(), "--expect", os.devnull)
    assert [host["host"] for host in result["hosts"]] == ["node-1"]
    assert result["damaged"] == 2


# ------------------------------------------------------------------------------------ the input


def test_files_folders_patterns_and_stdin_are_summarized_together(tmp_path: Path, run: Audit, small: Path) -> None:
    logs = tmp_path / "logs" / "host=a"
    logs.mkdir(parents=True)
    (logs / "[1] audit.jsonl").write_bytes(encoded(finding()))
    (logs / "audit.jsonl.2.gz").write_bytes(gzip.compress(encoded(finding(), finding())))
    (logs / ".hidden").write_bytes(b"x\n" * 100)
    zst = logs / "audit.jsonl.3.zst"
    duckdb.sql(
        f"COPY (SELECT '{json.dumps(finding())}') TO '{zst}' (FORMAT csv, QUOTE '', HEADER false, COMPRESSION zstd)"
    )
    result = run(small, tmp_path / "logs", "-", stdin=encoded(finding()))
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(f"6 findings in {small}, {tmp_path}/logs, -, ")
    assert "by host\n       6 " in result.out, "the folder's name is no column"
    assert run(tmp_path / "l*").out.startswith("4 findings"), "a pattern that matches a folder"
    assert run(tmp_path / "logs/*/*.gz", zst, zst, zst).out.startswith(
        f"3 findings in {tmp_path}/logs/*/*.gz, {zst}, {zst} and 1 more, "
    ), "each file is read once"


@pytest.mark.parametrize("words", [["missing"], ["missing/*.gz"], ["missing", "small/missing"]])
def test_if_no_file_can_be_read_it_exits_with_2_and_one_line(
    words: list[str], small: Path, tmp_path: Path, run: Audit
) -> None:
    result = run(*(tmp_path / word for word in words))
    assert (result.status, result.out) == (2, "")
    assert re.fullmatch(r".*missing.*: No such file or directory\n", result.err)


def test_a_directory_without_a_file_is_an_error(tmp_path: Path, run: Audit) -> None:
    (tmp_path / ".hidden").write_bytes(b"")
    status, out, err = run(tmp_path)
    assert (status, out, err) == (2, "", f"{tmp_path}: no audit file\n")


def test_a_file_that_cannot_be_read_exits_with_2_and_one_line(tmp_path: Path, run: Audit) -> None:
    (tmp_path / "cut.gz").write_bytes(gzip.compress(encoded(finding()) * 9)[:-20])
    result = run(tmp_path / "cut.gz")
    assert (result.status, result.out, result.err.count("\n")) == (2, "", 1)
    assert "cut.gz" in result.err


def test_files_that_cannot_be_read_are_named_and_the_rest_is_reported(
    small: Path, tmp_path: Path, run: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = tmp_path / "logs"
    (logs / "locked").mkdir(parents=True)
    (logs / "good").write_bytes(encoded(finding()))
    (logs / "gone").symlink_to(tmp_path / "nowhere")
    (logs / "cut.gz").write_bytes(gzip.compress(encoded(finding()) * 9)[:-20])
    (logs / "no.zst").write_bytes(b"no such thing")
    _lock(logs / "locked", monkeypatch)
    result = run(small, logs, tmp_path / "missing", tmp_path / "*.gz")
    assert result.status == 1
    assert [line.partition(":")[0] for line in result.err.splitlines()] == [
        *(str(logs / name) for name in ("locked", "gone")),
        *(str(tmp_path / name) for name in ("missing", "*.gz")),
        *(str(logs / name) for name in ("cut.gz", "no.zst")),
    ]
    assert "locked: Permission denied\n" in result.err
    assert result.out.startswith("2 findings in ")
    assert "\nskipped: 6 unreadable files\n" in result.out
    found = json.loads(run("--format", "json", small, tmp_path / "missing").out)
    assert (found["findings"], found["unreadable"]) == (1, [str(tmp_path / "missing")])
    assert "skipped: 1 unreadable file<" in run("--format", "html", small, tmp_path / "missing").out


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="pipes have no names")
def test_pipes_count_even_if_a_file_cannot_be_read(tmp_path: Path, run: Audit) -> None:
    """To find the unreadable file, everything is read again, except pipes."""
    (tmp_path / "broken.gz").write_bytes(b"no such thing")
    pipes = [os.pipe() for _ in range(2)]
    for _, end in pipes:
        os.write(end, encoded(finding()))
        os.close(end)
    result = run(*(f"/dev/fd/{start}" for start, _ in pipes), tmp_path / "broken.gz")
    assert (result.status, result.out.partition(" in ")[0]) == (1, "2 findings")
    for start, _ in pipes:
        os.close(start)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no Unix sockets")
def test_a_socket_cannot_be_read(small: Path, run: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(small.parent)  # the address of a socket is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        result = run(small, "socket")
    assert (result.status, result.out.partition(" in ")[0]) == (1, "1 finding")
    assert result.err.startswith("socket: ")


def _lock(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder that cannot be listed, not even by the superuser."""
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if path == str(folder):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)


def test_a_file_that_vanishes_meanwhile_is_named(
    small: Path, tmp_path: Path, run: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summary, "find_files", lambda *_: [small, tmp_path / "rotated"])
    status, out, err = run(tmp_path)
    assert (status, err) == (1, f"{tmp_path}/rotated: No such file or directory\n")
    assert out.startswith("1 finding in ")


def test_a_query_that_fails_for_no_file_exits_with_2_and_one_line(
    small: Path, run: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summary, "_reading_error", lambda *_: None)
    small.unlink()
    small.symlink_to("nowhere")
    status, out, err = run(small)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "No files found" in err


DAMAGED = [
    b"garbage",
    b'{"time": "2026-01-06T10:00:0',
    b"[]",
    b"7",
    b'"text"',
    b"{}",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"time": "2026-01-06T10:00:00.000Z", ',
    b"x" * LONGEST_LINE,
    *(
        encoded(finding(**change))[:-1]
        for change in (
            {"time": "2026-01-06 10:00:00"},
            {"time": None},
            {"rule": None},
            {"operation": None},
            {"documented": "perhaps"},
            {"strict": ["refuse"]},
            {"verdict": None},
            {"event": "another"},
            {"event": "armed", "host": None},
        )
    ),
]


def test_damaged_lines_are_counted_and_skipped(run: Audit) -> None:
    good = encoded(finding(), dict(reversed([*finding().items()])))
    data = b"".join(good + line + b"\n\n  \n" for line in DAMAGED)
    result = run("-", stdin=data)
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(f"{2 * len(DAMAGED)} findings in -")
    assert f"skipped: {len(DAMAGED)} damaged lines\n" in result.out


@pytest.mark.parametrize("line", DAMAGED, ids=lambda line: line[:40].decode("latin-1"))
def test_a_file_of_damaged_lines_exits_with_1(line: bytes, run: Audit) -> None:
    result = run("-", stdin=encoded(finding()) + 2 * (line + b"\n"))
    assert "skipped: 2 damaged lines, most of the input\n" in result.out
    assert result.status == 1


# ------------------------------------------------------------------------------- the exit status


@pytest.mark.parametrize(
    ("line", "fail_on", "status"),
    [
        (finding(), "refuse", 1),
        (finding(documented="log"), "refuse", 1),
        (finding(verdict="refused", documented="log"), "refuse", 1),
        (finding(verdict="noticed"), "refuse", 1),
        (finding(verdict="noticed", documented="log"), "refuse", 0),
        (finding(verdict="noticed", documented="log"), "any", 1),
        (armed("node-1"), "any", 0),
    ],
)
def test_fail_on_decides_the_exit_status(line: Any, fail_on: str, status: int, run: Audit) -> None:
    assert run("--fail-on", fail_on, "-", stdin=encoded(line)).status == status


def test_an_output_that_cannot_be_written_exits_with_2_and_one_line(small: Path, tmp_path: Path, run: Audit) -> None:
    result = run("--output", tmp_path / "missing" / "report", small)
    assert result == (2, "", f"{tmp_path}/missing/report: No such file or directory\n")
    result = run("--format=parquet", "--output", tmp_path / "missing" / "report", small)
    assert (result.status, result.out, result.err.count("\n")) == (2, "", 1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device here")
def test_a_full_disk_exits_with_2_and_one_line(small: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [*COMMAND, str(small)]
        done = subprocess.run(command, env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, b"cannot write the report: No space left on device\n")


def test_a_pager_that_is_quit_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "audit").write_bytes(encoded(*(finding(rule=f"rule-{number}") for number in range(3000))))
    command = [*COMMAND, "--format", "json", str(tmp_path / "audit")]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.parametrize("name", ["duckdb", "jinja2", "rich"])
def test_without_the_extra_one_line_names_it(name: str, run: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    error = f"obs-sse-guard audit: error: audit needs {name}: pip install 'obs-sse-guard[report]'\n"
    assert run("-") == (2, "", error)


def test_a_terminal_shows_the_progress(run: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setattr(summary, "_REFRESH", 0.001)
    result = run("-", stdin=encoded(finding()) * 20_000)
    assert "reading" in result.err
    assert result.out.startswith("20,000 findings in -")


def test_an_interrupt_stops_the_reading(run: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary, "wait", lambda *_: signal.raise_signal(signal.SIGINT))
    before = set(threading.enumerate())
    result = run("-", stdin=encoded(finding()) * 20_000)
    assert (result.status, result.out, result.err) == (130, "", "interrupted\n")
    assert set(threading.enumerate()) <= before


# ------------------------------------------------------------------------------------- phrases


def test_untrusted_text_stays_text_in_every_format(run: Audit) -> None:
    data = encoded(finding(rule="a\u202e\x1b[31mb"))
    for format_ in ("text", "html"):
        assert "a\\u202e\\x1b[31mb" in run("--format", format_, "-", stdin=data).out
    assert _report(run, data)["by_rule"][0]["rule"] == "a\u202e\x1b[31mb"


def test_counts_have_a_plural_and_unprintable_text_is_escaped() -> None:
    assert [report.count_of(count, "line") for count in (0, 1, 1234)] == ["0 lines", "1 line", "1,234 lines"]
    assert report.printable("a\tb\u200f→") == "a\\tb\\u200f→"
    assert report.time_text(None) == "-"


@pytest.mark.parametrize("rule", ["table-1/PutObject", "key-in-url", "unverified-tls", "cannot-judge"])
def test_each_sdk_has_a_remedy_in_its_words(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://obs.example.com")
    for sdk in SDKS:
        place = {"rule": rule, "operation": "PutObject", "endpoint": "http://obs.example.com:80", "sdk": sdk}
        found = remedies.remedy(place)
        assert found.isascii()
        assert not found.startswith("obs-sse-guard explain"), sdk
        assert "AWS_ENDPOINT_URL" not in found, "what this machine is set to says nothing about another"
        assert "obs.example.com" in found or "use_ssl=True" in found or not rule.startswith("table"), sdk


def test_the_remedy_of_botocore_serves_crt_transfers_too() -> None:
    place = {
        "rule": "table-1/PutObject",
        "operation": "PutObject",
        "endpoint": "http://obs.example.com",
        "sdk": CRT.name,
    }
    fix, _, cause = remedies.remedy(place).partition("   ")
    assert fix == 'boto3.client("s3", endpoint_url="https://obs.example.com")'
    assert cause.endswith("use_ssl=False; in a CRT transfer, use_ssl=False of create_s3_crt_client()")


def test_what_nobody_can_advise_on_is_for_explain() -> None:
    place = {"rule": "table-1/PutObject", "operation": "PutObject", "endpoint": "http://a", "sdk": "another"}
    assert remedies.remedy(place) == "obs-sse-guard explain table-1/PutObject"
    assert remedies.meaning("unheard-of") == ""
