"""Hand a call over to the worker threads of the asynchronous client.

One prepares the request, and another sends it and follows redirects. What is found then is raised by
``FutureSdkResponse.result()``, and names the line of the application that made the call.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from obs_sse_guard._hooks.huaweicloud.client import Call, current_call
from obs_sse_guard._hooks.parameters import expect_parameters
from obs_sse_guard._util.weak import WeakNotes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obs_sse_guard._hooks.types import Function

__all__ = ["future_hook", "session_hook", "worker_hook"]

_calls: WeakNotes[Call] = WeakNotes()
"""The call of each request being prepared, by the future of the request."""


def future_hook(_: str, function: Function) -> Function:
    """Make the hook of ``build_future_request``, called in the application's thread."""

    def hook(*args: Any, **kwargs: Any) -> Any:
        future = function(*args, **kwargs)
        call = current_call.get()
        if call is not None and call.asynchronous:
            # The credentials make the future. Those of an application may return an object that cannot be referenced
            # weakly, such as one with __slots__. Its hops are judged all the same, as of HttpClient.do_request_async.
            # Only a finding that does not raise is reported twice.
            with contextlib.suppress(TypeError):
                _calls.set(future, call)
        return future

    return hook


def worker_hook(_: str, function: Function) -> Function:
    """Make the hook of ``_do_http_request_async``, called in the preparing thread."""
    expect_parameters(function, "self future_request")

    def hook(client: Any, future_request: Any, *args: Any, **kwargs: Any) -> Any:
        with _resumed(_calls.get(future_request)):
            return function(client, future_request, *args, **kwargs)

    return hook


def session_hook(_: str, function: Function) -> Function:
    """Make the hook of ``FutureSession.request``, called in the same thread.

    The session is made for one request.
    """

    def hook(future_session: Any, *args: Any, **kwargs: Any) -> Any:
        call = current_call.get()
        if call is not None and hasattr(future_session, "_session"):
            future_session._session = _Session(future_session._session, call)
        return function(future_session, *args, **kwargs)

    return hook


class _Session:
    """The session of a client, in the thread that sends the request."""

    def __init__(self, session: Any, call: Call) -> None:
        self._session = session
        self._call = call

    def request(self, *args: Any, **kwargs: Any) -> Any:
        with _resumed(self._call):
            if self._call.work is None:
                return self._session.request(*args, **kwargs)
            return self._call.work(self._session.request, *args, **kwargs)


@contextlib.contextmanager
def _resumed(call: Call | None) -> Iterator[None]:
    token = current_call.set(call)
    try:
        yield
    finally:
        current_call.reset(token)
