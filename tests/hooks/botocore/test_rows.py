"""Every row that the S3 model can express, by SDK, scheme and addressing style."""

from __future__ import annotations

from typing import Any

import pytest

from obs_sse_guard import SSETransportError
from tests.support import oracle, s3_calls
from tests.support.expected_rules import ROWS, ROWS_OF_2025, Row
from tests.support.guard import POLICY, unguarded
from tests.support.hook_groups import disable_hooks
from tests.support.records import rules
from tests.support.s3_calls import NAMES, STYLES, call_for, can_express, each_sdk, normal, outcome, outcomes
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_no_key, assert_silent, leaks
from tests.support.sse import KEY

PLAIN = call_for(Row(0, "PutObject", "none", "none", frozenset()))
EXPRESSIBLE = [row for row in ROWS if can_express(row)]

each_row = pytest.mark.parametrize("row", EXPRESSIBLE, ids=lambda row: row.id)
each_style = pytest.mark.parametrize("style", STYLES)


def test_the_rows_that_the_model_cannot_express() -> None:
    """Only parameters of writes name SSE-KMS, and none names it for a copy's source."""
    assert [row.id for row in ROWS if not can_express(row)] == [
        "table-2/HeadObject",
        "table-2/GetObject",
        "table-2/UploadPart",
        "table-2/CompleteMultipartUpload",
        "table-3/SSE-KMS-to-SSE-KMS",
        "table-3/SSE-KMS-to-SSE-C",
        "table-3/SSE-KMS-to-none",
        "table-4/none-to-SSE-KMS",
        "table-4/SSE-KMS-to-SSE-KMS",
        "table-4/SSE-C-to-SSE-KMS",
        "table-4/SSE-KMS-to-SSE-C",
        "table-4/SSE-KMS-to-none",
    ]


@pytest.mark.thinned
@each_style
@each_sdk
@each_row
def test_over_http(row: Row, sdk: str, style: str, http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    if oracle.outcome(row, "http") == oracle.REFUSED:
        error, connections, result = outcomes(sdk, http, call_for(row), lambda _: http.connections, PLAIN, style=style)
        _is_refusal(error, row, sdk, http)
        assert connections == 0
        assert result["ResponseMetadata"]["HTTPStatusCode"] == 200, "the client stays usable"
        assert [call.method for call in http.requests] == ["PUT"]
        assert_no_key(http, KEY)
        assert not caplog.records
    else:
        assert isinstance(outcome(sdk, http, call_for(row), style=style), dict)
        assert len(http.requests) == 1
        assert rules(caplog) == ([row.id] if oracle.carries_key(row) else [])


_OPERATIONS = ("botocore: operations", "aiobotocore: operations")
_ATTEMPTS = ("botocore: each attempt", "aiobotocore: each attempt", "aiobotocore: each hop")


@pytest.mark.thinned
@pytest.mark.parametrize("groups", [_OPERATIONS, _ATTEMPTS], ids=["the wire hook", "the method hook"])
@each_sdk
@pytest.mark.parametrize(
    "row",
    [row for row in EXPRESSIBLE if oracle.outcome(row, "http") == oracle.REFUSED and row.operation != "PostObject"],
    ids=lambda row: row.id,
)
def test_each_hook_alone(
    row: Row, sdk: str, groups: tuple[str, ...], http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    disable_hooks(monkeypatch, *groups)
    _is_refusal(outcome(sdk, http, call_for(row)), row, sdk, http)
    assert_silent(http)


def _is_refusal(error: Any, row: Row, sdk: str, server: RecordingServer) -> None:
    assert isinstance(error, SSETransportError), repr(error)
    assert error.__cause__ is None
    assert (error.rule, error.sdk) == (row.id, NAMES[sdk])
    assert (error.operation, error.source, error.target) == (row.operation, row.source, row.target)
    assert (error.scheme, error.endpoint.rpartition(":")[2]) == ("http", str(server.port))
    assert "endpoint_url=" in str(error)
    assert not leaks(repr(vars(error)) + str(error), KEY)


@pytest.mark.thinned
@each_style
@each_sdk
@each_row
def test_over_https(
    row: Row, sdk: str, style: str, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    assert isinstance(outcome(sdk, https, call_for(row), style=style), dict)
    assert len(https.requests) == (0 if row.operation == "PostObject" else 1)
    assert rules(caplog) == (["key-in-url"] if row.operation == "PostObject" and oracle.carries_key(row) else [])


_ALLOWED = [
    pytest.param(scheme, row, id=f"{scheme}-{row.id}")
    for scheme in ("http", "https")
    for row in EXPRESSIBLE
    if oracle.outcome(row, scheme) != oracle.REFUSED
]


@pytest.mark.thinned
@each_style
@each_sdk
@pytest.mark.parametrize(("scheme", "row"), _ALLOWED)
def test_what_is_allowed_is_sent_as_without_the_guard(row: Row, sdk: str, style: str, scheme: str) -> None:
    with unguarded():
        expected = _sent(scheme, sdk, style, row)
    assert _sent(scheme, sdk, style, row) == expected


def _sent(scheme: str, sdk: str, style: str, row: Row) -> tuple[list[str], list[str]]:
    with s3_calls.SERVERS[scheme]() as server:
        result = outcome(sdk, server, call_for(row), style=style)
        requests = normal(server)
        assert len(requests) == (0 if row.operation == "PostObject" else 1)
    return requests, sorted(result)


@pytest.mark.thinned(strength=1)
@each_style
@each_sdk
@pytest.mark.parametrize(
    "row",
    [row for row in EXPRESSIBLE if oracle.carries_key(row) and row.operation != "PostObject"],
    ids=lambda row: row.id,
)
def test_without_the_guard_the_key_crosses(row: Row, sdk: str, style: str, http: RecordingServer) -> None:
    with unguarded():
        assert isinstance(outcome(sdk, http, call_for(row), style=style), dict)
    assert leaks(http.wire, KEY)


@each_sdk
@each_row
def test_strict_requires_https_wherever_encryption_is_named(
    row: Row, sdk: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(POLICY, "strict")
    error = outcome(sdk, http, call_for(row))
    if oracle.outcome(row, "http", "strict") == oracle.REFUSED:
        _is_refusal(error, row, sdk, http)
        assert ("strict" in str(error)) is (oracle.outcome(row, "http") != oracle.REFUSED)
        assert_silent(http)
    else:
        assert len(http.requests) == 1
    assert not caplog.records


@pytest.mark.parametrize("policy", ["documented", "strict"])
@each_sdk
@pytest.mark.parametrize("row", [row for row in ROWS_OF_2025 if can_express(row)], ids=lambda row: row.id)
def test_the_later_rows_apply_only_under_strict(
    row: Row, sdk: str, policy: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POLICY, policy)
    error = outcome(sdk, http, call_for(row))
    if row.source == "SSE-C":  # no row of the 32, and a key
        assert (error.rule, error.sdk) == ("key-in-clear", NAMES[sdk])
        assert_silent(http)
    elif policy == "strict":
        assert (error.rule, error.sdk) == (row.id, NAMES[sdk])
        assert_silent(http)
    else:
        assert len(http.requests) == 1


@each_sdk
def test_warn_mode_logs_and_lets_the_call_through(
    sdk: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")
    assert isinstance(outcome(sdk, http, s3_calls.asking("PutObject", "SSE-C")), dict)
    assert rules(caplog) == ["table-1/PutObject"]
    assert not leaks(caplog.text, KEY)
    assert len(http.requests) == 1


@each_sdk
def test_plaintext_to_a_trusted_host_is_allowed(
    sdk: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD_TRUSTED_HOSTS", "127.0.0.1")
    assert isinstance(outcome(sdk, http, s3_calls.asking("PutObject", "SSE-C")), dict)
    assert rules(caplog) == ["trusted-host"]
    assert len(http.requests) == 1
