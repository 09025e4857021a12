"""TLS is judged by what requests verifies, not by the application's setting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests.adapters

from tests.support.guard import AUDIT, unguarded
from tests.support.huaweicloud_calls import (
    GET_SSE_C,
    PUT,
    PUT_SSE_C,
    each_client,
    obs_client,
    outcome,
    refused,
)
from tests.support.records import audited, rules
from tests.support.servers import TlsRecordingServer, assert_silent, leaks
from tests.support.sse import KEY

pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")


@each_client
def test_ignore_ssl_verification(
    kind: str, policy: str, https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(AUDIT, str(tmp_path / "audit"))
    with obs_client(kind, https, ssl_ca_cert=None, ignore_ssl_verification=True) as client:
        PUT(client)
        if policy == "strict":
            for _ in range(2):
                error = refused(outcome(PUT_SSE_C, client), "unverified-tls")
                assert "ignore_ssl_verification" in str(error)
                assert error.scheme == "https"
            assert not leaks(https.received, KEY)
        else:
            PUT_SSE_C(client)
            GET_SSE_C(client)
            assert len(audited(tmp_path / "audit")) == 1, "once per client"
            with obs_client(kind, https, ssl_ca_cert=None, ignore_ssl_verification=True) as another:
                PUT_SSE_C(another)
            assert [line["rule"] for line in audited(tmp_path / "audit")] == ["unverified-tls"] * 2


@each_client
def test_a_certificate_authority_makes_the_sdk_verify_in_spite_of_the_setting(
    kind: str, policy: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The SDK passes ``ignore_ssl_verification``, which is true, on as ``verify``."""
    with TlsRecordingServer(other_name=True) as server:
        with obs_client(kind, server, ignore_ssl_verification=True) as client:
            assert client.get_http_client()._verify is True
            with unguarded():
                assert isinstance(outcome(PUT_SSE_C, client), Exception)
            assert "unverified-tls" not in str(outcome(PUT_SSE_C, client))
        assert not leaks(server.received, KEY)
    assert not caplog.records, policy


@each_client
def test_an_adapter_that_does_not_check_the_host(
    kind: str, policy: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(AUDIT, str(tmp_path / "audit"))

    class Adapter(requests.adapters.HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, assert_hostname=False, **kwargs)

    with TlsRecordingServer(other_name=True) as server:
        with obs_client(kind, server) as client:
            client.get_http_client()._session.mount("https://", Adapter())
            PUT_SSE_C(client)
            PUT_SSE_C(client)
        assert leaks(server.received, KEY)
    times = 2 if policy == "strict" else 1
    assert [line["rule"] for line in audited(tmp_path / "audit")] == ["unverified-host"] * times
    assert rules(caplog) == ["unverified-host"]
    assert "assert_hostname" in caplog.text


@each_client
def test_an_adapter_that_verifies_in_spite_of_the_setting(
    kind: str, policy: str, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    class Adapter(requests.adapters.HTTPAdapter):
        def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            return super().send(request, *args, **{**kwargs, "verify": https.ca})

    with obs_client(kind, https, ssl_ca_cert=None, ignore_ssl_verification=True) as client:
        client.get_http_client()._session.mount("https://", Adapter())
        PUT_SSE_C(client)
    assert leaks(https.received, KEY)
    assert not caplog.records, policy


@each_client
def test_a_session_that_verifies_nothing(
    kind: str, policy: str, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    class Adapter(requests.adapters.HTTPAdapter):
        def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            return super().send(request, kwargs["stream"], kwargs["timeout"], False)

    with obs_client(kind, https) as client:
        client.get_http_client()._session.mount("https://", Adapter())
        result = outcome(PUT_SSE_C, client)
    if policy == "strict":
        refused(result, "unverified-tls")
        assert_silent(https)
    else:
        assert rules(caplog) == ["unverified-tls"]
