"""``obs-sse-guard disable``: undo ``obs-sse-guard enable``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from obs_sse_guard._cli import output, startup_files

if TYPE_CHECKING:
    import argparse

__all__ = ["run"]


def run(_: argparse.Namespace) -> int:
    """Remove the files that ``enable`` wrote.

    Returns:
        0 if none is left, 1 if they cannot be removed.
    """
    try:
        removed = startup_files.remove()
    except OSError as error:
        sys.stderr.write(
            f"obs-sse-guard disable: cannot write to {startup_files.folder()}: {error.strerror}. "
            "Run it as the owner of this environment.\n"
        )
        return 1
    output.text("disabled" if removed else "not enabled: there is nothing to undo")
    return 0
