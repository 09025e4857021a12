"""Forks: a child has one thread, whatever its parent's other threads were doing."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ForkBarrier", "Lockable", "after_fork_in_child"]

_PATIENCE = 1000
"""Milliseconds, at least, that a fork is put off."""


def after_fork_in_child(renew: Callable[[], None]) -> None:
    """Call ``renew`` in every forked child, if the platform can fork.

    For locks: another thread may hold one while a child is forked, and it would never be released in the child.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=renew)


class Lockable:
    """Has a lock, which is a new one in every forked child."""

    def __init__(self) -> None:
        self._renew_lock()
        after_fork_in_child(self._renew_lock)

    def _renew_lock(self) -> None:
        # A signal handler may need it in the thread that it interrupts while that thread holds it.
        self._lock = threading.RLock()


class ForkBarrier:
    """Puts off a fork while another thread is in a ``with`` block of this barrier.

    For imports: a child that is forked while another thread imports a module would wait for that import forever.
    """

    def __init__(self) -> None:
        self._threads: list[int] = []
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._wait, after_in_child=self._threads.clear)

    def __enter__(self) -> None:
        self._threads.append(threading.get_ident())

    def __exit__(self, *_: object) -> None:
        self._threads.remove(threading.get_ident())

    def _wait(self) -> None:
        for _ in range(_PATIENCE):
            if all(thread == threading.get_ident() for thread in self._threads.copy()):
                return
            time.sleep(0.001)
