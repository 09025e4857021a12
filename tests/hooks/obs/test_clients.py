"""All kinds of clients, and where each gets its transport from."""

from __future__ import annotations

import http.client
from types import SimpleNamespace
from typing import Any

import obs
import pytest

from obs_sse_guard import SSETransportError
from obs_sse_guard._hooks import obs as obs_hooks
from tests.support import obs_calls
from tests.support.obs_calls import BUCKET, CONTENT, KEY, OBJECT, needs_https, open_client, put_sse_c
from tests.support.records import rules
from tests.support.servers import RecordingServer, assert_silent


@pytest.mark.parametrize("scheme", ["http", "HTTP", "Http"])
@pytest.mark.parametrize("is_secure", [True, False])
def test_the_scheme_of_the_endpoint_wins(scheme: str, is_secure: bool, http: RecordingServer) -> None:
    endpoint = http.url.replace("http", scheme, 1)
    with open_client("v2", http, server=endpoint, is_secure=is_secure) as client, pytest.raises(SSETransportError):
        put_sse_c(client)
    assert_silent(http)


@needs_https
@pytest.mark.parametrize("is_secure", [True, False])
def test_https_in_the_endpoint_wins(is_secure: bool, https: RecordingServer) -> None:
    with open_client("v2", https, is_secure=is_secure) as client:
        assert put_sse_c(client).status == 200


def test_without_a_scheme_the_flag_decides(http: RecordingServer) -> None:
    options: dict[str, Any] = {"server": "127.0.0.1", "port": http.port, "is_secure": False}
    with open_client("v2", http, **options) as client, pytest.raises(SSETransportError):
        put_sse_c(client)
    assert_silent(http)


@needs_https
def test_the_flag_is_read_at_every_call(https: RecordingServer, http: RecordingServer) -> None:
    with open_client("v2", https) as client:
        assert put_sse_c(client).status == 200
        client.is_secure, client.port = False, http.port
        with pytest.raises(SSETransportError):
            put_sse_c(client)
        client.is_secure, client.port = True, https.port
        assert put_sse_c(client).status == 200
    assert_silent(http)


def test_the_shadow_client_is_judged(http: RecordingServer) -> None:
    with open_client("v2", http) as client:
        if not hasattr(client, "get_shadow_client"):
            pytest.skip("not in this release of the SDK")
        token = {"shadow_ak": "a", "shadow_sk": "b", "security_token": "c", "endpoint": http.url}
        scheduler: Any = __import__("obs.scheduler", fromlist=["cache"])
        scheduler.cache.set("shadow_tokens", token)
        shadow = client.get_shadow_client()
        with pytest.raises(SSETransportError):
            put_sse_c(shadow)
        shadow.close()
    assert_silent(http)


class _Own(obs.ObsClient):  # type: ignore[misc,name-defined,unused-ignore]
    def putContent(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802  # the SDK's name
        kwargs["extensionHeaders"] = {"x-amz-server-side-encryption-customer-key": "key"}
        return super().putContent(*args, **kwargs)


def test_what_an_override_adds_is_judged(http: RecordingServer) -> None:
    client = _Own(access_key_id="a", secret_access_key="b", server=http.url)
    with pytest.raises(SSETransportError):
        client.putContent(BUCKET, OBJECT, CONTENT)
    client.close()
    assert_silent(http)


class _Headers:
    """A header object of an application's own, as uploadFile takes them."""

    def __init__(self, **values: Any) -> None:
        vars(self).update(dict.fromkeys(obs.UploadFileHeader.allowedAttr), **values)


@pytest.mark.parametrize("sse", ["SSE-C", "SSE-KMS", "none"])
def test_a_header_object_of_another_class_is_read(sse: str, http: RecordingServer, tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    headers = _Headers(sseHeader=obs_calls.sse(sse, KEY))
    with open_client("v2", http) as client:
        if sse == "none":
            assert client.uploadFile(BUCKET, OBJECT, str(path), headers=headers).status == 200
        else:
            with pytest.raises(SSETransportError, match=f"InitiateMultipartUpload with {sse}"):
                client.uploadFile(BUCKET, OBJECT, str(path), headers=headers)
            assert_silent(http)


@needs_https
def test_warn_mode_lets_a_downgraded_hop_through(
    https: RecordingServer, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")
    https.answer("PUT", 307, {"Location": f"{http.url}/{BUCKET}/{OBJECT}"})
    with open_client("v2", https) as client:
        assert put_sse_c(client).status == 200
    assert rules(caplog) == ["unverified-host", "table-1/PutObject"]


@pytest.mark.parametrize(
    ("connection", "secure"),
    [
        (http.client.HTTPSConnection("a.test"), True),
        (http.client.HTTPConnection("a.test"), False),
        (SimpleNamespace(req=SimpleNamespace(scheme="https")), True),
        (SimpleNamespace(req=SimpleNamespace(scheme="http")), False),
        (SimpleNamespace(secure=True), True),
        (SimpleNamespace(secure=False), False),
        (SimpleNamespace(), False),
    ],
)
def test_the_transport_is_the_connections(connection: Any, secure: bool) -> None:
    """What cannot be told counts as plaintext; the classes of ``use_http2`` load on old Pythons only."""
    assert obs_hooks._is_tls(connection) is secure


def test_names_that_are_no_text_are_read_too(http: RecordingServer) -> None:
    headers = {b"x-amz-server-side-encryption-customer-key": "key", 1: "one"}
    with open_client("v2", http) as client:
        with pytest.raises(SSETransportError):
            client._make_put_request(BUCKET, OBJECT, headers=headers)
        with pytest.raises(SSETransportError):
            client.deleteObject(BUCKET, OBJECT, extensionHeaders=headers)
    assert_silent(http)
