"""Every row that the SDK can express: both clients and schemes, each call path."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import oracle
from tests.support.expected_rules import ROWS, ROWS_OF_2025, Row
from tests.support.guard import POLICY, TRUSTED, unguarded
from tests.support.hook_groups import disable_hooks
from tests.support.huaweicloud_calls import (
    PUT,
    PUT_SSE_C,
    ROADS,
    SERVERS,
    call_for,
    can_express,
    each_client,
    normal,
    obs_client,
    outcome,
    refused,
)
from tests.support.records import rules
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_no_key, assert_silent, leaks
from tests.support.sse import KEY

EXPRESSIBLE = [
    pytest.param(row, road, id=f"{row.id}-{road}") for row in ROWS for road in ROADS if can_express(row, road)
]
each_row = pytest.mark.parametrize(("row", "road"), EXPRESSIBLE)
REFUSED = [
    param
    for param in EXPRESSIBLE
    if oracle.outcome(param.values[0], "http") == oracle.REFUSED  # type: ignore[arg-type]
]


def test_the_rows_that_the_sdk_cannot_express() -> None:
    """No header names SSE-KMS for the source of a copy."""
    expressed = {row for row in ROWS for road in ROADS if can_express(row, road)}
    assert {row.id for row in ROWS if row not in expressed} == {
        "table-3/SSE-KMS-to-SSE-KMS",
        "table-3/SSE-KMS-to-SSE-C",
        "table-3/SSE-KMS-to-none",
        "table-4/SSE-KMS-to-SSE-KMS",
        "table-4/SSE-KMS-to-SSE-C",
        "table-4/SSE-KMS-to-none",
    }
    assert {row.operation for row in ROWS if can_express(row, "model")} == {
        "PutObject",
        "HeadObject",
        "GetObject",
        "CopyObject",
    }


def _is_refusal(error: Any, row: Row, server: RecordingServer) -> None:
    refused(error, row.id)
    assert (error.operation, error.source, error.target) == (row.operation, row.source, row.target)
    assert (error.scheme, error.endpoint) == ("http", server.named_url)
    assert 'with_endpoint("https://obs.test")' in str(error)
    assert __file__ in error.call_site or "huaweicloud_calls" in error.call_site


@pytest.mark.thinned
@each_client
@each_row
def test_over_http(row: Row, road: str, kind: str, http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    with obs_client(kind, http) as client:
        result = outcome(call_for(row, road), client)
        if oracle.outcome(row, "http") == oracle.REFUSED:
            _is_refusal(result, row, http)
            assert_silent(http)
            PUT(client)
            assert_no_key(http, KEY)
            assert not caplog.records
        else:
            assert not isinstance(result, Exception), repr(result)
            assert rules(caplog) == ([row.id] if oracle.carries_key(row) else [])
    assert len(http.requests) == 1


@pytest.mark.parametrize("groups", [("calls",), ("each hop",)], ids=["the wire hook", "the method hook"])
@pytest.mark.thinned
@each_client
@pytest.mark.parametrize(("row", "road"), REFUSED)
def test_each_hook_alone(
    row: Row, road: str, kind: str, groups: tuple[str, ...], http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    disable_hooks(monkeypatch, *(f"huaweicloudsdkobs: {group}" for group in groups))
    with obs_client(kind, http) as client:
        refused(outcome(call_for(row, road), client), row.id)
    assert_silent(http)


@pytest.mark.thinned
@each_client
@each_row
def test_over_https(
    row: Row, road: str, kind: str, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    with obs_client(kind, https) as client:
        result = outcome(call_for(row, road), client)
    assert not isinstance(result, Exception), repr(result)
    [request] = https.requests
    expected = oracle.RequestSSE(row.operation, row.source, row.target, "header" if oracle.carries_key(row) else "")
    sse = oracle.sse_of(request)
    assert sse._replace(operation=sse.operation or row.operation) == expected
    assert not caplog.records


_ALLOWED = [
    pytest.param(scheme, *param.values, id=f"{scheme}-{param.id}")
    for scheme in SERVERS
    for param in EXPRESSIBLE
    if oracle.outcome(param.values[0], scheme) != oracle.REFUSED  # type: ignore[arg-type]
]


@pytest.mark.thinned(strength=1)
@each_client
@pytest.mark.parametrize(("scheme", "row", "road"), _ALLOWED)
def test_what_is_allowed_is_sent_as_without_the_guard(scheme: str, row: Row, road: str, kind: str) -> None:
    def sent() -> tuple[list[str], str]:
        with SERVERS[scheme]() as server, obs_client(kind, server) as client:
            result = call_for(row, road)(client)
            return normal(server), type(result).__name__

    with unguarded():
        expected = sent()
    assert sent() == expected
    assert len(expected[0]) == 1


@pytest.mark.thinned(strength=1)
@each_client
@each_row
def test_without_the_guard_the_key_crosses(row: Row, road: str, kind: str, http: RecordingServer) -> None:
    with unguarded(), obs_client(kind, http) as client:
        call_for(row, road)(client)
    assert bool(leaks(http.wire, KEY)) is oracle.carries_key(row)


@pytest.mark.thinned
@each_client
@each_row
def test_strict_requires_https_wherever_encryption_is_named(
    row: Row,
    road: str,
    kind: str,
    http: RecordingServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(POLICY, "strict")
    with obs_client(kind, http) as client:
        error = outcome(call_for(row, road), client)
    if oracle.outcome(row, "http", "strict") == oracle.REFUSED:
        _is_refusal(error, row, http)
        assert ("strict" not in str(error)) is (oracle.outcome(row, "http", "documented") == oracle.REFUSED)
        assert_silent(http)
    else:
        assert len(http.requests) == 1
    assert not caplog.records


@pytest.mark.parametrize("policy", ["documented", "strict"])
@each_client
@pytest.mark.parametrize(
    ("row", "road"),
    [
        pytest.param(row, road, id=f"{row.id}-{road}")
        for row in ROWS_OF_2025
        for road in ROADS
        if can_express(row, road)
    ],
)
def test_the_later_rows_apply_only_under_strict(
    row: Row, road: str, kind: str, policy: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POLICY, policy)
    with obs_client(kind, http) as client:
        error = outcome(call_for(row, road), client)
    expected = oracle.evaluate(
        oracle.RequestSSE(row.operation, row.source, row.target, "header" if row.source == "SSE-C" else ""),
        secure=False,
        policy=policy,
    )
    if oracle.REFUSED in expected.values():
        refused(error, next(iter(expected)))
        assert_silent(http)
    else:
        assert len(http.requests) == 1


@each_client
def test_warn_mode_logs_once_and_lets_the_call_through(
    kind: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")
    with obs_client(kind, http) as client:
        PUT_SSE_C(client)
    assert rules(caplog) == ["table-1/PutObject"]
    assert not leaks(caplog.text, KEY)
    assert len(http.requests) == 1


@pytest.mark.parametrize("trusted", ["obs.test", "*.test"])
@each_client
def test_plaintext_to_a_trusted_host_is_allowed(
    kind: str, trusted: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(TRUSTED, trusted)
    with obs_client(kind, http) as client:
        PUT_SSE_C(client)
    assert rules(caplog) == ["trusted-host"]
    assert len(http.requests) == 1
