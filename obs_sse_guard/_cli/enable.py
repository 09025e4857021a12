"""``obs-sse-guard enable``: activate the guard throughout this environment."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from obs_sse_guard._cli import output, startup_files

if TYPE_CHECKING:
    import argparse

__all__ = ["run"]


def run(_: argparse.Namespace) -> int:
    """Write the files that Python reads when it starts.

    Returns:
        0 if the guard is enabled, 1 if the files cannot be written, or the guard is not installed here.
    """
    if not startup_files.is_installed():
        sys.stderr.write(
            f"obs-sse-guard enable: the guard is not installed in {sys.prefix}, but found elsewhere, such as on "
            "PYTHONPATH. Nothing is enabled. pip install obs-sse-guard\n"
        )
        return 1
    was_enabled = startup_files.state() == startup_files.State.ENABLED
    if not was_enabled:
        try:
            startup_files.write()
        except OSError as error:
            sys.stderr.write(
                f"obs-sse-guard enable: cannot write to {startup_files.folder()}: {error.strerror}. Nothing is "
                "enabled. Run it as the owner of this environment, or while its image is built.\n"
            )
            return 1
    file = startup_files.folder() / [*startup_files.wanted()][-1]
    output.text(
        f"{'already enabled' if was_enabled else 'enabled'}: {file}\n"
        "Every Python of this environment activates the guard when it imports an SDK. To undo: obs-sse-guard disable"
    )
    return 0
