"""Generate the evidence: each module runs one kind of proof and writes its page in docs/."""

from __future__ import annotations

import datetime as dt

__all__ = ["today"]


def today() -> str:
    """Return the date for a page."""
    return dt.datetime.now(dt.timezone.utc).date().isoformat()
