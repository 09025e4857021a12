"""Throttle control: one full record per place, then counts, ever more rarely, in bounded memory."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

import obs
import pytest

from obs_sse_guard._enforcement import log
from obs_sse_guard._util.throttle import Throttle
from tests.support import obs_calls
from tests.support.obs_calls import BUCKET, CONTENT, OBJECT, open_client, put_sse_c
from tests.support.records import fields_of
from tests.support.servers import RecordingServer, leaks
from tests.support.sse import KEY


@pytest.fixture
def _warn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")


# ------------------------------------------------------------------------------- the counting


def test_a_thing_is_said_at_growing_intervals() -> None:
    noise = Throttle()
    said = [count for count in (noise("it") for _ in range(12_345)) if count]
    assert said == [1, 10, 100, 1000, 10_000]
    assert noise("something else") == 1
    noise.forget()
    assert noise("it") == 1


def test_what_happened_longest_ago_makes_room() -> None:
    noise = Throttle(limit=3)
    for what in ("first", "second", "third", "first", "fourth"):  # "first" is the fresher for its second time
        noise(what)
    assert len(noise) == 3
    assert noise("second") == 1, "forgotten, and said anew"
    assert noise("first") == 0, "known still"


def test_memory_is_bounded_whatever_comes() -> None:
    noise = Throttle()
    for number in range(20_000):
        noise(("rule", "operation", f"host-{number}", None))
    assert len(noise) == 1024


def test_threads_lose_no_count() -> None:
    noise = Throttle()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads change in the middle of everything
    said: list[int] = []

    def work() -> None:
        said.extend(filter(None, (noise("it") for _ in range(1250))))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    assert sorted(said) == [1, 10, 100, 1000, 10_000]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_lock_that_another_thread_holds_does_not_stop_a_fork() -> None:
    noise = Throttle()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with noise._lock:
            held.set()
            done.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(30)
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # it would wait for ever
        os._exit(0 if noise("it") == 1 else 1)
    _, status = os.waitpid(child, 0)
    done.set()
    holder.join()
    assert status == 0


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
def test_each_place_operation_host_and_rule_is_said_in_full(
    http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    kms = obs.PutObjectHeader(sseHeader=obs.SseKmsHeader.getInstance())
    with open_client("v2", http) as client, open_client("obs", http) as elsewhere:
        for _ in range(3):
            put_sse_c(client)
            put_sse_c(elsewhere)  # another host
            client.putContent(BUCKET, OBJECT, CONTENT, headers=kms)  # another rule, another place
            client.putContent(BUCKET, OBJECT, CONTENT, headers=kms)  # another place
    assert len(caplog.records) == 4
    assert all("; fix: " in record.getMessage() for record in caplog.records)


def test_a_change_of_the_verdict_is_said_in_full(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with open_client("v2", http) as client:
        for policy in ("documented", "documented", "strict", "strict"):
            monkeypatch.setenv("OBS_SSE_GUARD_POLICY", policy)
            monkeypatch.setenv("OBS_SSE_GUARD", "warn")
            client.deleteObject(BUCKET, OBJECT, extensionHeaders={"x-amz-server-side-encryption": "kms"})
    assert [record.getMessage().split()[1] for record in caplog.records] == ["noticed", "would"]


def test_a_thread_without_a_call_site_is_counted_too(
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
