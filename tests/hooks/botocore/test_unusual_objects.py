"""Requests, transports and metadata that the application creates."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.guard import unguarded
from tests.support.s3_calls import (
    BUCKET,
    OBJECT,
    PUT_SSE_C,
    Call,
    OwnTransport,
    asking,
    each_sdk,
    outcome,
    raw_headers,
    refused,
    succeeded,
)
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_silent
from tests.support.sse import ENCODED, KEY, S3_KEY_HEADER


def _by(transport: OwnTransport, call: Call) -> Call:
    def calling(client: Any) -> Any:
        client._endpoint.http_session = transport
        return call(client)

    return calling


def test_a_transport_without_certificate_settings_counts_as_verified(
    https: TlsRecordingServer, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    transport = OwnTransport()
    assert succeeded(outcome("boto3", https, _by(transport, PUT_SSE_C)))
    assert len(transport.sent) == 1
    assert not caplog.records

    def to_plaintext(client: Any) -> Any:
        def rewrite(request: Any, **_: Any) -> None:
            request.url = request.url.replace(https.url, http.url)

        client.meta.events.register("before-send.s3", rewrite)
        return PUT_SSE_C(client)

    refused(outcome("boto3", https, _by(transport, to_plaintext)), "table-1/PutObject")
    assert len(transport.sent) == 1


@pytest.mark.parametrize("headers", [None, {}, {b"x-amz-meta-note": b"note"}, {"x-amz-meta-note": None}])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_request_built_by_the_application_is_sent(
    scheme: str, headers: Any, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    transport: Any = OwnTransport()
    transport._verify = True
    url = http.url.replace("http:", f"{scheme}:")
    request = SimpleNamespace(method="PUT", url=f"{url}/{BUCKET}/{OBJECT}", headers=headers)
    result = outcome("boto3", http, _by(transport, lambda client: client._endpoint._send(request)))
    assert result.status_code == 200
    assert transport.sent == [request]
    assert not caplog.records


def test_a_request_without_a_url_is_left_to_the_sdk(http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    request = SimpleNamespace(method="PUT", headers={})
    error = outcome("boto3", http, _by(OwnTransport(), lambda client: client._endpoint._send(request)))
    assert isinstance(error, AttributeError)
    assert "'url'" in str(error)
    assert not caplog.records


def test_header_names_in_bytes_are_read(http: RecordingServer) -> None:
    transport = OwnTransport()
    headers = {S3_KEY_HEADER.encode(): ENCODED.encode()}
    request = SimpleNamespace(method=b"PUT", url=f"{http.url}/{BUCKET}/{OBJECT}", headers=headers)
    error = outcome("boto3", http, _by(transport, lambda client: client._endpoint._send(request)))
    refused(error, "table-1/PutObject")
    assert not transport.sent


@each_sdk
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_unusual_conditions_are_signed_as_before(
    scheme: str, sdk: str, http: RecordingServer, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    server = http if scheme == "http" else https
    odd = [{"acl": "private"}, ["content-length-range", 1, 9], ["starts-with", "$Content-Type", ""], ["alone"], "text"]

    def sign(client: Any) -> Any:
        return client.generate_presigned_post(BUCKET, OBJECT, Fields={"acl": "private"}, Conditions=list(odd))

    assert set(outcome(sdk, server, sign)) == {"url", "fields"}
    assert not caplog.records


@each_sdk
def test_other_failures_of_an_encrypted_request_raise_the_sdks_own_error(sdk: str, https: TlsRecordingServer) -> None:
    def failed() -> tuple[type, str]:
        error = outcome(sdk, https, PUT_SSE_C, endpoint_url="https://127.0.0.1:9")
        return type(error), str(error)

    with unguarded():
        expected = failed()
    assert expected[0].__name__ == "EndpointConnectionError"
    assert failed() == expected


@each_sdk
def test_an_empty_key_is_not_a_key(sdk: str, http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    """The request carries no key, but it still asks for SSE-C."""

    def add(client: Any) -> Any:
        def headers(request: Any, **_: Any) -> None:
            for name in raw_headers("SSE-C"):
                request.headers[name] = ""

        client.meta.events.register("before-sign.s3", headers)
        return asking("PutObject")(client)

    refused(outcome(sdk, http, add), "table-1/PutObject")
    assert_silent(http)


@pytest.mark.parametrize("port", ["+{}", "{} "])
def test_a_url_that_only_one_parser_accepts(port: str, https: TlsRecordingServer) -> None:
    pytest.importorskip("aiobotocore", reason="aiobotocore is not installed here")
    with RecordingServer() as away:

        def to_plaintext(request: Any, **_: Any) -> None:
            request.url = f"http://127.0.0.1:{port.format(away.port)}/bucket/key"

        def put(client: Any) -> Any:
            client.meta.events.register("before-send.s3.PutObject", to_plaintext)
            return asking("PutObject", "SSE-C")(client)

        refused(outcome("aiobotocore", https, put), "table-1/PutObject")
        assert_silent(away)


def test_a_log_record_can_be_created_from_keywords() -> None:
    record = logging.getLogger("x").makeRecord(name="x", level=10, fn="", lno=1, msg="m", args=(), exc_info=None)
    assert (record.name, record.msg) == ("x", "m")


def test_metadata_that_is_not_ascii_raises_botocores_own_error(http: RecordingServer) -> None:
    error = outcome("boto3", http, asking("PutObject", "SSE-C", Metadata={"é": "x"}))
    assert type(error).__name__ == "ParamValidationError"


def test_a_repeated_metadata_prefix_hides_no_key(http: RecordingServer) -> None:
    named = {"x-amz-meta-x-amz-server-side-encryption-customer-key": KEY}
    refused(outcome("boto3", http, asking("PutObject", Metadata=named)), "key-misplaced")
    assert_silent(http)
