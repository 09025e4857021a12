"""Saying a thing again and again, ever more rarely."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from obs_sse_guard._util.fork import after_fork_in_child

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["Noise"]


class Noise:
    """Counts how often each thing happened: it is to be said the 1st, 10th, 100th, … time.

    Bounded, safe among threads and over a fork. What happened longest ago makes room, and is
    said anew when it happens again: better one record too many than a place that nobody hears of.
    """

    def __init__(self, limit: int = 1024) -> None:
        self._limit = limit
        self._counts: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()
        self._renew_lock()
        after_fork_in_child(self._renew_lock)

    def _renew_lock(self) -> None:
        # A signal handler may report while the very thread that it interrupts does.
        self._lock = threading.RLock()

    def __call__(self, what: Hashable) -> int:
        """How often this has happened by now if it is to be said, and 0 if it is not."""
        with self._lock:
            count, due = self._counts.pop(what, (0, 1))
            count += 1
            is_due = count >= due
            self._counts[what] = count, due * 10 if is_due else due
            while len(self._counts) > self._limit:
                self._counts.popitem(last=False)
        return count if is_due else 0

    def __len__(self) -> int:
        return len(self._counts)

    def forget(self) -> None:
        """Forget what happened."""
        with self._lock:
            self._counts.clear()
