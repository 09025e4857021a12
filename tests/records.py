"""Reading what the guard logged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest


def rules(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The rule or finding of every record, in order."""
    return [fields["rule"] for fields in fields_of(caplog)]


def fields_of(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Everything that the records carry, the structured fields among it."""
    return [vars(record) for record in caplog.records]
