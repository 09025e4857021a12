"""Find the thread that waits for this one, where a library has worker threads.

Looked up only when something is reported. Two threads belong together if their frames hold the same object, made for
one piece of work: a coordinator of s3transfer, an event of fsspec, a future. A thread that holds none is never taken
for the caller, however likely it looks.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from obs_sse_guard._util.event_loop import in_event_loop

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

    Names = Mapping[str, tuple[str, ...]]

__all__ = ["is_waiting", "waiting_frames"]

# By module, the local variables of its functions, and attributes of these, that hold such an object.
_WORKER_LOCALS: Names = {
    "concurrent.futures.thread": ("self.future",),
    "obs.transfer": ("self",),
    "s3transfer.tasks": ("self._transfer_coordinator",),
}
# The same, of the first coroutine of a task, in the thread of an event loop.
_COROUTINE_LOCALS: Names = {"fsspec.asyn": ("event",)}
_WAITER_LOCALS: Names = {
    "boto3.s3.inject": ("future._coordinator",),
    "boto3.s3.transfer": ("future._coordinator",),
    "concurrent.futures._base": ("self", "fut", "fs", "pending", "not_done"),
    "dask.local": ("queue", "fut"),
    "fsspec.asyn": ("event",),
    "obs.transfer": ("self",),
    "s3transfer.futures": ("self",),
    "s3transfer.manager": ("transfer_future._coordinator",),
}
_WAITING_FUNCTIONS = frozenset(("result", "exception", "wait", "as_completed", "result_iterator", "_result_or_cancel"))
"""The functions of `concurrent.futures` that wait; others only look."""
_PATIENCE = 20
"""About how many milliseconds a thread may take to wait for work it handed over."""
_MOST = 10_000
"""Futures in a collection, and tasks, that are looked at."""


def waiting_frames() -> Iterator[tuple[int, FrameType]]:
    """Yield a frame of each thread in the chain that waits for this one.

    First comes the thread that waits for this one, then the one that waits for that, and so on.

    Yields:
        The thread, and its innermost frame that holds the work. Whoever called this one has the work done.
    """
    thread, frame = threading.get_ident(), sys._getframe()  # noqa: SLF001  # the only way to walk the stack
    work = [*_held(frame, _WORKER_LOCALS), *_awaited()]
    seen = {thread}
    while work:
        found = _holder(work, seen)
        if found is None:
            return
        yield found
        seen.add(found[0])
        work = [*_held(found[1], _WORKER_LOCALS)]


def is_waiting(thread: int, frame: FrameType) -> bool:
    """Return whether a frame is still on the stack of a thread."""
    return any(frame is other for other in _stack(_current_frames().get(thread)))


def _holder(work: list[Any], seen: set[int]) -> tuple[int, FrameType] | None:
    wanted = {*map(id, work)}
    patience = 0 if in_event_loop() else _PATIENCE  # to sleep there would hold up every task
    for left in range(patience, -1, -1):
        for thread, innermost in _current_frames().items():
            if thread in seen:
                continue
            for frame in _stack(innermost):
                if any(id(held) in wanted for held in _named(frame, _WAITER_LOCALS)):
                    return thread, frame
        if left:
            time.sleep(0.001)
    return None


def _current_frames() -> dict[int, FrameType]:
    # Before Python 3.11.5 a garbage collection in here may wait forever for a thread that waits for this one.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return sys._current_frames()  # noqa: SLF001  # the only way to see other threads
    finally:
        if was_enabled:
            gc.enable()


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _held(frame: FrameType | None, names: Names) -> Iterator[Any]:
    for each in _stack(frame):
        for held in _named(each, names):
            yield held
            # dask waits for a queue, in which each future puts itself.
            yield from (done.__self__ for done in getattr(held, "_done_callbacks", ()) if hasattr(done, "__self__"))


def _named(frame: FrameType, names: Names) -> Iterator[Any]:
    """Yield what the named variables of a frame hold, if its module is in ``names``."""
    module = frame.f_globals.get("__name__", "")
    if module == "concurrent.futures._base" and frame.f_code.co_name not in _WAITING_FUNCTIONS:
        return
    for path in names.get(module, ()):
        name, _, attribute = path.partition(".")
        held = frame.f_locals.get(name)
        held = getattr(held, attribute, None) if attribute else held
        if isinstance(held, (set, list)):
            yield from held.copy() if len(held) <= _MOST else ()
        elif held is not None:
            yield held


# --- tasks ----------------------------------------------------------------------------------------


def _awaited() -> Iterator[Any]:
    if not in_event_loop():
        return
    for future in _awaiting(sys.modules["asyncio"].current_task()):
        if hasattr(future, "_done_callbacks"):  # one that a thread can wait for
            yield future
        coroutine = future.get_coro() if hasattr(future, "get_coro") else None
        frame = getattr(coroutine, "cr_frame", None)
        yield from _named(frame, _COROUTINE_LOCALS) if frame is not None else ()


def _awaiting(task: Any) -> Iterator[Any]:
    """Yield a task, the tasks that await it, and the futures between them.

    A task may await a single future or several together.
    """
    seen = {id(task): task}
    unseen = [task]
    while unseen and len(seen) < _MOST:
        future = unseen.pop()
        yield future
        found = {id(one): one for one in _done_with(future) if id(one) not in seen}
        seen.update(found)
        unseen.extend(found.values())


def _done_with(future: Any) -> Iterator[Any]:
    """Yield the futures that wait for this one, as its callbacks show.

    A callback belongs to a task, to a task group, or to what gathers, waits, or completes a future of another thread.
    """
    for callback, _ in getattr(future, "_callbacks", None) or ():
        owner = getattr(callback, "__self__", None)
        owners = (owner, getattr(owner, "_parent_task", None), getattr(owner, "_done", None))
        cells = [cell.cell_contents for cell in getattr(callback, "__closure__", None) or ()]
        for one in (*owners, *getattr(callback, "args", ()), *cells):
            # as_completed() has a queue, and who awaits it is among those that get from it.
            for each in (one, *getattr(one, "_getters", ())):
                if hasattr(each, "_callbacks") or hasattr(each, "_done_callbacks"):
                    yield each
