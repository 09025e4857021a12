"""Names and values as text: SDKs hand over ``str``, ``bytes`` and anything else."""

from __future__ import annotations

__all__ = ["to_text"]


def to_text(value: object) -> str:
    """Return a header's name or value as text."""
    if isinstance(value, str):
        return str.__str__(value)  # what is sent; str() of an Enum with str values is something else
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
