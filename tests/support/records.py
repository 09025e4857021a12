"""Read the log records and the audit file of the guard."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def rules(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the rule or finding of every record, in order."""
    return [fields["rule"] for fields in fields_of(caplog)]


def fields_of(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return all attributes of every record, including the structured fields."""
    return [vars(record) for record in caplog.records]


def audited(path: Path, event: str = "finding") -> list[dict[str, Any]]:
    """Return an audit file's lines about this event, in order; none without a file."""
    lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    return [record for record in map(json.loads, lines) if record["event"] == event]
