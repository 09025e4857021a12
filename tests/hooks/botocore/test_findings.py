"""Findings outside the tables: each operation of the model, over plaintext."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore import xform_name

from tests.support import s3_calls
from tests.support.expected_rules import OPERATIONS, Row
from tests.support.guard import POLICY, unguarded
from tests.support.records import rules
from tests.support.s3_calls import (
    BUCKET,
    CONTENT,
    NAMES,
    OBJECT,
    SOURCE,
    asking,
    call_for,
    customer,
    each_sdk,
    outcome,
    refused,
    service_model,
)
from tests.support.servers import RecordingServer, assert_silent, leaks
from tests.support.sse import KEY

each_policy = pytest.mark.parametrize("policy", ["documented", "strict"])


def _headers_of(operation: str) -> dict[str, str]:
    """Return the parameters that an operation sends as headers, by header name."""
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
    """Return the smallest value that botocore accepts for a shape."""
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
    """If the introspection found no operations, the other tests would test nothing."""
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
def test_every_operation_that_names_kms_in_clear_is_logged(
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
def test_key_in_clear_is_refused_where_no_row_applies(
    sdk: str, policy: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POLICY, policy)

    def list_parts(client: Any) -> Any:
        return client.list_parts(Bucket=BUCKET, Key=OBJECT, UploadId="id", **customer())

    refused(outcome(sdk, http, list_parts), "key-in-clear")
    assert_silent(http)


def _all_at_once(caplog: pytest.LogCaptureFixture) -> Iterator[str]:
    for record in caplog.records:
        yield record.getMessage()
        yield repr(vars(record))


@each_sdk
def test_no_message_or_error_contains_the_key(
    sdk: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")
    for operation in (*s3_calls.METHODS, "PostObject"):
        outcome(sdk, http, asking(operation, "SSE-C"))
    outcome(sdk, http, call_for(Row(0, "CopyObject", "SSE-C", "SSE-C", frozenset()), Body=CONTENT))
    assert len(caplog.records) >= len(s3_calls.METHODS)
    assert not leaks("\n".join(_all_at_once(caplog)), KEY)
