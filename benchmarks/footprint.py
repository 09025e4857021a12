"""Measure the time and memory of the import, and memory growth over many calls.

``python -m benchmarks.footprint CALLS`` makes about CALLS calls on each SDK, spread over all calls in `sdks.CALLS`.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks import sdks

__all__ = ["import_of_guard", "over_calls"]

# Imports before the clock starts would make the guard look cheaper, so only built-in modules are imported there.
_IMPORT = """
import sys, time, {first}
def resident():  # in pages of 4 KiB; getrusage() would count the parent process too
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4
if {trace}:
    import tracemalloc
    tracemalloc.start()
before, start = resident(), time.perf_counter()
import {module}
ms = (time.perf_counter() - start) * 1e3
kib, traced_kib = resident() - before, {trace} and tracemalloc.get_traced_memory()[0] / 1024
sdks = [name for name in ("obs", "botocore", "aiobotocore") if name in sys.modules]
import json
print(json.dumps({{"ms": ms, "kib": kib, "traced_kib": traced_kib, "sdks": sdks}}))
"""


def import_of_guard(runs: int = 15) -> dict[str, Any]:
    """Measure ``import wrapt``, then ``import obs_sse_guard``, with cached bytecode."""
    return {
        "import wrapt": _import("wrapt", "sys", runs),
        "import obs_sse_guard above wrapt": _import("obs_sse_guard", "wrapt", runs),
    }


def _import(module: str, first: str, runs: int) -> dict[str, Any]:
    measured = [_run_import(module, first, trace=False) for _ in range(runs + 1)][1:]
    return {
        "ms": statistics.median(one["ms"] for one in measured),
        "resident_kib": statistics.median(one["kib"] for one in measured),
        "traced_kib": _run_import(module, first, trace=True)["traced_kib"],
        "sdks_loaded": measured[0]["sdks"],
    }


def _run_import(module: str, first: str, *, trace: bool) -> dict[str, Any]:
    script = _IMPORT.format(module=module, first=first, trace=trace)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    output = subprocess.check_output([sys.executable, "-c", script], env=environment)  # noqa: S603
    measured: dict[str, Any] = json.loads(output)
    return measured


def over_calls(calls: int) -> dict[str, Any]:
    """Measure memory growth over allowed and refused calls, in a process of its own."""
    command = [sys.executable, "-m", __name__, str(calls)]
    grown: dict[str, Any] = json.loads(subprocess.check_output(command))  # noqa: S603
    return grown


def _grow(calls: int) -> dict[str, Any]:
    grown = {}
    for package, makes in sdks.CALLS.items():
        sdks.side(package, "guarded")
        mix = [make() for make in makes.values()]
        _make(mix, 500)
        before, resident = _blocks(), _resident_kib()
        _make(mix, calls // len(mix))
        grown[package] = {
            "calls": calls // len(mix) * len(mix),
            "blocks": _blocks() - before,
            "resident_kib": _resident_kib() - resident,
        }
    return grown


def _make(mix: list[sdks.Call], times: int) -> None:
    for _ in range(times):
        for call in mix:
            with contextlib.suppress(RuntimeError):  # refused
                call()


def _blocks() -> int:
    gc.collect()
    return sys.getallocatedblocks()


def _resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


if __name__ == "__main__":
    print(json.dumps(_grow(int(sys.argv[1]))))
