"""The wire gate: what slips past every method, and what only the connection shows."""

from __future__ import annotations

import functools
import gc
import http.client
import json
import threading
import warnings
from pathlib import Path
from typing import Any

import obs
import pytest

import obs_sse_guard
from obs_sse_guard import SSETransportError
from obs_sse_guard._hooks import obs as obs_hooks
from obs_sse_guard._policy.kms_uploads import KmsUploads
from tests.support import obs_calls
from tests.support.guard import POLICY
from tests.support.obs_calls import (
    BUCKET,
    CONTENT,
    KEY,
    OBJECT,
    SOURCE_BUCKET,
    SOURCE_OBJECT,
    each_transport,
    needs_https,
    needs_requests,
    open_client,
    put_sse_c,
    refused_at_once,
    sse_c,
)
from tests.support.records import audited, rules
from tests.support.servers import ConnectProxy, RecordingServer, TlsRecordingServer, assert_no_key, assert_silent
from tests.support.sse import ENCODED, S3_KEY_HEADER

pytestmark = needs_https

MEGABYTE = 1024 * 1024


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


# ------------------------------------------------------------------------------- redirects


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
    assert "server='https://" in str(error)
    assert_silent(http)


def test_a_client_on_http_is_redirected_by_the_rows(http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
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


def test_a_plain_request_is_redirected_as_before(https: RecordingServer, http: RecordingServer) -> None:
    https.answer("PUT", 307, {"Location": f"{http.url}/{BUCKET}/{OBJECT}"})
    with open_client("v2", https) as client:
        assert client.putContent(BUCKET, OBJECT, CONTENT).status == 200
    assert len(http.requests) == 1


# ---------------------------------------------------------- the connection, not the client's flag


def test_a_pooled_plaintext_connection_carries_no_key(http: RecordingServer) -> None:
    with open_client("v2", http, transport="long") as client:
        client.putContent(BUCKET, OBJECT, CONTENT)
        assert client.connHolder["connSet"].qsize() == 1
        client.is_secure = True
        assert refused_at_once(put_sse_c, client).rule == "table-1/PutObject"
        assert client.connHolder["connSet"].qsize() == 0
        gc.collect()  # a leaked socket would warn, and warnings are errors
    assert_no_key(http, KEY)


def test_an_injected_plaintext_connection_carries_no_key(http: RecordingServer, https: RecordingServer) -> None:
    with open_client("v2", https, transport="long") as client:
        client.connHolder["connSet"].put(_plaintext(http))
        assert refused_at_once(put_sse_c, client).scheme == "http"
    assert_no_key(http, KEY)


def _plaintext(server: RecordingServer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", server.port)


def test_every_attempt_is_judged_by_its_own_transport(https: RecordingServer, http: RecordingServer) -> None:
    with open_client("v2", https) as client:

        def flip(_: object) -> bool:
            client.is_secure, client.port = False, http.port
            return True

        https.drop(flip)
        assert refused_at_once(put_sse_c, client, redirects=1).scheme == "http"
    assert len(https.requests) == 1
    assert_silent(http)


# ------------------------------------------------------------------------- smuggled headers

_SMUGGLED: dict[str, dict[str, Any]] = {
    "bytes": {S3_KEY_HEADER: ENCODED.encode()},
    "list": {S3_KEY_HEADER: [ENCODED]},
    "letter case": {S3_KEY_HEADER.upper(): ENCODED},
    "copy source": {"x-obs-copy-source-server-side-encryption-customer-key": ENCODED},
}


@pytest.mark.parametrize("shape", _SMUGGLED)
def test_private_requests_are_judged(shape: str, http: RecordingServer) -> None:
    with open_client("v2", http) as client:
        refused_at_once(lambda: client._make_put_request(BUCKET, OBJECT, headers=_SMUGGLED[shape]))
        refused_at_once(lambda: client._make_delete_request(BUCKET, OBJECT, extensionHeaders=_SMUGGLED[shape]))
        refused_at_once(lambda: client._make_get_request(BUCKET, OBJECT, pathArgs=_SMUGGLED[shape]))
        refused_at_once(lambda: client._send_request("127.0.0.1", "PUT", "/", dict(_SMUGGLED[shape]), port=http.port))
    assert_silent(http)


def test_a_key_in_the_query_of_a_request_is_a_key_in_its_url(
    https: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    with open_client("v2", https) as client:
        client._make_get_request(BUCKET, OBJECT, pathArgs={S3_KEY_HEADER: ENCODED})
    assert rules(caplog)[0] == "key-in-url"


class _Late(obs.ObsClient):  # type: ignore[misc,name-defined,unused-ignore]
    """Adds the key after the first gate, as another thread that holds the headers could."""

    def _add_auth_headers(self, headers: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        headers[S3_KEY_HEADER] = ENCODED
        return super()._add_auth_headers(headers, *args, **kwargs)


@each_transport
def test_headers_are_judged_as_they_leave(transport: str, http: RecordingServer) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client = _Late(access_key_id="a", secret_access_key="b", server=http.url, **obs_calls.TRANSPORTS[transport])
    assert refused_at_once(client.putContent, BUCKET, OBJECT, CONTENT).rule == "table-1/PutObject"
    assert refused_at_once(client.deleteObject, BUCKET, OBJECT).rule == "key-in-clear"
    obs_calls.close_client(client)
    assert_silent(http)


@pytest.mark.parametrize("kind", obs_calls.KINDS)
def test_a_fetch_job_carries_headers_in_its_body(kind: str, http: RecordingServer) -> None:
    headers = {"x-obs-server-side-encryption-customer-key": ENCODED, S3_KEY_HEADER: ENCODED}
    with open_client(kind, http) as client:
        with pytest.raises(SSETransportError) as caught:
            client.setBucketFetchJob(BUCKET, "http://a.test/", objectHeaders=headers)
        client.setBucketFetchJob(BUCKET, "http://a.test/", objectHeaders={"note": "x"})
    assert caught.value.rule in ("key-in-clear", "key-misplaced")
    assert_no_key(http, KEY)


def test_a_private_fetch_job_is_judged_by_its_body(http: RecordingServer) -> None:
    body = json.dumps({"objectheaders": {S3_KEY_HEADER: ENCODED}})
    with open_client("v2", http) as client:
        call = functools.partial(client._make_post_request, BUCKET, "v1/async-fetch/jobs", entity=body)
        assert refused_at_once(call).rule == "key-in-clear"
    assert_silent(http)


@pytest.mark.parametrize("body", ["no json", "[]", '{"objectheaders": 1}', b'{"objectheaders": null}', None])
def test_an_odd_fetch_job_passes(body: Any, http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    with open_client("v2", http) as client:
        client._make_post_request(BUCKET, "v1/async-fetch/jobs", entity=body)
    assert len(http.requests) == 1
    assert not caplog.records


def test_no_other_body_is_looked_at(http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    body = f'{{"objectheaders": {{"{S3_KEY_HEADER}": "x"}}}}'
    with open_client("v2", http) as client:
        client.putContent(BUCKET, "v1/async-fetch/jobs", content=body)
        client.putContent(BUCKET, "other", content=body)
    assert len(http.requests) == 2
    assert not caplog.records


# --------------------------------------------------------------------------- worker threads


def _file(folder: Path, size: int = 3 * MEGABYTE) -> str:
    path = folder / "upload.bin"
    path.write_bytes(b"x" * size)
    return str(path)


def _upload_header() -> Any:
    return obs.UploadFileHeader(sseHeader=sse_c())


def _redirect_parts(https: RecordingServer, http: RecordingServer) -> None:
    https.answer(
        lambda request: request.method == "PUT" and "partNumber" in request.query,
        307,
        {"Location": f"{http.url}/{BUCKET}/{OBJECT}"},
    )


@each_transport
@pytest.mark.parametrize("tasks", [1, 3])
def test_upload_file_gives_its_caller_the_refusal(
    tasks: int, transport: str, https: RecordingServer, http: RecordingServer, tmp_path: Path
) -> None:
    _redirect_parts(https, http)
    with open_client("v2", https, transport=transport) as client, obs_calls.without_backoff() as slept:
        arguments = {"partSize": MEGABYTE, "taskNum": tasks, "enableCheckpoint": True, "headers": _upload_header()}
        with pytest.raises(SSETransportError) as caught:
            client.uploadFile(BUCKET, OBJECT, _file(tmp_path), **arguments)
    assert len(slept) == sum("partNumber" in request.query for request in https.requests), "each part is sent once"
    assert caught.value.rule == "table-1/UploadPart"
    assert_silent(http)
    assert "DELETE" not in [request.method for request in https.requests]
    assert (tmp_path / "upload.bin.upload_record").exists()


def test_a_resumed_upload_is_judged(https: RecordingServer, http: RecordingServer, tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"partSize": MEGABYTE, "enableCheckpoint": True, "headers": _upload_header()}
    path = _file(tmp_path)
    https.answer(lambda request: "partNumber" in request.query, 503, times=1)
    with open_client("v2", https, max_retry_count=0) as client, pytest.raises(Exception, match="some parts"):
        client.uploadFile(BUCKET, OBJECT, path, **arguments)
    record = (tmp_path / "upload.bin.upload_record").read_bytes()
    with open_client("v2", http) as client:
        refused_at_once(lambda: client.uploadFile(BUCKET, OBJECT, path, **arguments))
    assert_silent(http)
    assert (tmp_path / "upload.bin.upload_record").read_bytes() == record
    with open_client("v2", https) as client:
        assert client.uploadFile(BUCKET, OBJECT, path, **arguments).status == 200


def test_upload_file_async_does_not_hang(https: RecordingServer, http: RecordingServer, tmp_path: Path) -> None:
    _redirect_parts(https, http)
    with open_client("v2", https) as client:
        if not hasattr(client, "uploadFileAsync"):
            pytest.skip("not in this release of the SDK")
        task = client.uploadFileAsync(BUCKET, OBJECT, _file(tmp_path), headers=_upload_header())
        with pytest.raises(SSETransportError, match="table-1/UploadPart"):
            task.wait_for_completion(5)
    assert_silent(http)


# The parts of its downloads are read by _getObjectWithNotifier, which follows no redirect.
follows_in_downloads = pytest.mark.skipif(
    hasattr(obs.ObsClient, "_getObjectWithNotifier"), reason="this release of the SDK follows no redirect in downloads"
)


@follows_in_downloads
@pytest.mark.parametrize("tasks", [1, 3])
def test_download_file_gives_its_caller_the_refusal(
    tasks: int, https: RecordingServer, http: RecordingServer, tmp_path: Path
) -> None:
    https.answer("GET", 302, {"Location": f"{http.url}/{BUCKET}/{OBJECT}"})
    target = tmp_path / "down.bin"
    with open_client("v2", https) as client:
        error = refused_at_once(
            lambda: client.downloadFile(
                BUCKET,
                OBJECT,
                str(target),
                taskNum=tasks,
                partSize=MEGABYTE,
                enableCheckpoint=True,
                header=obs.GetObjectHeader(sseHeader=sse_c()),
            ),
            redirects=1,
        )
    assert error.rule == "table-1/GetObject"
    assert_silent(http)
    assert (tmp_path / "down.bin.download_record").exists()


@follows_in_downloads
def test_download_files_gives_its_caller_the_refusal(
    https: RecordingServer, http: RecordingServer, tmp_path: Path
) -> None:
    https.answer(
        lambda request: request.method == "GET" and bool(request.key),
        302,
        {"Location": f"{http.url}/{BUCKET}/{OBJECT}"},
    )
    seen: list[Any] = []
    with open_client("v2", https) as client, pytest.raises(SSETransportError, match="table-1/GetObject"):
        client.downloadFiles(
            BUCKET,
            "",
            str(tmp_path),
            headers=obs.GetObjectHeader(sseHeader=sse_c()),
            taskCallback=lambda key, result: seen.append(result),
        )
    assert seen
    assert {type(result) for result in seen} == {SSETransportError}
    assert_silent(http)


def test_download_files_without_a_refusal_returns_its_progress(https: RecordingServer, tmp_path: Path) -> None:
    with open_client("v2", https) as client:
        state = client.downloadFiles(BUCKET, "", str(tmp_path), headers=obs.GetObjectHeader(sseHeader=sse_c()))
    assert state.failed_tasks == 0
    assert state.successful_tasks > 0


# ----------------------------------------------------------------- SSE-KMS that no header shows


def _begin(client: Any, **arguments: Any) -> str:
    return str(client.initiateMultipartUpload(BUCKET, OBJECT, **arguments).body.uploadId)


def _part(client: Any, upload_id: str) -> Any:
    return client.uploadPart(BUCKET, OBJECT, 1, upload_id, content=CONTENT)


def _same_endpoint(client: Any, server: RecordingServer) -> None:
    client.is_secure, client.port = server.scheme == "https", server.port


@pytest.mark.parametrize("by", ["request", "answer"])
def test_a_part_of_a_kms_upload_is_refused_over_http(by: str, https: RecordingServer, http: RecordingServer) -> None:
    if by == "answer":
        https.answer("POST", headers={"x-amz-server-side-encryption": "aws:kms"})
    with open_client("v2", https) as client:
        upload_id = _begin(client, sseHeader=obs.SseKmsHeader.getInstance() if by == "request" else None)
        other_id = "another"
        assert _part(client, upload_id).status == 200
        _same_endpoint(client, http)
        assert refused_at_once(_part, client, upload_id).rule == "inferred-kms"
        assert_silent(http)
        assert _part(client, other_id).status == 200
        assert client.copyPart(BUCKET, OBJECT, 1, upload_id, f"{SOURCE_BUCKET}/{SOURCE_OBJECT}").status == 200
        assert client.getBucketAcl(BUCKET).status == 200


@pytest.mark.parametrize("query", ["?partNumber=1&uploadId={}", ""])
@pytest.mark.parametrize("host", ["127.0.0.1", "other.obs.test"])
@each_transport
def test_a_part_of_a_kms_upload_is_not_redirected_to_plaintext(
    transport: str, host: str, query: str, https: RecordingServer, http: RecordingServer
) -> None:
    with open_client("v2", https, transport=transport) as client:
        upload_id = _begin(client, sseHeader=obs.SseKmsHeader.getInstance())
        location = f"http://{host}:{http.port}/{BUCKET}/{OBJECT}{query.format(upload_id)}"
        https.answer(lambda request: "partNumber" in request.query, 307, {"Location": location})
        assert refused_at_once(_part, client, upload_id, redirects=1).rule == "inferred-kms"
    assert_silent(http)


def test_a_part_of_a_kms_upload_takes_no_pooled_plaintext_connection(
    https: RecordingServer, http: RecordingServer
) -> None:
    with open_client("v2", https, transport="long") as client:
        upload_id = _begin(client, sseHeader=obs.SseKmsHeader.getInstance())
        while not client.connHolder["connSet"].empty():
            client.connHolder["connSet"].get().close()
        client.connHolder["connSet"].put(_plaintext(http))
        assert refused_at_once(_part, client, upload_id).rule == "inferred-kms"
    assert_silent(http)


@pytest.mark.parametrize("end", ["completeMultipartUpload", "abortMultipartUpload"])
def test_an_ended_upload_is_forgotten(end: str, https: RecordingServer) -> None:
    with open_client("v2", https) as client:
        upload_id = _begin(client, sseHeader=obs.SseKmsHeader.getInstance())
        assert len(obs_hooks.ledger) == 1
        https.answer(lambda request: "uploadId" in request.query, 404, times=1)
        _end(client, end, upload_id)
        assert len(obs_hooks.ledger) == 1, "an upload that could not be ended goes on"
        client.listParts(BUCKET, OBJECT, upload_id)
        assert len(obs_hooks.ledger) == 1
        _end(client, end, upload_id)
    assert len(obs_hooks.ledger) == 0


def _end(client: Any, method: str, upload_id: str) -> None:
    parts = [obs.CompleteMultipartUploadRequest([obs.CompletePart(1, "etag")])]
    getattr(client, method)(BUCKET, OBJECT, upload_id, *(parts if method.startswith("complete") else ()))


def test_an_upload_of_another_kind_is_not_in_the_ledger(https: RecordingServer) -> None:
    with open_client("v2", https) as client:
        _begin(client)
        _begin(client, sseHeader=obs.SseKmsHeader.getInstance(None, "AES256"))
        _begin(client, sseHeader=sse_c())
        https.answer("POST", 500)
        client.max_retry_count = 0
        client.initiateMultipartUpload(BUCKET, OBJECT, sseHeader=obs.SseKmsHeader.getInstance())
    assert len(obs_hooks.ledger) == 0


def test_the_ledger_is_bounded_and_keeps_uploads_apart() -> None:
    ledger = KmsUploads(limit=2)
    for upload in ("one", "two", "three"):
        ledger.add("host", "bucket", upload)
    assert [("host", "bucket", upload) in ledger for upload in ("one", "two", "three")] == [False, True, True]
    assert ("other", "bucket", "two") not in ledger
    assert ("host", "other", "two") not in ledger
    ledger.forget("host", "bucket", "unknown")
    assert len(ledger) == 2


def test_read_in_clear_is_logged(http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    http.answer("GET", headers={"x-amz-server-side-encryption": "aws:kms"})
    with open_client("v2", http) as client:
        assert client.getObject(BUCKET, OBJECT, loadStreamInMemory=True).status == 200
        assert rules(caplog) == ["read-in-clear"]
        client.getObjectMetadata(BUCKET, OBJECT)
        client.getBucketAcl(BUCKET)
    assert len(caplog.records) == 1


def test_read_over_tls_or_of_another_kind_is_no_finding(
    https: RecordingServer, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    https.answer("GET", headers={"x-amz-server-side-encryption": "aws:kms"})
    http.answer("GET", headers={"x-amz-server-side-encryption": "AES256"})
    for server in (https, http):
        with open_client("v2", server) as client:
            client.getObject(BUCKET, OBJECT, loadStreamInMemory=True)
    assert not caplog.records


# ------------------------------------------------------------------- TLS that proves nothing


@each_transport
def test_unverified_tls_is_said_once_per_client(
    transport: str,
    https: RecordingServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD_AUDIT", str(tmp_path / "audit"))
    with open_client("v2", https, transport=transport, ssl_verify=False) as client, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # urllib3 says so as well
        client.putContent(BUCKET, OBJECT, CONTENT)
        assert not caplog.records
        for _ in range(3):
            assert put_sse_c(client).status == 200
    assert rules(caplog) == ["unverified-tls"]
    with open_client("v2", https, ssl_verify=False) as other:
        put_sse_c(other)
    assert [line["rule"] for line in audited(tmp_path / "audit")] == ["unverified-tls"] * 2


def test_unverified_tls_is_refused_under_strict_at_any_time(
    https: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_client("v2", https, ssl_verify=False) as client:
        assert put_sse_c(client).status == 200
        monkeypatch.setenv(POLICY, "strict")
        for _ in range(2):
            assert refused_at_once(put_sse_c, client).rule == "unverified-tls"
        monkeypatch.delenv(POLICY)
        assert put_sse_c(client).status == 200
    assert len(https.requests) == 2


def test_a_verified_certificate_of_another_host_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with TlsRecordingServer(other_name=True) as server, open_client("v2", server) as client:
        assert put_sse_c(client).status == 200
    assert rules(caplog) == ["unverified-host"]


@needs_requests
def test_a_transport_that_checks_the_name_is_no_finding(
    https: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(POLICY, "strict")
    with open_client("v2", https, transport="requests") as client:
        assert put_sse_c(client).status == 200
    assert not caplog.records


# -------------------------------------------------------------------- proxies and dialects


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
def test_a_proxy_of_the_environment_is_a_hop_of_its_own(
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


def test_a_custom_domain_is_judged(http: RecordingServer) -> None:
    with open_client("v2", http, is_cname=True) as client:
        error = refused_at_once(lambda: client._make_put_request("", OBJECT, headers={S3_KEY_HEADER: ENCODED}))
        refused_at_once(put_sse_c, client)
    assert error.rule == "table-1/PutObject"
    assert_silent(http)


@pytest.mark.parametrize("signature", ["obs", "v2"])
def test_negotiation_may_end_in_either_dialect(signature: str) -> None:
    with RecordingServer(signature=signature) as plain, open_client("obs", plain) as client:
        if not obs_calls.passes_raw_headers(client):
            pytest.skip("this release of the SDK passes no raw headers")
        assert client.putContent(BUCKET, OBJECT, CONTENT).status == 200
        for prefix in ("x-obs-", "x-amz-"):
            header = {f"{prefix}server-side-encryption-customer-key": ENCODED}
            refused_at_once(lambda header=header: client.putContent(BUCKET, OBJECT, CONTENT, extensionHeaders=header))
        assert_no_key(plain, KEY)


# ------------------------------------------------------------------------------ independence


def test_threads_do_not_hear_each_others_findings(http: RecordingServer, https: RecordingServer) -> None:
    """32 threads, refused and allowed calls mixed: each is judged by its own facts."""
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


def test_copies_of_a_client_are_judged_by_their_own_transport(https: RecordingServer, http: RecordingServer) -> None:
    import copy

    with open_client("v2", https) as client:
        twin = copy.copy(client)
        _same_endpoint(twin, http)
        refused_at_once(put_sse_c, twin)
        assert put_sse_c(client).status == 200
    assert_silent(http)


def test_the_workflow_client_is_judged(http: RecordingServer) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client = obs.WorkflowClient(access_key_id="a", secret_access_key="b", server=http.url)
    with pytest.raises(SSETransportError, match="key-in-clear"):
        client._make_put_request(None, "v2/x", headers={S3_KEY_HEADER: ENCODED})
    client.close()
    assert_silent(http)
    assert obs_sse_guard.status()["obs.client._BasicClient._make_request_with_retry"] == "active"
