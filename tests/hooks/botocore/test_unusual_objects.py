"""Requests, transports and metadata of the application's own making."""

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


def test_a_transport_that_says_nothing_of_certificates_is_taken_at_its_word(
    https: TlsRecordingServer, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    transport = OwnTransport()
    assert succeeded(outcome("boto3", https, _by(transport, PUT_SSE_C)))
    assert len(transport.sent) == 1
    assert not caplog.records

    def lead_away(client: Any) -> Any:
        def rewrite(request: Any, **_: Any) -> None:
            request.url = request.url.replace(https.url, http.url)

        client.meta.events.register("before-send.s3", rewrite)
        return PUT_SSE_C(client)

    refused(outcome("boto3", https, _by(transport, lead_away)), "table-1/PutObject")
    assert len(transport.sent) == 1


@pytest.mark.parametrize("headers", [None, {}, {b"x-amz-meta-note": b"note"}, {"x-amz-meta-note": None}])
def test_a_request_of_an_odd_make_is_sent(
    headers: Any, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    transport = OwnTransport()
    request = SimpleNamespace(method="PUT", url=f"{http.url}/{BUCKET}/{OBJECT}", headers=headers)
    result = outcome("boto3", http, _by(transport, lambda client: client._endpoint._send(request)))
    assert result.status_code == 200
    assert transport.sent == [request]
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
def test_odd_conditions_are_signed_as_before(
    scheme: str, sdk: str, http: RecordingServer, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    server = http if scheme == "http" else https
    odd = [{"acl": "private"}, ["content-length-range", 1, 9], ["starts-with", "$Content-Type", ""], ["alone"], "text"]

    def sign(client: Any) -> Any:
        return client.generate_presigned_post(BUCKET, OBJECT, Fields={"acl": "private"}, Conditions=list(odd))

    assert set(outcome(sdk, server, sign)) == {"url", "fields"}
    assert not caplog.records


@each_sdk
def test_other_failures_of_a_request_with_encryption_are_the_sdks_own(sdk: str, https: TlsRecordingServer) -> None:
    def failed() -> tuple[type, str]:
        error = outcome(sdk, https, PUT_SSE_C, endpoint_url="https://127.0.0.1:9")
        return type(error), str(error)

    with unguarded():
        expected = failed()
    assert expected[0].__name__ == "EndpointConnectionError"
    assert failed() == expected


@each_sdk
def test_a_key_that_is_empty_is_no_key(sdk: str, http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing secret travels, yet what is asked for is SSE-C all the same."""

    def add(client: Any) -> Any:
        def headers(request: Any, **_: Any) -> None:
            for name in raw_headers("SSE-C"):
                request.headers[name] = ""

        client.meta.events.register("before-sign.s3", headers)
        return asking("PutObject")(client)

    refused(outcome(sdk, http, add), "table-1/PutObject")
    assert_silent(http)


@pytest.mark.parametrize("port", ["+{}", "{} "])
def test_a_url_that_one_parser_reads_and_another_does_not(port: str, https: TlsRecordingServer) -> None:
    pytest.importorskip("aiobotocore", reason="aiobotocore is not installed here")
    with RecordingServer() as away:

        def lead_away(request: Any, **_: Any) -> None:
            request.url = f"http://127.0.0.1:{port.format(away.port)}/bucket/key"

        def put(client: Any) -> Any:
            client.meta.events.register("before-send.s3.PutObject", lead_away)
            return asking("PutObject", "SSE-C")(client)

        refused(outcome("aiobotocore", https, put), "table-1/PutObject")
        assert_silent(away)


def test_a_log_record_is_made_by_keywords_too() -> None:
    record = logging.getLogger("x").makeRecord(name="x", level=10, fn="", lno=1, msg="m", args=(), exc_info=None)
    assert (record.name, record.msg) == ("x", "m")


def test_metadata_that_is_no_ascii_is_botocores_to_refuse(http: RecordingServer) -> None:
    error = outcome("boto3", http, asking("PutObject", "SSE-C", Metadata={"é": "x"}))
    assert type(error).__name__ == "ParamValidationError"


def test_a_metadata_prefix_too_many_hides_no_key(http: RecordingServer) -> None:
    named = {"x-amz-meta-x-amz-server-side-encryption-customer-key": KEY}
    refused(outcome("boto3", http, asking("PutObject", Metadata=named)), "key-misplaced")
    assert_silent(http)
