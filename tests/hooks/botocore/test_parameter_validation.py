"""Invalid parameters raise botocore's own error."""

from __future__ import annotations

import array
import io
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from obs_sse_guard import SSETransportError
from tests.support.guard import unguarded
from tests.support.s3_calls import (
    BUCKET,
    CONTENT,
    OBJECT,
    PUT_SSE_C,
    SERVERS,
    asking,
    customer,
    each_sdk,
    outcome,
    outcomes,
    refused,
    succeeded,
)
from tests.support.servers import (
    TlsRecordingServer,
    assert_silent,
)
from tests.support.sse import KEY, MD5

if TYPE_CHECKING:
    from tests.support import s3_calls

_MALFORMED: dict[str, s3_calls.Call] = {
    "no bucket": lambda client: client.put_object(Key=OBJECT, Body=CONTENT, **customer()),
    "an unknown parameter": lambda client: client.put_object(Bucket=BUCKET, Key=OBJECT, SSE="x", **customer()),
    "a value of another type": lambda client: client.put_object(
        Bucket=BUCKET, Key=OBJECT, Body=CONTENT, ServerSideEncryption=1
    ),
    "a malformed ARN": lambda client: client.put_object(
        Bucket="arn:aws:s3:us-east-1:123456789012:nothing", Key=OBJECT, Body=CONTENT, **customer()
    ),
    "a bucket that is none": lambda client: client.put_object(Bucket="no/ne", Key=OBJECT, Body=CONTENT, **customer()),
    "a key that is no text": lambda client: client.put_object(
        Bucket=BUCKET, Key=OBJECT, Body=CONTENT, SSECustomerAlgorithm="AES256", SSECustomerKey=5
    ),
    "no operation": lambda client: client.generate_presigned_url("no_such_method", {**customer()}),
}


@each_sdk
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("name", _MALFORMED)
def test_invalid_parameters_raise_botocores_own_error(name: str, scheme: str, sdk: str) -> None:
    def message() -> str:
        with SERVERS[scheme]() as server:
            error = outcome(sdk, server, _MALFORMED[name])
            assert isinstance(error, Exception)
            assert not isinstance(error, SSETransportError)
            assert_silent(server)
            return repr(error).replace(str(server.port), "PORT")

    with unguarded():
        expected = message()
    assert message() == expected


@each_sdk
@pytest.mark.parametrize("parameters", [{"SSECustomerAlgorithm": "AES256"}, {"ServerSideEncryption": "rot13"}])
def test_incomplete_parameters_over_https_are_left_to_the_service(
    parameters: dict[str, str], sdk: str, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    https.answer("PUT", 400, {"Content-Type": "application/xml"}, "<Error><Code>InvalidArgument</Code></Error>")
    error = outcome(sdk, https, asking("PutObject", **parameters))
    assert isinstance(error, ClientError)
    assert error.response["Error"]["Code"] == "InvalidArgument"
    assert not caplog.records


@each_sdk
def test_parameters_are_validated_after_the_method_hook(sdk: str, https: TlsRecordingServer) -> None:
    first, second = outcomes(sdk, https, lambda client: client.put_object(Key=OBJECT), PUT_SSE_C)
    assert isinstance(first, ParamValidationError)
    assert succeeded(second)


class _Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "shown otherwise"


class _Unread(io.BytesIO):
    def read(self, *_: Any) -> bytes:
        raise AssertionError("the body of a refused call is not read")


_KEYS: dict[str, Any] = {
    "str": KEY,
    "bytes": KEY.encode(),
    "bytearray": bytearray(KEY.encode()),
    "memoryview": memoryview(KEY.encode()),
    "array": array.array("b", KEY.encode()),
    "str subclass": _Text(KEY),
}


@each_sdk
@pytest.mark.parametrize("kind", _KEYS)
def test_a_key_of_any_type_is_refused_before_the_body_is_read(kind: str, sdk: str) -> None:
    sse: dict[str, Any] = {"SSECustomerAlgorithm": _Text("AES256"), "SSECustomerKey": _KEYS[kind]}
    with SERVERS["https"]() as server:
        assert succeeded(outcome(sdk, server, asking("PutObject", **sse)))
    with SERVERS["http"]() as server:
        refused(outcome(sdk, server, asking("PutObject", Body=_Unread(CONTENT), **sse)), "table-1/PutObject")
        assert_silent(server)


@each_sdk
def test_a_key_beside_its_md5_must_be_text(sdk: str) -> None:
    """The SDK encodes a key only where its MD5 is not given."""
    sse: dict[str, Any] = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": KEY.encode(), "SSECustomerKeyMD5": MD5}
    with SERVERS["http"]() as server:
        error = outcome(sdk, server, asking("PutObject", **sse))
        assert isinstance(error, ParamValidationError)
        assert_silent(server)
