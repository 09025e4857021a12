"""Whether this thread runs an event loop."""

from __future__ import annotations

import sys

__all__ = ["in_event_loop"]


def in_event_loop() -> bool:
    """Return whether asyncio runs an event loop in this thread. Never imports it."""
    events = sys.modules.get("asyncio.events")
    return events is not None and events._get_running_loop() is not None  # noqa: SLF001  # `get_running_loop` raises
