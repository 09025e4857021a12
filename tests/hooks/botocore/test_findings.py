"""The findings beside the tables on the botocore family: every operation of the model, uploads, reads, TLS."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from obs_sse_guard._policy.kms_uploads import kms_uploads
from tests.support import s3_calls
from tests.support.expected_rules import OPERATIONS, Row
from tests.support.guard import POLICY, reset, unguarded
from tests.support.records import fields_of, rules
from tests.support.s3_calls import (
    BUCKET,
    CONTENT,
    KEY,
    NAMES,
    OBJECT,
    SDKS,
    SOURCE,
    asking,
    customer,
    each_sdk,
    outcome,
    outcomes,
    refused,
    saying,
    service_model,
    succeeded,
)
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_silent, leaks

KMS_ANSWER = {"x-amz-server-side-encryption": "aws:kms"}

each_policy = pytest.mark.parametrize("policy", ["documented", "strict"])


# ------------------------------------------------------------ every operation of the model


def _headers_of(operation: str) -> dict[str, str]:
    """The parameters that an operation sends as headers, by the header's name."""
    shape = service_model().operation_model(operation).input_shape
    members = shape.members.items() if shape is not None else ()
    return {
        member.serialization["name"].lower(): name
        for name, member in members
        if member.serialization.get("location") == "header"
    }


_KEYS = ("x-amz-server-side-encryption-customer-key", "x-amz-copy-source-server-side-encryption-customer-key")
_KMS = "x-amz-server-side-encryption"

WITH_KEY = [
    pytest.param(operation, _headers_of(operation)[header], id=f"{operation}-{_headers_of(operation)[header]}")
    for operation in service_model().operation_names
    for header in _KEYS
    if header in _headers_of(operation)
]
WITH_KMS = [operation for operation in service_model().operation_names if _KMS in _headers_of(operation)]


def _needed(shape: Any) -> Any:
    """The smallest value that botocore takes for a shape: what is required, and nothing else."""
    if shape.type_name == "structure":
        return {name: _needed(shape.members[name]) for name in shape.required_members}
    if shape.type_name == "string":
        return shape.enum[0] if shape.enum else "value"
    simple: dict[str, Any] = {"list": [], "map": {}, "blob": b"", "integer": 1, "long": 1, "boolean": True}
    return simple.get(shape.type_name, "2026-01-01")


def _calling(operation: str, **parameters: Any) -> s3_calls.Call:
    needed = _needed(service_model().operation_model(operation).input_shape)
    named = {"Bucket": BUCKET, "Key": OBJECT, "CopySource": SOURCE, "UploadId": "id"}
    arguments = {**needed, **{name: value for name, value in named.items() if name in needed}, **parameters}
    return lambda client: getattr(client, xform_name(operation))(**arguments)


def test_the_operations_that_can_name_encryption() -> None:
    """Not a list to extend by hand: it tells what the introspection found, so that it cannot find nothing."""
    with_key = {parameter.values[0] for parameter in WITH_KEY}
    assert with_key >= {"CopyObject", "GetObject", "HeadObject", "ListParts", "PutObject", "SelectObjectContent"}
    assert len(WITH_KEY) >= 10
    assert {"CopyObject", "CreateMultipartUpload", "PutObject"} <= set(WITH_KMS)


@each_sdk
@pytest.mark.parametrize(("operation", "parameter"), WITH_KEY)
def test_every_operation_with_a_key_sends_it_in_clear(
    operation: str, parameter: str, sdk: str, http: RecordingServer
) -> None:
    with unguarded():
        outcome(sdk, http, _calling(operation, **{parameter: KEY}))
    assert leaks(http.wire, KEY)


@each_sdk
@pytest.mark.parametrize(("operation", "parameter"), WITH_KEY)
def test_no_operation_sends_a_key_in_clear_unless_a_row_allows_it(
    operation: str,
    parameter: str,
    sdk: str,
    http: RecordingServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    result = outcome(sdk, http, _calling(operation, **{parameter: KEY}))
    allowed_by = {
        "CompleteMultipartUpload": "table-1/CompleteMultipartUpload",
        "CopyObject": "table-3/SSE-C-to-none",
        "UploadPartCopy": "table-4/SSE-C-to-none",
    }
    if operation in allowed_by and (operation == "CompleteMultipartUpload" or parameter.startswith("CopySource")):
        assert rules(caplog) == [allowed_by[operation]]
        return
    assert_silent(http)
    assert not caplog.records
    name = "InitiateMultipartUpload" if operation == "CreateMultipartUpload" else operation
    in_tables = {"CopyObject": "table-3/none-to-SSE-C", "UploadPartCopy": "table-4/none-to-SSE-C"}
    speaks = f"table-1/{name}" if name in OPERATIONS else "key-in-clear"
    error = refused(result, in_tables.get(operation, speaks))
    assert (error.operation, error.sdk) == (name, NAMES[sdk])


@each_policy
@each_sdk
@pytest.mark.parametrize("operation", WITH_KMS)
def test_no_operation_names_kms_in_clear_unnoticed(
    operation: str,
    sdk: str,
    policy: str,
    http: RecordingServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(POLICY, policy)
    row = {
        "PutObject": "table-2/PutObject",
        "CreateMultipartUpload": "table-2/InitiateMultipartUpload",
        "CopyObject": "table-3/none-to-SSE-KMS",
    }.get(operation, "kms-in-clear")
    result = outcome(sdk, http, _calling(operation, ServerSideEncryption="aws:kms"))
    if row == "kms-in-clear" and policy == "documented":
        assert rules(caplog) == [row]
    else:
        refused(result, row)
        assert_silent(http)


@each_policy
@each_sdk
def test_key_in_clear_is_refused_where_no_row_speaks(
    sdk: str, policy: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POLICY, policy)

    def list_parts(client: Any) -> Any:
        return client.list_parts(Bucket=BUCKET, Key=OBJECT, UploadId="id", **customer())

    refused(outcome(sdk, http, list_parts), "key-in-clear")
    assert_silent(http)


# -------------------------------------------------------------------- uploads begun with KMS


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
    """Begun over https, as it must be; the part goes to the same host over http."""
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
def test_an_upload_begun_over_http_is_told_by_its_answer(sdk: str, http: RecordingServer) -> None:
    http.answer("POST", headers=KMS_ANSWER)
    upload_id = _begun(http, sdk)
    refused(outcome(sdk, http, _part(upload_id)), "inferred-kms")
    assert [call.method for call in http.requests] == ["POST"]


@each_sdk
def test_the_upload_is_known_in_either_style_and_to_the_other_sdk(
    sdk: str, https: TlsRecordingServer, http: RecordingServer
) -> None:
    upload_id = str(outcome(sdk, https, asking("InitiateMultipartUpload", "SSE-KMS"), style="virtual")["UploadId"])
    for other in SDKS:
        refused(outcome(other, http, _part(upload_id), style="virtual"), "inferred-kms")
        path = {"s3": {"addressing_style": "path"}, "endpoint_url": http.named_url}
        refused(outcome(other, http, _part(upload_id), **path), "inferred-kms")
    assert_silent(http)


@each_sdk
def test_the_wire_knows_the_upload_too(sdk: str, https: TlsRecordingServer, http: RecordingServer) -> None:
    """A client whose endpoint is https, and a handler that leads its part to plaintext."""
    upload_id = _begun(https, sdk, "SSE-KMS")

    def part(client: Any) -> Any:
        def lead_away(request: Any, **_: Any) -> None:
            request.url = request.url.replace(https.url, http.url)

        client.meta.events.register("before-sign.s3.UploadPart", lead_away)
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
def test_an_upload_of_another_kind_is_not_remembered(sdk: str, https: TlsRecordingServer) -> None:
    for encryption in ("none", "SSE-OBS", "SSE-C"):
        _begun(https, sdk, encryption)
    https.answer("POST", 403)
    assert isinstance(outcome(sdk, https, asking("InitiateMultipartUpload", "SSE-KMS")), ClientError)
    assert not kms_uploads


# ----------------------------------------------------------------------------------- reads


@each_sdk
def test_read_in_clear_is_logged(sdk: str, http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    http.answer(lambda request: True, headers=KMS_ANSWER)
    first = outcome(sdk, http, asking("GetObject"))
    assert first["Body"] == http.object
    assert rules(caplog) == ["read-in-clear"]
    assert [(fields["operation"], fields["sdk"]) for fields in fields_of(caplog)] == [("GetObject", NAMES[sdk])]
    assert succeeded(outcome(sdk, http, asking("HeadObject")))
    assert len(caplog.records) == 1


@each_sdk
def test_read_over_tls_or_of_another_kind_is_no_finding(
    sdk: str, https: TlsRecordingServer, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    https.answer("GET", headers=KMS_ANSWER)
    http.answer("GET", headers={"x-amz-server-side-encryption": "AES256"})
    for server in (https, http):
        assert succeeded(outcome(sdk, server, asking("GetObject")))
    assert not caplog.records


# ------------------------------------------------------------------- TLS that proves nothing

urllib3_warns = pytest.mark.filterwarnings(
    "ignore::urllib3.exceptions.InsecureRequestWarning",
    "ignore:verify_ssl is deprecated:DeprecationWarning",  # said of old releases of aiobotocore by aiohttp
)


@urllib3_warns
@each_sdk
def test_unverified_tls_is_said_once_per_client(
    sdk: str, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    secret = asking("PutObject", "SSE-C")
    results = outcomes(sdk, https, asking("PutObject"), secret, secret, asking("GetObject", "SSE-C"), verify=False)
    assert all(map(succeeded, results))
    assert rules(caplog) == ["unverified-tls"]
    assert "verify=" in caplog.text
    assert not leaks(caplog.text, KEY)
    reset()  # a repetition from the same place would only be counted
    assert succeeded(outcome(sdk, https, secret, verify=False))
    assert rules(caplog) == ["unverified-tls"] * 2, "another client"


@urllib3_warns
@each_sdk
def test_unverified_tls_is_refused_under_strict(
    sdk: str, https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(POLICY, "strict")
    secret = asking("PutObject", "SSE-C")
    first, second = outcomes(sdk, https, secret, secret, verify=False)
    for error in (first, second):
        refused(error, "unverified-tls")
    assert_silent(https)
    assert succeeded(outcome(sdk, https, secret))
    assert succeeded(outcome(sdk, https, asking("PutObject", "SSE-KMS"), verify=False))
    assert not caplog.records


@urllib3_warns
@each_sdk
def test_a_key_by_handler_over_unverified_tls_is_said_too(
    sdk: str, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    def put(client: Any) -> Any:
        def add(request: Any, **_: Any) -> None:
            for name, value in s3_calls.raw_headers("SSE-C").items():
                request.headers[name] = value

        client.meta.events.register("before-sign.s3", add)
        return asking("PutObject")(client)

    assert succeeded(outcome(sdk, https, put, verify=False))
    assert rules(caplog) == ["unverified-tls"]


def _all_at_once(caplog: pytest.LogCaptureFixture) -> Iterator[str]:
    for record in caplog.records:
        yield record.getMessage()
        yield repr(vars(record))


@each_sdk
def test_nothing_that_is_said_holds_the_key(
    sdk: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")
    for operation in (*s3_calls.METHODS, "PostObject"):
        outcome(sdk, http, asking(operation, "SSE-C"))
    outcome(sdk, http, saying(Row(0, "CopyObject", "SSE-C", "SSE-C", frozenset()), Body=CONTENT))
    assert len(caplog.records) >= len(s3_calls.METHODS)
    assert not leaks("\n".join(_all_at_once(caplog)), KEY)


@each_sdk
def test_clients_are_not_kept_alive(sdk: str, http: RecordingServer) -> None:
    """Neither what the guard remembers of a client nor its latest refusal, with the frames of its traceback."""
    kept: list[Any] = []

    def remember(client: Any) -> Any:
        kept.append(weakref.ref(client))
        return asking("PutObject", "SSE-C")(client)

    refused(outcome(sdk, http, remember), "table-1/PutObject")
    for _ in range(3):
        gc.collect()
    assert kept[0]() is None
