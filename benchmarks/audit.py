"""Compare the CPU seconds of ``obs-sse-guard audit`` to those of DuckDB alone.

DuckDB does the same grouping. Run it with ``python -m benchmarks.audit``. It needs the extra ``report`` and 700 bytes
of disk for each line.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

_PLACES = 37_000
_HOSTS = 1_000
_BASELINE = """
import sys
import duckdb
from obs_sse_guard._cli.audit.summary import COLUMNS
lines = duckdb.connect(config={"threads": 2}).read_json(sys.argv[1], columns=COLUMNS, format="newline_delimited")
lines.aggregate(
    "rule, operation, endpoint, site, documented, strict, verdict, count(*), min(time), max(time)",
    "rule, operation, endpoint, site, documented, strict, verdict",
).to_table("places")
"""


def main() -> None:
    """Measure files of each size, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, nargs="+", default=[1_000_000, 10_000_000])
    print("      lines  DuckDB (s)  audit (s)  ratio  peak of audit (MiB)")
    for lines in parser.parse_args().lines:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "audit.jsonl"
            _write(file, lines)
            baseline, _ = _cost(sys.executable, "-c", _BASELINE, str(file))
            audit, peak = _cost(sys.executable, "-m", "obs_sse_guard", "audit", "--output", os.devnull, str(file))
        print(f"{lines:11,} {baseline:11.1f} {audit:10.1f} {audit / baseline:6.2f} {peak:20.0f}", flush=True)


def _write(file: Path, lines: int) -> None:
    """Write findings of many places and hosts, in random order."""
    chance = random.Random(1)  # noqa: S311  # the same file each time
    places = [_place(number) for number in range(_PLACES)]
    with file.open("w", encoding="ascii") as stream:
        for number in range(lines):
            place, site = chance.choice(places)
            time = f"2026-01-{1 + number * 28 // lines:02}T10:{number // 60 % 60:02}:{number % 60:02}.000Z"
            host, pid = chance.randrange(_HOSTS), chance.randrange(30_000)
            stream.write(
                f'{{"time": "{time}", "event": "finding", "host": "node-{host}", {place}, "pid": {pid}, {site}}}\n'
            )


def _place(number: int) -> tuple[str, str]:
    place = {
        "mode": "warn",
        "policy": "documented",
        "verdict": "would-refuse",
        "rule": f"table-{1 + number % 4}/PutObject",
        "documented": "refuse",
        "strict": "refuse",
        "sdk": "esdk-obs-python",
        "call": "ObsClient.putContent",
        "operation": "PutObject",
        "scheme": "http",
        "endpoint": f"http://obs-{number % 97}.example.com:8080",
        "target": "SSE-C",
        "source": "none",
        "headers": ["x-obs-server-side-encryption-customer-algorithm", "x-obs-server-side-encryption-customer-key"],
        "dropped": [],
    }
    site = {"file": f"/srv/app/package{number % 211}/module.py", "line": number, "function": f"put_{number}"}
    return json.dumps(place)[1:-1], f'"program": "worker.py", "thread": "MainThread", "site": {json.dumps(site)}'


def _cost(*command: str) -> tuple[float, float]:
    """Return the CPU seconds of a process, and its peak in MiB."""
    with subprocess.Popen(command) as process:  # noqa: S603  # our own
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


if __name__ == "__main__":
    main()
