"""``obs-sse-guard doctor``: check whether the guard protects this environment."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from obs_sse_guard._cli import output
from obs_sse_guard._cli.doctor.inspection import inspect_environment
from obs_sse_guard._cli.doctor.report import text

if TYPE_CHECKING:
    import argparse

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Inspect this environment and print a report.

    Returns:
        0 if the guard protects it, else 1.
    """
    report = inspect_environment(strict=arguments.strict)
    if arguments.json:
        output.document(json.dumps(dataclasses.asdict(report), indent=2, ensure_ascii=False))
    else:
        output.text(text(report, verbose=arguments.verbose))
    return 0 if report.protected else 1
