"""Fixtures of the tests of ``obs-sse-guard audit``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.audit.lines import Audit, runner


@pytest.fixture
def run(capfdbinary: Any, monkeypatch: pytest.MonkeyPatch) -> Audit:
    """Return a function that runs the command in this process."""
    return runner(capfdbinary, monkeypatch)
