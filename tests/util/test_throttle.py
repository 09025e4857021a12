"""Repeats are counted, and reported at growing intervals, in bounded memory."""

from __future__ import annotations

import os
import signal
import sys
import threading

import pytest

from obs_sse_guard._util.throttle import Throttle


def test_repeats_are_reported_at_growing_intervals() -> None:
    throttle = Throttle()
    reported = [count for count in (throttle("it") for _ in range(12_345)) if count]
    assert reported == [1, 10, 100, 1000, 10_000]
    assert throttle("something else") == 1
    throttle.forget()
    assert throttle("it") == 1


def test_the_least_recent_key_is_evicted() -> None:
    throttle = Throttle(limit=3)
    for what in ("first", "second", "third", "first", "fourth"):  # its repeat makes "first" recent
        throttle(what)
    assert len(throttle) == 3
    assert throttle("second") == 1, "evicted, so reported again"
    assert throttle("first") == 0, "still known"


def test_memory_is_bounded_for_any_number_of_keys() -> None:
    throttle = Throttle()
    for number in range(20_000):
        throttle(("rule", "operation", f"host-{number}", None))
    assert len(throttle) == 1024


def test_threads_lose_no_count() -> None:
    throttle = Throttle()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # switch threads as often as possible
    reported: list[int] = []

    def work() -> None:
        reported.extend(filter(None, (throttle("it") for _ in range(1250))))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    assert sorted(reported) == [1, 10, 100, 1000, 10_000]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_lock_that_another_thread_holds_does_not_stop_a_fork() -> None:
    throttle = Throttle()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with throttle._lock:
            held.set()
            done.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(30)
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # a held lock would wait forever
        os._exit(0 if throttle("it") == 1 else 1)
    _, status = os.waitpid(child, 0)
    done.set()
    holder.join()
    assert status == 0
