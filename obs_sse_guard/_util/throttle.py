"""Report a repeated event ever more rarely."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from obs_sse_guard._util.fork import Lockable

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["Throttle"]


class Throttle(Lockable):
    """Counts events by key; the 1st, 10th, 100th, ... of each is to be reported.

    Bounded, thread-safe and fork-safe. The key that was seen longest ago makes room and is reported again when it
    returns: one record too many is better than a call site that is never logged.
    """

    def __init__(self, limit: int = 1024) -> None:
        super().__init__()
        self._limit = limit
        self._counts: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()

    def __call__(self, key: Hashable) -> int:
        """Count an event, and return the count if it is to be reported, else 0."""
        with self._lock:
            count, due = self._counts.pop(key, (0, 1))
            count += 1
            is_due = count >= due
            self._counts[key] = count, due * 10 if is_due else due
            while len(self._counts) > self._limit:
                self._counts.popitem(last=False)
        return count if is_due else 0

    def __len__(self) -> int:
        return len(self._counts)

    def forget(self) -> None:
        """Forget every key."""
        with self._lock:
            self._counts.clear()
