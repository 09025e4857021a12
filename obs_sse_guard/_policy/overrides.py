"""Override the environment, for the process and for one thread or task.

A value is kept as the text that its variable would have, so that it is read and judged in one place.
"""

from __future__ import annotations

import contextlib
import os
import threading
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING

from obs_sse_guard._util.event_loop import in_event_loop

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Texts = Mapping[str, str]

__all__ = [
    "by_thread",
    "in_force",
    "is_overridden",
    "of_thread",
    "override_process",
    "overriding",
    "read_texts",
    "setting",
]

_process: Texts = MappingProxyType({})


class _Override:
    """Settings of a thread or task.

    They end with their block, even in tasks that inherited them.
    """

    def __init__(self, texts: Texts) -> None:
        self.texts = texts
        self.thread = threading.current_thread()
        self.is_over = False


_here: ContextVar[tuple[_Override, ...]] = ContextVar("obs_sse_guard_override", default=())

by_thread: dict[int, tuple[_Override, ...]] = {}
"""What is in force in each thread, for threads that work for it.

Tasks are left out, because a thread may run several.
"""


def setting(variable: str) -> str:
    """Return the text of a setting.

    That of this thread or task, else of the process, else of the environment.
    """
    return next((texts[variable] for texts in (in_force(), _process, os.environ) if variable in texts), "")


def read_texts(*variables: str) -> tuple[str, ...]:
    """Return the texts of several settings."""
    return tuple([setting(variable) for variable in variables])


def override_process(texts: Texts) -> None:
    """Override the environment for this process with these texts and nothing else."""
    global _process  # noqa: PLW0603  # one environment for the process; replaced whole, so that no lock is needed
    _process = texts


def is_overridden(variable: str) -> bool:
    """Return whether the environment is overridden for this process."""
    return variable in _process


def in_force() -> Texts:
    """Return what overrides the process in this thread or task."""
    return _merged(_here.get())


def of_thread(thread: int) -> Texts:
    """Return what overrides the process in another thread."""
    # One that ended within its block may have left its number to another.
    return _merged(tuple([one for one in by_thread.get(thread, ()) if one.thread.is_alive()]))


def _merged(overrides: tuple[_Override, ...]) -> Texts:
    return {name: text for one in overrides if not one.is_over for name, text in one.texts.items()}


@contextlib.contextmanager
def overriding(texts: Texts) -> Iterator[None]:
    """Override the process in this thread or task, and in the tasks that it starts.

    May be nested.
    """
    override = _Override(texts)
    _here.set((*_here.get(), override))
    if not in_event_loop():
        by_thread[threading.get_ident()] = _here.get()
    try:
        yield
    finally:  # perhaps in another task or thread, as asynchronous fixtures end
        override.is_over = True
        _here.set(_left(_here.get()))
        for thread, overrides in [*by_thread.items()]:
            if override in overrides:
                left = _left(overrides)
                if left:
                    by_thread[thread] = left
                else:
                    by_thread.pop(thread, None)  # another thread may have ended the last one meanwhile


def _left(overrides: tuple[_Override, ...]) -> tuple[_Override, ...]:
    return tuple([one for one in overrides if not one.is_over])
