"""What the tests of enforcement share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.guard import AUDIT


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The audit file, switched on."""
    path = tmp_path / "audit.jsonl"
    monkeypatch.setenv(AUDIT, str(path))
    return path
