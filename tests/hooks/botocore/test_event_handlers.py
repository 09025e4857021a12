"""Event handlers that add headers or rewrite the URL after the method hook."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.event_handlers import ADDERS, METADATA_ADDERS, REWRITERS, with_handler
from tests.support.guard import POLICY, unguarded
from tests.support.records import rules
from tests.support.s3_calls import (
    BUCKET,
    NAMES,
    PUT_SSE_C,
    SERVERS,
    asking,
    each_sdk,
    normal,
    outcome,
    raw_headers,
    refused,
    succeeded,
)
from tests.support.servers import (
    RecordingServer,
    TlsRecordingServer,
    assert_silent,
    leaks,
)
from tests.support.sse import ENCODED, KEY, S3_KEY_HEADER


@each_sdk
@pytest.mark.parametrize("event", ADDERS)
def test_a_handler_can_add_the_key(event: str, sdk: str, http: RecordingServer) -> None:
    with unguarded():
        assert succeeded(outcome(sdk, http, with_handler(f"{event}.s3.PutObject", ADDERS[event])))
    assert leaks(http.wire, KEY)


@each_sdk
@pytest.mark.parametrize("event", ADDERS)
def test_a_key_that_a_handler_adds_is_refused(event: str, sdk: str, http: RecordingServer) -> None:
    error = refused(outcome(sdk, http, with_handler(f"{event}.s3.PutObject", ADDERS[event])), "table-1/PutObject")
    assert (error.sdk, error.operation, error.scheme, error.endpoint) == (NAMES[sdk], "PutObject", "http", http.url)
    assert_silent(http)


@each_sdk
@pytest.mark.parametrize("event", ["before-call", "before-sign", "before-send"])
def test_any_spelling_of_names_and_values_is_recognized(event: str, sdk: str, http: RecordingServer) -> None:
    def add(**arguments: Any) -> None:
        headers = arguments["request"].headers if "request" in arguments else arguments["params"]["headers"]
        for name, value in raw_headers("SSE-C", "X-OBS-").items():
            headers[name.title()] = value.encode() if event == "before-send" else value

    refused(outcome(sdk, http, with_handler(f"{event}.s3.PutObject", add)), "table-1/PutObject")
    assert_silent(http)


@each_sdk
@pytest.mark.parametrize("event", ADDERS)
def test_a_handler_can_add_the_key_over_https(event: str, sdk: str) -> None:
    def sent() -> list[str]:
        with TlsRecordingServer() as server:
            assert succeeded(outcome(sdk, server, with_handler(f"{event}.s3.PutObject", ADDERS[event])))
            assert leaks(server.received, KEY)
            return normal(server)

    with unguarded():
        expected = sent()
    assert sent() == expected


_KMS_BY_HEADER = {
    "HeadObject": "allowed",
    "GetObject": "table-2/GetObject",
    "UploadPart": "table-2/UploadPart",
    "CompleteMultipartUpload": "allowed",
    "UploadPartCopy": "allowed",
}


@each_sdk
@pytest.mark.parametrize("operation", _KMS_BY_HEADER)
def test_rows_that_only_a_header_can_express(
    operation: str, sdk: str, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    def add(request: Any, **_: Any) -> None:
        request.headers["x-amz-server-side-encryption"] = "aws:kms"

    result = outcome(sdk, http, with_handler("before-sign.s3", add, asking(operation)))
    if _KMS_BY_HEADER[operation] == "allowed":
        assert succeeded(result)
        assert not caplog.records
    else:
        refused(result, _KMS_BY_HEADER[operation])
        assert_silent(http)


@each_sdk
def test_the_dsse_variant_is_kms(sdk: str, http: RecordingServer) -> None:
    error = outcome(sdk, http, asking("PutObject", ServerSideEncryption="aws:kms:dsse"))
    refused(error, "table-2/PutObject")
    assert_silent(http)


@each_sdk
def test_a_key_id_alone_is_kms(sdk: str, http: RecordingServer) -> None:
    refused(outcome(sdk, http, asking("PutObject", SSEKMSKeyId="id")), "table-2/PutObject")
    assert_silent(http)


@each_sdk
def test_aes256_passes(sdk: str, http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    assert succeeded(outcome(sdk, http, asking("PutObject", "SSE-OBS")))
    assert not caplog.records


@each_sdk
def test_a_mention_is_no_finding(sdk: str, http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    mention = f"x-amz-server-side-encryption-customer-key: {ENCODED}"

    def put(client: Any) -> Any:
        metadata = {"note": "x-amz-server-side-encryption-customer-key", "sseHeader": "no"}
        return client.put_object(Bucket=BUCKET, Key=mention, Body=mention.encode(), Metadata=metadata)

    assert succeeded(outcome(sdk, http, put))
    assert not caplog.records


@each_sdk
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_key_in_metadata_is_misplaced(sdk: str, scheme: str) -> None:
    """A key in ``Metadata=`` is stored where every reader of the object sees it."""
    with SERVERS[scheme]() as server:
        error = outcome(sdk, server, asking("PutObject", Metadata=raw_headers("SSE-C")))
        refused(error, "key-misplaced")
        assert_silent(server)


@pytest.mark.thinned
@each_sdk
@pytest.mark.parametrize("scheme", SERVERS)
@pytest.mark.parametrize("event", METADATA_ADDERS)
def test_a_key_that_a_handler_adds_to_metadata_is_misplaced(event: str, scheme: str, sdk: str) -> None:
    call = with_handler(f"{event}.s3.PutObject", METADATA_ADDERS[event])
    with unguarded(), SERVERS[scheme]() as server:
        assert succeeded(outcome(sdk, server, call))
        assert leaks(server.received, KEY)
    with SERVERS[scheme]() as server:
        refused(outcome(sdk, server, call), "key-misplaced")
        assert_silent(server)


@each_sdk
@pytest.mark.parametrize("scheme", SERVERS)
def test_a_percent_encoded_name_in_metadata_is_recognized(scheme: str, sdk: str) -> None:
    def add(request: Any, **_: Any) -> None:
        request.headers["x-amz-meta-x-amz-server-side-%65ncryption-customer-key"] = ENCODED

    with SERVERS[scheme]() as server:
        refused(outcome(sdk, server, with_handler("before-send.s3", add)), "key-misplaced")
        assert_silent(server)


@each_sdk
def test_metadata_without_a_key_is_sent_beside_a_key(sdk: str, caplog: pytest.LogCaptureFixture) -> None:
    call = asking("PutObject", "SSE-C", Metadata={"note": "100%", "encryption": "SSE-C"})

    def sent() -> list[str]:
        with TlsRecordingServer() as server:
            assert succeeded(outcome(sdk, server, call))
            return normal(server)

    with unguarded():
        expected = sent()
    assert sent() == expected
    assert not caplog.records


def _write_key_into_url(name: str) -> Any:
    def write(request: Any, **_: Any) -> None:
        request.url += f"?{name}={ENCODED}"

    return write


@each_sdk
@pytest.mark.parametrize("name", [S3_KEY_HEADER, S3_KEY_HEADER.replace("e", "%65")])
def test_a_key_that_a_handler_writes_into_the_url(
    name: str, sdk: str, https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    call = with_handler("before-send.s3", _write_key_into_url(name))
    assert succeeded(outcome(sdk, https, call))
    assert rules(caplog) == ["key-in-url"]
    assert len(https.requests) == 1
    monkeypatch.setenv(POLICY, "strict")
    refused(outcome(sdk, https, call), "key-in-url")
    assert len(https.requests) == 1
    with RecordingServer() as http:
        refused(outcome(sdk, http, call), "table-1/PutObject")
        assert_silent(http)


@each_sdk
@pytest.mark.parametrize("event", REWRITERS)
def test_a_handler_can_turn_https_into_http(
    event: str, sdk: str, https: TlsRecordingServer, http: RecordingServer
) -> None:
    with unguarded():
        assert succeeded(outcome(sdk, https, with_handler(f"{event}.s3", REWRITERS[event](http.url), PUT_SSE_C)))
    assert leaks(http.wire, KEY)
    assert_silent(https)


@each_sdk
@pytest.mark.parametrize("event", REWRITERS)
def test_a_url_that_a_handler_rewrites_is_checked(
    event: str, sdk: str, https: TlsRecordingServer, http: RecordingServer
) -> None:
    error = refused(
        outcome(sdk, https, with_handler(f"{event}.s3", REWRITERS[event](http.url), PUT_SSE_C)), "table-1/PutObject"
    )
    assert (error.scheme, error.endpoint) == ("http", http.url)
    assert "event handler" in str(error)
    assert_silent(http)
    assert_silent(https)


@each_sdk
def test_requests_without_encryption_can_be_sent_anywhere(
    sdk: str, https: TlsRecordingServer, http: RecordingServer
) -> None:
    assert succeeded(outcome(sdk, https, with_handler("before-sign.s3", REWRITERS["before-sign"](http.url))))
    assert len(http.requests) == 1
