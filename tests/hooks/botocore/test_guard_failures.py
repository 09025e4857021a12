"""If one hook fails, the other still decides; if both fail, the call proceeds."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from botocore.client import BaseClient

import obs_sse_guard
from obs_sse_guard._hooks.botocore import logs, methods, responses, signing, wire
from tests.support.s3_calls import BUCKET, OBJECT, PUT_SSE_C, asking, each_sdk, outcome, refused, succeeded
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_silent, leaks
from tests.support.sse import KEY

if TYPE_CHECKING:
    import pytest


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
    assert len(_failures(caplog)) == 1
    assert not leaks(caplog.text, KEY)


@each_sdk
def test_if_both_hooks_fail_the_call_proceeds_and_is_logged(
    sdk: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(methods, "parse_headers")
    monkeypatch.delattr(wire, "parse_headers")
    assert succeeded(outcome(sdk, http, PUT_SSE_C))
    assert succeeded(outcome(sdk, http, PUT_SSE_C))
    assert len(_failures(caplog)) == 2, "once per hook"
    assert not leaks(caplog.text, KEY)


@each_sdk
def test_if_the_signing_hook_fails_signing_proceeds(
    sdk: str, https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(signing, "parse_headers")

    def sign(client: Any) -> Any:
        return client.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": OBJECT})

    assert outcome(sdk, https, sign).startswith("https://")
    assert _failures(caplog)


@each_sdk
def test_if_reading_a_response_fails_it_is_returned(
    sdk: str, https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(responses, "_names_kms")
    assert succeeded(outcome(sdk, https, asking("InitiateMultipartUpload", "SSE-KMS")))
    assert len(_failures(caplog)) == 1


def test_if_masking_fails_the_line_is_kept(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.delattr(logs, "redacted")
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
    assert len(_failures(caplog)) == 2, "for the call, and for its response"
