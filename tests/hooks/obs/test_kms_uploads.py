"""Parts of uploads begun with SSE-KMS, which no header of the part shows."""

from __future__ import annotations

from typing import Any

import obs
import pytest

from obs_sse_guard import SSETransportError
from obs_sse_guard._policy.kms_uploads import kms_uploads
from tests.support.obs_calls import (
    BUCKET,
    CONTENT,
    OBJECT,
    SOURCE_BUCKET,
    SOURCE_OBJECT,
    each_transport,
    needs_https,
    open_client,
    plaintext_connection,
    point_at,
    refused_at_once,
    sse_c,
)
from tests.support.servers import RecordingServer, assert_silent

pytestmark = needs_https


def _begin(client: Any, **arguments: Any) -> str:
    return str(client.initiateMultipartUpload(BUCKET, OBJECT, **arguments).body.uploadId)


def _part(client: Any, upload_id: str) -> Any:
    return client.uploadPart(BUCKET, OBJECT, 1, upload_id, content=CONTENT)


@pytest.mark.parametrize("by", ["request", "answer"])
def test_a_part_of_a_kms_upload_is_refused_over_http(by: str, https: RecordingServer, http: RecordingServer) -> None:
    if by == "answer":
        https.answer("POST", headers={"x-amz-server-side-encryption": "aws:kms"})
    with open_client("v2", https) as client:
        upload_id = _begin(client, sseHeader=obs.SseKmsHeader.getInstance() if by == "request" else None)
        other_id = "another"
        assert _part(client, upload_id).status == 200
        point_at(client, http)
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
        client.connHolder["connSet"].put(plaintext_connection(http))
        assert refused_at_once(_part, client, upload_id).rule == "inferred-kms"
    assert_silent(http)


@pytest.mark.parametrize("end", ["completeMultipartUpload", "abortMultipartUpload"])
def test_an_ended_upload_is_forgotten(end: str, https: RecordingServer) -> None:
    with open_client("v2", https) as client:
        upload_id = _begin(client, sseHeader=obs.SseKmsHeader.getInstance())
        assert len(kms_uploads) == 1
        https.answer(lambda request: "uploadId" in request.query, 404, times=1)
        _end(client, end, upload_id)
        assert len(kms_uploads) == 1, "an upload that could not be ended is still recorded"
        client.listParts(BUCKET, OBJECT, upload_id)
        assert len(kms_uploads) == 1
        _end(client, end, upload_id)
    assert len(kms_uploads) == 0


def _end(client: Any, method: str, upload_id: str) -> None:
    parts = [obs.CompleteMultipartUploadRequest([obs.CompletePart(1, "etag")])]
    getattr(client, method)(BUCKET, OBJECT, upload_id, *(parts if method.startswith("complete") else ()))


def test_an_upload_of_another_kind_is_not_recorded(https: RecordingServer) -> None:
    with open_client("v2", https) as client:
        _begin(client)
        _begin(client, sseHeader=obs.SseKmsHeader.getInstance(None, "AES256"))
        _begin(client, sseHeader=sse_c())
        https.answer("POST", 500)
        client.max_retry_count = 0
        client.initiateMultipartUpload(BUCKET, OBJECT, sseHeader=obs.SseKmsHeader.getInstance())
    assert len(kms_uploads) == 0


@needs_https
def test_a_part_of_a_kms_upload_opens_no_connection(https: RecordingServer, http: RecordingServer) -> None:
    class Body:
        reads = 0

        def read(self, _: int = -1) -> bytes:
            self.reads += 1
            return b""

    body = Body()
    with open_client("obs", https) as client:
        begun = client.initiateMultipartUpload(BUCKET, OBJECT, sseHeader=obs.SseKmsHeader.getInstance())
        client.is_secure, client.port = False, http.port
        client.server = "OBS.test."
        client.cache = type(client.cache)(maxlen=1)
        with pytest.raises(SSETransportError, match=r"\[inferred-kms\]"):
            client.uploadPart(BUCKET, OBJECT, 1, begun.body.uploadId, body, isAttachMd5=True)
    assert body.reads == 0
    assert_silent(http)


@pytest.mark.parametrize("signer", ["createSignedUrl", "createV2SignedUrl", "createV4SignedUrl"])
def test_the_url_of_a_part_of_a_kms_upload_is_not_signed_over_http(
    signer: str, https: RecordingServer, http: RecordingServer
) -> None:
    with open_client("v2", https) as client:
        upload_id = _begin(client, sseHeader=obs.SseKmsHeader.getInstance())

        def sign(method: str = "PUT", bucket: str = BUCKET, upload: str = upload_id, **arguments: Any) -> Any:
            query = {"partNumber": 1, "uploadId": upload}
            return getattr(client, signer)(method, bucket, OBJECT, queryParams=query, **arguments).signedUrl

        assert sign().startswith("https://")
        point_at(client, http)
        error = refused_at_once(sign)
        assert (error.rule, error.operation) == ("inferred-kms", "UploadPart")
        assert error.call == "ObsClient.createSignedUrl"
        assert sign(upload="another").startswith("http://")
        assert sign(bucket="another")
        assert sign("GET")
        assert sign(headers={"x-amz-copy-source": f"{SOURCE_BUCKET}/{SOURCE_OBJECT}"})
        assert getattr(client, signer)("PUT", BUCKET, OBJECT).signedUrl
