"""Measure what an enabled environment adds to the start of Python.

Run it with ``python -m benchmarks.startup``. Starts are interleaved, and the smallest difference of medians counts: a
busy machine only adds.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from obs_sse_guard._cli import startup_files

__all__ = ["LIMIT_MS", "added_ms"]

LIMIT_MS = 3.0
_ROOT = Path(startup_files.__file__).parents[2]
_BARE = "import site"
_ENABLED = f"import sys; sys.path[:0] = [{{folder!r}}, {str(_ROOT)!r}]; import {startup_files.MODULE} as m; m.start()"


def added_ms(starts: int = 50, rounds: int = 3) -> float:
    """Return how many milliseconds ``enable`` adds to a start, in the best round."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in startup_files.wanted().items():
            Path(folder, name).write_text(content, encoding="utf-8")
        commands = {"bare": _BARE, "enabled": _ENABLED.format(folder=folder)}
        return min(_difference(commands, starts) for _ in range(rounds))


def _difference(commands: dict[str, str], starts: int) -> float:
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(starts):
        for name, code in commands.items():
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603
            times[name].append((time.perf_counter() - begin) * 1e3)
    return statistics.median(times["enabled"]) - statistics.median(times["bare"])


if __name__ == "__main__":
    added = added_ms()
    print(f"enable adds {added:.2f} ms to the start of Python; the limit is {LIMIT_MS:.0f} ms")
    sys.exit(added > LIMIT_MS)
