"""Proxies: plaintext to a trusted host passes two hops, and a tunnel passes none."""

from __future__ import annotations

import pytest

from tests.support.guard import TRUSTED, unguarded
from tests.support.hook_groups import disable_hooks
from tests.support.huaweicloud_calls import PUT_SSE_C, each_client, obs_client, outcome, refused
from tests.support.records import rules
from tests.support.servers import LOOPBACK, ConnectProxy, RecordingServer, TlsRecordingServer, assert_silent, leaks
from tests.support.sse import KEY


@pytest.mark.parametrize("groups", [(), ("calls",), ("each hop",)])
@each_client
def test_plaintext_through_a_proxy_of_the_environment(
    kind: str, groups: tuple[str, ...], http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRUSTED, "*.test")
    with ConnectProxy() as proxy, obs_client(kind, http) as client:
        monkeypatch.setenv("http_proxy", proxy.url)
        with unguarded():
            PUT_SSE_C(client)
        assert leaks(proxy.wire, KEY)
    disable_hooks(monkeypatch, *(f"huaweicloudsdkobs: {group}" for group in groups))
    with ConnectProxy() as proxy, obs_client(kind, http) as client:
        monkeypatch.setenv("http_proxy", proxy.url)
        refused(outcome(PUT_SSE_C, client), "table-1/PutObject")
        assert_silent(proxy)
        monkeypatch.setenv(TRUSTED, f"*.test,{LOOPBACK}")
        PUT_SSE_C(client)
        assert leaks(proxy.wire, KEY)
        monkeypatch.setenv(TRUSTED, "*.test")
        monkeypatch.setenv("no_proxy", "obs.test")
        PUT_SSE_C(client)


@each_client
def test_a_tunnel_through_the_proxy_of_the_settings(
    kind: str, policy: str, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    with ConnectProxy() as proxy:
        options = {"proxy_protocol": "http", "proxy_host": LOOPBACK, "proxy_port": proxy.port}
        with obs_client(kind, https, **options) as client:
            PUT_SSE_C(client)
        assert [request.method for request in proxy.requests] == ["CONNECT"]
        assert not leaks(proxy.wire, KEY)
    assert leaks(https.received, KEY)
    assert not caplog.records, policy


@each_client
def test_the_proxy_of_the_settings_is_for_https_alone(
    kind: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(TRUSTED, "*.test")
    with ConnectProxy() as proxy:
        options = {"proxy_protocol": "http", "proxy_host": LOOPBACK, "proxy_port": proxy.port}
        with obs_client(kind, http, **options) as client:
            PUT_SSE_C(client)
        assert_silent(proxy)
    assert rules(caplog) == ["trusted-host"]
