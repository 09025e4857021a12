"""Forked children are guarded, and never wait for a lock."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable

import pytest

import obs_sse_guard
from obs_sse_guard import SSETransportError
from obs_sse_guard._hooks.installer import HookInstaller, installer
from obs_sse_guard._policy import kms_uploads
from obs_sse_guard._util import fork
from obs_sse_guard._util.once import OncePerKey
from tests.support.guard import locks
from tests.support.mixed_calls import PATIENCE, put_object
from tests.support.obs_calls import BUCKET, CONTENT, open_client
from tests.support.programs import IMPORT_SDK, MAKE_CLIENT, REFUSES, run
from tests.support.servers import (
    RecordingServer,
    assert_no_key,
)
from tests.support.sse import KEY


def test_a_platform_without_fork_is_supported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.register_at_fork", raising=False)
    fork.after_fork_in_child(lambda: None)
    assert OncePerKey()("key")


def _in_a_child(work: Callable[[], bool]) -> int:
    """Run the work in a forked child without pytest's cleanup, and return its id."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if work() else 2
        finally:
            os._exit(status)
    return child


def _status_of(child: int) -> int:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError("a forked child hangs")


def fork_during_calls() -> None:
    """Fork children while threads make refused calls; runs in a separate process."""
    stop = threading.Event()

    def keep_busy() -> None:
        with open_client("v2", http) as client:
            while not stop.is_set():
                with contextlib.suppress(SSETransportError):
                    put_object(client, "busy")
                obs_sse_guard.install()
                kms_uploads.kms_uploads.add("host", "bucket", "upload")

    def work() -> bool:
        obs_sse_guard.install()
        kms_uploads.kms_uploads.add("host", "bucket", "child")
        with open_client("v2", http) as client:
            try:
                put_object(client, "child")
            except SSETransportError:
                return bool(client.putContent(BUCKET, "child", CONTENT).status == 200)
        return False

    with RecordingServer() as http:
        busy = [threading.Thread(target=keep_busy) for _ in range(8)]
        for thread in busy:
            thread.start()
        try:
            statuses = [_status_of(_in_a_child(work)) for _ in range(10)]
        finally:
            stop.set()
            for thread in busy:
                thread.join(PATIENCE)
        assert statuses == [0] * 10
        assert_no_key(http, KEY)


def fork_while_locks_are_held() -> None:
    """Fork a child while a thread holds all locks; runs in a separate process."""
    held, stop = threading.Event(), threading.Event()

    def hold() -> None:
        taken = [lock for lock in locks() if lock.acquire(blocking=False)]
        assert installer._lock in taken
        assert len(taken) == len(locks())
        held.set()
        stop.wait(PATIENCE)
        for lock in taken:
            lock.release()

    def work() -> bool:
        obs_sse_guard.install()
        kms_uploads.kms_uploads.add("host", "bucket", "child")
        with open_client("v2", http) as client:
            with pytest.raises(SSETransportError):
                put_object(client, "child")
            os.environ["OBS_SSE_GUARD"] = "warn"
            return bool(put_object(client, "child").status == 200)

    with RecordingServer() as http:
        thread = threading.Thread(target=hold)
        thread.start()
        try:
            assert held.wait(PATIENCE)
            assert _status_of(_in_a_child(work)) == 0
        finally:
            stop.set()
            thread.join(PATIENCE)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("work", [fork_during_calls, fork_while_locks_are_held])
def test_a_child_forked_beside_busy_threads_is_guarded(work: Callable[[], None]) -> None:
    # Without coverage: its tracer belongs to other threads too, and a child would wait for its lock or crash.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    command = f"from tests.hooks import test_forks; test_forks.{work.__name__}(); print('done')"
    done = subprocess.run(
        [sys.executable, "-c", command], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout == "done\n", done.stderr[-2_000:]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_is_guarded() -> None:
    code = f"""
    import os, obs_sse_guard
    {IMPORT_SDK}
    {MAKE_CLIENT}
    {textwrap.indent(REFUSES, "    ").lstrip()}
    from obs_sse_guard._hooks.installer import installer
    installer._lock.acquire()
    child = os.fork()
    if child == 0:
        obs_sse_guard.install()
        os._exit(0 if refuses(client) else 1)
    print(os.waitpid(child, 0)[1])
    """
    assert run(code) == "0"


def test_locks_are_new_in_a_forked_child() -> None:
    patcher = HookInstaller([])
    before = patcher._lock
    before.acquire()
    patcher._renew_lock()
    assert patcher._lock is not before
    assert patcher.status() == {}
    before.release()
