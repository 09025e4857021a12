"""What takes the place of the environment: for the process, and for one thread or task.

A value is kept as the text that its variable would have, so that it is read and judged in one place.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Texts = Mapping[str, str]

__all__ = ["by_thread", "in_force", "is_overridden", "override_process", "overriding", "setting", "settings"]

_process: Texts = MappingProxyType({})
_here: ContextVar[Texts] = ContextVar("obs_sse_guard_override", default=MappingProxyType({}))

by_thread: dict[int, Texts] = {}
"""What is in force in each thread, for threads that work for it. Not of tasks, of which a thread may run several."""


def setting(variable: str) -> str:
    """Return the text of a setting: of this thread or task, else of the process, else of the environment."""
    here = _here.get()
    if variable in here:
        return here[variable]
    return _process[variable] if variable in _process else os.environ.get(variable, "")


def settings(*variables: str) -> tuple[str, ...]:
    """Return the texts of several settings."""
    return tuple([setting(variable) for variable in variables])


def override_process(texts: Texts) -> None:
    """Override the environment for this process with these texts, by variable, and with nothing else."""
    global _process  # noqa: PLW0603  # one environment for the process; replaced whole, so that no lock is needed
    _process = texts


def is_overridden(variable: str) -> bool:
    """Return whether the environment is overridden for this process."""
    return variable in _process


def in_force() -> Texts:
    """Return what overrides the process in this thread or task."""
    return _here.get()


@contextlib.contextmanager
def overriding(texts: Texts) -> Iterator[None]:
    """Override the process in this thread or task, and in the tasks that it starts. May be nested."""
    token = _here.set({**_here.get(), **texts})
    _note_thread()
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # an asynchronous fixture ends in another task than it began in
            _here.reset(token)
        _note_thread()


def _note_thread() -> None:
    texts, thread = _here.get(), threading.get_ident()
    if _runs_tasks():
        return
    if texts:
        by_thread[thread] = texts
    else:
        by_thread.pop(thread, None)


def _runs_tasks() -> bool:
    asyncio = sys.modules.get("asyncio.events")  # not imported for this
    return asyncio is not None and asyncio._get_running_loop() is not None  # noqa: SLF001  # `get_running_loop` raises
