"""Lock a file among processes, with what the platform has."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
from typing import Any

__all__ = ["try_lock", "unlock"]

fcntl: Any = None
msvcrt: Any = None
with contextlib.suppress(ImportError):
    fcntl = importlib.import_module("fcntl")
with contextlib.suppress(ImportError):  # on Windows alone
    msvcrt = importlib.import_module("msvcrt")

_LOCKED_BYTE = 0x7FFF0000
"""The offset of the byte to lock, beyond the end of any file.

On Windows, others can neither read nor write a locked byte.
"""


def try_lock(descriptor: int) -> bool:
    """Lock an open file, and return at once.

    Returns:
        Whether it is locked; if not, another descriptor has the lock.

    Raises:
        OSError: the file system or the platform has no locks.
    """
    try:
        if fcntl:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        elif msvcrt:
            _lock_byte(descriptor, msvcrt.LK_NBLCK)
        else:
            raise OSError(errno.ENOSYS, "no locks")
    except (BlockingIOError, PermissionError):  # fcntl and msvcrt
        return False
    return True


def unlock(descriptor: int) -> None:
    """Unlock a file; nothing happens if it is not locked.

    Closing the descriptor does not unlock the file if another thread forked meanwhile: the child has it too.
    """
    with contextlib.suppress(OSError):
        if fcntl:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        elif msvcrt:
            _lock_byte(descriptor, msvcrt.LK_UNLCK)


def _lock_byte(descriptor: int, mode: int) -> None:
    os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
    msvcrt.locking(descriptor, mode, 1)
