"""Clients of every kind, and how each determines its transport."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import obs
import obs.client
import pytest

from obs_sse_guard import SSETransportError
from obs_sse_guard._hooks.obs.client import request_context
from tests.support import obs_calls
from tests.support.obs_calls import (
    BUCKET,
    CONTENT,
    OBJECT,
    needs_https,
    open_client,
    point_at,
    put_sse_c,
    refused_at_once,
)
from tests.support.servers import RecordingServer, assert_no_key, assert_silent
from tests.support.sse import ENCODED, KEY

pytestmark = needs_https


@pytest.mark.parametrize("signature", ["obs", "v2"])
def test_negotiation_can_end_in_either_dialect(signature: str) -> None:
    with RecordingServer(signature=signature) as plain, open_client("obs", plain) as client:
        if not obs_calls.passes_raw_headers(client):
            pytest.skip("this release of the SDK passes no raw headers")
        assert client.putContent(BUCKET, OBJECT, CONTENT).status == 200
        for prefix in ("x-obs-", "x-amz-"):
            header = {f"{prefix}server-side-encryption-customer-key": ENCODED}
            refused_at_once(lambda header=header: client.putContent(BUCKET, OBJECT, CONTENT, extensionHeaders=header))
        assert_no_key(plain, KEY)


def test_threads_do_not_share_findings(http: RecordingServer, https: RecordingServer) -> None:
    """Mix refused and allowed calls in 32 threads: each is checked by its request."""
    outcomes: dict[int, list[str]] = {}

    def work(number: int) -> None:
        server, call = ((http, put_sse_c), (https, put_sse_c), (http, _plain))[number % 3]
        with open_client("v2", server) as client:
            outcomes[number] = [_outcome(call, client) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    expected = ("refused", "200", "200")
    assert outcomes == {number: [expected[number % 3]] * 5 for number in range(32)}
    assert_no_key(http, KEY)


def _plain(client: Any) -> Any:
    return client.putContent(BUCKET, OBJECT, CONTENT)


def _outcome(call: Any, client: Any) -> str:
    try:
        return str(call(client).status)
    except SSETransportError:
        return "refused"


def test_copies_of_a_client_are_checked_by_their_own_transport(https: RecordingServer, http: RecordingServer) -> None:
    import copy

    with open_client("v2", https) as client:
        twin = copy.copy(client)
        point_at(twin, http)
        refused_at_once(put_sse_c, twin)
        assert put_sse_c(client).status == 200
    assert_silent(http)


def test_a_port_is_omitted_only_if_it_is_the_schemes_default(http: RecordingServer) -> None:
    with open_client("v2", http, server="http://host.test:443") as client:
        assert request_context(client, "call", "PutObject").endpoint == "http://host.test:443"
    with open_client("v2", http, server="http://host.test") as client:
        assert request_context(client, "call", "PutObject").endpoint == "http://host.test"


def test_a_call_through_the_class_is_checked(http: RecordingServer) -> None:
    header = obs.PutObjectHeader(sseHeader=obs.SseCHeader.getInstance(KEY))
    with open_client("v2", http) as client, pytest.raises(SSETransportError):
        obs.ObsClient.putContent(client, BUCKET, OBJECT, CONTENT, headers=header)
    assert_silent(http)


def _cipher() -> Any:
    make: Any = obs.CTRCipherGenerator
    return make("0" * 32)


@pytest.mark.skipif(not hasattr(obs, "CryptoObsClient"), reason="not in this release of the SDK")
def test_the_crypto_client_is_checked_before_it_reads(http: RecordingServer, tmp_path: Any) -> None:
    cipher = _cipher()
    client = obs.CryptoObsClient(cipher, access_key_id="a", secret_access_key="b", server=http.url)
    sse = obs.SseCHeader.getInstance(KEY)
    path = tmp_path / "file"
    path.write_text("x")
    calls: list[Callable[[], Any]] = [
        lambda: client.putContent(BUCKET, OBJECT, CONTENT, headers=obs.PutObjectHeader(sseHeader=sse)),
        lambda: client.uploadFile(BUCKET, OBJECT, str(path), headers=obs.UploadFileHeader(sseHeader=sse)),
        lambda: client.downloadFile(BUCKET, OBJECT, str(path), header=obs.GetObjectHeader(sseHeader=sse)),
        lambda: client.initiateEncryptedMultipartUpload(BUCKET, OBJECT, None, sseHeader=sse),
        lambda: client.uploadEncryptedPart(BUCKET, OBJECT, 1, "id", None, sseHeader=sse),
    ]
    for call in calls:
        with pytest.raises(SSETransportError):
            call()
    client.close()
    assert_silent(http)


def test_user_info_is_omitted_from_the_host() -> None:
    class Client:
        is_secure, server, port, proxy_host = False, "user:secret@host.test", 80, None

    context = request_context(Client(), "putContent", "PutObject")
    assert context.endpoint == "http://host.test"


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
def test_the_flag_is_read_on_every_call(https: RecordingServer, http: RecordingServer) -> None:
    with open_client("v2", https) as client:
        assert put_sse_c(client).status == 200
        client.is_secure, client.port = False, http.port
        with pytest.raises(SSETransportError):
            put_sse_c(client)
        client.is_secure, client.port = True, https.port
        assert put_sse_c(client).status == 200
    assert_silent(http)


def test_the_shadow_client_is_checked(http: RecordingServer) -> None:
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


def test_encryption_added_by_an_override_is_checked(http: RecordingServer) -> None:
    client = _Own(access_key_id="a", secret_access_key="b", server=http.url)
    with pytest.raises(SSETransportError):
        client.putContent(BUCKET, OBJECT, CONTENT)
    client.close()
    assert_silent(http)
