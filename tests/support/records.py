"""Reading what the guard said: in the log, and in the audit file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def rules(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The rule or finding of every record, in order."""
    return [fields["rule"] for fields in fields_of(caplog)]


def fields_of(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Everything that the records carry, the structured fields among it."""
    return [vars(record) for record in caplog.records]


def audited(path: Path) -> list[dict[str, Any]]:
    """Every line of an audit file, in order; none where there is no file."""
    lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]
