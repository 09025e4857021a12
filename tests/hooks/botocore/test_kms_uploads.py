"""Parts of uploads begun with SSE-KMS, which no header of the part shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from obs_sse_guard._policy.kms_uploads import kms_uploads
from tests.support.s3_calls import (
    BUCKET,
    KMS_ANSWER,
    NAMES,
    OBJECT,
    SDKS,
    asking,
    each_sdk,
    outcome,
    outcomes,
    refused,
    succeeded,
)
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_silent

if TYPE_CHECKING:
    from tests.support import s3_calls


def _part(upload_id: str, **more: Any) -> s3_calls.Call:
    return asking("UploadPart", UploadId=upload_id, **more)


def _begun(server: RecordingServer, sdk: str, encryption: str = "none", **more: Any) -> str:
    result = outcome(sdk, server, asking("InitiateMultipartUpload", encryption, **more))
    assert succeeded(result)
    return str(result["UploadId"])


@each_sdk
@pytest.mark.parametrize("by", ["request", "dsse", "answer"])
def test_a_part_of_a_kms_upload_is_refused_over_http(
    by: str, sdk: str, https: TlsRecordingServer, http: RecordingServer
) -> None:
    """The upload begins over https, and its part goes to the same host over http."""
    if by == "answer":
        https.answer("POST", headers=KMS_ANSWER)
    more = {"ServerSideEncryption": "aws:kms:dsse"} if by == "dsse" else {}
    upload_id = _begun(https, sdk, "SSE-KMS" if by == "request" else "none", **more)
    assert succeeded(outcome(sdk, https, _part(upload_id)))
    error = refused(outcome(sdk, http, _part(upload_id)), "inferred-kms")
    assert (error.operation, error.sdk) == ("UploadPart", NAMES[sdk])
    assert_silent(http)
    other, other_bucket, copied = outcomes(
        sdk,
        http,
        _part("another"),
        _part(upload_id, Bucket="other"),
        asking("UploadPartCopy", UploadId=upload_id),
    )
    assert succeeded(other)
    assert succeeded(other_bucket)
    assert succeeded(copied), "table 4 allows it"


@each_sdk
def test_an_upload_begun_over_http_is_recognized_by_its_response(sdk: str, http: RecordingServer) -> None:
    http.answer("POST", headers=KMS_ANSWER)
    upload_id = _begun(http, sdk)
    refused(outcome(sdk, http, _part(upload_id)), "inferred-kms")
    assert [call.method for call in http.requests] == ["POST"]


@each_sdk
def test_an_upload_is_recognized_in_either_style_and_by_the_other_sdk(
    sdk: str, https: TlsRecordingServer, http: RecordingServer
) -> None:
    upload_id = str(outcome(sdk, https, asking("InitiateMultipartUpload", "SSE-KMS"), style="virtual")["UploadId"])
    for other in SDKS:
        refused(outcome(other, http, _part(upload_id), style="virtual"), "inferred-kms")
        path = {"s3": {"addressing_style": "path"}, "endpoint_url": http.named_url}
        refused(outcome(other, http, _part(upload_id), **path), "inferred-kms")
    assert_silent(http)


@each_sdk
def test_the_wire_hook_recognizes_the_upload(sdk: str, https: TlsRecordingServer, http: RecordingServer) -> None:
    """The endpoint is https, and a handler rewrites the URL of the part to http."""
    upload_id = _begun(https, sdk, "SSE-KMS")

    def part(client: Any) -> Any:
        def to_plaintext(request: Any, **_: Any) -> None:
            request.url = request.url.replace(https.url, http.url)

        client.meta.events.register("before-sign.s3.UploadPart", to_plaintext)
        return _part(upload_id)(client)

    refused(outcome(sdk, https, part), "inferred-kms")
    assert_silent(http)


@each_sdk
@pytest.mark.parametrize("end", ["complete_multipart_upload", "abort_multipart_upload"])
def test_an_ended_upload_is_forgotten(end: str, sdk: str, https: TlsRecordingServer, http: RecordingServer) -> None:
    upload_id = _begun(https, sdk, "SSE-KMS")

    def finish(client: Any) -> Any:
        return getattr(client, end)(Bucket=BUCKET, Key=OBJECT, UploadId=upload_id)

    https.answer(lambda request: "uploadId" in request.query, 404, times=1)
    assert isinstance(outcome(sdk, https, finish), ClientError)
    refused(outcome(sdk, http, _part(upload_id)), "inferred-kms")
    assert succeeded(outcome(sdk, https, finish))
    assert not kms_uploads
    assert succeeded(outcome(sdk, http, _part(upload_id)))


@each_sdk
def test_an_upload_with_other_encryption_is_not_remembered(sdk: str, https: TlsRecordingServer) -> None:
    for encryption in ("none", "SSE-OBS", "SSE-C"):
        _begun(https, sdk, encryption)
    https.answer("POST", 403)
    assert isinstance(outcome(sdk, https, asking("InitiateMultipartUpload", "SSE-KMS")), ClientError)
    assert not kms_uploads


def _signed(upload_id: str, method: str = "upload_part", **more: Any) -> s3_calls.Call:
    params = {"Bucket": BUCKET, "Key": OBJECT, "UploadId": upload_id, "PartNumber": 1, **more}
    return lambda client: client.generate_presigned_url(method, Params=params)


@each_sdk
@pytest.mark.parametrize("style", ["path", "virtual"])
@pytest.mark.parametrize("signature", ["s3", "s3v4"])
def test_a_url_for_a_part_of_a_kms_upload_is_refused_over_http(
    signature: str, style: str, sdk: str, https: TlsRecordingServer, http: RecordingServer
) -> None:
    options = {"style": style, "signature_version": signature}
    upload_id = outcome(sdk, https, asking("InitiateMultipartUpload", "SSE-KMS"), **options)["UploadId"]
    error = refused(outcome(sdk, http, _signed(upload_id), **options), "inferred-kms")
    assert (error.operation, error.call, error.sdk) == ("UploadPart", "S3.generate_presigned_url", NAMES[sdk])
    copied = _signed(upload_id, "upload_part_copy", CopySource={"Bucket": BUCKET, "Key": "source"})
    for call in (_signed("another"), _signed(upload_id, Bucket="other"), copied):
        assert outcome(sdk, http, call, **options).startswith("http://")
    assert outcome(sdk, https, _signed(upload_id), **options).startswith("https://")


def test_a_url_for_a_part_that_a_signer_signs_directly(https: TlsRecordingServer, http: RecordingServer) -> None:
    upload_id = _begun(https, "boto3", "SSE-KMS")

    def sign(client: Any) -> Any:
        request = AWSRequest("PUT", f"{http.url}/{BUCKET}/{OBJECT}", params={"partNumber": "1", "uploadId": upload_id})
        SigV4QueryAuth(Credentials("access", "secret"), "s3", "us-east-1").add_auth(request)
        return request.url

    refused(outcome("boto3", http, sign), "inferred-kms")
