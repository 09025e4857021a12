"""Proxies from the client's options, its session and the environment."""

from __future__ import annotations

import pytest

from obs_sse_guard import SSETransportError
from tests.support.guard import TRUSTED
from tests.support.obs_calls import each_transport, needs_https, needs_requests, open_client, put_sse_c, refused_at_once
from tests.support.servers import ConnectProxy, RecordingServer, assert_no_key, assert_silent
from tests.support.sse import KEY

pytestmark = needs_https


@each_transport
def test_no_key_reaches_a_proxy_in_clear(transport: str, http: RecordingServer) -> None:
    with ConnectProxy() as proxy:
        with open_client("v2", http, transport=transport, proxy_host="127.0.0.1", proxy_port=proxy.port) as client:
            refused_at_once(put_sse_c, client)
        assert_silent(proxy)
        assert_silent(http)


def test_a_tunnel_to_https_is_allowed(https: RecordingServer) -> None:
    with ConnectProxy() as proxy:
        with open_client("v2", https, proxy_host="127.0.0.1", proxy_port=proxy.port) as client:
            assert put_sse_c(client).status == 200
        assert_no_key(proxy, KEY)
        assert proxy.requests[0].method == "CONNECT"


@needs_requests
@pytest.mark.parametrize("bypassed", [False, True])
def test_a_proxy_from_the_environment_is_a_separate_hop(
    bypassed: bool, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ConnectProxy() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("127.0.0.1", "localhost"))
        monkeypatch.setenv("OBS_SSE_GUARD_TRUSTED_HOSTS", "127.0.0.1")
        if bypassed:
            monkeypatch.setenv("no_proxy", "127.0.0.1")
        with open_client("v2", http, transport="requests", trust_env=True) as client:
            if bypassed:
                assert put_sse_c(client).status == 200
            else:
                refused_at_once(put_sse_c, client)
                assert_silent(proxy)
                monkeypatch.setenv("OBS_SSE_GUARD_TRUSTED_HOSTS", "127.0.0.1,localhost")
                assert put_sse_c(client).status == 200


@needs_requests
@pytest.mark.parametrize("how", ["all_proxy", "ALL_PROXY", "session"])
def test_every_proxy_is_a_hop(how: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRUSTED, "127.0.0.1")
    with ConnectProxy() as proxy:
        address = proxy.url.replace("127.0.0.1", "localhost")
        with open_client("v2", http, transport="requests", trust_env=how != "session") as client:
            if how == "session":
                client.session.session.proxies = {"http": address}
            else:
                monkeypatch.setenv(how, address)
            with pytest.raises(SSETransportError):
                put_sse_c(client)
        assert_silent(proxy)
