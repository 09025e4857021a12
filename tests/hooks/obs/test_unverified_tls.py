"""TLS without verification of the certificate or of the host name."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from obs_sse_guard import SSETransportError
from tests.support.guard import POLICY
from tests.support.obs_calls import (
    BUCKET,
    CONTENT,
    OBJECT,
    each_transport,
    needs_https,
    needs_requests,
    open_client,
    put_sse_c,
    refused_at_once,
)
from tests.support.records import audited, rules
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_no_key
from tests.support.sse import KEY

pytestmark = needs_https


@each_transport
def test_unverified_tls_is_logged_once_per_client(
    transport: str,
    https: RecordingServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD_AUDIT", str(tmp_path / "audit"))
    with open_client("v2", https, transport=transport, ssl_verify=False) as client, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # urllib3 warns as well
        client.putContent(BUCKET, OBJECT, CONTENT)
        assert not caplog.records
        for _ in range(3):
            assert put_sse_c(client).status == 200
    assert rules(caplog) == ["unverified-tls"]
    with open_client("v2", https, ssl_verify=False) as other:
        put_sse_c(other)
    assert [line["rule"] for line in audited(tmp_path / "audit")] == ["unverified-tls"] * 2


def test_unverified_tls_is_refused_under_strict_at_any_time(
    https: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_client("v2", https, ssl_verify=False) as client:
        assert put_sse_c(client).status == 200
        monkeypatch.setenv(POLICY, "strict")
        for _ in range(2):
            assert refused_at_once(put_sse_c, client).rule == "unverified-tls"
        monkeypatch.delenv(POLICY)
        assert put_sse_c(client).status == 200
    assert len(https.requests) == 2


def test_a_verified_certificate_of_another_host_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with TlsRecordingServer(other_name=True) as server, open_client("v2", server) as client:
        assert put_sse_c(client).status == 200
    assert rules(caplog) == ["unverified-host"]


@needs_requests
def test_a_transport_that_checks_the_name_is_no_finding(
    https: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(POLICY, "strict")
    with open_client("v2", https, transport="requests") as client:
        assert put_sse_c(client).status == 200
    assert not caplog.records


@needs_https
def test_switching_from_warn_to_enforce_applies_to_clients_already_reported(
    https: RecordingServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD_POLICY", "strict")
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")
    monkeypatch.setenv("OBS_SSE_GUARD_AUDIT", str(tmp_path / "audit"))
    with open_client("v2", https, ssl_verify=False) as client:
        for _ in range(2):
            assert put_sse_c(client).status == 200
        assert [line["rule"] for line in audited(tmp_path / "audit")] == ["unverified-tls"] * 2
        monkeypatch.setenv("OBS_SSE_GUARD", "enforce")
        with pytest.raises(SSETransportError, match="unverified-tls"):
            put_sse_c(client)


@needs_https
def test_a_strict_refusal_of_unverified_tls_sends_only_the_negotiation(
    https: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD_POLICY", "strict")
    refused = pytest.raises(SSETransportError, match="unverified-tls")
    with open_client("obs", https, ssl_verify=False) as client, refused:
        put_sse_c(client)
    assert https.calls == ()
    assert_no_key(https, KEY)
