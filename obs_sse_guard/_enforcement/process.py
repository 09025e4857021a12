"""What this process is called in the audit file."""

from __future__ import annotations

import os
import sys
from typing import Any

__all__ = ["LONGEST_NAME", "identity"]

LONGEST_NAME = 1000
"""Characters; longer names are cut."""


def identity() -> dict[str, Any]:
    """Return the audit fields that name the machine, the process and its program."""
    import socket  # noqa: PLC0415  # loaded with every SDK, and needed only where something is written

    return {"host": socket.gethostname()[:LONGEST_NAME], "pid": os.getpid(), "program": _program()[:LONGEST_NAME]}


def _program() -> str:
    """Return the program's name without its folder or arguments, which may be secret."""
    # Of "python -m celery" the first argument is the path of celery/__main__.py, which names nothing.
    module = getattr(getattr(sys.modules.get("__main__"), "__spec__", None), "name", None)
    if isinstance(module, str):
        return module.removesuffix(".__main__")
    # An embedded Python has no argv.
    return str((getattr(sys, "argv", None) or [""])[0]).rpartition(os.sep)[2]
