"""Time that calls take on different sides, compared in rounds.

In a round each side makes a batch of calls, so that a machine whose speed drifts slows all of them alike.
What a side adds is the median of its differences from the first in the same round.
"""

from __future__ import annotations

import contextlib
import random
import statistics
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from benchmarks.sdks import Call

__all__ = ["Added", "added", "batch", "in_threads"]

_BATCH_SECONDS = 0.004  # long against the clock, short against the drift of the machine's speed


class Added(NamedTuple):
    """What one side adds to a call, in microseconds; ``reference`` is the whole call on the first side."""

    reference: float
    added: float

    @property
    def ratio(self) -> float:
        """The whole call on this side over that on the first."""
        return 1 + self.added / self.reference


def batch(call: Call, number: int) -> float:
    """Time one call, in microseconds, over a number of them; a refused one counts as well."""
    start = time.perf_counter()
    for _ in range(number):
        with contextlib.suppress(RuntimeError):
            call()
    return (time.perf_counter() - start) / number * 1e6


def in_threads(call: Call, threads: int, number: int) -> Call:
    """Make a call of it that makes it a number of times in each of several threads."""

    def all_of_them() -> None:
        running = [threading.Thread(target=batch, args=(call, number)) for _ in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()

    return all_of_them


def added(sides: dict[str, Call], seconds: float, weight: int = 1) -> dict[str, Added]:
    """Time sides of a call against the first of them.

    Args:
        sides: the call as it is made on each side.
        seconds: how long to measure, about.
        weight: how many calls it stands for.
    """
    for call in sides.values():
        batch(call, 1 + 200 // weight)
    number = max(1, int(_BATCH_SECONDS * 1e6 / batch(next(iter(sides.values())), 1 + 50 // weight)))
    times: dict[str, list[float]] = {name: [] for name in sides}
    names, order = [*sides], random.Random(0)  # noqa: S311  # no secret
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name in names:
            times[name].append(batch(sides[name], number))
        order.shuffle(names)  # nobody is always first, or always behind the same one
    reference = times[next(iter(sides))]
    return {
        name: Added(
            statistics.median(reference) / weight,
            statistics.median([one - base for one, base in zip(own, reference)]) / weight,
        )
        for name, own in times.items()
    }
