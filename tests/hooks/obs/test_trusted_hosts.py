"""Trust applies to the host that receives the bytes."""

from __future__ import annotations

import pytest

import obs_sse_guard
from obs_sse_guard import SSETransportError
from tests.support.guard import TRUSTED
from tests.support.obs_calls import (
    BUCKET,
    OBJECT,
    each_transport,
    needs_requests,
    open_client,
    plaintext_connection,
    put_sse_c,
    refused_at_once,
)
from tests.support.servers import ConnectProxy, RecordingServer, assert_no_key, assert_silent
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


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust the host name of the clients' endpoint."""
    monkeypatch.setenv(TRUSTED, "obs.test")


@pytest.mark.usefixtures("trusted")
def test_a_pooled_connection_to_another_bucket_of_the_endpoint_is_trusted(http: RecordingServer) -> None:
    """The pool hands out the connection of the first bucket to the second."""
    with open_client("obs", http, transport="long") as client:
        assert put_sse_c(client, "first").status == 200
        assert put_sse_c(client, "second").status == 200
    assert len({request.connection for request in http.calls}) == 1


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("host", ["evilobs.test", "far.obs.test.example.com", "obs.test.example.com"])
def test_a_pooled_connection_to_another_host_is_not_trusted(host: str, http: RecordingServer) -> None:
    with open_client("obs", http, transport="long", is_signature_negotiation=False) as client:
        connection = plaintext_connection(http)
        connection.host = host
        client.connHolder["connSet"].put(connection)
        assert refused_at_once(put_sse_c, client).rule == "table-1/PutObject"
    assert_silent(http)


@each_transport
@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("path_style", [True, False])
@pytest.mark.parametrize("host", ["bucket.obs.test", "BUCKET.obs.test", "obs.test"])
def test_a_redirect_to_the_host_of_the_bucket_is_trusted(
    host: str, path_style: bool, transport: str, http: RecordingServer
) -> None:
    http.answer("PUT", 307, {"Location": f"http://{host}:{http.port}/{BUCKET}/elsewhere"}, times=1)
    options = {"is_signature_negotiation": False, "path_style": path_style}
    with open_client("obs", http, transport=transport, **options) as client:
        assert put_sse_c(client).status == 200
    assert len(http.requests) == 2


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("host", ["other.obs.test", "x.bucket.obs.test", "bucket.example.com"])
def test_a_redirect_to_another_host_is_not_trusted(host: str, http: RecordingServer) -> None:
    with RecordingServer() as other, open_client("obs", http, is_signature_negotiation=False) as client:
        http.answer("PUT", 307, {"Location": f"http://{host}:{other.port}/{BUCKET}/{OBJECT}"})
        assert refused_at_once(put_sse_c, client, redirects=1).endpoint == f"http://{host}:{other.port}"
        assert_silent(other)
    assert len(http.requests) == 1


@pytest.mark.usefixtures("trusted")
def test_a_redirect_of_a_request_without_a_bucket_leads_where_it_says(http: RecordingServer) -> None:
    headers = {"x-obs-copy-source-server-side-encryption-customer-key": "a2V5"}
    with RecordingServer() as other, open_client("obs", http, is_signature_negotiation=False) as client:
        http.answer("GET", 307, {"Location": f"http://far.example.com:{other.port}/"})
        error = refused_at_once(lambda: client._make_get_request(headers=headers), redirects=1)
        assert error.endpoint == f"http://far.example.com:{other.port}"
        assert_silent(other)


@each_transport
@pytest.mark.parametrize(("server", "trust"), [("OBS.Test", "obs.test"), ("obs.test", "OBS.TEST")])
def test_letter_case_does_not_matter(
    server: str, trust: str, transport: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRUSTED, trust)
    with open_client("obs", http, transport=transport, server=f"http://{server}:{http.port}") as client:
        assert put_sse_c(client).status == 200
        assert put_sse_c(client, "Bucket").status == 200


@needs_requests
@pytest.mark.usefixtures("trusted")
def test_no_proxy_may_name_the_host_of_the_bucket(http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with ConnectProxy() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", f"{BUCKET}.obs.test")
        options = {"trust_env": True, "is_signature_negotiation": False}
        with open_client("obs", http, transport="requests", **options) as client:
            assert put_sse_c(client).status == 200
            headers = {"x-obs-server-side-encryption-customer-key": "a2V5"}
            assert client.deleteObject(BUCKET, OBJECT, extensionHeaders=headers).status == 204
            assert refused_at_once(put_sse_c, client, "other").rule == "table-1/PutObject"
        assert_silent(proxy)


@needs_requests
@pytest.mark.parametrize("proxied", [True, False])
def test_the_proxy_of_a_redirect_is_the_one_for_its_url(
    proxied: bool, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client's own URL goes through no proxy; the redirect's URL may."""
    monkeypatch.setenv(TRUSTED, "far.obs.test,127.0.0.1")
    with RecordingServer() as far, ConnectProxy() as proxy:
        # A name, so that the proxy is another host than the endpoint.
        monkeypatch.setenv("http_proxy", proxy.url.replace("127.0.0.1", "localhost"))
        monkeypatch.setenv("no_proxy", "127.0.0.1" if proxied else "127.0.0.1,far.obs.test")
        http.answer("PUT", 307, {"Location": f"http://far.obs.test:{far.port}/{BUCKET}/{OBJECT}"})
        with open_client("v2", http, transport="requests", trust_env=True) as client:
            if proxied:
                error = refused_at_once(put_sse_c, client, redirects=1)
                # The rule is that of the row: the hook on http.client, further in, knows no rows.
                assert (error.rule, error.endpoint) == ("table-1/PutObject", f"http://far.obs.test:{far.port}")
            else:
                assert put_sse_c(client).status == 200
        assert_silent(proxy)
        assert len(far.requests) == (not proxied)
