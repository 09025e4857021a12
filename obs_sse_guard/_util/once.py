"""Report each key once per process."""

from __future__ import annotations

from obs_sse_guard._util.fork import Lockable

__all__ = ["OncePerKey"]


class OncePerKey(Lockable):
    """Remembers which keys were reported. Bounded, thread-safe and fork-safe.

    The key that was reported longest ago makes room and is reported again when it returns: one record too many is
    better than a key that is never reported.
    """

    def __init__(self, limit: int = 1024) -> None:
        super().__init__()
        self._limit = limit
        self._seen: dict[str, None] = {}  # in the order in which they were reported

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
