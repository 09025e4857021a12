"""Report each key once per process."""

from __future__ import annotations

import threading

from obs_sse_guard._util.fork import after_fork_in_child

__all__ = ["OncePerKey"]


class OncePerKey:
    """Remembers which keys were reported. Bounded, thread-safe and fork-safe.

    The key that was reported longest ago makes room and is reported again when it returns: one record too many is
    better than a key that is never reported.
    """

    def __init__(self, limit: int = 1024) -> None:
        self._limit = limit
        self._seen: dict[str, None] = {}  # in the order in which they were reported
        self._renew_lock()
        after_fork_in_child(self._renew_lock)

    def _renew_lock(self) -> None:
        # A signal handler may report in the thread that it interrupts while that thread holds the lock.
        self._lock = threading.RLock()

    def __call__(self, key: str) -> bool:
        """Return whether to report now: true the first time for a key."""
        with self._lock:
            if key in self._seen:
                return False
            while len(self._seen) >= self._limit:
                del self._seen[next(iter(self._seen))]
            self._seen[key] = None
            return True

    def forget(self) -> None:
        """Forget every key."""
        with self._lock:
            self._seen.clear()
