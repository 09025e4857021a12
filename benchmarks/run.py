"""What the guard costs: measure it, and print the figures as JSON or as the page docs/performance.md.

Run it with ``python -m benchmarks.run``; it needs valgrind. README.md, beside this, tells what to install.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import datetime as dt
import gc
import importlib.metadata
import itertools
import json
import os
import platform
import tempfile
import warnings
from pathlib import Path
from typing import Any

from benchmarks import footprint, instructions, report, sdks, server, timing
from obs_sse_guard._policy import settings as _settings

_STUBBED, _KEPT_ALIVE = "stubbed", "kept-alive HTTPS"
_EMPTY = ("empty functions", "empty wrapt wrappers")
_THREADS = (1, 8, 32)
_CLIENTS = (1, 100)
_PER_THREAD = 50  # calls
_PACKAGES = (
    "obs-sse-guard", "esdk-obs-python", "botocore", "wrapt", "opentelemetry-instrumentation-botocore", "aws-xray-sdk",
    "sentry-sdk",
)  # fmt: skip

Row = dict[str, Any]


def _sides(package: str) -> list[str]:
    peers = sdks.PEERS if package == "botocore" else ()
    return ["unguarded", "nothing", *_EMPTY, *peers, "guarded"]


def _names(package: str, side: str) -> list[str]:
    """The calls that a side is measured by: all of them only where the guard is asked for."""
    names = [*sdks.CALLS[package]]
    return names if side in ("unguarded", "nothing", "guarded") else names[:1]


# --- instructions ----------------------------------------------------------------------------


def _instructions() -> dict[tuple[str, str, str], float]:
    """The instructions of each call on each side, as many processes at once as there are processors."""
    counted = {}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [
            (package, side, pool.submit(_count, package, side)) for package in sdks.CALLS for side in _sides(package)
        ]
        for package, side, job in jobs:
            for name, number in zip(_names(package, side), job.result()):
                counted[package, side, name] = number
    return counted


def _count(package: str, side: str) -> list[float]:
    if side == "nothing":  # the very same would give the very same figure
        return instructions.count(package, "unguarded", _names(package, side), seed=1)
    return instructions.count(package, side, _names(package, side))


# --- time ------------------------------------------------------------------------------------


def _copies(package: str, port: int, ca: str) -> dict[tuple[str, str], dict[str, sdks.Call]]:
    """The calls to time, by connection and name, on each side."""
    calls: dict[tuple[str, str], dict[str, sdks.Call]] = {}
    for side in _sides(package):
        sdks.side(package, "unguarded" if side == "nothing" else side)
        for name in _names(package, side):
            make = sdks.CALLS[package][name]
            calls.setdefault((_STUBBED, name), {})[side] = make()
            if package == "obs" and name.startswith("putContent, https"):
                calls.setdefault((_KEPT_ALIVE, name), {})[side] = make(port=port, ca=ca)
    return calls


def _rows(package: str, seconds: float, counted: dict[tuple[str, str, str], float]) -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory() as folder, server.running(str(Path(folder) / "ca.pem")) as port:
        copies = _copies(package, port, str(Path(folder) / "ca.pem"))
        for (connection, name), calls in copies.items():
            for side, time in timing.added(calls, seconds).items():
                row: Row = {"sdk": package, "call": name, "connection": connection, "side": side}
                row |= {"unguarded_us": time.reference, "added_us": time.added, "time_ratio": time.ratio}
                if connection == _STUBBED:
                    base, number = counted[package, "unguarded", name], counted[package, side, name]
                    row |= {"instructions": base, "added_instructions": number - base}
                    row |= {"instruction_ratio": number / base}
                if side != "unguarded":
                    rows.append(row)
    return rows


def _growth(package: str, seconds: float) -> list[Row]:
    """What the guard adds with many threads on one client, and with many clients in one thread."""
    made: dict[str, list[sdks.Call]] = {}
    for side in ("unguarded", "guarded"):
        sdks.side(package, side)
        shared = sdks.clients(package, 1, connections=max(_THREADS))[0]
        many = sdks.clients(package, max(_CLIENTS))
        made[side] = [timing.in_threads(shared, threads, _PER_THREAD) for threads in _THREADS]
        made[side] += [_in_turn(many[:clients]) for clients in _CLIENTS]
    cases = [*((threads, 1, threads * _PER_THREAD) for threads in _THREADS), *((1, clients, 1) for clients in _CLIENTS)]
    rows = []
    for number, (threads, clients, weight) in enumerate(cases):
        time = timing.added({side: calls[number] for side, calls in made.items()}, seconds, weight)["guarded"]
        row: Row = {"sdk": package, "threads": threads, "clients": clients}
        rows.append({**row, "unguarded_us": time.reference, "added_us": time.added, "time_ratio": time.ratio})
    return rows


def _in_turn(calls: list[sdks.Call]) -> sdks.Call:
    turn = itertools.cycle(calls)
    return lambda: next(turn)()  # noqa: PLW0108  # another one each time


# --- all of it -------------------------------------------------------------------------------


def _measure(seconds: float, calls: int) -> dict[str, Any]:
    counted = _instructions()
    rows, growth = [], []
    for package in sdks.CALLS:
        rows += _rows(package, seconds, counted)
        growth += _growth(package, seconds / 2)
    return {
        "date": dt.datetime.now(tz=dt.timezone.utc).date().isoformat(),
        "environment": _environment(),
        "calls": rows,
        "growth": growth,
        "settings_us": min(timing.batch(_settings.read, 10_000) for _ in range(5)),
        "import": footprint.import_of_guard(),
        "memory": footprint.over_calls(calls),
    }


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


def main() -> None:
    """Measure, then print and write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    parser.add_argument("--write", metavar="FILE", type=Path, help="write the Markdown there as well")
    parser.add_argument(
        "--read", metavar="FILE", type=Path, help="take the figures from such JSON, and measure nothing"
    )
    parser.add_argument("--seconds", type=float, default=6, help="for each comparison of times")
    parser.add_argument("--calls", type=int, default=20_000, help="for each SDK, to see whether memory grows")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    gc.disable()
    figures = json.loads(options.read.read_text()) if options.read else _measure(options.seconds, options.calls)
    page = report.page(figures)
    print(json.dumps(figures, indent=2) if options.json else page)
    if options.write:
        options.write.write_text(page)


if __name__ == "__main__":
    main()
