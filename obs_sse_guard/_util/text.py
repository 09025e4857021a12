"""Names and values as text: SDKs hand over ``str``, ``bytes`` and anything else."""

from __future__ import annotations

__all__ = ["to_text"]


def to_text(value: object) -> str:
    """Return a header's name or value as text."""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
