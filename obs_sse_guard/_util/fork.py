"""Locks after a fork: another thread may hold one, and nobody would release it in the child."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["after_fork_in_child"]


def after_fork_in_child(renew: Callable[[], None]) -> None:
    """Call ``renew`` in every forked child. Does nothing where the platform has no fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=renew)
