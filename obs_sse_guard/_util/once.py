"""Saying a thing once per process."""

from __future__ import annotations

import threading

from obs_sse_guard._util.fork import after_fork_in_child

__all__ = ["Once"]


class Once:
    """Remembers what was said. Bounded, safe among threads and over a fork."""

    def __init__(self, limit: int = 1024) -> None:
        self._limit = limit
        self._said: set[str] = set()
        self._renew_lock()
        after_fork_in_child(self._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()

    def __call__(self, what: str) -> bool:
        """Whether this is to be said now: true the first time, never past the limit."""
        with self._lock:
            if what in self._said or len(self._said) >= self._limit:
                return False
            self._said.add(what)
            return True

    def forget(self) -> None:
        """Forget what was said."""
        with self._lock:
            self._said.clear()
