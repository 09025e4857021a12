"""Run the command line in a separate process, as its users do, or in this one."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import obs_sse_guard
from obs_sse_guard._cli.main import main

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SOURCES = Path(obs_sse_guard.__file__).parent.parent
"""The folder from which the package under test is imported."""


def command(
    *words: str, python: Sequence[str] = ("-m", "obs_sse_guard"), environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``obs-sse-guard`` with the environment of the test and more variables."""
    paths = os.pathsep.join(filter(None, [str(SOURCES), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, *python, *words],
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONPATH": paths, **(environment or {})},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def command_here(*words: str) -> subprocess.CompletedProcess[str]:
    """Run ``obs-sse-guard`` in this process, where the environment does not matter."""
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try:
            status = main(words)
        except SystemExit as error:  # of argparse
            status = int(error.code or 0)
    return subprocess.CompletedProcess(words, status, out.getvalue(), errors.getvalue())
