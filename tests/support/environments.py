"""Virtual environments with the guard and one SDK, linked from this one."""

from __future__ import annotations

import os
import re
import sysconfig
import venv
from importlib import metadata
from pathlib import Path

from tests.support.commands import SOURCES


def alone(folder: Path, *distributions: str) -> Path:
    """Make an environment in which nothing else is installed, and return its Python.

    Args:
        folder: where to make it.
        distributions: what to install, each with what it requires.
    """
    venv.create(folder, symlinks=os.name != "nt")
    paths = {name: Path(path) for name, path in sysconfig.get_paths(vars={"base": str(folder)}).items()}
    packages = paths["purelib"]
    for name in ("obs_sse_guard", "_obs_sse_guard_startup"):
        (packages / name).symlink_to(SOURCES / name)
    for entry in {entry for name in _with_requirements("wrapt", *distributions) for entry in _entries(name)}:
        (packages / entry.name).symlink_to(entry)
    return paths["scripts"] / "python"


def _with_requirements(*names: str) -> set[str]:
    """Return these distributions and their dependencies, if installed here."""
    found: set[str] = set()
    unseen = [*names]
    while unseen:
        name = unseen.pop()
        if name not in found and installed(name):
            found.add(name)
            unseen += [
                re.split(r"[^\w.-]", requirement)[0].lower()
                for requirement in metadata.requires(name) or ()
                if "extra ==" not in requirement
            ]
    return found


def installed(name: str) -> bool:
    """Return whether a distribution is installed here."""
    return bool([*metadata.distributions(name=name)])


def _entries(name: str) -> set[Path]:
    """Return a distribution's files and folders in the site-packages; no scripts."""
    distribution = metadata.distribution(name)
    files = {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}
    return {Path(str(distribution.locate_file(file))) for file in files}
