"""Requests below the public methods, and transports other than botocore's."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from obs_sse_guard import SSETransportError
from tests.support.event_handlers import add_to_request, with_handler
from tests.support.guard import unguarded
from tests.support.s3_calls import (
    BUCKET,
    PUT,
    PUT_SSE_C,
    OwnTransport,
    each_sdk,
    outcome,
    own_session,
    raw_headers,
    refused,
    succeeded,
)
from tests.support.servers import (
    RecordingServer,
    assert_silent,
    leaks,
)
from tests.support.sse import KEY

if TYPE_CHECKING:
    from tests.support import s3_calls


class _Captured(Exception):  # noqa: N818  # it returns a value, and is not an error
    pass


def _make_request(client: Any) -> Any:
    """Pass the request of ``put_object`` to the endpoint directly."""
    taken: list[Any] = []

    def take(model: Any, params: Any, **_: Any) -> Any:
        taken.extend((model, params))
        raise _Captured

    client.meta.events.register_first("before-call.s3.PutObject", take)
    with contextlib.suppress(_Captured):
        started = PUT(client)
        if hasattr(started, "__await__"):
            return _make_request_async(client, started, taken)
    return _send_taken(client, taken)


async def _make_request_async(client: Any, started: Any, taken: list[Any]) -> Any:
    with contextlib.suppress(_Captured):
        await started
    _, parsed = await _send_taken(client, taken, wait=True)
    return parsed


def _send_taken(client: Any, taken: list[Any], *, wait: bool = False) -> Any:
    model, request_dict = taken
    request_dict["headers"].update(raw_headers("SSE-C"))
    answer = client._endpoint.make_request(model, request_dict)
    return answer if wait else answer[1]


@each_sdk
def test_a_request_passed_to_the_endpoint_is_checked(sdk: str, http: RecordingServer) -> None:
    with unguarded():
        assert succeeded(outcome(sdk, http, _make_request))
    assert leaks(http.wire, KEY)
    with RecordingServer() as server:
        refused(outcome(sdk, server, _make_request), "table-1/PutObject")
        assert_silent(server)


def test_a_custom_transport_is_guarded(http: RecordingServer) -> None:
    def transport_of(call: s3_calls.Call) -> tuple[OwnTransport, Any]:
        transport = OwnTransport()

        def calling(client: Any) -> Any:
            client._endpoint.http_session = transport
            return call(client)

        return transport, outcome("boto3", http, calling)

    with unguarded():
        transport, result = transport_of(PUT_SSE_C)
        assert succeeded(result)
        assert len(transport.sent) == 1
    for call in (PUT_SSE_C, with_handler("before-send.s3", add_to_request)):
        transport, error = transport_of(call)
        refused(error, "table-1/PutObject")
        assert not transport.sent


def test_a_handler_that_sends_the_request_runs_after_the_method_hook(http: RecordingServer) -> None:
    """No wire hook checks what a handler sends, but the method hook runs before it."""
    seen: list[Any] = []

    def answer(request: Any, **_: Any) -> Any:
        seen.append(request)
        return OwnTransport().send(request)

    with unguarded():
        assert succeeded(outcome("boto3", http, with_handler("before-send.s3", answer, PUT_SSE_C)))
    assert len(seen) == 1
    refused(outcome("boto3", http, with_handler("before-send.s3", answer, PUT_SSE_C)), "table-1/PutObject")
    assert len(seen) == 1


def test_a_stubbed_client_is_checked(http: RecordingServer) -> None:
    def stubbed(client: Any) -> Any:
        with Stubber(client) as stubber:
            stubber.add_response("put_object", {"ETag": "stubbed"})
            try:
                return PUT_SSE_C(client)
            except SSETransportError:
                with pytest.raises(AssertionError, match="remain"):
                    stubber.assert_no_pending_responses()
                raise

    with unguarded():
        assert outcome("boto3", http, stubbed)["ETag"] == "stubbed"
    refused(outcome("boto3", http, stubbed), "table-1/PutObject")
    assert_silent(http)


def test_a_mocked_service_is_checked(http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moto responds before anything is sent: only the method hook runs before it."""
    moto = pytest.importorskip("moto", reason="moto is not installed here")

    def put(client: Any) -> Any:
        client.create_bucket(Bucket=BUCKET)
        assert succeeded(PUT(client))
        return PUT_SSE_C(client)

    options = {"endpoint_url": "http://s3.us-east-1.amazonaws.com"}
    with moto.mock_aws(), own_session("boto3", monkeypatch):  # it affects only later sessions
        with unguarded():
            assert succeeded(outcome("boto3", http, put, **options))
        refused(outcome("boto3", http, put, **options), "table-1/PutObject")
