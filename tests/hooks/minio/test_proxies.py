"""Proxies: `urllib3.ProxyManager` as the client's pool."""

from __future__ import annotations

from typing import Any

import pytest
import urllib3

from tests.support.guard import TRUSTED, unguarded
from tests.support.minio_calls import PUT_SSE_C, asking, client_for, outcome, refused
from tests.support.records import rules
from tests.support.servers import (
    ConnectProxy,
    RecordingServer,
    TlsRecordingServer,
    assert_no_key,
    assert_silent,
    leaks,
    redirect_everything,
)
from tests.support.sse import KEY


def _through(proxy_url: str, server: RecordingServer, **options: Any) -> Any:
    verified = {"cert_reqs": "CERT_REQUIRED", "ca_certs": server.ca} if server.ca else {}
    return client_for(server, http_client=urllib3.ProxyManager(proxy_url, **{**verified, **options}))


def test_no_key_reaches_a_proxy_in_clear(http: RecordingServer) -> None:
    with ConnectProxy() as proxy:
        client = _through(proxy.url, http)
        with unguarded():
            PUT_SSE_C(client)
        assert leaks(proxy.wire, KEY)
    with ConnectProxy() as proxy:
        refused(outcome(_through(proxy.url, http), PUT_SSE_C), "table-1/PutObject")
        assert_silent(proxy)


def test_a_tunnel_to_https_is_allowed(https: TlsRecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    with ConnectProxy() as proxy:
        assert not isinstance(outcome(_through(proxy.url, https), PUT_SSE_C), Exception)
        assert_no_key(proxy, KEY)
        assert proxy.requests[0].method == "CONNECT"
    assert leaks(https.received, KEY)
    assert not caplog.records


def test_a_redirect_out_of_a_tunnel(http: RecordingServer, https: TlsRecordingServer) -> None:
    redirect_everything(https, 307, f"{http.url}/bucket/folder/object")
    with ConnectProxy() as proxy:
        refused(outcome(_through(proxy.url, https), asking("GetObject", "SSE-C")), "table-1/GetObject")
        assert_no_key(proxy, KEY)
        assert [request.method for request in proxy.requests] == ["CONNECT"]
    assert_silent(http)


@pytest.mark.parametrize("trusted", ["127.0.0.1", "127.0.0.1,localhost"])
def test_a_proxy_is_a_hop_of_its_own(trusted: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRUSTED, trusted)
    with ConnectProxy() as proxy:
        client = _through(proxy.url.replace("127.0.0.1", "localhost"), http)
        result = outcome(client, PUT_SSE_C)
        if "localhost" in trusted:
            assert not isinstance(result, Exception)
            assert len(http.requests) == 1
        else:
            refused(result, "table-1/PutObject")
            assert_silent(proxy)


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("target", ["http", "https"])
def test_a_proxy_that_ends_the_tls(
    target: str, https: TlsRecordingServer, policy: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In place of a proxy, the test server takes absolute-form requests over TLS."""
    with RecordingServer() as server:
        options = {"use_forwarding_for_https": True, "cert_reqs": "CERT_REQUIRED", "ca_certs": https.ca}
        client = _through(https.url, server, **options)
        client._base_url._url = client._base_url._url._replace(scheme=target)
        result = outcome(client, asking("GetObject", "SSE-C"))
        if target == "http":  # beyond the proxy it is plaintext
            refused(result, "table-1/GetObject")
        elif policy == "strict":
            refused(result, "unverified-tls")
        else:
            assert rules(caplog) == ["unverified-tls"]
        assert (https.requests == ()) == (target == "http" or policy == "strict")
        assert_silent(server)


def test_an_unknown_proxy_is_not_trusted(http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRUSTED, "127.0.0.1")
    client = client_for(http)

    class _Odd(urllib3.PoolManager):
        proxy = property(lambda _: 1 / 0)

    client._http = _Odd.__new__(_Odd)
    assert "could not be determined" in str(refused(outcome(client, PUT_SSE_C), "table-1/PutObject"))
    client._http = urllib3.PoolManager()
    assert_silent(http)
