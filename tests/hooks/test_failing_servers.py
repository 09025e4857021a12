"""Servers that fail: the call ends as it does without the guard."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

import pytest

import obs_sse_guard
from obs_sse_guard import SSETransportError
from tests.support import obs_calls
from tests.support.mixed_calls import PATIENCE, SDKS, put_object
from tests.support.obs_calls import BUCKET, CONTENT, OBJECT, needs_https, open_client
from tests.support.servers import LOOPBACK, Answer, RecordingServer, assert_silent

# Each of these clients is used up by a fault; the SDK closes no socket that it does not know of.
leaves_sockets = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)


class _Garbage(Answer):
    """Something that is no answer."""

    def encode(self, method: str, *, close: bool) -> bytes:
        return b"\x00\xff this is no HTTP\r\n\r\n" * 3


class _Truncated(Answer):
    """An answer that promises more than it gives."""

    def encode(self, method: str, *, close: bool) -> bytes:
        return b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nConnection: close\r\n\r\nshort"


def _garbage(server: RecordingServer) -> None:
    server._answer_to = lambda _: _Garbage(200)  # type: ignore[method-assign,assignment]


def _truncated(server: RecordingServer) -> None:
    server._answer_to = lambda _: _Truncated(200)  # type: ignore[method-assign,assignment]


def _dropped(server: RecordingServer) -> None:
    server.drop(lambda _: True)


def _in_circles(server: RecordingServer) -> None:
    server.answer(lambda _: True, 307, {"Location": f"{server.url}/{BUCKET}/{OBJECT}"})


def _failing(server: RecordingServer) -> None:
    server.answer(lambda _: True, 503)


_FAULTS = {"garbage": _garbage, "cut short": _truncated, "dropped": _dropped, "circles": _in_circles, "503": _failing}


def _outcome(call: Callable[[], Any]) -> str:
    """What became of a call, in words that say nothing of this very server."""
    try:
        result = call()
    except Exception as error:  # noqa: BLE001  # it must be the same with the guard as without
        return _name(error)
    if isinstance(result, dict) and "ResponseMetadata" in result:
        return repr(result["ResponseMetadata"])
    return repr(result.status)


def _name(error: BaseException | None) -> str:
    """The name of an error. Which of its callers wraps a full stack depends on where the stack is full."""
    name = type(error).__name__
    while error is not None:
        if isinstance(error, RecursionError):
            return "RecursionError"
        error = error.__context__
    return name


def _both(play: Callable[[], tuple[str, int]]) -> tuple[tuple[str, int], tuple[str, int]]:
    """The same without the guard and with it."""
    obs_sse_guard.uninstall()
    unguarded = play()
    obs_sse_guard.install()
    return unguarded, play()


@needs_https
@leaves_sockets
@pytest.mark.parametrize("fault", _FAULTS)
@pytest.mark.parametrize("sdk", SDKS)
def test_a_fault_is_the_same_with_the_guard(sdk: str, fault: str) -> None:
    from tests.support.servers import TlsRecordingServer

    case = next(case for case in SDKS[sdk][0] if case.secure)

    def play() -> tuple[str, int]:
        with TlsRecordingServer() as server, SDKS[sdk][1](server) as client, obs_calls.without_backoff():
            _FAULTS[fault](server)
            return _outcome(lambda: case.call(client, OBJECT)), len(server.requests)

    unguarded, guarded = _both(play)
    assert guarded[0] == unguarded[0]
    assert guarded[1] >= 1
    # Sent in circles, botocore looks for the bucket's region until its stack is full, on which the guard stands too.
    assert guarded[1] == unguarded[1] or "RecursionError" in guarded


@leaves_sockets
@pytest.mark.parametrize("fault", _FAULTS)
@pytest.mark.parametrize("sdk", SDKS)
def test_a_refused_call_meets_no_fault(sdk: str, fault: str, http: RecordingServer) -> None:
    _FAULTS[fault](http)
    with SDKS[sdk][1](http) as client:
        for case in SDKS[sdk][0]:
            if case.refused:
                with pytest.raises(SSETransportError):
                    case.call(client, OBJECT)
    assert_silent(http)


@needs_https
def test_a_circle_ends_where_it_turns_to_plaintext(https: RecordingServer, http: RecordingServer) -> None:
    """https, https, http: the third hop is refused, and nothing goes there."""
    https.answer(lambda _: True, 307, {"Location": f"{https.url}/{BUCKET}/{OBJECT}"}, times=2)
    https.answer(lambda _: True, 307, {"Location": f"{http.url}/{BUCKET}/{OBJECT}"})
    http.answer(lambda _: True, 307, {"Location": f"{https.url}/{BUCKET}/{OBJECT}"})
    with open_client("v2", https) as client, obs_calls.without_backoff(), pytest.raises(SSETransportError):
        put_object(client, OBJECT)
    assert len(https.requests) == 3
    assert_silent(http)


class _Rude:
    """A server below HTTP: it resets every connection, or says nothing at all."""

    def __init__(self, *, resets: bool) -> None:
        self._resets = resets
        self._socket = socket.create_server((LOOPBACK, 0))
        self._held: list[socket.socket] = []
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = self._socket.accept()
                if self._resets:
                    linger = struct.pack("ii", 1, 0)  # close() sends a reset
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    connection.close()
                else:
                    self._held.append(connection)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(PATIENCE)
        for connection in self._held:
            connection.close()


@leaves_sockets
@pytest.mark.parametrize("scheme", ["http", pytest.param("https", marks=needs_https)])
@pytest.mark.parametrize("resets", [True, False])
def test_a_rude_server_is_the_same_with_the_guard(resets: bool, scheme: str, http: RecordingServer) -> None:
    def play() -> tuple[str, int]:
        with contextlib.closing(_Rude(resets=resets)) as server:
            options: dict[str, Any] = {
                "server": f"{scheme}://{LOOPBACK}:{server.port}",
                "timeout": 0.3,
                "max_retry_count": 1,
            }
            with open_client("v2", http, **options) as client, obs_calls.without_backoff():
                if scheme == "https":
                    return _outcome(lambda: put_object(client, OBJECT)), 0
                return _outcome(lambda: client.putContent(BUCKET, OBJECT, CONTENT)), 0

    unguarded, guarded = _both(play)
    assert guarded == unguarded
