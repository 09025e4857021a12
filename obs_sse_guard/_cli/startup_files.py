"""The files in site-packages that activate the guard throughout an environment.

One file names the function that Python calls when it starts: up to Python 3.14 a ``.pth`` file with an ``import`` line,
from Python 3.15 on a ``.start`` file (PEP 829), which supersedes such lines. The function is in a module of its own
beside it, which does nothing once the package is uninstalled, where a missing function would print a traceback.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
import tempfile
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["State", "is_installed", "remove", "state", "wanted", "write"]

MODULE, STARTUP = "_obs_sse_guard_enabled", "_obs_sse_guard_startup"
PTH, START = "obs-sse-guard.pth", "obs-sse-guard.start"
FIRST_WITH_START = (3, 15)


class State:
    """What `state` returns."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    OUTDATED = "outdated"


def folder() -> Path:
    """Return the site-packages of this environment."""
    return Path(sysconfig.get_path("purelib"))


def wanted(version: tuple[int, int] = sys.version_info[:2]) -> Mapping[str, str]:
    """Return each file's content by name for a Python release, in the order to write."""
    # Not by a path: the package may be in an archive.
    module = (resources.files(__name__.partition(".")[0]) / "_bootstrap" / f"{MODULE}.py").read_text("utf-8")
    if version >= FIRST_WITH_START:
        return {f"{MODULE}.py": module, START: f"{MODULE}:start\n"}
    return {f"{MODULE}.py": module, PTH: f"import {MODULE}; {MODULE}.start()\n"}


def state() -> str:
    """Return whether the files of `write` are in place: one of `State`.

    ``OUTDATED`` means that there are some, but not all of them, or not with the content of this release.
    """
    files = wanted()
    found = {name: _content(folder() / name) for name in files}
    if found == files:
        return State.ENABLED
    return State.OUTDATED if any(content is not None for content in found.values()) else State.DISABLED


def _content(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError):
        return None


def is_installed() -> bool:
    """Return whether a Python that ignores ``PYTHONPATH`` finds the guard."""
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({STARTUP!r}) is None)"
    return subprocess.run([sys.executable, "-I", "-c", code], check=False).returncode == 0  # noqa: S603  # this Python


def write() -> None:
    """Write the files, each atomically, because a Python may start meanwhile.

    Raises:
        OSError: site-packages cannot be written.
    """
    for name, content in wanted().items():  # the module first: the other file names it
        _replace(folder() / name, content)


def _replace(path: Path, content: str) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=".obs-sse-guard-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(content)
        os.chmod(temporary, 0o644)  # noqa: PTH101  # whoever runs a Python of this environment reads it
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108
        raise


def remove() -> bool:
    """Remove the files. Return whether there were any.

    Raises:
        OSError: site-packages cannot be written.
    """
    module = folder() / f"{MODULE}.py"
    # The module last: the others name it.
    paths = [folder() / PTH, folder() / START, Path(importlib.util.cache_from_source(str(module))), module]
    found = [path for path in paths if path.exists()]
    for path in found:
        path.unlink()
    return bool(found)
