"""Every row of the tables, over real sockets, with each signature and transport."""

from __future__ import annotations

import pytest

from obs_sse_guard import SSETransportError
from tests.support import obs_calls, oracle
from tests.support.expected_rules import ROWS, Row
from tests.support.hook_groups import disable_hooks
from tests.support.obs_calls import needs_https
from tests.support.records import rules
from tests.support.servers import RecordingServer, assert_no_key, assert_silent
from tests.support.sse import KEY

_CLIENTS = [
    pytest.param(
        kind,
        transport,
        marks=pytest.mark.skipif(
            not obs_calls.has_transport(transport), reason="this release of the SDK has no such transport"
        ),
    )
    for kind in obs_calls.KINDS
    for transport in ("http.client", "requests")
]


@pytest.mark.thinned
@pytest.mark.parametrize(("kind", "transport"), _CLIENTS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_over_http(
    row: Row, kind: str, transport: str, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    if row.operation == "CompleteMultipartUpload" and not _can_express(row, kind, http):
        pytest.skip("this release of the SDK passes no raw headers, and has no other means to express the row")
    with obs_calls.open_client(kind, http, transport=transport) as client:
        if oracle.outcome(row, "http") == oracle.REFUSED:
            with pytest.raises(SSETransportError) as caught:
                obs_calls.drive(client, row)
            assert_silent(http)
            assert caught.value.rule == row.id
            assert (caught.value.operation, caught.value.scheme) == (row.operation, "http")
            assert (caught.value.source, caught.value.target) == (row.source, row.target)
            assert not caplog.records
            _still_usable(client, http)
        else:
            obs_calls.drive(client, row)
            assert len(http.calls) == 1
            assert rules(caplog) == ([row.id] if oracle.carries_key(row) else [])


@pytest.mark.thinned
@needs_https
@pytest.mark.parametrize(("kind", "transport"), _CLIENTS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_over_https(
    row: Row, kind: str, transport: str, https: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    with obs_calls.open_client(kind, https, transport=transport) as client:
        obs_calls.drive(client, row)
        assert len(https.calls) == (0 if row.operation == "PostObject" else 1)
        assert rules(caplog) == _findings_over_https(row, transport)


_REFUSED = [row for row in ROWS if oracle.outcome(row, "http") == oracle.REFUSED and row.operation != "PostObject"]


@pytest.mark.thinned
@pytest.mark.parametrize(("kind", "transport"), _CLIENTS)
@pytest.mark.parametrize("row", _REFUSED, ids=lambda row: row.id)
def test_the_method_hook_alone(
    row: Row, kind: str, transport: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    disable_hooks(monkeypatch, "ObsClient: each request", "ObsClient: each connection")
    with obs_calls.open_client(kind, http, transport=transport) as client:
        with pytest.raises(SSETransportError) as caught:
            obs_calls.drive(client, row)
        assert_silent(http)
        assert caught.value.rule == row.id


# The SDK drops the other arguments, so they never reach the wire.
_SENT = [
    row
    for row in _REFUSED
    if row.target == "SSE-C" or row.operation in ("PutObject", "InitiateMultipartUpload", "CopyObject")
]


@pytest.mark.thinned
@pytest.mark.parametrize(("kind", "transport"), _CLIENTS)
@pytest.mark.parametrize("row", _SENT, ids=lambda row: row.id)
def test_the_wire_hook_alone(
    row: Row, kind: str, transport: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    disable_hooks(monkeypatch, "ObsClient: methods", "ObsClient: other methods")
    with obs_calls.open_client(kind, http, transport=transport) as client:
        with pytest.raises(SSETransportError) as caught:
            obs_calls.drive(client, row)
        assert not http.calls
        assert_no_key(http, KEY)
        assert caught.value.rule == _as_sent(row).id


def _as_sent(row: Row) -> Row:
    """Return the row as its headers show it: none names SSE-KMS for a copy's source."""
    return row._replace(source="none") if row.source == "SSE-KMS" else row


def _findings_over_https(row: Row, transport: str) -> list[str]:
    if not oracle.carries_key(row):
        return []
    if row.operation == "PostObject":
        return ["key-in-url"]
    # http.client does not check the host name, which is reported for requests with a key.
    return ["unverified-host"] if transport == "http.client" else []


def _can_express(row: Row, kind: str, server: RecordingServer) -> bool:
    with obs_calls.open_client(kind, server) as client:
        return obs_calls.PLAIN[row.operation].available(client)


def _still_usable(client: object, server: RecordingServer) -> None:
    plain = Row(0, "PutObject", "none", "none", frozenset())
    assert obs_calls.drive(client, plain).status == 200
    assert [call.method for call in server.calls] == ["PUT"]
