"""Writing to standard output, whatever its encoding."""

from __future__ import annotations

import io
import os
import sys

__all__ = ["document", "give_up", "lines"]


def lines(text: str) -> None:
    """Write text for a reader; what the terminal's encoding lacks (an arrow, say) becomes ``?``."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    sys.stdout.write(f"{text}\n")


def document(text: str) -> None:
    """Write a document to be kept: UTF-8 and the same bytes on every platform."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    sys.stdout.write(f"{text}\n")


def give_up() -> None:
    """Drop what could not be written: left in the buffer, it would fail once more when Python exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
