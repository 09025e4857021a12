"""The audit file: the fields of a line, and what happens if it cannot be written."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import runpy
import signal
import socket
import stat
import threading
import time
import warnings
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from obs_sse_guard import SSEGuardWarning, SSETransportError
from obs_sse_guard._enforcement import audit as audit_module
from obs_sse_guard._enforcement import file_lock, process
from obs_sse_guard._enforcement.armed import armed
from obs_sse_guard._enforcement.enforce import enforce
from obs_sse_guard._enforcement.log import logger
from tests.support import obs_calls
from tests.support.contexts import request
from tests.support.guard import AUDIT, MODE, TRUSTED
from tests.support.obs_calls import BUCKET, CONTENT, OBJECT, open_client, put_sse_c
from tests.support.records import audited, rules
from tests.support.servers import RecordingServer, assert_silent, leaks
from tests.support.sse import KEY

fcntl: Any = file_lock.fcntl

needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
needs_flock = pytest.mark.skipif(fcntl is None, reason="Windows has no such locks")
posix = pytest.mark.skipif(os.name == "nt", reason="permissions and named pipes as POSIX has them")


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
        "event": "finding",
        "host": socket.gethostname(),
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
        "server": "127.0.0.1",
        "endpoint": f"http://127.0.0.1:{http.port}",
        "target": "SSE-C",
        "source": "none",
        "headers": [f"x-amz-server-side-encryption-customer-{end}" for end in ("algorithm", "key", "key-MD5")],
        "dropped": [],
        "pid": os.getpid(),
        "program": process.identity()["program"],
        "thread": "MainThread",
    }
    assert site["file"] == obs_calls.__file__
    assert site["function"].endswith("put_sse_c")
    assert not leaks(audit.read_bytes(), KEY)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def test_warn_mode_writes_each_call_once_although_two_hooks_check_it(
    http: RecordingServer, audit: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(MODE, "warn")
    with open_client("v2", http) as client:
        for _ in range(3):
            assert put_sse_c(client).status == 200
    assert [line["verdict"] for line in audited(audit)] == ["would-refuse"] * 3
    assert len(caplog.records) == 1, "the log is throttled, the file is not"


def test_a_finding_that_is_only_logged_is_written(http: RecordingServer, audit: Path) -> None:
    with open_client("v2", http) as client:
        client.deleteObject(BUCKET, OBJECT, extensionHeaders={"x-amz-server-side-encryption": "kms"})
    [line] = audited(audit)
    assert (line["rule"], line["verdict"]) == ("kms-in-clear", "noticed")
    assert (line["documented"], line["strict"]) == ("log", "refuse")


def test_what_only_strict_refuses_is_written_but_not_logged(
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


def test_a_call_without_a_finding_is_not_written(
    http: RecordingServer, audit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_client("v2", http) as client:
        assert client.putContent(BUCKET, OBJECT, CONTENT).status == 200
        monkeypatch.setenv(MODE, "off")
        assert put_sse_c(client).status == 200
    assert not audit.exists()


def test_the_file_can_be_changed_at_run_time(
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


def test_a_file_that_is_moved_is_created_again(
    http: RecordingServer, audit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODE, "warn")
    with open_client("v2", http) as client:
        put_sse_c(client)
        audit.rename(tmp_path / "audit.1")
        put_sse_c(client)
        put_sse_c(client)
    assert (len(audited(tmp_path / "audit.1")), len(audited(audit))) == (1, 2)


def test_long_and_unusual_names_produce_one_short_line(audit: Path) -> None:
    names = tuple(f"x-amz-meta-\ud800\u2028{number}-{'n' * 5000}" for number in range(99))
    enforce(request(dropped=("sseHeader",), headers=names))
    [line] = audited(audit)
    assert (len(line["headers"]), max(map(len, line["headers"]))) == (50, 1000)
    assert audit.stat().st_size < audit_module.LONGEST_LINE


def test_the_arguments_that_the_sdk_drops_are_written(audit: Path) -> None:
    enforce(request(dropped=tuple(f"{number} {'n' * 5000}" for number in range(99))))
    [line] = audited(audit)
    assert line["rule"] == "sse-dropped"
    assert line["dropped"] == [f"{number} {'n' * 5000}"[:1000] for number in range(50)]


@posix
def test_the_permissions_of_the_file_are_those_that_the_umask_leaves(tmp_path: Path) -> None:
    umask = os.umask(0o022)
    try:
        audit_module.append(str(tmp_path / "audit"), b"line\n")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "audit").stat().st_mode) == 0o644


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


@needs_full
def test_a_full_disk_warns_once_and_breaks_nothing(http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(AUDIT, "/dev/full")
    with open_client("v2", http) as client:
        with pytest.warns(SSEGuardWarning, match="No space left"), pytest.raises(SSETransportError):
            put_sse_c(client)
        with pytest.raises(SSETransportError):
            put_sse_c(client)


@posix
def test_a_pipe_without_a_reader_blocks_no_call(
    http: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    armed.mute()
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    monkeypatch.setenv(AUDIT, pipe)
    opened: list[int] = []

    def recording(path: str, flags: int, mode: int) -> int:
        opened.append(flags)
        return os.open(path, flags | os.O_NONBLOCK, mode)  # otherwise a failure hangs

    monkeypatch.setattr(audit_module, "os", SimpleNamespace(**{**vars(os), "open": recording}))
    with open_client("v2", http) as client:
        with pytest.warns(SSEGuardWarning, match="cannot be written"), pytest.raises(SSETransportError):
            put_sse_c(client)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        with pytest.raises(SSETransportError):
            put_sse_c(client)
        assert json.loads(os.read(reader, 1 << 16))["rule"] == "table-1/PutObject"
        os.close(reader)
    assert [flags & os.O_NONBLOCK for flags in opened] == [os.O_NONBLOCK] * 2


@needs_flock
def test_a_partial_write_loses_no_other_line(
    http: RecordingServer, audit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    armed.mute()
    write = os.write
    with open_client("v2", http) as client:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:40]))
            message = f"{AUDIT}={str(audit)!r} cannot be written (a line was cut short); findings are missing from it."
            with pytest.warns(SSEGuardWarning, match=f"^{re.escape(message)}$"), pytest.raises(SSETransportError):
                put_sse_c(client)
        with pytest.raises(SSETransportError):
            put_sse_c(client)
        with pytest.raises(SSETransportError):
            put_sse_c(client)
    torn, *whole = audit.read_text().splitlines()
    assert len(torn) == 40
    assert [json.loads(line)["verdict"] for line in whole] == ["refused"] * 2


@needs_flock
@pytest.mark.parametrize(
    ("before", "after"),
    [(b"", b"line\n"), (b"\n", b"\nline\n"), (b"x", b"x\nline\n"), (b"one\ntwo", b"one\ntwo\nline\n")],
)
def test_a_torn_line_is_ended(before: bytes, after: bytes, tmp_path: Path) -> None:
    (tmp_path / "audit").write_bytes(before)
    audit_module.append(str(tmp_path / "audit"), b"line\n")
    assert (tmp_path / "audit").read_bytes() == after


@needs_flock
def test_a_lock_held_by_another_process_blocks_nobody(
    http: RecordingServer, audit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    armed.mute()
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        assert len(slept) <= 1000, "waits forever"

    monkeypatch.setattr(audit_module, "time", SimpleNamespace(sleep=sleep))
    with audit.open("wb") as stopped, open_client("v2", http) as client:
        fcntl.flock(stopped, fcntl.LOCK_EX)
        for _ in range(2):
            with pytest.raises(SSETransportError):
                put_sse_c(client)
    assert slept == [0.001] * 100 * 2, "a tenth of a second for each line"
    assert len(audited(audit)) == 2


@needs_flock
def test_a_line_being_written_is_not_mistaken_for_a_torn_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "_LOCK_ATTEMPTS", 10_000)
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
def test_lines_are_written_where_locks_are_unsupported(
    error: OSError | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        assert error
        raise error

    monkeypatch.setattr(file_lock, "fcntl", error and SimpleNamespace(flock=flock, LOCK_EX=2, LOCK_NB=4, LOCK_UN=8))
    (tmp_path / "audit").write_bytes(b"a line that another process writes")
    for _ in range(2):
        audit_module.append(str(tmp_path / "audit"), b"line\n")
    assert (tmp_path / "audit").read_bytes() == b"a line that another process writesline\nline\n"


def test_a_platform_without_locks_is_an_error_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_lock, "fcntl", None)
    monkeypatch.setattr(file_lock, "msvcrt", None)
    with pytest.raises(OSError, match="no locks") as raised:
        file_lock.try_lock(0)
    assert (raised.value.errno, raised.value.strerror) == (errno.ENOSYS, "no locks")


def test_windows_locks_a_byte_beyond_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked: list[tuple[int, int]] = []

    def locking(descriptor: int, mode: int, count: int) -> None:
        assert count == 1
        locked.append((mode, os.lseek(descriptor, 0, os.SEEK_CUR)))
        if len(locked) == 1:
            raise PermissionError(13, "Permission denied")  # another process has it

    monkeypatch.setattr(file_lock, "fcntl", None)
    monkeypatch.setattr(file_lock, "msvcrt", SimpleNamespace(locking=locking, LK_NBLCK=2, LK_UNLCK=0))
    (tmp_path / "audit").write_bytes(b"torn")
    audit_module.append(str(tmp_path / "audit"), b"line\n")
    assert locked == [(2, 0x7FFF0000), (2, 0x7FFF0000), (0, 0x7FFF0000)]
    assert (tmp_path / "audit").read_bytes() == b"torn\nline\n", "only who has the lock sees what is torn"


def test_a_file_that_is_removed_is_created_again(audit: Path) -> None:
    for _ in range(2):
        enforce(request(dropped=("sseHeader",)))
        audit.unlink()
    enforce(request(dropped=("sseHeader",)))
    assert len(audited(audit)) == 1


def test_a_name_that_is_no_valid_unicode_is_written_as_valid_json(audit: Path) -> None:
    enforce(request(dropped=("a\ud800b\U0001f511",)))
    assert audited(audit)[0]["dropped"] == ["a\\ud800b\U0001f511"]


@needs_flock
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_the_lock_is_released_although_a_child_has_the_file_open(tmp_path: Path) -> None:
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
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises if the child holds the lock
    for child in forked:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_on_windows_a_line_ends_as_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    binary = 1 << 30
    monkeypatch.setattr(os, "O_BINARY", binary, raising=False)
    assert runpy.run_path(audit_module.__file__)["_FLAGS"] & binary


def test_a_file_without_read_permission_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    audit_module.append(str(tmp_path / "audit"), b"one\n")
    monkeypatch.setattr("builtins.open", refuse)
    audit_module.append(str(tmp_path / "audit"), b"two\n")
    monkeypatch.undo()
    assert (tmp_path / "audit").read_bytes() == b"one\ntwo\n"


def test_a_failing_reporter_is_logged_once_and_changes_no_outcome(
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
    assert "could not report to the audit file (LookupError in broken" in caplog.text
    assert not leaks(caplog.text, KEY)


def test_a_logging_handler_that_raises_breaks_nothing(
    http: RecordingServer, audit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: logging.LogRecord) -> bool:
        raise LookupError(KEY)

    logger.addFilter(broken)
    try:
        monkeypatch.setenv(MODE, "warn")
        with open_client("v2", http) as client:
            assert put_sse_c(client).status == 200
    finally:
        logger.removeFilter(broken)
    assert len(audited(audit)) == 1, "the other reporters still run"
