"""Redirects to another region, and the sessions of directory buckets."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support import s3_calls
from tests.support.event_handlers import rewrite_url, with_handler
from tests.support.guard import POLICY, unguarded
from tests.support.records import rules
from tests.support.s3_calls import (
    BUCKET,
    CONTENT,
    OBJECT,
    PUT_SSE_C,
    asking,
    customer,
    each_sdk,
    normal,
    outcome,
    refused,
    succeeded,
)
from tests.support.servers import (
    RecordingServer,
    TlsRecordingServer,
    assert_silent,
)

_WRONG_REGION = (
    "<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message><Endpoint>e</Endpoint>"
    f"<Bucket>{BUCKET}</Bucket></Error>"
)


def _in_another_region(server: RecordingServer) -> None:
    headers = {"x-amz-bucket-region": "eu-west-1", "Content-Type": "application/xml"}
    server.answer(lambda request: True, 301, headers, _WRONG_REGION, times=1)


@each_sdk
def test_a_region_redirect_over_https_is_followed_as_before(sdk: str, caplog: pytest.LogCaptureFixture) -> None:
    def sent() -> list[str]:
        with TlsRecordingServer() as server:
            _in_another_region(server)
            assert succeeded(outcome(sdk, server, asking("GetObject", "SSE-C")))
            assert [call.header("Authorization").split("/")[2] for call in server.requests] == [
                "us-east-1",
                "eu-west-1",
            ]
            return normal(server)

    with unguarded():
        expected = sent()
    assert sent() == expected
    assert not caplog.records


@each_sdk
def test_a_region_redirect_to_plaintext_is_checked(sdk: str, https: TlsRecordingServer, http: RecordingServer) -> None:
    """The second attempt goes to plaintext: each attempt's own request is checked."""
    attempts: list[str] = []

    def to_plaintext(request: Any, **_: Any) -> None:
        attempts.append(request.url)
        if len(attempts) == 2:
            rewrite_url(request, http.url)

    _in_another_region(https)
    error = outcome(sdk, https, with_handler("before-sign.s3", to_plaintext, asking("GetObject", "SSE-C")))
    refused(error, "table-1/GetObject")
    assert len(https.requests) == 1
    assert_silent(http)


def test_botocore_follows_no_location(https: TlsRecordingServer, http: RecordingServer) -> None:
    https.answer("PUT", 307, {"Location": http.url + "/away"})
    assert isinstance(outcome("boto3", https, PUT_SSE_C), ClientError)
    assert [call.method for call in https.requests] == ["PUT", "HEAD"], "botocore looks up the bucket's region"
    assert_silent(http)


_SESSION = (
    "<CreateSessionResult><Credentials><SessionToken>t</SessionToken><SecretAccessKey>s</SecretAccessKey>"
    "<AccessKeyId>a</AccessKeyId><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></CreateSessionResult>"
)


EXPRESS_BUCKET = "name--use1-az4--x-s3"


def _express(server: RecordingServer) -> dict[str, Any]:
    headers = {"Content-Type": "application/xml"}
    server.answer(lambda request: "session" in request.query, 200, headers, _SESSION)
    return {"style": "virtual", "signature_version": None}


def _put_express(encryption: str) -> s3_calls.Call:
    return lambda client: client.put_object(Bucket=EXPRESS_BUCKET, Key=OBJECT, Body=CONTENT, **customer(encryption))


has_express = pytest.mark.skipif(
    "CreateSession" not in s3_calls.service_model().operation_names, reason="this botocore has no S3 Express"
)


@has_express
@each_sdk
@pytest.mark.parametrize("encryption", ["SSE-C", "SSE-KMS"])
def test_a_refused_call_to_an_express_bucket_creates_no_session(
    encryption: str, sdk: str, http: RecordingServer
) -> None:
    with unguarded():
        assert succeeded(outcome(sdk, http, _put_express(encryption), **_express(http)))
    assert [call.method for call in http.requests] == ["GET", "PUT"]
    with RecordingServer() as server:
        error = outcome(sdk, server, _put_express(encryption), **_express(server))
        refused(error, "table-1/PutObject" if encryption == "SSE-C" else "table-2/PutObject")
        assert_silent(server)


@has_express
@each_sdk
@pytest.mark.parametrize("encryption", ["SSE-C", "SSE-KMS"])
def test_an_express_bucket_over_https_is_as_before(encryption: str, sdk: str, caplog: pytest.LogCaptureFixture) -> None:
    def sent() -> list[str]:
        with TlsRecordingServer() as server:
            assert succeeded(outcome(sdk, server, _put_express(encryption), **_express(server)))
            assert len(server.requests) == 2
            return normal(server)

    with unguarded():
        expected = sent()
    assert sent() == expected
    assert not caplog.records


@pytest.mark.skipif(
    "CreateSession" not in s3_calls.service_model().operation_names
    or "ServerSideEncryption" not in s3_calls.members("create_session"),
    reason="sessions of this botocore name no encryption",
)
@each_sdk
@pytest.mark.parametrize("policy", ["documented", "strict"])
def test_a_session_that_names_kms_has_no_row(
    policy: str,
    sdk: str,
    http: RecordingServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(POLICY, policy)

    def begin(client: Any) -> Any:
        return client.create_session(Bucket=EXPRESS_BUCKET, **customer("SSE-KMS"))

    result = outcome(sdk, http, begin, **_express(http))
    if policy == "strict":
        refused(result, "kms-in-clear")
        assert_silent(http)
    else:
        assert succeeded(result)
        assert rules(caplog) == ["kms-in-clear"]
