"""Find the audit files that the words of the command line name."""

from __future__ import annotations

import errno
import glob
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    OnError = Callable[[OSError], object]

__all__ = ["STDIN", "find_files"]

STDIN = "-"


def find_files(words: list[str], scratch: Path, on_error: OnError) -> list[Path]:
    """Return the files to read, each once, in order.

    Args:
        words: files; directories, with all that is below them except hidden files; patterns; ``-`` for standard input.
        scratch: folder for copies of standard input and of pipes, which cannot be read twice.
        on_error: called with each error: a word names nothing, or a directory or file cannot be looked at.
    """
    return list(dict.fromkeys(file for word in words for file in _files(word, scratch, on_error)))


def _files(word: str, scratch: Path, on_error: OnError) -> list[Path]:
    if word == STDIN:
        return [_copy(sys.stdin.buffer, scratch)]
    matches = [word] if os.path.lexists(word) else sorted(glob.glob(word, recursive=True))  # noqa: PTH207  # pathlib takes no absolute pattern
    if not matches:
        on_error(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), word))
    return [file for match in matches for file in _matching(match, scratch, on_error)]


def _matching(match: str, scratch: Path, on_error: OnError) -> list[Path]:
    if os.path.isdir(match):  # noqa: PTH112  # pathlib's raises
        return _below(match, on_error)
    if os.path.isfile(match) or not os.path.exists(match):  # noqa: PTH110, PTH113  # pathlib's raise
        return [Path(match)]
    try:  # a pipe, such as a shell's <(...)
        with Path(match).open("rb") as pipe:
            return [_copy(pipe, scratch)]
    except OSError as error:
        on_error(error)
        return []


def _below(folder: str, on_error: OnError) -> list[Path]:
    found: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=on_error):  # pathlib skips what it cannot list
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    return sorted(path for path in found if _is_file(path, on_error))


def _is_file(path: Path, on_error: OnError) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        on_error(error)
        return False


def _copy(stream: IO[bytes], scratch: Path) -> Path:
    with tempfile.NamedTemporaryFile(dir=scratch, delete=False) as file:
        shutil.copyfileobj(stream, file)
    return Path(file.name)
