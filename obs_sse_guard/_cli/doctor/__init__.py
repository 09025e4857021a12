"""``obs-sse-guard doctor``: whether the guard protects the environment that it runs in."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from obs_sse_guard._cli import output as _output
from obs_sse_guard._cli.doctor.examination import examine
from obs_sse_guard._cli.doctor.report import text

if TYPE_CHECKING:
    import argparse

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Examine this environment and report.

    Returns:
        0 if the guard protects it, else 1.
    """
    report = examine()
    if arguments.json:
        _output.document(json.dumps(dataclasses.asdict(report), indent=2, ensure_ascii=False))
    else:
        _output.lines(text(report))
    return 0 if report.protected else 1
