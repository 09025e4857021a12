"""A failure of the guard's own: the other hook still decides, and where both fail the call goes on."""

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


def _complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the guard logged of its own failures."""
    return [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]


@each_sdk
def test_where_the_method_gate_fails_the_wire_gate_judges(
    sdk: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(methods, "_parse_params")
    refused(outcome(sdk, http, PUT_SSE_C), "table-1/PutObject")
    assert_silent(http)
    assert len(_complaints(caplog)) == 1
    assert not leaks(caplog.text, KEY)


@each_sdk
def test_where_both_gates_fail_the_call_goes_on_and_the_log_says_so(
    sdk: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(methods, "parse_headers")
    monkeypatch.delattr(wire, "parse_headers")
    assert succeeded(outcome(sdk, http, PUT_SSE_C))
    assert succeeded(outcome(sdk, http, PUT_SSE_C))
    assert len(_complaints(caplog)) == 2, "once per gate"
    assert not leaks(caplog.text, KEY)


@each_sdk
def test_where_signing_is_not_understood_it_goes_on(
    sdk: str, https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(signing, "parse_headers")

    def sign(client: Any) -> Any:
        return client.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": OBJECT})

    assert outcome(sdk, https, sign).startswith("https://")
    assert _complaints(caplog)


@each_sdk
def test_where_an_answer_is_not_understood_it_is_handed_on(
    sdk: str, https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(responses, "_names_kms")
    assert succeeded(outcome(sdk, https, asking("InitiateMultipartUpload", "SSE-KMS")))
    assert len(_complaints(caplog)) == 1


def test_where_masking_fails_the_line_is_kept(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(logs, "redacted")
    logging.getLogger("botocore.endpoint").warning("kept: %s", 1)
    assert "kept: 1" in [record.getMessage() for record in caplog.records]
    assert len(_complaints(caplog)) == 1


def _later_call(self: Any, operation_name: Any, api_params: Any) -> Any:
    return operation_name, api_params


def test_a_client_that_cannot_tell_its_service_is_let_through(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(BaseClient, "_make_api_call", _later_call)
    obs_sse_guard.install()
    call = ("CreateMultipartUpload", {"ServerSideEncryption": "aws:kms"})
    assert BaseClient._make_api_call(SimpleNamespace(), *call) == call
    assert len(_complaints(caplog)) == 2, "of the call, and of its answer"
