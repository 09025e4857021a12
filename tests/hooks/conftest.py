"""Fixtures of the hook tests."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest

from tests.support.guard import POLICY


@pytest.fixture(params=["documented", "strict"])
def policy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Set each policy in the environment, and return it."""
    monkeypatch.setenv(POLICY, request.param)
    return str(request.param)


@pytest.fixture
def aiobotocore_as_it_is() -> None:
    """Leave older releases of aiobotocore alone: they do not check the host name."""


@pytest.fixture(autouse=True)
def _check_host_names(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make older releases of aiobotocore check the host name, as later ones do."""
    if find_spec("aiobotocore") is None or "aiobotocore_as_it_is" in request.fixturenames:
        return
    from aiobotocore import httpsession

    make_context = httpsession.create_urllib3_context

    def checking() -> Any:
        context = make_context()
        context.check_hostname = True
        return context

    if not hasattr(httpsession.AIOHTTPSession, "_build_verify_context"):
        monkeypatch.setattr(httpsession, "create_urllib3_context", checking)
