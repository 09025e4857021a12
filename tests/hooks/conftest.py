"""What the tests of the hooks share."""

from __future__ import annotations

import pytest

from tests.support.guard import POLICY


@pytest.fixture(params=["documented", "strict"])
def policy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the policies, in the environment."""
    monkeypatch.setenv(POLICY, request.param)
    return str(request.param)
