"""Hook httpcore, and with it httpx: HTTP/1.1 and HTTP/2, sync and async."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obs_sse_guard._hooks.hook import Target
from obs_sse_guard._hooks.http.advice import HTTPX
from obs_sse_guard._hooks.http.request import Hop, enforce_hop, is_private, may_carry_sse
from obs_sse_guard._hooks.log_records import record_hook
from obs_sse_guard._hooks.parameters import expect_parameters
from obs_sse_guard._util.failure import attempt

if TYPE_CHECKING:
    from obs_sse_guard._hooks.types import Function

__all__ = ["TARGETS"]


def _request_hook(_: str, function: Function) -> Function:
    expect_parameters(function, "self request")

    # Not a coroutine where it hooks one: it returns that of httpcore, and raises before there is one.
    def hook(connection: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        try:  # inline, to save a call: most requests are of this kind
            target = request.url.target
            is_harmless = connection._origin.scheme == b"https" and target[:1] == b"/"
            is_harmless = is_harmless or not may_carry_sse(b"\n".join([target, *[name for name, _ in request.headers]]))
        except Exception:  # noqa: BLE001  # a custom connection
            is_harmless = False
        if not is_harmless:
            enforce_hop(
                HTTPX, lambda: _hop(connection, request), lambda: attempt(lambda: _is_private(connection), None)
            )
        return function(connection, request, *args, **kwargs)

    return hook


def _hop(connection: Any, request: Any) -> Hop:
    origin = connection._origin
    return Hop(request.method, request.url.target, request.headers, origin.host, origin.port)


def _is_private(connection: Any) -> bool | None:
    stream = connection._network_stream
    return stream.get_extra_info("ssl_object") is not None or is_private(stream.get_extra_info("socket"))


TARGETS: tuple[Target, ...] = (
    # Within the block that closes the connection after a failure.
    Target("httpcore", "HTTP11Connection._send_request_headers", _request_hook),
    Target("httpcore", "AsyncHTTP11Connection._send_request_headers", _request_hook),
    # Before anything is sent, for other requests share the connection. Without h2, httpcore has no such classes.
    Target("httpcore", "HTTP2Connection.handle_request", _request_hook, optional=True),
    Target("httpcore", "AsyncHTTP2Connection.handle_async_request", _request_hook, optional=True),
    # httpcore logs headers, and httpx the URL.
    Target("httpcore._trace", "logging.Logger.makeRecord", record_hook),
)
"""Every place that is hooked in httpcore."""
