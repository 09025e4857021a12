"""``obs-sse-guard env``: print the environment variables for worker processes."""

from __future__ import annotations

import json
import os
import shlex
from typing import TYPE_CHECKING

from obs_sse_guard._cli import output, startup_files
from obs_sse_guard._cli.run import python_path
from obs_sse_guard._policy.settings import AUDIT, MODE, POLICY, TRUSTED_HOSTS, read_settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Print the variables.

    Returns:
        0.
    """
    variables = _variables()
    if arguments.format == "json":
        output.document(json.dumps(variables, indent=2))
    else:
        output.document("\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items()))
    return 0


def _variables() -> Mapping[str, str]:
    settings = read_settings()
    variables = {
        MODE: settings.mode.value,
        POLICY: settings.policy.value,
        TRUSTED_HOSTS: os.environ.get(TRUSTED_HOSTS, "").strip(),
        # Workers have working directories of their own.
        AUDIT: settings.audit and os.path.abspath(settings.audit),  # noqa: PTH100  # empty is no path
    }
    if startup_files.state() != startup_files.State.ENABLED:
        variables["PYTHONPATH"] = python_path(os.environ.get("PYTHONPATH", ""))
    return {name: value for name, value in variables.items() if value}
