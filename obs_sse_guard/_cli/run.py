"""``obs-sse-guard run``: run an unmodified program with the guard active.

Python imports ``sitecustomize`` before a program, from the first entry of its path that has one. `BOOTSTRAP`
holds one, and is put first in ``PYTHONPATH``, which child processes inherit. The first import of an SDK then activates
the guard.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from itertools import dropwhile
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["BOOTSTRAP", "python_path", "run"]

BOOTSTRAP = str(Path(__file__).resolve().parents[1] / "_bootstrap")
REQUIRE = "_OBS_SSE_GUARD_REQUIRE"
"""Environment variable: no Python that the program starts may run unguarded."""

# As shells and env(1) use them.
NO_PROGRAM, NOT_EXECUTABLE, NOT_FOUND = 2, 126, 127
NOT_GUARDED = 1

_THIS_PYTHON = ("python", "python3", f"python3.{sys.version_info.minor}")
_PYTHON = re.compile(r"(python|pypy)[\d.]*([dtw]{0,2}|-dbg)(\.exe)?")  # debug, free-threaded, without a window
# Letters together, the last of which may take a value: the rest of the word, or the next one.
_OPTION = re.compile(
    r"-(?P<flags>[^\W\dcmWX]*)(?P<last>[cmWX]|-check-hash-based-pycs|)(?P<value>.*)",
    re.DOTALL,
)
_LONGEST_SHEBANG = 1024


def run(arguments: argparse.Namespace) -> int:
    """Run the program; on POSIX, it replaces this process, and only failures return.

    Args:
        arguments: ``words``, the program and its arguments, after an optional ``--``; ``require``, whether a Python
            without the guard must not run.

    Returns:
        2 if no program is given, 127 if there is no such program, 126 if it cannot be executed, 1 if it would run
        without the guard and must not; on Windows, else the program's exit status.
    """
    command = _command(arguments.words)
    if not command or not command[0]:
        sys.stderr.write("obs-sse-guard run: no program given\n")
        return NO_PROGRAM
    environment = {**os.environ, "PYTHONPATH": python_path(os.environ.get("PYTHONPATH", ""))}
    if arguments.require:
        environment[REQUIRE] = "1"
    barring = _barring_option(command)
    if barring:
        sys.stderr.write(f"obs-sse-guard run: NOT GUARDED: {command[0]}: {barring} keeps the guard out\n")
        if REQUIRE in environment:
            return NOT_GUARDED
    try:
        return _start(command, environment)
    except OSError as error:
        sys.stderr.write(f"obs-sse-guard run: {command[0]}: {error.strerror}\n")
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE


def _command(words: Sequence[str]) -> list[str]:
    """Return the command to execute; Python, ``-m`` and scripts use this interpreter.

    Without an activated virtual environment, the first ``python`` on the PATH is another one, and lacks the guard.
    """
    words = list(words[1:] if words[:1] == ["--"] else words)
    if words and words[0].removesuffix(".exe") in _THIS_PYTHON:
        return [sys.executable, *words[1:]]
    is_python = words[:1] == ["-m"] or any(word.endswith(".py") and Path(word).is_file() for word in words[:1])
    return [sys.executable, *words] if is_python else words


def _barring_option(command: Sequence[str]) -> str:
    """Return the Python option that disables `BOOTSTRAP`; empty if there is none."""
    words = iter(_words_of_python(command) or _words_of_python(_shebang(command[0])))
    for option in map(_OPTION.match, words):
        if option is None or option["last"] in ("c", "m"):  # what follows are options of the program
            return ""
        barring = re.search("[IES]", option["flags"])
        if barring:
            return f"-{barring[0]}"
        if option["last"] and not option["value"]:
            next(words, "")
    return ""


def _words_of_python(command: Sequence[str]) -> Sequence[str]:
    return command[1:] if command and _is_python(command[0]) else ()


def _is_python(program: str) -> bool:
    return _PYTHON.fullmatch(Path(program).name) is not None


def _shebang(program: str) -> list[str]:
    """Return the words with which the first line of a script starts Python."""
    try:
        with Path(shutil.which(program) or os.devnull).open("rb") as script:
            first = script.readline(_LONGEST_SHEBANG)
    except OSError:  # it may be executed, but not read
        return []
    words = os.fsdecode(first[2:]).split() if first.startswith(b"#!") else []
    return [*dropwhile(lambda word: not _is_python(word), words)]  # env(1) may stand before it


def python_path(value: str) -> str:
    """Return a PYTHONPATH that activates the guard, given the current value."""
    # An empty value is no entry at all, but an empty entry is the working directory: keep the two apart.
    entries = value.split(os.pathsep) if value else []
    return os.pathsep.join((BOOTSTRAP, *(entry for entry in entries if entry != BOOTSTRAP)))


def _replace(command: list[str], environment: Mapping[str, str]) -> NoReturn:
    """Replace this process with the program, so that signals reach it directly."""
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and the program would inherit that
        signal.signal(ignored, signal.SIG_DFL)
    os.execvpe(command[0], command, environment)  # noqa: S606  # running the user's command is the purpose


def _wait(command: list[str], environment: Mapping[str, str]) -> int:
    """Run the program as a child, because a Windows shell does not await ``exec``."""
    signal.signal(signal.SIGINT, lambda *_: None)  # the console also sends Ctrl-C to the program, which decides
    program = shutil.which(command[0]) or command[0]  # Windows itself looks only for .exe files
    done = subprocess.run([program, *command[1:]], env=environment, check=False)  # noqa: S603  # as above
    return done.returncode


_start: Callable[[list[str], Mapping[str, str]], int] = _wait if os.name == "nt" else _replace
