"""Fixtures of the enforcement tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.guard import AUDIT


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Enable the audit file, and return its path."""
    path = tmp_path / "audit.jsonl"
    monkeypatch.setenv(AUDIT, str(path))
    return path
