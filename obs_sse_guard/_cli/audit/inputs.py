"""Find the audit files that the words of the command line name."""

from __future__ import annotations

import errno
import glob
import os
import shutil
import sys
from pathlib import Path

__all__ = ["STDIN", "find_files"]

STDIN = "-"


def find_files(words: list[str], scratch: Path) -> list[Path]:
    """Return the files to read, each once, in order.

    Args:
        words: files; directories, with all that is below them except hidden files; patterns; ``-`` for standard input.
        scratch: folder for a copy of standard input, so that several threads can read it.

    Raises:
        OSError: a word names nothing that can be read.
    """
    found = list(dict.fromkeys(file for word in words for file in _files(word, scratch)))
    if not found:  # empty directories
        raise FileNotFoundError(errno.ENOENT, "no audit file", ", ".join(words))
    return found


def _files(word: str, scratch: Path) -> list[Path]:
    if word == STDIN:
        return [_copy_of_stdin(scratch)]
    path = Path(word)
    if path.is_dir():
        return _below(path)
    matches = [word] if path.exists() else sorted(glob.glob(word, recursive=True))  # noqa: PTH207  # pathlib takes no absolute pattern
    if not matches:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), word)
    return [file for match in matches for file in (_below(Path(match)) if Path(match).is_dir() else [Path(match)])]


def _below(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]


def _copy_of_stdin(scratch: Path) -> Path:
    copy = scratch / "stdin"
    with copy.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return copy
