"""Plaintext to a trusted host, by name, address or network."""

from __future__ import annotations

import pytest

from obs_sse_guard import SSEGuardWarning
from tests.support.guard import TRUSTED
from tests.support.obs_calls import BUCKET, OBJECT, open_client, put_sse_c, refusal
from tests.support.records import rules
from tests.support.servers import RecordingServer, assert_silent


@pytest.mark.parametrize("value", ["127.0.0.1", "10.0.0.1, 127.0.0.0/8 ,", "127.0.0.1.", "::1,127.0.0.1"])
def test_a_trusted_hop_is_allowed_and_logged_once_per_host(
    value: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(TRUSTED, value)
    with open_client("v2", http) as client:
        for _ in range(3):
            assert put_sse_c(client).status == 200
    [record] = caplog.records
    assert vars(record)["rule"] == "trusted-host"
    assert "127.0.0.1" in record.getMessage()


@pytest.mark.parametrize("value", ["obs.test", "*.test", "OBS.test."])
def test_a_trusted_name_matches_the_endpoint(
    value: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRUSTED, value)
    with open_client("obs", http) as client:
        assert put_sse_c(client).status == 200


@pytest.mark.parametrize("value", ["*.obs.test", "bs.test", "obs.test.evil", "obs", "*.est", "127.0.0.1"])
def test_a_trusted_name_matches_the_whole_host(
    value: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRUSTED, value)
    with open_client("obs", http) as client:
        refusal(client)
    assert_silent(http)


@pytest.mark.parametrize("value", ["127.0.0.2", "127.0.0.10", "128.0.0.0/8", "::1", "*.0.0.1x"])
def test_an_address_is_compared_as_an_address(
    value: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRUSTED, value)
    with open_client("v2", http) as client:
        refusal(client)


@pytest.mark.parametrize("value", ["http://127.0.0.1", "127.0.0.1:80", "127.0.0.1/33", "*", "a*b", "127.0.0"])
def test_an_invalid_entry_trusts_nothing_and_warns(
    value: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRUSTED, value)
    with open_client("v2", http) as client, pytest.warns(SSEGuardWarning, match="trusts nothing"):
        refusal(client)


def test_trust_covers_only_the_transport(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(TRUSTED, "127.0.0.1")
    with open_client("v2", http) as client:
        client.createSignedUrl("GET", BUCKET, OBJECT, queryParams={"x-amz-server-side-encryption-customer-key": "x"})
    assert rules(caplog) == ["trusted-host", "key-in-url"]
