"""Threads belong together if their frames hold the same piece of work."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from itertools import islice
from queue import SimpleQueue
from types import CodeType, SimpleNamespace
from typing import Any

import pytest

from obs_sse_guard._enforcement import waiting

LOCALS = [
    (module, path.partition(".")[0])
    for table in (waiting._WORKER_LOCALS, waiting._COROUTINE_LOCALS, waiting._WAITER_LOCALS)
    for module, paths in table.items()
    for path in paths
]


def _codes(values: Any) -> Iterator[CodeType]:
    for value in values:
        code = getattr(getattr(value, "fget", value), "__code__", value)
        if isinstance(code, CodeType):
            yield code
            yield from _codes(code.co_consts)
        elif isinstance(value, type):
            yield from _codes(vars(value).values())


@pytest.mark.parametrize(("module", "name"), LOCALS)
def test_the_functions_have_these_locals(module: str, name: str) -> None:
    functions = vars(pytest.importorskip(module, reason="not installed here")).values()
    names = {name for code in _codes(functions) for name in (*code.co_varnames, *code.co_cellvars)}
    assert name in names


def test_the_garbage_collection_stays_as_it_was() -> None:
    assert gc.isenabled()
    waiting._current_frames()
    assert gc.isenabled()
    gc.disable()
    try:
        waiting._current_frames()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_the_work_is_read_once_however_many_futures_a_thread_waits_for() -> None:
    class Work(list[object]):
        reads = 0

        def __iter__(self) -> Iterator[object]:
            self.reads += 1
            return super().__iter__()

    def wait_for(futures: list[Future[None]]) -> None:
        for _ in as_completed(futures):
            pass

    futures = [Future[None]() for _ in range(100)]
    thread = threading.Thread(target=wait_for, args=(futures,))
    thread.start()
    work = Work([object()])
    assert waiting._holder(work, {threading.get_ident()}) is None
    assert work.reads == 1
    for future in futures:
        future.set_result(None)
    thread.join(10)


def test_a_frame_that_has_returned_is_not_waiting() -> None:
    def returned() -> Any:
        return sys._getframe()

    here = threading.get_ident()
    assert waiting.is_waiting(here, sys._getframe())
    assert not waiting.is_waiting(here, returned())
    assert not waiting.is_waiting(-1, sys._getframe())


async def _ancestors() -> list[str]:
    found = waiting._awaiting(asyncio.current_task())
    return [future.get_coro().__name__ for future in found if hasattr(future, "get_coro")]


async def _by_await() -> list[str]:
    return await asyncio.ensure_future(_ancestors())


async def _by_gather() -> list[str]:
    return (await asyncio.gather(_ancestors(), asyncio.sleep(0)))[0]


async def _by_wait() -> list[str]:
    done, _ = await asyncio.wait([asyncio.ensure_future(_ancestors())], return_when=asyncio.FIRST_COMPLETED)
    return next(iter(done)).result()


async def _by_wait_for() -> list[str]:
    return await asyncio.wait_for(asyncio.ensure_future(_ancestors()), 30)


async def _by_group() -> Any:
    async with asyncio.TaskGroup() as group:  # type: ignore[attr-defined,unused-ignore]  # mypy checks for an older Python
        task = group.create_task(_ancestors())
    return task.result()


async def _by_completion() -> Any:
    return await next(iter(asyncio.as_completed([_ancestors()])))


async def _by_nobody() -> list[str]:
    task = asyncio.ensure_future(_ancestors())
    for _ in range(3):
        await asyncio.sleep(0)
    return task.result()


@pytest.mark.parametrize("how", [_by_await, _by_gather, _by_wait, _by_wait_for, _by_completion, _by_group, _by_nobody])
def test_a_task_knows_the_tasks_that_await_it(how: Any) -> None:
    if how is _by_group and not hasattr(asyncio, "TaskGroup"):
        pytest.skip("Python 3.11 and newer")

    async def outer() -> Any:
        return (await asyncio.gather(how(), asyncio.sleep(0)))[0]

    found = asyncio.run(outer())
    assert found == (["_ancestors"] if how is _by_nobody else ["_ancestors", how.__name__, "outer"])


def test_a_coroutine_of_another_thread_knows_its_future() -> None:
    async def work() -> list[int]:
        return [*map(id, waiting._awaited())]

    async def outer() -> tuple[int, list[int]]:
        loop = asyncio.get_running_loop()
        future = asyncio.run_coroutine_threadsafe(work(), loop)
        return id(future), await asyncio.wrap_future(future)

    future, found = asyncio.run(outer())
    assert found == [future]


def test_an_event_loop_never_sleeps_to_find_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    async def look() -> None:
        assert waiting._holder([object()], set()) is None

    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    asyncio.run(look())
    assert not slept
    assert waiting._holder([object()], set()) is None
    assert len(slept) == waiting._PATIENCE


def test_a_thread_that_looks_whether_work_is_done_does_not_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_PATIENCE", 1)
    future: Future[None] = Future()
    found: list[Any] = []

    class Condition(type(future._condition)):  # type: ignore[misc]
        def __enter__(self) -> Any:
            found.append(waiting._holder([future], {-1}))
            return super().__enter__()

    vars(future)["_condition"] = Condition()
    assert not future.done()
    future.set_result(None)
    future.result()
    assert [frame and frame[1].f_code.co_name for frame in found] == [None, None, "result"]


def test_tasks_alone_are_nothing_to_wait_for() -> None:
    async def work() -> list[Any]:
        return [*waiting._awaited()]

    async def outer() -> Any:
        return (await asyncio.gather(work(), asyncio.sleep(0)))[0]

    assert asyncio.run(outer()) == []


def test_no_task_is_found_without_a_loop() -> None:
    assert [*waiting._awaited()] == []


def test_a_thread_that_does_not_wait_yet_is_found_when_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    real, looks = waiting._current_frames, iter(range(10))
    monkeypatch.setattr(waiting, "_current_frames", lambda: real() if next(looks) == 9 else {})
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(lambda: [thread for thread, _ in waiting.waiting_frames()]).result()
    assert found == [threading.get_ident()]


def test_large_collections_are_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {"__name__": "concurrent.futures._base", "sys": sys}
    exec("def wait(fs):\n    return sys._getframe()\n", names)  # noqa: S102  # a stand-in for the module
    frame = names["wait"]([1, 2])
    monkeypatch.setattr(waiting, "_MOST", 2)
    assert [*waiting._named(frame, waiting._WAITER_LOCALS)] == [1, 2]
    monkeypatch.setattr(waiting, "_MOST", 1)
    assert [*waiting._named(frame, waiting._WAITER_LOCALS)] == []


def test_a_queue_in_which_a_future_puts_itself_belongs_to_the_work() -> None:
    queue: SimpleQueue[Future[None]] = SimpleQueue()
    future: Future[None] = Future()
    future.add_done_callback(queue.put)
    future.add_done_callback(lambda _: None)
    names: dict[str, Any] = {"__name__": "concurrent.futures._base", "sys": sys}
    exec("def wait(fs):\n    return sys._getframe()\n", names)  # noqa: S102  # a stand-in for the module
    assert [*waiting._held(names["wait"]([future]), waiting._WAITER_LOCALS)][:2] == [future, queue]


def test_an_event_of_fsspec_is_what_a_thread_waits_for() -> None:
    names: dict[str, Any] = {"__name__": "fsspec.asyn"}
    exec("async def _runner(event, work):\n    return await work\n", names)  # noqa: S102  # a stand-in for the module

    async def work() -> list[Any]:
        return [*waiting._awaited()]

    event = threading.Event()
    assert asyncio.run(names["_runner"](event, work())) == [event]


class _Awaited:
    """A future that others wait for."""

    def __init__(self) -> None:
        self._callbacks: list[tuple[Any, None]] = []

    def wakeup(self, _: object) -> None:
        """Go on."""

    def wait_for(self, *others: _Awaited) -> None:
        for other in others:
            other._callbacks.append((self.wakeup, None))


def test_tasks_that_await_each_other_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = _Awaited(), _Awaited(), _Awaited()
    second.wait_for(first)
    third.wait_for(first, second)
    first.wait_for(second, third)
    assert [*islice(waiting._awaiting(first), 9)] == [first, third, second]
    monkeypatch.setattr(waiting, "_MOST", 3)
    assert [*islice(waiting._awaiting(first), 9)] == [first], "no more than so many"


def test_what_awaits_any_of_several_tasks_waits_for_each() -> None:
    class Completion(_Awaited):
        def __init__(self, *getters: _Awaited) -> None:
            super().__init__()
            del self._callbacks  # it is no future itself
            self._done = SimpleNamespace(_getters=getters)

    task, waiting_one = _Awaited(), _Awaited()
    Completion(waiting_one).wait_for(task)
    assert [*waiting._done_with(task)] == [waiting_one]


def test_no_thread_is_asked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    def holder(_: list[Any], seen: set[int]) -> Any:
        return next(((thread, sys._getframe()) for thread in (1, 2) if thread not in seen), None)

    monkeypatch.setattr(waiting, "_holder", holder)
    monkeypatch.setattr(waiting, "_held", lambda *_: [object()])
    assert [thread for thread, _ in islice(waiting.waiting_frames(), 9)] == [1, 2]


def test_a_module_without_a_name_is_passed_over() -> None:
    names: dict[str, Any] = {"sys": sys}
    exec("def wait(fs):\n    return sys._getframe()\n", names)  # noqa: S102  # a stand-in for a module
    assert [*waiting._named(names["wait"]([1]), waiting._WAITER_LOCALS)] == []
