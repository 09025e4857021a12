"""The connection decides what TLS verifies, not the client's setting."""

from __future__ import annotations

import io
import ssl
from typing import Any

import pytest
from botocore import awsrequest
from botocore.httpsession import URLLib3Session
from urllib3.connection import HTTPSConnection

from obs_sse_guard._hooks.botocore import wire
from tests.support.guard import unguarded
from tests.support.records import rules
from tests.support.s3_calls import PUT, PUT_SSE_C, Call, asking, outcome, outcomes, refused, succeeded
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_no_key, assert_silent, leaks
from tests.support.sse import KEY

pytestmark = pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")


def _session(client: Any) -> Any:
    return client._endpoint.http_session


def _verify_from_now_on(ca: str | None) -> Call:
    """Return a call that sets ``verify`` while an unverified connection is pooled."""

    def put(client: Any) -> Any:
        _session(client)._verify = ca
        return PUT_SSE_C(client)

    return put


def _unverified(monkeypatch: pytest.MonkeyPatch) -> Call:
    def setup(_: Any, pool: Any, *__: Any) -> None:
        pool.cert_reqs = "CERT_NONE"

    def put(client: Any) -> Any:
        monkeypatch.setattr(URLLib3Session, "_setup_ssl_cert", setup)
        return PUT_SSE_C(client)

    return put


def test_a_connection_from_before_verify_was_set(
    policy: str, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    put = _verify_from_now_on(https.ca)
    first, second, third = outcomes("boto3", https, PUT, put, put, verify=False, retries={"max_attempts": 2})
    assert succeeded(first)
    if policy == "strict":
        refused(second, "unverified-tls")
        assert succeeded(third), "over a new connection"
        assert [len(https.requests), https.connections] == [2, 2]
        assert not caplog.records
    else:
        assert succeeded(second)
        assert succeeded(third)
        assert https.connections == 1
        assert rules(caplog) == ["unverified-tls"]


def test_verification_that_another_library_removed(
    policy: str, https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put = _unverified(monkeypatch)
    results = outcomes("boto3", https, put, put, retries={"max_attempts": 2})
    if policy == "strict":
        for result in results:
            refused(result, "unverified-tls")
        assert_no_key(https, KEY)
        assert not https.requests
        assert not caplog.records
    else:
        assert all(map(succeeded, results))
        assert rules(caplog) == ["unverified-tls"]


def test_a_replaced_context_is_set_to_verify_by_urllib3(
    policy: str, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    def put(client: Any) -> Any:
        _session(client)._manager.connection_pool_kw["ssl_context"] = context
        return PUT_SSE_C(client)

    assert succeeded(outcome("boto3", https, put))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert not caplog.records, policy


def test_a_context_instead_of_a_setting(policy: str, https: TlsRecordingServer) -> None:
    """Aiobotocore's httpx session keeps its context where others keep the setting."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    def put(client: Any) -> Any:
        _session(client)._verify = context
        _session(client).send = URLLib3Session(verify=False).send
        return PUT_SSE_C(client)

    result = outcome("boto3", https, put)
    if policy == "strict":
        refused(result, "unverified-tls")
        assert_silent(https)
    else:
        assert succeeded(result)


class _PlaintextPool(awsrequest.AWSHTTPConnectionPool):  # type: ignore[misc]
    def __init__(self, *args: Any, **options: Any) -> None:
        for name in ("ssl_context", "cert_file", "key_file"):
            options.pop(name, None)
        super().__init__(*args, **options)


def test_a_plaintext_connection_for_an_https_url(http: RecordingServer) -> None:
    def put(client: Any) -> Any:
        _session(client)._manager.pool_classes_by_scheme = {"https": _PlaintextPool}
        return PUT_SSE_C(client)

    url = http.url.replace("http:", "https:")
    with unguarded():
        assert succeeded(outcome("boto3", http, put, endpoint_url=url))
    assert leaks(http.wire, KEY)
    with RecordingServer() as server:
        url = server.url.replace("http:", "https:")
        refused(outcome("boto3", server, put, endpoint_url=url), "table-1/PutObject")
        assert_silent(server)


@pytest.mark.filterwarnings("ignore:Passing ssl_context when use_forwarding_for_https")
def test_a_proxy_that_forwards_https_reads_the_key(policy: str, caplog: pytest.LogCaptureFixture) -> None:
    def put(proxy: TlsRecordingServer) -> list[Any]:
        options = {
            "endpoint_url": "https://obs.test:1",
            "proxies": {"https": proxy.url},
            "proxies_config": {"proxy_ca_bundle": proxy.ca, "proxy_use_forwarding_for_https": True},
        }
        return outcomes("boto3", proxy, PUT, PUT_SSE_C, **options)

    with unguarded(), TlsRecordingServer() as proxy:
        assert all(map(succeeded, put(proxy)))
        assert leaks(proxy.received, KEY)
    with TlsRecordingServer() as proxy:
        without, with_key = put(proxy)
        assert succeeded(without)
        if policy == "strict":
            refused(with_key, "unverified-tls")
            assert_no_key(proxy, KEY)
        else:
            assert succeeded(with_key)
            assert rules(caplog) == ["unverified-tls"]
            assert "proxy_use_forwarding_for_https" in caplog.text


@pytest.mark.parametrize("target", ["SSE-C", "SSE-KMS"])
def test_a_request_of_another_client_meanwhile(target: str, http: RecordingServer, https: TlsRecordingServer) -> None:
    """The inner request names no encryption; that of the outer one is not its own."""

    class Body(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            assert succeeded(outcome("boto3", http, PUT))
            return super().read(size)

    assert succeeded(outcome("boto3", https, asking("PutObject", target, Body=Body(b"content"))))
    assert http.requests
    assert len(https.requests) == 1


def test_a_connection_that_does_not_show_what_leaves_is_judged() -> None:
    assert wire._is_about(object(), wire._Sending(None, None))


def test_a_connection_outside_a_clients_request_is_let_through(https: TlsRecordingServer) -> None:
    request = awsrequest.AWSRequest("GET", f"{https.url}/bucket/object").prepare()
    assert URLLib3Session(verify=False).send(request).status_code == 200


def test_a_connection_that_cannot_be_judged(
    policy: str, https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def put(client: Any) -> Any:
        _session(client)._verify = https.ca  # the connection in the pool is not verified
        monkeypatch.delattr(wire, "_is_tls")
        return PUT_SSE_C(client)

    first, second = outcomes("boto3", https, PUT, put, verify=False)
    assert succeeded(first)
    if policy == "strict":
        refused(second, "cannot-judge")
        assert_no_key(https, KEY)
    else:
        assert succeeded(second)
        assert rules(caplog) == ["cannot-judge"]


def _connections(scheme: str, kind: type, call: Call = PUT_SSE_C) -> Call:
    """Return the call, made over connections of the application's own class."""
    usual = {"http": awsrequest.AWSHTTPConnectionPool, "https": awsrequest.AWSHTTPSConnectionPool}[scheme]
    pool = type("Pool", (usual,), {"ConnectionCls": kind})

    def put(client: Any) -> Any:
        _session(client)._manager.pool_classes_by_scheme = {scheme: pool}
        return call(client)

    return put


class _UnknownConnection(awsrequest.AWSHTTPConnection):  # type: ignore[misc]
    """A connection without ``is_verified``, like `http.client` with botocore's mixin."""

    def __getattribute__(self, name: str) -> Any:
        if name == "is_verified":
            raise AttributeError(name)
        return super().__getattribute__(name)


def test_a_connection_that_does_not_say_whether_it_is_verified(http: RecordingServer) -> None:
    assert succeeded(outcome("boto3", http, _connections("http", _UnknownConnection, PUT)))


class _OtherTls(awsrequest.AWSConnection, HTTPSConnection):  # type: ignore[misc]
    pass


@pytest.mark.parametrize("verify", [True, False])
def test_a_tls_connection_of_another_class(
    verify: bool, policy: str, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    result = outcome("boto3", https, _connections("https", _OtherTls), verify=https.ca if verify else False)
    if policy == "strict" and not verify:
        refused(result, "unverified-tls")
    else:
        assert succeeded(result)
        assert rules(caplog) == ([] if verify else ["unverified-tls"])


class _NoTls(awsrequest.AWSHTTPSConnection):  # type: ignore[misc]
    def connect(self) -> None:
        self.sock = self._new_conn()


def test_a_tls_connection_whose_socket_is_plaintext(http: RecordingServer) -> None:
    url = http.url.replace("http:", "https:")
    put = _connections("https", _NoTls)
    with unguarded():
        assert succeeded(outcome("boto3", http, put, endpoint_url=url))
    assert leaks(http.wire, KEY)
    with RecordingServer() as server:
        url = server.url.replace("http:", "https:")
        refused(outcome("boto3", server, put, endpoint_url=url), "table-1/PutObject")
        assert server.wire == b"", "the connection was open, and nothing was sent"


def test_a_trusted_host_behind_a_trusted_proxy_over_tls(
    policy: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The proxy terminates the TLS, so it is not TLS of the request."""
    monkeypatch.setenv("OBS_SSE_GUARD_TRUSTED_HOSTS", "obs.test,127.0.0.1")
    with TlsRecordingServer() as proxy:
        options = {"proxies": {"http": proxy.url}, "proxies_config": {"proxy_ca_bundle": proxy.ca}}
        assert succeeded(outcome("boto3", proxy, PUT_SSE_C, endpoint_url="http://obs.test:1", **options)), policy
    assert rules(caplog) == ["trusted-host"]
