"""A fork waits for other threads to leave a guarded section."""

from __future__ import annotations

import os
import threading

import pytest

from obs_sse_guard._util.fork import ForkBarrier

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


def _fork_and_count(barrier: ForkBarrier) -> int:
    child = os.fork()
    if child == 0:
        os._exit(len(barrier._threads))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_fork_waits_for_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    barrier, entered, leave = ForkBarrier(), threading.Event(), threading.Event()

    def be_inside() -> None:
        with barrier:
            entered.set()
            leave.wait(10)

    inside = threading.Thread(target=be_inside)
    inside.start()
    entered.wait(10)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        leave.set()
        inside.join(10)

    monkeypatch.setattr("time.sleep", sleep)
    assert _fork_and_count(barrier) == 0
    assert slept == [0.001]


def test_a_fork_does_not_wait_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    barrier = ForkBarrier()
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    barrier._threads.append(-1)  # a thread that never leaves
    assert _fork_and_count(barrier) == 0, "the child does not have that thread"
    assert len(slept) == 1000
    barrier._threads.clear()


def test_a_fork_inside_the_section_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: pytest.fail("the fork waits for its own thread"))
    barrier = ForkBarrier()
    with barrier:
        assert _fork_and_count(barrier) == 0


def test_a_platform_without_fork_has_a_barrier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.register_at_fork")
    with ForkBarrier() as entered:
        assert entered is None
