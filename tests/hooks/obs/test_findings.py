"""Findings outside the tables, through ObsClient's methods, under both policies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import obs
import pytest

from obs_sse_guard import SSETransportError
from tests.support import obs_calls, oracle
from tests.support.expected_rules import ROWS, ROWS_OF_2025, Row
from tests.support.guard import POLICY
from tests.support.obs_calls import (
    BUCKET,
    CONTENT,
    OBJECT,
    ROWLESS,
    ROWLESS_ROW,
    SOURCE_BUCKET,
    SOURCE_OBJECT,
    CallVariant,
    needs_https,
)
from tests.support.records import rules
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_no_key, assert_silent
from tests.support.sse import ENCODED, KEY, OBS_KEY_HEADER


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_strict_requires_https_wherever_encryption_is_named(
    row: Row, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(POLICY, "strict")
    with obs_calls.open_client("v2", http) as client:
        if not obs_calls.PLAIN[row.operation].available(client):
            pytest.skip("this release of the SDK cannot express it")
        if oracle.outcome(row, "http", "strict") == oracle.REFUSED:
            with pytest.raises(SSETransportError) as caught:
                obs_calls.drive(client, row)
            is_refused_anyway = oracle.outcome(row, "http", "documented") == oracle.REFUSED
            assert ("strict" not in str(caught.value)) is is_refused_anyway
            assert caught.value.rule == row.id
            assert_silent(http)
        else:
            obs_calls.drive(client, row)
    assert not caplog.records


@pytest.mark.parametrize("row", ROWS_OF_2025, ids=lambda row: row.id)
def test_the_later_rows_apply_only_under_strict(row: Row, policy: str, http: RecordingServer) -> None:
    """SSE-OBS as a source does not change the outcome of a row."""

    def side(encryption: str) -> Any:
        if encryption == "SSE-OBS":
            return obs.SseKmsHeader.getInstance(None, "AES256")
        return obs_calls.sse(encryption, KEY)

    without = oracle.row_of(row.operation, "none" if row.source == "SSE-OBS" else row.source, row.target)
    expected = oracle.outcome(without, "http", policy) if without else oracle.SILENT
    if without is None and policy == "strict" and "http" not in row.allowed:
        expected = oracle.REFUSED
    if without is None and row.source == "SSE-C":
        expected = oracle.REFUSED  # key-in-clear: no row of the 32, and a key
    with obs_calls.open_client("v2", http) as client:
        call = _copy if row.operation == "CopyObject" else _copy_part
        if expected == oracle.REFUSED:
            with pytest.raises(SSETransportError):
                call(client, side(row.source), side(row.target))
            assert_silent(http)
        else:
            call(client, side(row.source), side(row.target))
            assert len(http.calls) == 1


def _copy(client: Any, source: Any, target: Any) -> Any:
    headers = obs.CopyObjectHeader(sourceSseHeader=source, destSseHeader=target)
    return client.copyObject(SOURCE_BUCKET, SOURCE_OBJECT, BUCKET, OBJECT, headers=headers)


def _copy_part(client: Any, source: Any, target: Any) -> Any:
    return client.copyPart(BUCKET, OBJECT, 1, "id", "/source/object", sourceSseHeader=source, destSseHeader=target)


@pytest.mark.parametrize("kind", obs_calls.KINDS)
@pytest.mark.parametrize("variant", ROWLESS, ids=lambda variant: variant.id)
def test_key_in_clear_is_refused_where_no_row_applies(
    variant: CallVariant, kind: str, policy: str, http: RecordingServer, tmp_path: Path
) -> None:
    with obs_calls.open_client(kind, http) as client:
        if not variant.available(client):
            pytest.skip("this release of the SDK does not support this call")
        with pytest.raises(SSETransportError) as caught:
            variant.call(client, ROWLESS_ROW, KEY, tmp_path)
    assert caught.value.rule == ("key-misplaced" if variant.misplaces else "key-in-clear")
    assert_silent(http)


def test_kms_without_a_row_is_logged(policy: str, http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    headers = {"x-amz-server-side-encryption": "aws:kms"}
    with obs_calls.open_client("v2", http) as client:
        if not obs_calls.passes_raw_headers(client):
            pytest.skip("this release of the SDK passes no raw headers")
        if policy == "strict":
            with pytest.raises(SSETransportError, match=r"\[kms-in-clear\]"):
                client.restoreObject(BUCKET, OBJECT, 1, extensionHeaders=headers)
            assert_silent(http)
        else:
            client.restoreObject(BUCKET, OBJECT, 1, extensionHeaders=headers)
            assert rules(caplog) == ["kms-in-clear"]


_DROPPED = {
    "a dict": lambda client: client.putContent(
        BUCKET, OBJECT, CONTENT, headers={"sseHeader": {"encryption": "AES256", "key": KEY}}
    ),
    "the base class": lambda client: client.putContent(
        BUCKET, OBJECT, CONTENT, headers=obs.PutObjectHeader(sseHeader=_base_class(encryption="AES256", key=KEY))
    ),
    "a dict argument": lambda client: client.initiateMultipartUpload(BUCKET, OBJECT, sseHeader={"encryption": "kms"}),
    "the wrong item": lambda client: client.putContent(
        BUCKET, OBJECT, CONTENT, headers={"destSseHeader": obs.SseCHeader.getInstance(KEY)}
    ),
    "a raw header in headers=": lambda client: client.putContent(
        BUCKET, OBJECT, CONTENT, headers={OBS_KEY_HEADER: ENCODED}
    ),
    "a copy's sseHeader": lambda client: client.copyObject(
        SOURCE_BUCKET, SOURCE_OBJECT, BUCKET, OBJECT, headers={"sseHeader": obs.SseKmsHeader.getInstance()}
    ),
}


def _base_class(**values: str) -> Any:
    return obs.model.SseHeader(**values)


@pytest.mark.parametrize("scheme", ["http", pytest.param("https", marks=needs_https)])
@pytest.mark.parametrize("case", _DROPPED)
def test_sse_dropped(case: str, scheme: str, policy: str, caplog: pytest.LogCaptureFixture) -> None:
    server_class = TlsRecordingServer if scheme == "https" else RecordingServer
    with server_class() as server, obs_calls.open_client("v2", server) as client:
        if policy == "strict":
            with pytest.raises(SSETransportError, match=r"\[sse-dropped\]"):
                _DROPPED[case](client)
            assert_silent(server)
        else:
            _DROPPED[case](client)
            assert_no_key(server, KEY)
            assert rules(caplog) == ["sse-dropped"]


def test_kms_that_modify_file_drops(https: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    with obs_calls.open_client("v2", https) as client:
        if not hasattr(client, "modifyFile"):
            pytest.skip("this release of the SDK has no such method")
        client.modifyFile(BUCKET, OBJECT, 0, CONTENT, headers={"sseHeader": obs.SseKmsHeader.getInstance()})
    assert rules(caplog) == ["sse-dropped"]


@pytest.mark.parametrize("value", ["AES256", "aws:AES256"])
def test_sse_obs_passes(value: str, http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    with obs_calls.open_client("v2", http) as client:
        header = obs.SseKmsHeader.getInstance(None, value)
        client.putContent(BUCKET, OBJECT, CONTENT, headers=obs.PutObjectHeader(sseHeader=header))
        client.putContent(BUCKET, OBJECT, CONTENT, extensionHeaders={"x-amz-server-side-encryption": value})
    assert len(http.calls) == 2
    assert not caplog.records


@pytest.mark.parametrize("scheme", ["http", pytest.param("https", marks=needs_https)])
def test_a_mention_is_no_finding(scheme: str, policy: str, caplog: pytest.LogCaptureFixture) -> None:
    mention = f"{OBS_KEY_HEADER}: {ENCODED}"
    server_class = TlsRecordingServer if scheme == "https" else RecordingServer
    with server_class() as server, obs_calls.open_client("obs", server) as client:
        client.putContent(BUCKET, mention, content=mention, metadata={"note": mention, "server-side-encryption": "no"})
        client.putContent(BUCKET, OBJECT, content=mention, headers=obs.PutObjectHeader(contentType="text/plain"))
        client.deleteObject(BUCKET, mention, versionId=mention)
        assert len(server.calls) == 3
    assert not caplog.records


@needs_https
def test_an_empty_argument_asks_for_nothing(https: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    with obs_calls.open_client("v2", https) as client:
        client.putContent(BUCKET, OBJECT, CONTENT, headers={"sseHeader": {}})
        client.uploadPart(BUCKET, OBJECT, 1, "id", CONTENT, sseHeader="")
    assert not caplog.records
