"""The audit file: what a line says, and that none is torn, lost or said twice."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from datetime import datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import obs
import pytest

from obs_sse_guard import SSEGuardWarning, SSETransportError
from obs_sse_guard._enforcement import audit as audit_module
from obs_sse_guard._enforcement import enforce
from obs_sse_guard._enforcement.callsite import call_site
from tests.support import ROOT, obs_calls, s3_calls
from tests.support.expected_rules import ROWS
from tests.support.guard import MODE, TRUSTED
from tests.support.obs_calls import BUCKET, CONTENT, KEY, OBJECT, open_client, put_sse_c
from tests.support.records import audited, rules
from tests.support.servers import RecordingServer, assert_silent, leaks

AUDIT = "OBS_SSE_GUARD_AUDIT"


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The audit file, switched on."""
    path = tmp_path / "audit.jsonl"
    monkeypatch.setenv(AUDIT, str(path))
    return path


def _here() -> int:
    return sys._getframe(1).f_lineno


# ------------------------------------------------------------------------------ what it says


def test_a_refusal_is_written_before_it_is_raised(http: RecordingServer, audit: Path) -> None:
    before = time.time()
    with open_client("v2", http) as client, pytest.raises(SSETransportError):
        put_sse_c(client)
    assert_silent(http)
    [line] = audited(audit)
    site = line.pop("site")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert abs(before - _seconds(line.pop("time"))) < 60
    assert line == {
        "mode": "enforce",
        "policy": "documented",
        "verdict": "refused",
        "rule": "table-1/PutObject",
        "documented": "refuse",
        "strict": "refuse",
        "sdk": "esdk-obs-python",
        "call": "ObsClient.putContent",
        "operation": "PutObject",
        "scheme": "http",
        "host": "127.0.0.1",
        "endpoint": f"http://127.0.0.1:{http.port}",
        "target": "SSE-C",
        "source": "none",
        "headers": [f"x-amz-server-side-encryption-customer-{end}" for end in ("algorithm", "key", "key-MD5")],
        "dropped": [],
        "pid": os.getpid(),
        "program": Path(sys.argv[0]).name,
        "thread": "MainThread",
    }
    assert site["file"] == __file__
    assert site["function"].endswith("put_sse_c")
    assert not leaks(audit.read_bytes(), KEY)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def test_warn_mode_writes_each_call_once_though_two_gates_see_it(
    http: RecordingServer, audit: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(MODE, "warn")
    with open_client("v2", http) as client:
        for _ in range(3):
            assert put_sse_c(client).status == 200
    assert [line["verdict"] for line in audited(audit)] == ["would-refuse"] * 3
    assert len(caplog.records) == 1, "the log is spared, the file is not"


def test_a_finding_that_is_only_logged(http: RecordingServer, audit: Path) -> None:
    with open_client("v2", http) as client:
        client.deleteObject(BUCKET, OBJECT, extensionHeaders={"x-amz-server-side-encryption": "kms"})
    [line] = audited(audit)
    assert (line["rule"], line["verdict"]) == ("kms-in-clear", "noticed")
    assert (line["documented"], line["strict"]) == ("log", "refuse")


def test_what_strict_alone_would_refuse_is_in_the_file_and_not_in_the_log(
    http: RecordingServer, audit: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with open_client("v2", http) as client:
        call = {"extensionHeaders": {"x-amz-server-side-encryption": "kms"}}
        assert client.getObjectMetadata(BUCKET, OBJECT, **call).status == 200
        monkeypatch.delenv(AUDIT)
        assert client.getObjectMetadata(BUCKET, OBJECT, **call).status == 200
    [line] = audited(audit)
    assert (line["rule"], line["verdict"]) == ("table-2/HeadObject", "allowed")
    assert (line["documented"], line["strict"]) == ("allow", "refuse")
    assert rules(caplog) == []


def test_every_use_of_a_trusted_host_is_written(
    http: RecordingServer, audit: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(TRUSTED, "127.0.0.1")
    with open_client("v2", http) as client:
        for _ in range(3):
            assert put_sse_c(client).status == 200
    assert [(line["rule"], line["verdict"]) for line in audited(audit)] == [("trusted-host", "trusted")] * 3
    assert rules(caplog) == ["trusted-host"]


def test_nothing_is_written_for_nothing(http: RecordingServer, audit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_client("v2", http) as client:
        assert client.putContent(BUCKET, OBJECT, CONTENT).status == 200
        monkeypatch.setenv(MODE, "off")
        assert put_sse_c(client).status == 200
    assert not audit.exists()


def test_the_file_is_switched_live(
    http: RecordingServer, audit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODE, "warn")
    with open_client("v2", http) as client:
        put_sse_c(client)
        monkeypatch.setenv(AUDIT, str(tmp_path / "other"))
        put_sse_c(client)
        monkeypatch.setenv(AUDIT, "")
        put_sse_c(client)
    assert (len(audited(audit)), len(audited(tmp_path / "other"))) == (1, 1)


def test_a_file_that_is_moved_away_is_begun_anew(
    http: RecordingServer, audit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODE, "warn")
    with open_client("v2", http) as client:
        put_sse_c(client)
        audit.rename(tmp_path / "audit.1")
        put_sse_c(client)
        put_sse_c(client)
    assert (len(audited(tmp_path / "audit.1")), len(audited(audit))) == (1, 2)


def test_long_and_odd_names_make_one_short_line(http: RecordingServer, audit: Path) -> None:
    names = {f"x-amz-meta-\ud800\u2028{number}-{'n' * 5000}": obs.SseCHeader.getInstance(KEY) for number in range(99)}
    with open_client("v2", http) as client, pytest.raises(SSETransportError):
        client.putContent(BUCKET, OBJECT, CONTENT, metadata=names)
    [line] = audited(audit)
    assert line["rule"] == "key-misplaced"
    assert (len(line["headers"]), max(map(len, line["headers"]))) == (50, 1000)
    assert audit.stat().st_size < audit_module.LONGEST_LINE
    assert not leaks(audit.read_bytes(), KEY)


def test_a_process_without_arguments_has_no_name(
    http: RecordingServer, audit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [])
    with open_client("v2", http) as client, pytest.raises(SSETransportError):
        put_sse_c(client)
    assert [line["program"] for line in audited(audit)] == [""]


# -------------------------------------------------------------------------------- call sites


class _OwnClient(obs.ObsClient):  # type: ignore[misc]
    def putContent(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802  # the SDK's name
        return super().putContent(*args, **kwargs)


def _site(audit: Path) -> Any:
    return audited(audit)[-1]["site"]


def test_the_call_site_is_the_applications_line(http: RecordingServer, audit: Path) -> None:
    sse = obs.SseCHeader.getInstance(KEY)
    with open_client("v2", http) as client, pytest.raises(SSETransportError):
        line = _here() + 1
        client.initiateMultipartUpload(BUCKET, OBJECT, sseHeader=sse)
    assert (_site(audit)["file"], _site(audit)["line"]) == (__file__, line)
    assert _site(audit)["function"] == "test_the_call_site_is_the_applications_line"


def test_an_override_in_a_subclass_is_the_application(http: RecordingServer, audit: Path) -> None:
    client = _OwnClient(access_key_id="a", secret_access_key="b", server=http.url, signature="v2")
    with pytest.raises(SSETransportError):
        put_sse_c(client)
    client.close()
    assert _site(audit)["function"].endswith("putContent")
    assert _site(audit)["file"] == __file__


def test_a_helper_module_of_the_application_is_the_application(http: RecordingServer, audit: Path) -> None:
    with open_client("v2", http) as client, pytest.raises(SSETransportError):
        obs_calls.drive(client, ROWS[0])
    assert _site(audit)["file"] == obs_calls.__file__


_CALLER = "def call(function):\n    return function()\n\nasync def wait(function):\n    return function()\n"


def _module(file: Path) -> dict[str, Any]:
    """A module of two functions that call what they are given, as if it had been imported from this file."""
    names: dict[str, Any] = {}
    exec(compile(_CALLER, str(file), "exec"), names)  # noqa: S102  # the lines above
    return names


@pytest.mark.parametrize("folder", ["obs", "aiobotocore/site-packages", "lib/python3/asyncio"])
def test_packages_are_told_by_their_folder_and_not_by_its_name(folder: str, tmp_path: Path) -> None:
    file = tmp_path / folder / "botocore.py"
    assert _module(file)["call"](call_site) == (str(file), 2, "call")


def test_installed_packages_are_applications_unless_they_are_known() -> None:
    stdlib = Path(threading.__file__).parent
    for file, is_application in (
        (stdlib / "site-packages" / "shop" / "orders.py", True),
        (stdlib / "dist-packages" / "shop.py", True),
        (stdlib / "concurrent" / "futures" / "thread.py", False),
        (Path(obs.__file__).parent / "client.py", False),
        (Path(obs.__file__).parent.parent / "observed" / "client.py", True),
    ):
        assert (_module(file)["call"](call_site).file == str(file)) is is_application


def test_a_worker_thread_of_the_application_shows_its_code(http: RecordingServer, audit: Path) -> None:
    def work() -> None:
        with pytest.raises(SSETransportError):
            put_sse_c(client)

    with open_client("v2", http) as client:
        thread = threading.Thread(target=work, name="worker 7")
        thread.start()
        thread.join()
    assert _site(audit)["function"].endswith("put_sse_c")
    assert audited(audit)[-1]["thread"] == "worker 7"


def test_a_thread_of_the_sdks_own_has_no_call_site(
    http: RecordingServer, audit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODE, "warn")
    (tmp_path / "file").write_bytes(b"x" * 300_000)
    header = obs.UploadFileHeader()
    header.sseHeader = obs.SseCHeader.getInstance(KEY)
    with open_client("v2", http) as client:
        client.uploadFile(BUCKET, OBJECT, str(tmp_path / "file"), partSize=100 * 1024, headers=header)
    lines = audited(audit)
    assert lines[0]["rule"] == "table-1/InitiateMultipartUpload"
    assert lines[0]["site"]["file"] == __file__
    parts = [line for line in lines if line["operation"] == "UploadPart"]
    assert len(parts) == 3
    assert {(line["rule"], line["site"]) for line in parts} == {("table-1/UploadPart", None)}


@pytest.mark.parametrize("sdk", s3_calls.SDKS)
def test_the_call_site_of_the_botocore_family(sdk: str, http: RecordingServer, audit: Path) -> None:
    refusal = s3_calls.outcome(sdk, http, s3_calls.saying(ROWS[0]))
    assert isinstance(refusal, SSETransportError)
    assert _site(audit)["file"] == s3_calls.__file__


def test_who_runs_the_event_loop_did_not_make_the_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sdk = ModuleType("s3fs")
    sdk.__path__ = [str(tmp_path)]
    monkeypatch.setitem(sys.modules, "s3fs", sdk)
    wait = _module(tmp_path / "core.py")["wait"]

    async def application() -> list[Any]:
        awaited = await asyncio.wait_for(wait(call_site), 10)
        return [awaited, *await asyncio.gather(wait(call_site)), await wait(call_site)]

    deadline, task, awaited = asyncio.run(application())
    assert task is None, "a task of the SDK's own, which the application only waits for"
    assert awaited.function.endswith("application")
    # Until Python 3.12 wait_for makes a task of its own, too.
    assert deadline == (None if sys.version_info < (3, 12) else awaited._replace(line=awaited.line - 1))


# ---------------------------------------------------------------------------- trouble with it


@pytest.mark.parametrize("name", ["missing/audit", "file/audit", ""])
def test_a_path_that_cannot_be_written_warns_once_and_breaks_nothing(
    name: str, http: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(AUDIT, str(tmp_path / name))
    monkeypatch.setenv(MODE, "warn")
    with open_client("v2", http) as client:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", SSEGuardWarning)
            for _ in range(2):
                assert put_sse_c(client).status == 200
        [warning] = [warning for warning in caught if warning.category is SSEGuardWarning]
        assert re.match(r"OBS_SSE_GUARD_AUDIT=.* cannot be written \(.*\)", str(warning.message))
        monkeypatch.setenv(MODE, "enforce")
        with pytest.raises(SSETransportError):
            put_sse_c(client)


needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device here")


@needs_full
def test_a_full_disk_warns_once_and_breaks_nothing(http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(AUDIT, "/dev/full")
    with open_client("v2", http) as client:
        with pytest.warns(SSEGuardWarning, match="No space left"), pytest.raises(SSETransportError):
            put_sse_c(client)
        with pytest.raises(SSETransportError):
            put_sse_c(client)


def test_a_pipe_that_nobody_reads_holds_up_no_call(
    http: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setenv(AUDIT, str(tmp_path / "pipe"))
    rescue = threading.Timer(20, lambda: (tmp_path / "pipe").open("rb").close())  # from waiting for ever
    rescue.start()
    begin = time.monotonic()
    with open_client("v2", http) as client:
        with pytest.warns(SSEGuardWarning, match="cannot be written"), pytest.raises(SSETransportError):
            put_sse_c(client)
        assert time.monotonic() - begin < 10
        reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        with pytest.raises(SSETransportError):
            put_sse_c(client)
        assert json.loads(os.read(reader, 1 << 16))["rule"] == "table-1/PutObject"
        os.close(reader)
    rescue.cancel()
    rescue.join()


def test_a_write_that_is_cut_short_swallows_no_line(
    http: RecordingServer, audit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    with open_client("v2", http) as client:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:40]))
            with pytest.warns(SSEGuardWarning, match="cut short"), pytest.raises(SSETransportError):
                put_sse_c(client)
        with pytest.raises(SSETransportError):
            put_sse_c(client)
        with pytest.raises(SSETransportError):
            put_sse_c(client)
    torn, *whole = audit.read_text().splitlines()
    assert len(torn) == 40
    assert [json.loads(line)["verdict"] for line in whole] == ["refused"] * 2


def test_who_holds_the_lock_and_does_not_go_on_stops_nobody(
    http: RecordingServer, audit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit.touch()
    with audit.open() as stopped, open_client("v2", http) as client:
        fcntl.flock(stopped, fcntl.LOCK_EX)
        begin = time.monotonic()
        for _ in range(2):
            with pytest.raises(SSETransportError):
                put_sse_c(client)
        assert time.monotonic() - begin < 10
    assert len(audited(audit)) == 2


def test_a_line_that_is_being_written_is_not_taken_for_torn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "_PATIENCE", 10_000)
    path = tmp_path / "audit"
    appending = threading.Thread(target=audit_module.append, args=(str(path), b"line\n"))
    with path.open("ab", buffering=0) as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        writer.write(b"the first half ")
        appending.start()
        appending.join(0.05)
        writer.write(b"and the second\n")
        fcntl.flock(writer, fcntl.LOCK_UN)
    appending.join()
    assert path.read_bytes() == b"the first half and the second\nline\n"


@pytest.mark.parametrize("error", [OSError(37, "No locks available"), None])
def test_where_there_are_no_locks_lines_are_written_all_the_same(
    error: OSError | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        assert error
        raise error

    monkeypatch.setattr(audit_module, "fcntl", error and SimpleNamespace(flock=flock, LOCK_EX=2, LOCK_NB=4, LOCK_UN=8))
    for _ in range(2):
        audit_module.append(str(tmp_path / "audit"), b"line\n")
    assert (tmp_path / "audit").read_bytes() == b"line\nline\n"


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_the_lock_is_given_back_though_a_child_has_the_file_open(tmp_path: Path) -> None:
    write, forked = os.write, []

    def forking(descriptor: int, data: bytes) -> int:
        child = os.fork()
        if child == 0:
            time.sleep(30)
            os._exit(0)
        forked.append(child)
        return write(descriptor, data)

    with mock.patch.object(os, "write", forking):
        audit_module.append(str(tmp_path / "audit"), b"line\n")
    with (tmp_path / "audit").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises if the child holds it
    for child in forked:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_file_that_may_not_be_read_is_written_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    audit_module.append(str(tmp_path / "audit"), b"one\n")
    monkeypatch.setattr("builtins.open", refuse)
    audit_module.append(str(tmp_path / "audit"), b"two\n")
    monkeypatch.undo()
    assert (tmp_path / "audit").read_bytes() == b"one\ntwo\n"


def test_a_bug_in_a_reporter_is_said_once_and_changes_no_verdict(
    http: RecordingServer, audit: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise LookupError(KEY)

    monkeypatch.setattr(audit_module, "_record", broken)
    with open_client("v2", http) as client:
        for _ in range(2):
            with pytest.raises(SSETransportError):
                put_sse_c(client)
        monkeypatch.setenv(MODE, "warn")
        assert put_sse_c(client).status == 200
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]
    assert "could not report by obs_sse_guard._enforcement.audit (LookupError at broken" in caplog.text
    assert not leaks(caplog.text, KEY)


def test_a_log_that_raises_breaks_nothing(http: RecordingServer, audit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: logging.LogRecord) -> bool:
        raise LookupError(KEY)

    enforce.logger.addFilter(broken)
    try:
        monkeypatch.setenv(MODE, "warn")
        with open_client("v2", http) as client:
            assert put_sse_c(client).status == 200
    finally:
        enforce.logger.removeFilter(broken)
    assert len(audited(audit)) == 1, "the reporters after it are told all the same"


# ------------------------------------------------------------- many processes, many threads

_WORKER = """
    import sys, threading
    import obs, obs_sse_guard
    from obs_sse_guard import SSETransportError

    server, threads, calls = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    header = obs.PutObjectHeader(sseHeader=obs.SseCHeader.getInstance({key!r}))

    def work(number):
        client = obs.ObsClient(access_key_id="a", secret_access_key="b", server=server, signature="v2")
        for _ in range(calls):
            try:
                client.putContent("bucket", "object", "content", headers=header)
            except SSETransportError:
                pass
        client.close()

    workers = [threading.Thread(target=work, args=(number,), name=f"worker {{number}}") for number in range(threads)]
    print("ready", flush=True)
    [worker.start() for worker in workers]
    [worker.join() for worker in workers]
"""


@pytest.fixture
def worker(tmp_path: Path) -> Path:
    """A program of its own; written once, for one that starts must not find it half written for the next."""
    program = tmp_path / "worker.py"
    program.write_text(textwrap.dedent(_WORKER.format(key=KEY)))
    return program


def _start(program: Path, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, str(program), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_processes_and_threads_lose_and_tear_no_line(worker: Path, audit: Path) -> None:
    processes, threads, calls = 4, 8, 25
    started = [_start(worker, "http://127.0.0.1:9", threads, calls) for _ in range(processes)]
    for process in started:
        process.communicate(timeout=120)
        assert process.returncode == 0
    lines = audited(audit)  # every line is whole, or it would not be JSON
    assert len(lines) == processes * threads * calls
    assert len({(line["pid"], line["thread"]) for line in lines}) == processes * threads
    assert {line["site"]["file"] for line in lines} == {str(worker)}
    assert not leaks(audit.read_bytes(), KEY)


def test_a_killed_process_tears_no_line_but_its_own(worker: Path, audit: Path) -> None:
    killed = _start(worker, "http://127.0.0.1:9", 4, 100_000)
    deadline = time.monotonic() + 60
    while not (audit.exists() and audit.stat().st_size > 50_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    survivor = _start(worker, "http://127.0.0.1:9", 1, 5)
    survivor.communicate(timeout=60)
    lines = audit.read_text().splitlines()
    torn = [line for line in lines if not line.endswith("}")]
    assert len(torn) <= 1
    assert [json.loads(line)["pid"] for line in lines[-5:]] == [survivor.pid] * 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_fork_writes_on(http: RecordingServer, audit: Path, tmp_path: Path) -> None:
    code = f"""
        import os, obs, obs_sse_guard
        client = obs.ObsClient(access_key_id="a", secret_access_key="b", server="http://127.0.0.1:9", signature="v2")
        header = obs.PutObjectHeader(sseHeader=obs.SseCHeader.getInstance({KEY!r}))
        def put():
            try:
                client.putContent("bucket", "object", "content", headers=header)
            except obs_sse_guard.SSETransportError:
                pass
        put()
        child = os.fork()
        put()
        if child:
            os.waitpid(child, 0)
    """
    program = tmp_path / "forks.py"
    program.write_text(textwrap.dedent(code))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, str(program)], env=environment, timeout=60, check=True)
    assert len(audited(audit)) == 3
    assert len({line["pid"] for line in audited(audit)}) == 2
