"""Generate the evidence: each module runs one proof and writes a page of docs/."""

from __future__ import annotations

import datetime as dt

__all__ = ["today"]


def today() -> str:
    """Return the date for a page."""
    return dt.datetime.now(dt.timezone.utc).date().isoformat()
