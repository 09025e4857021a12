"""Measure calls, threads, import, and memory; return figures that JSON can hold."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import importlib.metadata
import itertools
import multiprocessing
import os
import platform
import statistics
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import budgets, footprint, http_clients, instructions, logs, sdks, server, timing
from obs_sse_guard._policy.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["IMPORT", "Plan", "everything", "quick"]

IMPORT = "import"
_EMPTY = ("empty functions", "empty wrapt wrappers")
_THREADS = (1, 8, 32)
_CLIENTS = (1, 100)
_PER_THREAD = 50  # calls
_LAYOUTS = 5  # of memory, for what has a budget; see `instructions.count`
_PACKAGES = (
    "obs-sse-guard", "esdk-obs-python", "botocore", "wrapt", "opentelemetry-instrumentation-botocore", "aws-xray-sdk",
    "sentry-sdk",
)  # fmt: skip

Row = dict[str, Any]
Counts = dict[tuple[str, str, str], float]


class Plan(NamedTuple):
    """What to measure.

    Attributes:
        subjects: ``obs``, ``botocore``, or `IMPORT`.
        match: measure only calls whose names contain this.
        seconds: how long to compare the times of one call.
        quick: skip what has no budget, and all sides but the guard's and a copy without hooks.
    """

    subjects: tuple[str, ...]
    match: str = ""
    seconds: float = 6
    quick: bool = False

    @property
    def packages(self) -> list[str]:
        """The SDKs to measure."""
        return [package for package in sdks.CALLS if package in self.subjects]

    def sides(self, package: str) -> list[str]:
        """Return the sides to compare; the first is what the others are compared to."""
        others = () if self.quick else (*_EMPTY, *(sdks.PEERS if package == "botocore" else ()))
        return ["unguarded", "copy", *others, "guarded"]

    def calls(self, package: str, side: str = "guarded") -> list[str]:
        """Return the calls to measure; only the first for empty hooks and for peers."""
        names = [*sdks.CALLS[package]]
        if side not in ("unguarded", "copy", "guarded"):
            names = names[:1]
        budgeted = {budget.call for budget in budgets.BUDGETS if budget.sdk == package}
        return [name for name in names if self.match in name and (name in budgeted or not self.quick)]

    def connections(self, package: str, name: str) -> list[str]:
        """Return the connections over which to time a call."""
        stubbed = [] if self.quick else [budgets.STUBBED]
        own = [budget.connection for budget in budgets.BUDGETS if budget[:2] == (package, name) and budget.is_time]
        return [one for one in dict.fromkeys((*stubbed, *own)) if one != budgets.LOG]


def quick(plan: Plan) -> dict[str, Any]:
    """Measure what has a budget, except memory."""
    counted = _instructions(plan)
    figures: dict[str, Any] = {"calls": [row for package in plan.packages for row in _rows(plan, package, counted)]}
    figures["calls"] += [row for package in plan.packages for row in logs.rows(package, plan.match, plan.seconds)]
    if IMPORT in plan.subjects:
        figures["import"] = footprint.import_of_guard()
    return figures


def everything(plan: Plan, calls: int) -> dict[str, Any]:
    """Measure everything.

    Args:
        plan: what to measure, and for how long.
        calls: how many calls to make on each SDK to see whether memory grows.
    """
    return {
        "date": dt.datetime.now(tz=dt.timezone.utc).date().isoformat(),
        "environment": _environment(),
        **quick(plan),
        "growth": [row for package in plan.packages for row in _growth(package, plan.seconds / 2)],
        "settings_us": min(timing.batch(read_settings, 10_000) for _ in range(5)),
        "memory": footprint.over_calls(calls),
        "http_clients": _http_clients(plan.seconds),
    }


def _http_clients(seconds: float) -> list[tuple[str, float, float, float]]:
    # A process of its own, where the hooks on the copies of SDKs are not; no daemon, because it starts a server.
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(http_clients.rows, seconds).result()


# --- instructions ----------------------------------------------------------------------------


def _instructions(plan: Plan) -> Counts:
    """Count the instructions of each call on each side, one process per processor."""
    counted: dict[tuple[str, str, str], list[float]] = {}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = []
        for package, layout in itertools.product(plan.packages, range(_LAYOUTS)):
            chosen = plan if layout == 0 else plan._replace(quick=True)
            for side in chosen.sides(package):
                names = chosen.calls(package, side)
                # With the same layouts the copy would give the very same counts.
                number = layout + _LAYOUTS * (side == "copy")
                jobs.append((package, side, names, pool.submit(instructions.count, package, side, names, number)))
    for package, side, names, job in jobs:
        for name, instructions_per_call in zip(names, job.result()):
            counted.setdefault((package, side, name), []).append(instructions_per_call)
    return {place: statistics.median(numbers) for place, numbers in counted.items()}


# --- time ------------------------------------------------------------------------------------


def _rows(plan: Plan, package: str, counted: Counts) -> list[Row]:
    rows = []
    with server.running() as running:
        for name in plan.calls(package):
            timed = plan.connections(package, name)
            sides = [side for side in plan.sides(package) if name in plan.calls(package, side)]
            for connection in dict.fromkeys((budgets.STUBBED, *timed)):
                where = None if connection == budgets.STUBBED else running
                times = timing.in_processes(package, name, sides, where, plan.seconds) if connection in timed else {}
                for side in sides[1:]:
                    row: Row = {"sdk": package, "call": name, "connection": connection, "side": side}
                    rows.append(row)
                    if side in times:
                        row |= timing.columns(times[side])
                    if connection == budgets.STUBBED:
                        row |= _counted(counted[package, "unguarded", name], counted[package, side, name])
    return rows


def _counted(base: float, number: float) -> Row:
    return {"instructions": base, "added_instructions": number - base, "instruction_ratio": number / base}


def _growth(package: str, seconds: float) -> Iterator[Row]:
    """Measure many threads on one client, and many clients in one thread."""
    made: dict[str, list[sdks.Call]] = {}
    for side in ("unguarded", "guarded"):
        sdks.side(package, side)
        shared = sdks.clients(package, 1, connections=max(_THREADS))[0]
        many = sdks.clients(package, max(_CLIENTS))
        made[side] = [timing.in_threads(shared, threads, _PER_THREAD) for threads in _THREADS]
        made[side] += [_in_turn(many[:clients]) for clients in _CLIENTS]
    cases = [*((threads, 1, threads * _PER_THREAD) for threads in _THREADS), *((1, clients, 1) for clients in _CLIENTS)]
    for number, (threads, clients, weight) in enumerate(cases):
        time = timing.added({side: calls[number] for side, calls in made.items()}, seconds, weight)["guarded"]
        yield {"sdk": package, "threads": threads, "clients": clients, **timing.columns(time)}


def _in_turn(calls: list[sdks.Call]) -> sdks.Call:
    turn = itertools.cycle(calls)
    return lambda: next(turn)()  # noqa: PLW0108  # a different call each time


# --- the environment -------------------------------------------------------------------------


def _environment() -> dict[str, str]:
    versions = {package: _version(package) for package in _PACKAGES}
    return {
        "Python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        **{package: version for package, version in versions.items() if version},
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
