"""With many threads and tasks, no outcome is wrong and no audit line is lost."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

import obs_sse_guard
from obs_sse_guard import SSETransportError
from tests.support.guard import MODE
from tests.support.mixed_calls import PATIENCE, S3_CALLS, SDKS, MixedCall
from tests.support.obs_calls import needs_https
from tests.support.records import audited
from tests.support.servers import RecordingServer, leaks
from tests.support.sse import KEY


class _Toggle:
    """Change the guard while calls run, and record when it changes."""

    def __init__(self) -> None:
        self._changes = 0
        self._enforces = True
        self._stopping = threading.Event()

    def now(self) -> tuple[int, bool]:
        """Return a number that is odd during a change, and whether the guard refuses."""
        return self._changes, self._enforces

    @contextlib.contextmanager
    def _change(self, *, enforces: bool) -> Iterator[None]:
        self._changes += 1
        yield
        self._enforces = enforces
        self._changes += 1

    def step(self) -> None:
        """Uninstall, install, warn, and enforce again."""
        with self._change(enforces=False):
            obs_sse_guard.uninstall()
        self._stopping.wait(0.02)
        with self._change(enforces=True):
            obs_sse_guard.install()
        self._stopping.wait(0.4)  # long enough for a call among 32 threads
        with self._change(enforces=False):
            os.environ[MODE] = "warn"
        self._stopping.wait(0.02)
        with self._change(enforces=True):
            os.environ[MODE] = "enforce"
        self._stopping.wait(0.4)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Change the guard continuously, in a thread."""

        def run() -> None:
            while not self._stopping.is_set():
                self.step()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            thread.join(PATIENCE)
            obs_sse_guard.install()
            os.environ.pop(MODE, None)


class _Results:
    """The outcome of every call, and which outcomes are wrong."""

    def __init__(self, toggle: _Toggle) -> None:
        self._toggle = toggle
        self.wrong: list[str] = []
        self.outcomes: Counter[str] = Counter()
        self.fates: dict[str, str] = {}

    def begin(self) -> tuple[int, bool]:
        return self._toggle.now()

    def end(self, case: MixedCall, key: str, before: tuple[int, bool], error: BaseException | None) -> None:
        """Record the outcome of a call; it is certain if nothing changed meanwhile."""
        certain = before == self._toggle.now() and before[0] % 2 == 0
        fate = "refused" if isinstance(error, SSETransportError) else "failed" if error else "sent"
        self.fates[key] = fate
        self.outcomes[f"{'certainly ' if certain else ''}{fate}"] += 1
        must = "refused" if case.refused and before[1] else "sent"
        if fate == "failed" or (certain and fate != must) or (fate == "refused" and not case.refused):
            self.wrong.append(f"{key}: {fate} instead of {must}, {error!r}")

    def check(self, *servers: RecordingServer) -> None:
        """Assert that every call was sent exactly once, unless it was refused."""
        assert not self.wrong
        sent = Counter(request.path.rpartition("/")[2] for server in servers for request in server.requests)
        assert {key: sent[key] for key in self.fates} == {key: int(fate == "sent") for key, fate in self.fates.items()}


CALLS = 40
"""The number of calls of each thread."""


def _names(start: str) -> Iterator[str]:
    return (f"{start}-{number}" for number in itertools.count())


@pytest.mark.unmeasured
@needs_https
@pytest.mark.parametrize("sdk", SDKS)
def test_no_outcome_is_wrong_among_32_threads(
    sdk: str, http: RecordingServer, https: RecordingServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD_AUDIT", str(tmp_path / "audit"))
    cases, connect = SDKS[sdk]
    toggle = _Toggle()
    results = _Results(toggle)

    def work(number: int, clients: tuple[Any, Any]) -> None:
        rng, names = random.Random(number), _names(f"call-{number}")  # noqa: S311  # no secret
        for _ in range(CALLS):
            case, key = rng.choice(cases), next(names)
            before, error = results.begin(), None
            try:
                case.call(clients[case.secure], key)
            except Exception as caught:  # noqa: BLE001  # any error is recorded
                error = caught
            results.end(case, key, before, error)

    with connect(http) as plain, connect(https) as secure, toggle.running():
        workers = [threading.Thread(target=work, args=(number, (plain, secure))) for number in range(32)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(PATIENCE)
        assert not any(worker.is_alive() for worker in workers)
    results.check(http, https)
    assert results.outcomes["certainly refused"] > 20
    assert results.outcomes["certainly sent"] > 20
    refused = [line for line in audited(tmp_path / "audit") if line["verdict"] == "refused"]
    assert len(refused) == sum(fate == "refused" for fate in results.fates.values()), (
        "no line is lost, none is written twice"
    )
    assert not leaks((tmp_path / "audit").read_bytes(), KEY)


@pytest.mark.full
def test_no_outcome_is_wrong_among_1000_tasks(http: RecordingServer, https: RecordingServer) -> None:
    pytest.importorskip("aiobotocore")
    from tests.support import s3_calls

    toggle = _Toggle()
    results = _Results(toggle)

    async def call(case: MixedCall, key: str, clients: tuple[Any, Any], under_way: asyncio.Semaphore) -> None:
        async with under_way:
            before, error = results.begin(), None
            try:
                answer = await case.call(clients[case.secure], key)
                if "Body" in answer:
                    await answer["Body"].read()
            except Exception as caught:  # noqa: BLE001  # any error is recorded
                error = caught
            results.end(case, key, before, error)

    async def run() -> None:
        under_way = asyncio.Semaphore(20)  # with more at once, none ends before the next change
        # On a busy machine, many of the thousand tasks wait for a connection.
        options = {"max_pool_connections": 40, "connect_timeout": 60, "read_timeout": 60}
        async with (
            s3_calls.aio_client(http, **options) as plain,
            s3_calls.aio_client(https, **options) as secure,
        ):
            cases = itertools.islice(itertools.cycle(S3_CALLS), 1000)
            calls = [call(case, key, (plain, secure), under_way) for case, key in zip(cases, _names("task"))]
            await asyncio.wait_for(asyncio.gather(*calls), PATIENCE)

    with toggle.running():
        asyncio.run(run())
    results.check(http, https)
    assert len(results.fates) == 1000
    assert results.outcomes["certainly refused"] > 20
    assert results.outcomes["certainly sent"] > 20
