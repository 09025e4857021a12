"""What the proof is made with: each module runs one kind of it, and writes its page in docs/."""

from __future__ import annotations

import datetime as dt

__all__ = ["today"]


def today() -> str:
    """The date that a page bears."""
    return dt.datetime.now(dt.timezone.utc).date().isoformat()
