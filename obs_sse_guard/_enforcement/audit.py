"""The audit file: one line of JSON per finding or armed process.

Any number of processes and threads may write to it. A line is one write to a descriptor opened for appending, which the
kernel puts at the end of the file whole. On Windows, where appending is two steps, the lock keeps the lines apart. The
file is opened for each line, so that it may be rotated, or the variable changed, at any time; findings are rare enough.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.file_lock import try_lock, unlock
from obs_sse_guard._enforcement.message import to_ascii
from obs_sse_guard._enforcement.process import LONGEST_NAME, identity
from obs_sse_guard._policy.settings import AUDIT
from obs_sse_guard._util.warn import warn_once

if TYPE_CHECKING:
    from obs_sse_guard._enforcement.decision import Decision

__all__ = ["LONGEST_LINE", "LONGEST_NAME", "append", "report", "write"]

# Non-blocking, except on Windows: a pipe that nobody reads must not hold up a call. Binary, on Windows alone: it would
# write "\r\n" for "\n".
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

LONGEST_LINE = 1 << 20
"""Bytes; longer than any line, because names are cut and their number limited."""

_LOCK_ATTEMPTS = 100
"""One per millisecond."""
_MOST_NAMES = 50


def report(decision: Decision) -> None:
    """Append a finding to the audit file that the settings name."""
    write(decision.settings.audit, "finding", _record(decision))


def write(path: str, event: str, fields: dict[str, Any]) -> bool:
    """Append one line. Warn once if it cannot be written.

    Args:
        path: the audit file.
        event: what the line is about, ``finding`` or ``armed``.
        fields: the fields of the line, besides those of every line.

    Returns:
        Whether it was written.
    """
    try:
        append(path, _line(event, fields))
    except OSError as error:
        warn_once(to_ascii(f"{AUDIT}={path!a} cannot be written ({error.strerror}); findings are missing from it."))
        return False
    return True


def append(path: str, line: bytes) -> None:
    """Append one line, which must end with a newline.

    Raises:
        OSError: it could not be written, or not whole.
    """
    descriptor = os.open(path, _FLAGS, 0o666)
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and _lock(descriptor) and _is_torn(path):
            line = b"\n" + line
        if os.write(descriptor, line) < len(line):
            raise OSError(0, "a line was cut short")
    finally:
        unlock(descriptor)
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock the file, so that a line being written is not taken for a torn one.

    Returns:
        Whether it is locked. Lines are written without the lock too: a process that was stopped while it held the lock
        must not stop the others.
    """
    with contextlib.suppress(OSError):  # a file system without locks
        for _ in range(_LOCK_ATTEMPTS):
            if try_lock(descriptor):
                return True
            time.sleep(0.001)
    return False


def _is_torn(path: str) -> bool:
    """Return whether the last line was cut short, by a full disk or a killed process."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123  # pathlib would be one more import
            file.seek(max(file.seek(0, os.SEEK_END) - 1, 0))
            return file.read(1) not in (b"\n", b"")
    except OSError:  # writable, but not readable
        return False


def _line(event: str, fields: dict[str, Any]) -> bytes:
    # Imported here, because most processes never report anything.
    import json  # noqa: PLC0415
    from datetime import datetime, timezone  # noqa: PLC0415

    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    # json.dumps escapes other characters than ASCII: a host name or a path may not be valid Unicode.
    return json.dumps({"time": now, "event": event, **identity(), **fields}).encode() + b"\n"


def _record(decision: Decision) -> dict[str, Any]:
    context, finding, settings = decision.context, decision.finding, decision.settings
    return {
        "mode": settings.mode.value,
        "policy": settings.policy.value,
        "verdict": decision.outcome.value,
        "rule": finding.id,
        "documented": finding.type.documented.value,
        "strict": finding.type.strict.value,
        "sdk": context.sdk.name,
        "call": _cut(context.call),
        "operation": _cut(context.operation),
        "scheme": context.scheme,
        "server": _cut(context.host),
        "endpoint": _cut(context.endpoint),
        "target": context.target.value,
        "source": context.source.value,
        "headers": [_cut(name) for name in context.headers[:_MOST_NAMES]],
        "dropped": [_cut(name) for name in context.dropped[:_MOST_NAMES]],
        "thread": _cut(threading.current_thread().name),
        "site": _site(decision),
    }


def _site(decision: Decision) -> dict[str, Any] | None:
    site = decision.site
    return site and {"file": _cut(site.file), "line": site.line, "function": _cut(site.function)}


def _cut(name: str) -> str:
    # Half of a surrogate pair, as in the name of a file that is no valid Unicode, is no valid JSON for most readers.
    return name[:LONGEST_NAME].encode("utf-8", "backslashreplace").decode()[:LONGEST_NAME]
