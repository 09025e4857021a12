"""``obs-sse-guard demo``: show the guard at work, live and without configuration.

The real ObsClient, boto3 and s3fs, and huaweicloudsdkobs and minio-py if installed, talk to a
MiniStack S3 server over http and https, all in this process and on 127.0.0.1. The guard itself
imports nothing from here, and the packages of the ``demo`` extra are imported only when it runs.
"""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

__all__ = ["run"]

INSTALL = "pip install 'obs-sse-guard[demo]'"
NEEDS = ("obs", "boto3", "s3fs", "ministack", "hypercorn", "trustme", "rich")
OLDEST_PYTHON = (3, 10)


def run(arguments: argparse.Namespace) -> int:  # noqa: ARG001  # every command is given its arguments
    """Run the demo.

    Returns:
        0 if every check is as expected, 1 if one is not, 2 if the demo cannot run here.
    """
    problem = _problem()
    if problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    return int(importlib.import_module("obs_sse_guard._cli.demo.runner").run_scenarios())


def _problem() -> str:
    """Return why the demo cannot run here; empty if it can."""
    if sys.version_info[:2] < OLDEST_PYTHON:
        return f"the demo needs Python {'.'.join(map(str, OLDEST_PYTHON))} or newer, because MiniStack does"
    # Looked up rather than imported: an import that fails inside one of them must show its traceback.
    missing = [name for name in NEEDS if find_spec(name) is None]
    return f"the demo needs {', '.join(missing)}: {INSTALL}" if missing else ""
