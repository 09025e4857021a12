"""If one hook fails, the other decides; if both fail, it is ``cannot-judge``."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.client import BaseClient

import obs_sse_guard
from obs_sse_guard import SSETransportError
from obs_sse_guard._hooks import log_records
from obs_sse_guard._hooks.botocore import methods, responses, signing, wire
from tests.support.guard import AUDIT, MODE, POLICY, TRUSTED
from tests.support.records import audited, rules
from tests.support.s3_calls import (
    BUCKET,
    OBJECT,
    PUT_SSE_C,
    asking,
    boto3_client,
    each_sdk,
    outcome,
    outcomes,
    refused,
    succeeded,
)
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_silent, leaks
from tests.support.sse import KEY

if TYPE_CHECKING:
    from pathlib import Path


def _failures(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the guard's log records about its own failures."""
    return [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]


@each_sdk
def test_if_the_method_hook_fails_the_wire_hook_decides(
    sdk: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(methods, "_parse_params")
    refused(outcome(sdk, http, PUT_SSE_C), "table-1/PutObject")
    assert_silent(http)
    assert rules(caplog) == ["cannot-judge"]
    assert not leaks(caplog.text, KEY)


@pytest.fixture
def broken_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make both hooks fail."""
    monkeypatch.delattr(methods, "parse_headers")
    monkeypatch.delattr(wire, "parse_headers")


@each_sdk
def test_if_both_hooks_fail_the_call_is_reported_and_goes_through(
    sdk: str,
    http: RecordingServer,
    broken_hooks: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(AUDIT, str(tmp_path / "audit"))
    assert all(map(succeeded, outcomes(sdk, http, PUT_SSE_C, PUT_SSE_C)))
    assert [line["rule"] for line in audited(tmp_path / "audit")] == ["cannot-judge"] * 2, "one for each call"
    [record] = caplog.records
    head = f"obs_sse_guard noticed PutObject over http to {http.url} [cannot-judge]; failure: NameError in _"
    assert record.getMessage().startswith(head)
    assert not leaks(caplog.text, KEY)


@each_sdk
def test_if_both_hooks_fail_the_strict_policy_refuses(
    sdk: str, http: RecordingServer, broken_hooks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POLICY, "strict")
    refused(outcome(sdk, http, PUT_SSE_C), "cannot-judge")
    assert_silent(http)


@each_sdk
def test_if_both_hooks_fail_the_strict_policy_allows_tls(
    sdk: str,
    https: TlsRecordingServer,
    broken_hooks: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(POLICY, "strict")
    monkeypatch.setattr(methods, "is_safe_transport", lambda *_: False)
    assert succeeded(outcome(sdk, https, PUT_SSE_C))
    assert rules(caplog) == ["cannot-judge"]


@each_sdk
def test_a_failure_in_the_wire_hook_alone_is_reported(
    sdk: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(wire, "parse_headers")
    monkeypatch.setenv(MODE, "warn")
    assert succeeded(outcome(sdk, http, PUT_SSE_C))
    assert rules(caplog) == ["table-1/PutObject", "cannot-judge"]


@each_sdk
def test_if_the_signing_hook_fails_signing_proceeds(
    sdk: str, https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(signing, "parse_headers")

    def sign(client: Any) -> Any:
        return client.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": OBJECT})

    monkeypatch.setenv(POLICY, "strict")
    assert outcome(sdk, https, sign).startswith("https://")
    assert set(rules(caplog)) == {"cannot-judge"}


@each_sdk
def test_if_the_signing_hook_fails_the_strict_policy_refuses_to_sign_for_http(
    sdk: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(signing, "parse_headers")
    monkeypatch.setenv(POLICY, "strict")

    def sign(client: Any) -> Any:
        return client.generate_presigned_post(BUCKET, OBJECT)

    error = refused(outcome(sdk, http, sign), "cannot-judge")
    assert error.call == "S3.generate_presigned_post"


@each_sdk
def test_if_reading_a_response_fails_it_is_returned(
    sdk: str, https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(responses, "_is_kms")
    monkeypatch.setenv(POLICY, "strict")
    assert succeeded(outcome(sdk, https, asking("InitiateMultipartUpload", "SSE-KMS")))
    assert rules(caplog) == ["cannot-judge"]


@each_sdk
def test_a_failure_after_the_response_refuses_nothing(
    sdk: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(responses, "names_kms")
    monkeypatch.setenv(POLICY, "strict")
    assert succeeded(outcome(sdk, http, asking("GetObject")))
    assert rules(caplog) == ["cannot-judge"]


def test_if_masking_fails_the_line_is_kept(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.delattr(log_records, "redact_message")
    logging.getLogger("botocore.endpoint").warning("kept: %s", 1)
    assert "kept: 1" in [record.getMessage() for record in caplog.records]
    assert len(_failures(caplog)) == 1


def _later_call(self: Any, operation_name: Any, api_params: Any) -> Any:
    return operation_name, api_params


def test_a_client_with_an_unknown_service_is_let_through(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(BaseClient, "_make_api_call", _later_call)
    obs_sse_guard.install()
    call = ("CreateMultipartUpload", {"ServerSideEncryption": "aws:kms"})
    assert BaseClient._make_api_call(SimpleNamespace(), *call) == call
    assert rules(caplog) == ["cannot-judge"] * 2, "for the call, and for its response"
    monkeypatch.setenv(POLICY, "strict")
    with pytest.raises(SSETransportError, match="cannot-judge"):
        BaseClient._make_api_call(SimpleNamespace(), *call)


# ----------------------------------------------------------------------------- failed look-ups


@each_sdk
@pytest.mark.parametrize("trusted", ["", "127.0.0.1"])
@pytest.mark.parametrize("proxy", ["http://[::1", "http://:3128"])
def test_an_unknown_proxy_disables_no_rule(
    proxy: str,
    trusted: str,
    sdk: str,
    http: RecordingServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv(TRUSTED, trusted)
    for result in outcomes(sdk, http, PUT_SSE_C, PUT_SSE_C):
        error = refused(result, "table-1/PutObject")
        assert ("the host is trusted, but not the proxy" in str(error)) is bool(trusted)
        assert "trusts plaintext" not in str(error)
    assert_silent(http)
    assert not caplog.records


def test_an_endpoint_without_a_session_of_botocore_is_judged(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy and the TLS of an application's own session cannot be looked up."""

    class Session:
        def __getattr__(self, name: str) -> Any:
            raise LookupError(name)

        def close(self) -> None:
            """Do nothing."""

    with boto3_client(http) as client:
        monkeypatch.setattr(client._endpoint, "http_session", Session())
        for _ in range(2):
            with pytest.raises(SSETransportError) as error:
                PUT_SSE_C(client)
            refused(error.value, "table-1/PutObject")
    assert_silent(http)


def test_if_validation_cannot_be_predicted_the_call_is_refused(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(methods, "_becomes_text")
    with boto3_client(http) as client, pytest.raises(SSETransportError) as error:
        PUT_SSE_C(client)
    assert error.value.call == "S3.put_object", "by the method hook"
