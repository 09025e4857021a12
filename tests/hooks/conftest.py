"""Fixtures of the hook tests."""

from __future__ import annotations

import pytest

from tests.support.guard import POLICY


@pytest.fixture(params=["documented", "strict"])
def policy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Set each policy in the environment, and return it."""
    monkeypatch.setenv(POLICY, request.param)
    return str(request.param)
