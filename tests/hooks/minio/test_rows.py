"""Every row that minio-py can express, over http and https."""

from __future__ import annotations

from typing import Any

import pytest

from obs_sse_guard import SSETransportError
from obs_sse_guard._hooks.minio import wire
from tests.support import oracle
from tests.support.expected_rules import ROWS, ROWS_OF_2025, Row
from tests.support.guard import MODE, POLICY, TRUSTED, unguarded
from tests.support.hook_groups import disable_hooks
from tests.support.minio_calls import (
    PUT_SSE_C,
    SERVERS,
    asking,
    call_for,
    can_express,
    client_for,
    normal,
    outcome,
    refused,
)
from tests.support.records import rules
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_no_key, assert_silent, leaks
from tests.support.sse import KEY

EXPRESSIBLE = [row for row in ROWS if can_express(row)]
each_row = pytest.mark.parametrize("row", EXPRESSIBLE, ids=lambda row: row.id)


def test_the_rows_that_minio_cannot_express() -> None:
    """No header names SSE-KMS for the source of a copy."""
    assert [row.id for row in ROWS if not can_express(row)] == [
        f"table-{table}/SSE-KMS-to-{target}" for table in (3, 4) for target in ("SSE-KMS", "SSE-C", "none")
    ]


@each_row
def test_over_http(row: Row, http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    client = client_for(http)
    error = outcome(client, call_for(row))
    if oracle.outcome(row, "http") == oracle.REFUSED:
        _is_refusal(error, row, http)
        assert_silent(http)
        assert not caplog.records
        assert outcome(client, asking("GetObject")) == http.object, "the client stays usable"
        assert_no_key(http, KEY)
    else:
        assert not isinstance(error, Exception), repr(error)
        assert rules(caplog) == ([row.id] if oracle.carries_key(row) else [])


def _is_refusal(error: Any, row: Row, server: RecordingServer) -> None:
    refusal = refused(error, row.id)
    assert (refusal.operation, refusal.source, refusal.target) == (row.operation, row.source, row.target)
    assert (refusal.scheme, refusal.endpoint) == ("http", server.url)
    assert f'Minio("127.0.0.1:{server.port}", secure=True)' in str(refusal)
    assert "test_rows.py:" in refusal.call_site or "minio_calls.py:" in refusal.call_site


_REFUSED = [
    row for row in EXPRESSIBLE if oracle.outcome(row, "http") == oracle.REFUSED and row.operation != "PostObject"
]
each_refused_row = pytest.mark.parametrize("row", _REFUSED, ids=lambda row: row.id)


@each_refused_row
def test_the_request_hook_alone(row: Row, http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    disable_hooks(monkeypatch, "minio: methods", "minio: each connection")
    refused(outcome(client_for(http), call_for(row)), row.id)
    assert_no_key(http, KEY)


@each_refused_row
def test_the_connection_hook_alone(row: Row, http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook on `_url_open` only records what is sent."""
    disable_hooks(monkeypatch, "minio: methods")
    monkeypatch.setattr(wire, "describe", lambda _: None)
    refusal = refused(outcome(client_for(http), call_for(row)), row.id)
    assert (refusal.operation, refusal.endpoint) == (row.operation, http.url)
    assert_no_key(http, KEY)


@each_row
def test_over_https(row: Row, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    result = outcome(client_for(https), call_for(row))
    assert not isinstance(result, Exception), repr(result)
    assert rules(caplog) == (["key-in-url"] if row.operation == "PostObject" and oracle.carries_key(row) else [])


@pytest.mark.parametrize(
    ("scheme", "row"),
    [
        pytest.param(scheme, row, id=f"{scheme}-{row.id}")
        for scheme in ("http", "https")
        for row in EXPRESSIBLE
        if oracle.outcome(row, scheme) != oracle.REFUSED
    ],
)
def test_what_is_allowed_is_sent_as_without_the_guard(row: Row, scheme: str) -> None:
    with unguarded():
        expected = _sent(scheme, row)
    assert _sent(scheme, row) == expected


def _sent(scheme: str, row: Row) -> list[str]:
    with SERVERS[scheme]() as server:
        result = outcome(client_for(server), call_for(row))
        assert not isinstance(result, Exception), repr(result)
        requests = normal(server)
        assert len(requests) == {"PostObject": 0, "CopyObject": 2 if row.source == "none" else 1}.get(row.operation, 1)
    return requests


@pytest.mark.parametrize(
    "row",
    [row for row in EXPRESSIBLE if oracle.carries_key(row) and row.operation != "PostObject"],
    ids=lambda row: row.id,
)
def test_without_the_guard_the_key_crosses(row: Row, http: RecordingServer) -> None:
    with unguarded():
        assert not isinstance(outcome(client_for(http), call_for(row)), Exception)
    assert leaks(http.wire, KEY)


@each_row
def test_strict_requires_https_wherever_encryption_is_named(
    row: Row, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(POLICY, "strict")
    error = outcome(client_for(http), call_for(row))
    if oracle.outcome(row, "http", "strict") == oracle.REFUSED:
        _is_refusal(error, row, http)
        assert ("strict" in str(error)) is (oracle.outcome(row, "http") != oracle.REFUSED)
        assert_silent(http)
    else:
        assert not isinstance(error, Exception), repr(error)
    assert not caplog.records


@pytest.mark.parametrize("row", [row for row in ROWS_OF_2025 if can_express(row)], ids=lambda row: row.id)
def test_the_later_rows_apply_only_under_strict(row: Row, policy: str, http: RecordingServer) -> None:
    error = outcome(client_for(http), call_for(row))
    if row.source == "SSE-C":  # no row of the 32, and a key
        refused(error, "key-in-clear")
    elif policy == "strict" and "http" not in row.allowed:
        refused(error, row.id)
    else:
        assert not isinstance(error, Exception), repr(error)
        return
    assert_silent(http)


def test_warn_mode_logs_and_lets_the_call_through(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(MODE, "warn")
    assert not isinstance(outcome(client_for(http), PUT_SSE_C), Exception)
    assert rules(caplog) == ["table-1/PutObject"]
    assert not leaks(caplog.text, KEY)
    assert len(http.requests) == 1


def test_plaintext_to_a_trusted_host_is_allowed(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(TRUSTED, "127.0.0.1")
    assert not isinstance(outcome(client_for(http), PUT_SSE_C), Exception)
    assert rules(caplog) == ["trusted-host"]
    assert len(http.requests) == 1


def test_a_client_without_the_guard_again(http: RecordingServer) -> None:
    client = client_for(http)
    with pytest.raises(SSETransportError):
        PUT_SSE_C(client)
    with unguarded():
        PUT_SSE_C(client)
    with pytest.raises(SSETransportError):
        PUT_SSE_C(client)
