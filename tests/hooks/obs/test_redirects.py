"""Redirects: each hop is checked by its destination."""

from __future__ import annotations

from typing import Any

import obs
import pytest

from tests.support import obs_calls
from tests.support.guard import POLICY
from tests.support.obs_calls import (
    BUCKET,
    CONTENT,
    OBJECT,
    SOURCE_BUCKET,
    SOURCE_OBJECT,
    each_transport,
    needs_https,
    open_client,
    put_sse_c,
    refused_at_once,
    sse_c,
)
from tests.support.records import rules
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_silent
from tests.support.sse import ENCODED, S3_KEY_HEADER

pytestmark = needs_https


def _get(client: Any) -> Any:
    return client.getObject(BUCKET, OBJECT, headers=obs.GetObjectHeader(sseHeader=sse_c()), loadStreamInMemory=True)


def _copy(client: Any) -> Any:
    headers = obs.CopyObjectHeader(sourceSseHeader=sse_c())
    return client.copyObject(SOURCE_BUCKET, SOURCE_OBJECT, BUCKET, OBJECT, headers=headers)


def _copy_to_ssec(client: Any) -> Any:
    headers = obs.CopyObjectHeader(destSseHeader=sse_c())
    return client.copyObject(SOURCE_BUCKET, SOURCE_OBJECT, BUCKET, OBJECT, headers=headers)


_CALLS = {
    "PUT": put_sse_c,
    "GET": _get,
    "HEAD": lambda client: client.getObjectMetadata(BUCKET, OBJECT, sseHeader=sse_c()),
    "POST": lambda client: client.initiateMultipartUpload(BUCKET, OBJECT, sseHeader=sse_c()),
    "copy": _copy_to_ssec,
}


@pytest.mark.thinned
@each_transport
@pytest.mark.parametrize("location", ["http://127.0.0.1:{}/away", "//127.0.0.1:{}/away", "ftp://127.0.0.1:{}/away"])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("name", _CALLS)
def test_a_redirect_to_plaintext_is_not_followed(
    name: str, status: int, location: str, transport: str, https: RecordingServer, http: RecordingServer
) -> None:
    https.answer(lambda request: True, status, {"Location": location.format(http.port)})
    with open_client("v2", https, transport=transport) as client:
        error = refused_at_once(_CALLS[name], client, redirects=1)
    assert len(https.requests) == 1
    assert_silent(http)
    assert (error.scheme, error.endpoint) == ("http", http.url)
    assert error.rule.startswith(("table-1/", "table-3/"))


def _complete(client: Any) -> Any:
    parts = obs.CompleteMultipartUploadRequest([obs.CompletePart(partNum=1, etag="etag")])
    return client.completeMultipartUpload(BUCKET, OBJECT, "id", parts, extensionHeaders={S3_KEY_HEADER: ENCODED})


def _kms_part_of_copy(client: Any) -> Any:
    return client.copyPart(BUCKET, OBJECT, 1, "id", "source/key", destSseHeader=obs.SseKmsHeader.getInstance())


@each_transport
@pytest.mark.parametrize("call", [_copy, _complete, _kms_part_of_copy])
def test_a_downgrade_is_not_followed_where_the_row_allows_http(
    call: Any, transport: str, https: RecordingServer, http: RecordingServer
) -> None:
    https.answer(lambda request: True, 307, {"Location": f"{http.url}/{BUCKET}/{OBJECT}"})
    with open_client("v2", https, transport=transport) as client:
        if call is _complete and not obs_calls.passes_raw_headers(client):
            pytest.skip("this release of the SDK passes no raw headers")
        error = refused_at_once(call, client, redirects=1)
    assert (error.rule, error.scheme) == ("downgraded-redirect", "http")
    assert "  fix:  make the service redirect to https://" in str(error)
    assert_silent(http)


def test_the_rows_apply_to_redirects_of_an_http_client(http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    with RecordingServer() as other, open_client("v2", http) as client:
        http.answer("PUT", 307, {"Location": f"{other.url}/{BUCKET}/{OBJECT}"})
        assert _copy(client).status == 200
        assert len(other.requests) == 1
    assert "downgraded-redirect" not in rules(caplog)


@each_transport
def test_a_redirect_on_the_same_host_is_followed(
    transport: str, https: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    https.answer("PUT", 307, {"Location": f"{https.url}/{BUCKET}/elsewhere"}, times=1)
    with open_client("v2", https, transport=transport) as client:
        assert put_sse_c(client).status == 200
    assert [request.path for request in https.requests] == [f"/{BUCKET}/{OBJECT}", f"/{BUCKET}/elsewhere"]
    assert "cross-host-redirect" not in rules(caplog)


@pytest.mark.parametrize("policy", ["documented", "strict"])
def test_a_redirect_to_another_host_is_a_finding(
    policy: str, https: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(POLICY, policy)
    with TlsRecordingServer() as other, open_client("v2", https) as client:
        https.answer("PUT", 307, {"Location": f"https://other.obs.test:{other.port}/{BUCKET}/{OBJECT}"})
        if policy == "strict":
            assert refused_at_once(put_sse_c, client, redirects=1).rule == "cross-host-redirect"
            assert_silent(other)
        else:
            assert put_sse_c(client).status == 200
            assert "cross-host-redirect" in rules(caplog)


def test_a_request_without_encryption_is_redirected_as_before(https: RecordingServer, http: RecordingServer) -> None:
    https.answer("PUT", 307, {"Location": f"{http.url}/{BUCKET}/{OBJECT}"})
    with open_client("v2", https) as client:
        assert client.putContent(BUCKET, OBJECT, CONTENT).status == 200
    assert len(http.requests) == 1


@needs_https
def test_warn_mode_lets_a_downgraded_hop_through(
    https: RecordingServer, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")
    https.answer("PUT", 307, {"Location": f"{http.url}/{BUCKET}/{OBJECT}"})
    with open_client("v2", https) as client:
        assert put_sse_c(client).status == 200
    assert rules(caplog) == ["unverified-host", "table-1/PutObject"]
