"""Compare the time that a call takes on different sides, in rounds.

In a round each side makes a batch of calls, so a machine that slows down slows all sides equally. What a side adds is
the median of its differences from the first side in the same round. Where a copy of an SDK ends up in memory favors one
side by a percent or so, so `in_processes` repeats the comparison in new processes and takes the median again.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import random
import statistics
import threading
import time
import warnings
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import sdks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.sdks import Call
    from benchmarks.server import Server

__all__ = ["Added", "added", "batch", "columns", "in_processes", "in_threads"]

_BATCH_SECONDS = 0.0003  # of a call that takes longer, one at a time: rounds that short are robust on a busy machine


class Added(NamedTuple):
    """What one side adds to a call.

    Attributes:
        reference: the time of the call on the first side, in microseconds.
        added: what this side adds to it, in microseconds.
    """

    reference: float
    added: float

    @property
    def ratio(self) -> float:
        """The time of the call on this side, relative to the first side."""
        return 1 + self.added / self.reference


def columns(time: Added) -> dict[str, float]:
    """Return the columns of a side in the figures."""
    return {"unguarded_us": time.reference, "added_us": time.added, "time_ratio": time.ratio}


def batch(call: Call, number: int) -> float:
    """Return the mean time of some calls, refused ones included, in microseconds."""
    start = time.perf_counter()
    for _ in range(number):
        with contextlib.suppress(RuntimeError):
            call()
    return (time.perf_counter() - start) / number * 1e6


def in_threads(call: Call, threads: int, number: int) -> Call:
    """Return a call that makes this one a number of times in each of several threads."""

    def in_all_threads() -> None:
        running = [threading.Thread(target=batch, args=(call, number)) for _ in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()

    return in_all_threads


def added(sides: dict[str, Call], seconds: float, weight: int = 1) -> dict[str, Added]:
    """Compare the sides of a call to the first of them.

    Args:
        sides: the call on each side.
        seconds: roughly how long to measure.
        weight: how many calls each one makes.
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
        order.shuffle(names)  # no side is always first, or always after the same one
    reference = times[next(iter(sides))]
    return {
        name: Added(
            statistics.median(reference) / weight,
            statistics.median([one - base for one, base in zip(own, reference)]) / weight,
        )
        for name, own in times.items()
    }


_PROCESSES = 5


def in_processes(
    package: str, name: str, sides: Sequence[str], server: Server | None, seconds: float
) -> dict[str, Added]:
    """Compare the sides of a call to the first of them, in several processes in turn.

    Args:
        package: ``obs`` or ``botocore``.
        name: the call, a name in `sdks.CALLS`.
        sides: names in `sdks.SIDES` or `sdks.PEERS`.
        server: the server to call, or ``None`` for a stubbed transport.
        seconds: roughly how long to measure, over all processes.
    """
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        arguments = (package, name, [*sides], server, seconds / _PROCESSES)
        runs = [pool.apply(_in_this_process, (*arguments, seed)) for seed in range(_PROCESSES)]
    return {
        side: Added(
            statistics.median(run[side].reference for run in runs),
            statistics.median(run[side].ratio - 1 for run in runs)
            * statistics.median(run[side].reference for run in runs),
        )
        for side in sides
    }


def _in_this_process(  # noqa: PLR0913, PLR0917  # those of `in_processes`
    package: str, name: str, sides: list[str], server: Server | None, seconds: float, seed: int
) -> dict[str, Added]:
    warnings.simplefilter("ignore")
    gc.disable()
    calls = sdks.copies(package, name, random.Random(seed).sample(sides, len(sides)), server)  # noqa: S311  # no secret
    return added({side: calls[side] for side in sides}, seconds)
