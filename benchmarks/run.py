"""Measure what the guard costs, and print the figures as text, JSON, or a page.

Run it with ``python -m benchmarks.run``. It needs valgrind; see README.md for what to install. The page is
docs/performance.md.
"""

from __future__ import annotations

import argparse
import gc
import json
import warnings
from pathlib import Path

from benchmarks import measure, report

_SUBJECTS = ("obs", "botocore", measure.IMPORT)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="measure only what has a budget, and print the budgets")
    parser.add_argument("--only", nargs="+", choices=_SUBJECTS, default=_SUBJECTS, help="with --quick: what to measure")
    parser.add_argument("--match", metavar="TEXT", default="", help="with --quick: only calls that contain TEXT")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument("--write", metavar="FILE", type=Path, help="write the page to FILE too")
    parser.add_argument("--read", metavar="FILE", type=Path, help="read the figures from JSON in FILE instead")
    parser.add_argument("--seconds", type=float, help="how long to time each call (default: 6, with --quick 3)")
    parser.add_argument("--calls", type=int, default=20_000, help="calls on each SDK to see whether memory grows")
    options = parser.parse_args()
    if not options.quick and (options.match or options.only != _SUBJECTS):
        parser.error("--only and --match need --quick")
    if options.quick and options.write:
        parser.error("--write needs all figures; leave --quick out")
    return options


def main() -> None:
    """Measure, then print and write."""
    options = _options()
    warnings.simplefilter("ignore")
    gc.disable()
    seconds = options.seconds or (3 if options.quick else 6)
    plan = measure.Plan(tuple(options.only), options.match, seconds, options.quick)
    if options.read:
        figures = json.loads(options.read.read_text())
    else:
        figures = measure.quick(plan) if plan.quick else measure.everything(plan, options.calls)
    text = report.summary(figures) if plan.quick else report.page(figures)
    print(json.dumps(figures, indent=2) if options.json else text)
    if options.write:
        options.write.write_text(text)


if __name__ == "__main__":
    main()
