"""Trust applies to the host that receives the bytes."""

from __future__ import annotations

import pytest

import obs_sse_guard
from obs_sse_guard import SSETransportError
from tests.support.guard import TRUSTED
from tests.support.obs_calls import needs_requests, open_client, put_sse_c
from tests.support.servers import RecordingServer, assert_no_key
from tests.support.sse import KEY


@needs_requests
@pytest.mark.parametrize("trick", ["127.0.0.1:{}/x", "127.0.0.1:{}#x", "127.0.0.1:{}?x", "127.0.0.1:{}\\x"])
def test_a_bucket_name_cannot_redirect_trust(
    trick: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRUSTED, "obs.test,*.obs.test")
    options = {"is_signature_negotiation": False, "server": "http://obs.test"}
    with open_client("obs", http, transport="requests", **options) as client, pytest.raises(SSETransportError):
        put_sse_c(client, trick.format(http.port))
    assert_no_key(http, KEY)


@pytest.mark.parametrize("host", ["127.0.0.1\\.obs.test", "a/.obs.test", "a@b.obs.test", "a b.obs.test", ".obs.test:1"])
def test_an_invalid_host_name_is_not_trusted(
    host: str, https: RecordingServer, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRUSTED, "*.obs.test")
    assert not obs_sse_guard._policy.settings.read_settings().trusted.trusts(host)
    assert obs_sse_guard._policy.settings.read_settings().trusted.trusts("a.obs.test")
