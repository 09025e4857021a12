"""Write to standard output, whatever its encoding."""

from __future__ import annotations

import io
import os
import sys

__all__ = ["discard", "document", "text"]


def text(lines: str) -> None:
    """Write text for a reader; a character that the encoding lacks becomes ``?``."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    sys.stdout.write(f"{lines}\n")


def document(content: str) -> None:
    """Write a document to be kept: UTF-8, and the same bytes on every platform."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    sys.stdout.write(f"{content}\n")


def discard() -> None:
    """Discard unwritten output, because Python would try to write it again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
