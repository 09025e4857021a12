"""The audit file: one line of JSON per finding, from any number of processes and threads.

A line is one write to a descriptor opened for appending, which the kernel puts at the end whole
and apart from everybody else's. The file is opened for each line: what rotates it, forks or
changes the variable meanwhile needs no thought, and nothing is reported so often that it matters.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import stat
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from obs_sse_guard._policy import settings as _settings

if TYPE_CHECKING:
    from obs_sse_guard._enforcement.decision import Report

__all__ = ["LONGEST_LINE", "LONGEST_NAME", "append", "report"]

fcntl: Any = None
with contextlib.suppress(ImportError):  # Windows has none
    fcntl = importlib.import_module("fcntl")

LONGEST_LINE = 1 << 20
"""Bytes that no line reaches: names are cut, and there are never more than a few dozen."""

_PATIENCE = 100
"""Milliseconds, at least, to wait for others who write."""
LONGEST_NAME = 1000
_MOST_NAMES = 50


def report(report: Report) -> None:
    """Append a finding to the audit file, if there is to be one.

    What cannot be written warns with `SSEGuardWarning`, once.
    """
    path = report.settings.audit
    if not path:
        return
    try:
        append(path, _line(report))
    except OSError as error:
        _settings.warn(
            f"{_settings.AUDIT}={path!r} cannot be written ({error.strerror}): findings are missing from it."
        )


def append(path: str, line: bytes) -> None:
    """Append one line, which must end with a newline.

    Raises:
        OSError: it could not be written, or not whole.
    """
    # Not blocking: a pipe that nobody reads must not hold up a call.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o666)
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and _is_ours(descriptor) and _is_torn(path):
            line = b"\n" + line
        if os.write(descriptor, line) < len(line):
            raise OSError(0, "a line was cut short")
    finally:
        _release(descriptor)
        os.close(descriptor)


def _is_ours(descriptor: int) -> bool:
    """Lock the file, so that nobody is seen in the middle of a line; false if that takes too long.

    The lines themselves need no lock: a process that was stopped while it held it must not stop the others.
    """
    for _ in range(_PATIENCE if fcntl else 0):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # noqa: PERF203  # asked anew is the point
            time.sleep(0.001)
        except OSError:  # a file system without locks
            return False
        else:
            return True
    return False


def _release(descriptor: int) -> None:
    # Closing would do, but for a child that another thread forked meanwhile, which has the descriptor, too.
    with contextlib.suppress(OSError, AttributeError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _is_torn(path: str) -> bool:
    """Whether the file ends within a line: a full disk or a killed process may have cut the last one short."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123  # pathlib would be one more import
            file.seek(max(file.seek(0, os.SEEK_END) - 1, 0))
            return file.read(1) not in (b"\n", b"")
    except OSError:  # it may be written but not read
        return False


def _line(report: Report) -> bytes:
    # Imported here: most processes never report anything.
    import json  # noqa: PLC0415
    from datetime import datetime, timezone  # noqa: PLC0415

    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    # ASCII, whatever it holds: a host name or a path may be no valid Unicode.
    return json.dumps({"time": now, **_record(report)}).encode("ascii") + b"\n"


def _record(report: Report) -> dict[str, Any]:
    facts, finding, settings = report.facts, report.finding, report.settings
    return {
        "mode": settings.mode.value,
        "policy": settings.policy.value,
        "verdict": report.verdict.value,
        "rule": finding.name,
        "documented": finding.case.documented.value,
        "strict": finding.case.strict.value,
        "sdk": facts.sdk.name,
        "call": _cut(facts.call),
        "operation": _cut(facts.operation),
        "scheme": facts.scheme,
        "host": _cut(facts.host),
        "endpoint": _cut(facts.endpoint),
        "target": facts.target.value,
        "source": facts.source.value,
        "headers": [_cut(name) for name in facts.headers[:_MOST_NAMES]],
        "dropped": [_cut(name) for name in facts.dropped[:_MOST_NAMES]],
        "pid": os.getpid(),
        "program": _cut(_program()),
        "thread": _cut(threading.current_thread().name),
        "site": _site(report),
    }


def _program() -> str:
    # Without its folder, and without its arguments, which may be secrets. An embedded Python has neither.
    return str((getattr(sys, "argv", None) or [""])[0]).rpartition(os.sep)[2]


def _site(report: Report) -> dict[str, Any] | None:
    site = report.site
    return site and {"file": _cut(site.file), "line": site.line, "function": _cut(site.function)}


def _cut(name: str) -> str:
    return name[:LONGEST_NAME]
