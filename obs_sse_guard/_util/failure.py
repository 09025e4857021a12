"""Failures of the guard itself."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["attempt", "describe_failure"]

_T = TypeVar("_T")


def describe_failure() -> str:
    """Return what failed, and where. To be called in an ``except`` block.

    The text of the exception is left out: it may quote what the guard was looking at.
    """
    _, error, trace = sys.exc_info()
    frame = traceback.extract_tb(trace)[-1]
    return f"{type(error).__name__} in {frame.name}, {frame.filename}:{frame.lineno}"


def attempt(look_up: Callable[[], _T], default: _T) -> _T:
    """Return the result of a look-up, or the default if it raises.

    What else is known of a request still counts.
    """
    try:
        return look_up()
    except Exception:  # noqa: BLE001  # custom objects may raise anything
        return default
