"""TLS without verification of the certificate or of the host name."""

from __future__ import annotations

import http.client
import ssl
import warnings
from pathlib import Path
from typing import Any

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
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_no_key, assert_silent
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


def _verifying(server: RecordingServer, *, host: bool = True) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=server.ca)
    context.check_hostname = host
    return context


def _unverified(_: RecordingServer) -> ssl.SSLContext:
    return ssl._create_unverified_context()  # noqa: S323  # what is tested


@pytest.mark.parametrize("change", ["another", "in place"])
def test_a_context_that_verifies_nothing_is_a_finding_whatever_ssl_verify_says(
    change: str, https: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_client("v2", https) as client:
        assert put_sse_c(client).status == 200
        if change == "another":
            client.context = _unverified(https)
        else:
            client.context.verify_mode = ssl.CERT_NONE
        monkeypatch.setenv(POLICY, "strict")
        assert client.ssl_verify
        assert refused_at_once(put_sse_c, client).rule == "unverified-tls"
    assert len(https.requests) == 1


def test_ssl_verify_set_later_changes_nothing(https: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK reads it once, when it makes the context."""
    monkeypatch.setenv(POLICY, "strict")
    with open_client("v2", https, ssl_verify=False) as client:
        client.ssl_verify = https.ca
        assert refused_at_once(put_sse_c, client).rule == "unverified-tls"
    assert_silent(https)
    with open_client("v2", https) as client:
        client.ssl_verify = False
        assert put_sse_c(client).status == 200


@pytest.mark.parametrize("host", [True, False])
def test_a_verifying_context_is_accepted_whatever_ssl_verify_says(
    host: bool, https: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(POLICY, "strict")
    with open_client("v2", https, ssl_verify=False) as client:
        client.context = _verifying(https, host=host)
        assert put_sse_c(client).status == 200
    assert rules(caplog) == ([] if host else ["unverified-host"])


@needs_requests
def test_requests_is_told_by_ssl_verify_at_each_request(
    https: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POLICY, "strict")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(https.ca))
    with open_client("v2", https, transport="requests", ssl_verify=False, trust_env=True) as client:
        assert refused_at_once(put_sse_c, client).rule == "unverified-tls"
        assert_silent(https)
        client.ssl_verify = https.ca
        assert put_sse_c(client).status == 200
        client.ssl_verify = False
        assert refused_at_once(put_sse_c, client).rule == "unverified-tls"
    assert len(https.requests) == 1


@pytest.mark.parametrize(("pooled", "rule"), [(_unverified, "unverified-tls"), (_verifying, "")])
def test_a_pooled_connection_is_judged_by_its_own_context(
    pooled: Any, rule: str, https: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with open_client("v2", https, transport="long") as client:
        for _ in range(2):
            put_sse_c(client)
        client.close()
        client._init_connHolder()
        caplog.clear()

        def pool() -> None:
            connection = http.client.HTTPSConnection("127.0.0.1", https.port, context=pooled(https))
            client.connHolder["connSet"].put(connection)

        pool()
        assert put_sse_c(client).status == 200
        assert rules(caplog) == ([rule] if rule else [])
        monkeypatch.setenv(POLICY, "strict")
        while not client.connHolder["connSet"].empty():
            client.connHolder["connSet"].get().close()
        pool()
        if rule:
            assert refused_at_once(put_sse_c, client).rule == rule
        else:
            assert put_sse_c(client).status == 200
    assert len(https.requests) == (3 if rule else 4)


@pytest.mark.parametrize("default", ["verifying", "unverified"])
def test_a_client_without_a_context_has_the_default_one(
    default: str, https: RecordingServer, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client of an ``http://`` endpoint has none, and a redirect leads it to HTTPS."""
    monkeypatch.setenv(POLICY, "strict")
    monkeypatch.setenv("SSL_CERT_FILE", str(https.ca))
    if default == "unverified":
        monkeypatch.setattr(ssl, "_create_default_https_context", ssl._create_unverified_context)
    with open_client("v2", http) as client:
        client.is_secure, client.port = True, https.port
        if default == "unverified":
            assert refused_at_once(put_sse_c, client).rule == "unverified-tls"
        else:
            assert put_sse_c(client).status == 200
    assert len(https.requests) == (default == "verifying")
