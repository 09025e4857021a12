"""TLS that verifies too little, by the client's settings or by its connection."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
import urllib3

from tests.support.minio_calls import BUCKET, OBJECT, asking, client_for, outcome, pool_for, read, refused, sse_c
from tests.support.records import rules
from tests.support.servers import TlsRecordingServer, assert_silent, authority, leaks
from tests.support.sse import KEY

pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")


def _context(*, verify: bool, check_hostname: bool = True) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority().ca))
    context.check_hostname = verify and check_hostname
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    return context


def _fingerprint(server: TlsRecordingServer) -> str:
    import hashlib

    certificate = ssl.get_server_certificate(("127.0.0.1", server.port))
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()


GAPS: dict[str, tuple[Any, str]] = {
    "cert_check": (lambda _: {"http_client": None, "cert_check": False}, "unverified-tls"),
    "cert_reqs": (lambda server: {"http_client": pool_for(server, cert_reqs="CERT_NONE")}, "unverified-tls"),
    "cert_reqs as a number": (
        lambda server: {"http_client": pool_for(server, cert_reqs=ssl.CERT_NONE)},
        "unverified-tls",
    ),
    "context": (
        lambda _: {"http_client": urllib3.PoolManager(ssl_context=_context(verify=False))},
        "unverified-tls",
    ),
    "assert_hostname": (lambda server: {"http_client": pool_for(server, assert_hostname=False)}, "unverified-host"),
    "verified": (lambda server: {"http_client": pool_for(server)}, ""),
    "verified context": (lambda _: {"http_client": urllib3.PoolManager(ssl_context=_context(verify=True))}, ""),
    # urllib3 checks the name itself then.
    "context without host names": (
        lambda _: {"http_client": urllib3.PoolManager(ssl_context=_context(verify=True, check_hostname=False))},
        "",
    ),
    "fingerprint": (
        lambda server: {
            "http_client": urllib3.PoolManager(cert_reqs="CERT_NONE", assert_fingerprint=_fingerprint(server))
        },
        "",
    ),
}


@pytest.mark.parametrize("name", GAPS)
def test_what_the_settings_do_not_verify_is_reported(name: str, policy: str, caplog: pytest.LogCaptureFixture) -> None:
    options, finding = GAPS[name]
    with TlsRecordingServer() as server:
        given = options(server)
        before = server.connections
        client = client_for(server, name="localhost", **given)
        result = outcome(client, asking("PutObject", "SSE-C"))
        if finding == "unverified-tls" and policy == "strict":
            error = refused(result, finding)
            assert "cert_check=True" in str(error)
            assert server.connections == before
        else:
            assert not isinstance(result, Exception), repr(result)
            asking("GetObject", "SSE-C")(client)
            # Once for each client; under strict, which refuses some of them, nothing is noted.
            assert rules(caplog) == ([finding] if finding else []) * (2 if policy == "strict" else 1)
        assert not leaks(caplog.text, KEY)


def test_only_a_key_matters(https: TlsRecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    client = client_for(https, http_client=pool_for(https, cert_reqs="CERT_NONE"))
    asking("PutObject")(client)
    asking("PutObject", "SSE-KMS")(client)
    assert not caplog.records


class _OwnPool(urllib3.PoolManager):
    """A pool of the application that verifies nothing, whatever its settings say."""

    def connection_from_pool_key(self, pool_key: Any, request_context: Any) -> Any:
        return super().connection_from_pool_key(pool_key, {**request_context, "cert_reqs": "CERT_NONE"})


def test_the_connection_decides_and_not_the_settings(
    https: TlsRecordingServer, policy: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_for(https, http_client=_OwnPool(cert_reqs="CERT_REQUIRED", ca_certs=https.ca))
    result = outcome(client, lambda client: read(client.get_object(BUCKET, OBJECT, ssec=sse_c())))
    if policy == "strict":
        refused(result, "unverified-tls")
        assert https.requests == ()
    else:
        assert result == https.object
        assert rules(caplog) == ["unverified-tls"]


def test_a_certificate_of_another_host_is_an_error_of_the_sdk(caplog: pytest.LogCaptureFixture) -> None:
    with TlsRecordingServer(other_name=True) as server:
        client = client_for(server, http_client=pool_for(server, retries=0))
        error = outcome(client, asking("GetObject", "SSE-C"))
        assert isinstance(error, urllib3.exceptions.HTTPError)
        assert server.requests == ()
    assert not [record for record in caplog.records if record.name == "obs_sse_guard"]


def test_warn_mode_reports_strict_every_time(
    https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")
    monkeypatch.setenv("OBS_SSE_GUARD_POLICY", "strict")
    client = client_for(https, http_client=None, cert_check=False)
    for operation in ("GetObject", "PutObject"):
        asking(operation, "SSE-C")(client)
    assert rules(caplog) == ["unverified-tls"] * 2


def test_nothing_reaches_a_server_that_is_refused(https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD_POLICY", "strict")
    client = client_for(https, http_client=None, cert_check=False, region=None)
    refused(outcome(client, asking("GetObject", "SSE-C")), "unverified-tls")
    assert_silent(https)
