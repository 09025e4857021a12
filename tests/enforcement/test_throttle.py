"""The throttled log: one full record per call site, then counts."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import obs
import pytest

import obs_sse_guard
from obs_sse_guard._enforcement import log
from obs_sse_guard._hooks.installer import installer
from obs_sse_guard._policy.kms_uploads import kms_uploads
from tests.support import obs_calls
from tests.support.guard import TRUSTED
from tests.support.obs_calls import BUCKET, CONTENT, OBJECT, open_client, put_sse_c
from tests.support.records import fields_of
from tests.support.servers import RecordingServer, leaks
from tests.support.sse import KEY

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def _warn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")


# ------------------------------------------------------------------------------------ the log


@pytest.mark.usefixtures("_warn")
def test_one_full_record_then_counts(http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    with open_client("v2", http) as client:
        for _ in range(120):
            assert put_sse_c(client).status == 200
    full, ten, hundred = caplog.records
    headline = f"obs_sse_guard would refuse PutObject with SSE-C over http to {http.url} [table-1/PutObject]; "
    assert all(record.getMessage().startswith(headline) for record in caplog.records)
    assert "; fix: ObsClient(" in full.getMessage()
    assert "fix:" not in ten.getMessage()
    assert ten.getMessage().endswith("; 10 occurrences, 9 since last logged")
    assert hundred.getMessage().endswith("; 100 occurrences, 90 since last logged")
    assert f"call site: {obs_calls.__file__}:" in hundred.getMessage()
    assert [fields["count"] for fields in fields_of(caplog)] == [1, 10, 100]
    for fields in fields_of(caplog):
        assert fields["levelno"] == logging.WARNING
        assert (fields["rule"], fields["action"], fields["mode"]) == ("table-1/PutObject", "refuse", "warn")
        assert fields["call_site"].startswith(f"{obs_calls.__file__}:")
        assert fields["call_site"].endswith("in put_sse_c")
        assert not leaks(repr(fields), KEY)


@pytest.mark.usefixtures("_warn")
def test_each_call_site_operation_host_and_rule_is_logged_in_full(
    http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    kms = obs.PutObjectHeader(sseHeader=obs.SseKmsHeader.getInstance())
    with open_client("v2", http) as client, open_client("obs", http) as elsewhere:
        for _ in range(3):
            put_sse_c(client)
            put_sse_c(elsewhere)  # another host
            client.putContent(BUCKET, OBJECT, CONTENT, headers=kms)  # another rule, another call site
            client.putContent(BUCKET, OBJECT, CONTENT, headers=kms)  # another call site
    assert len(caplog.records) == 4
    assert all("; fix: " in record.getMessage() for record in caplog.records)


def test_a_change_of_the_outcome_is_logged_in_full(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with open_client("v2", http) as client:
        for policy in ("documented", "documented", "strict", "strict"):
            monkeypatch.setenv("OBS_SSE_GUARD_POLICY", policy)
            monkeypatch.setenv("OBS_SSE_GUARD", "warn")
            client.deleteObject(BUCKET, OBJECT, extensionHeaders={"x-amz-server-side-encryption": "kms"})
    assert [record.getMessage().split()[1] for record in caplog.records] == ["noticed", "would"]


def test_a_thread_without_a_call_site_is_throttled_too(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")
    headers = obs.PutObjectHeader(sseHeader=obs.SseCHeader.getInstance(KEY))
    with open_client("v2", http) as client:
        for _ in range(10):
            arguments = (BUCKET, OBJECT, CONTENT)
            thread = threading.Thread(target=client.putContent, args=arguments, kwargs={"headers": headers})
            thread.start()
            thread.join()
    assert [fields["call_site"] for fields in fields_of(caplog)] == ["", ""]
    assert caplog.messages[1].endswith("[table-1/PutObject]; 10 occurrences, 9 since last logged")


def test_refusals_that_raise_are_not_logged(http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    with open_client("v2", http) as client:
        for _ in range(10):
            with pytest.raises(RuntimeError):
                put_sse_c(client)
    assert not caplog.records
    assert len(log.throttle) == 0


# ----------------------------------------------------------------------------- signal handlers


class _Interrupted:
    """A lock whose holder is interrupted by a signal handler that reports."""

    def __init__(self, lock: Any, handler: Callable[[], object]) -> None:
        self._lock, self._handler, self.interruptions = lock, handler, 0

    def acquire(self, *, blocking: bool = True) -> bool:
        taken: bool = self._lock.acquire(blocking=blocking)
        if self.interruptions == 0:
            self.interruptions += 1
            self._handler()
        return taken

    def release(self) -> None:
        self._lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


@pytest.mark.usefixtures("_warn")
@pytest.mark.parametrize("owner", [log.throttle, log.first_use_of_trust, kms_uploads, installer], ids=type)
def test_a_report_of_a_signal_handler_does_not_wait_for_the_thread_that_it_interrupts(
    owner: Any, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def report() -> None:
        with open_client("v2", http) as client:
            assert put_sse_c(client).status == 200
        kms_uploads.add("endpoint", "bucket", "upload")
        monkeypatch.setenv(TRUSTED, "127.0.0.1")
        with open_client("v2", http) as client:
            assert put_sse_c(client).status == 200
        monkeypatch.delenv(TRUSTED, raising=False)  # the handler has done so in between

    def work() -> None:
        report()
        obs_sse_guard.install()
        done.set()

    done = threading.Event()
    interrupted = _Interrupted(owner._lock, report)
    monkeypatch.setattr(owner, "_lock", interrupted)
    threading.Thread(target=work, daemon=True).start()
    is_done = done.wait(20)
    monkeypatch.undo()
    if not is_done:
        owner._renew_lock()  # for the other tests
    assert is_done, "deadlock"
    assert interrupted.interruptions == 1
    assert len(caplog.records) >= 2
