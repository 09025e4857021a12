"""What every test starts from: the guard armed, an environment that says nothing, no network."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

import obs_sse_guard
from obs_sse_guard import _log, _obs, _reaction, _settings
from tests.servers import RecordingServer, TlsRecordingServer, loopback_names

_CLEARED = ("OBS_SSE_GUARD", "AWS_", "http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _names() -> Iterator[None]:
    with loopback_names():
        yield


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in list(os.environ):
        if variable.lower().startswith(tuple(name.lower() for name in _CLEARED)):
            monkeypatch.delenv(variable)
    # botocore would look for credentials and settings in the home folder and on the network.
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(autouse=True)
def _armed(_clean_environment: None) -> Iterator[None]:
    """The guard as after its import, with no memory of other tests."""
    _obs.ledger.clear()
    for said in (_reaction.first_bug, _log.first_use_of_trust, _log.noise, _settings.first_warning):
        said.forget()
    obs_sse_guard.install()
    yield
    obs_sse_guard.install()


@pytest.fixture
def http() -> Iterator[RecordingServer]:
    """A recording server on plaintext."""
    with RecordingServer() as server:
        yield server


@pytest.fixture
def https() -> Iterator[TlsRecordingServer]:
    """A recording server on TLS."""
    with TlsRecordingServer() as server:
        yield server
