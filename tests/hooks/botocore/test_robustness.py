"""What is odd must not stop a call, on the botocore family: bugs of the guard's own, and objects of the application's.

Where one gate fails, the other still judges; where both fail, the call goes on, and the log says so.
"""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.client import BaseClient

import obs_sse_guard
from obs_sse_guard._hooks import botocore as botocore_hooks
from tests.support.guard import unguarded
from tests.support.s3_calls import (
    BUCKET,
    ENCODED,
    KEY,
    OBJECT,
    Call,
    OwnTransport,
    asking,
    each_sdk,
    outcome,
    raw_headers,
    refused,
    succeeded,
)
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_silent, leaks
from tests.support.sse import S3_KEY_HEADER

PUT = asking("PutObject", "SSE-C")


def _complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the guard logged of its own failures."""
    return [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]


# ------------------------------------------------------------------------- bugs of the guard's


@each_sdk
def test_where_the_method_gate_fails_the_wire_gate_judges(
    sdk: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(botocore_hooks, "_named_by_params")
    refused(outcome(sdk, http, PUT), "table-1/PutObject")
    assert_silent(http)
    assert len(_complaints(caplog)) == 1
    assert not leaks(caplog.text, KEY)


@each_sdk
def test_where_both_gates_fail_the_call_goes_on_and_the_log_says_so(
    sdk: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(botocore_hooks, "named_by")
    assert succeeded(outcome(sdk, http, PUT))
    assert succeeded(outcome(sdk, http, PUT))
    assert len(_complaints(caplog)) == 2, "once per gate"
    assert not leaks(caplog.text, KEY)


@each_sdk
def test_where_signing_is_not_understood_it_goes_on(
    sdk: str, https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(botocore_hooks, "named_by")

    def sign(client: Any) -> Any:
        return client.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": OBJECT})

    assert outcome(sdk, https, sign).startswith("https://")
    assert _complaints(caplog)


@each_sdk
def test_where_an_answer_is_not_understood_it_is_handed_on(
    sdk: str, https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(botocore_hooks, "_learn")
    assert succeeded(outcome(sdk, https, asking("InitiateMultipartUpload", "SSE-KMS")))
    assert len(_complaints(caplog)) == 1


def test_where_masking_fails_the_line_is_kept(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(botocore_hooks, "masked")
    logging.getLogger("botocore.endpoint").warning("kept: %s", 1)
    assert "kept: 1" in [record.getMessage() for record in caplog.records]
    assert len(_complaints(caplog)) == 1


# -------------------------------------------------------------------- objects of the application's


def _by(transport: OwnTransport, call: Call) -> Call:
    def calling(client: Any) -> Any:
        client._endpoint.http_session = transport
        return call(client)

    return calling


def _later_call(self: Any, operation_name: Any, api_params: Any) -> Any:
    return operation_name, api_params


def test_a_client_that_cannot_tell_its_service_is_let_through(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(BaseClient, "_make_api_call", _later_call)
    obs_sse_guard.install()
    assert BaseClient._make_api_call(SimpleNamespace(), "PutObject", {}) == ("PutObject", {})
    assert len(_complaints(caplog)) == 2, "of the call, and of its answer"


def test_a_transport_that_says_nothing_of_certificates_is_taken_at_its_word(
    https: TlsRecordingServer, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    transport = OwnTransport()
    assert succeeded(outcome("boto3", https, _by(transport, PUT)))
    assert len(transport.sent) == 1
    assert not caplog.records

    def lead_away(client: Any) -> Any:
        def rewrite(request: Any, **_: Any) -> None:
            request.url = request.url.replace(https.url, http.url)

        client.meta.events.register("before-send.s3", rewrite)
        return PUT(client)

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
        error = outcome(sdk, https, PUT, endpoint_url="https://127.0.0.1:9")
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
