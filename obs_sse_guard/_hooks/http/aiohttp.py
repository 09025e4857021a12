"""Hook aiohttp: every request and redirect hop, once its connection is open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obs_sse_guard._hooks.hook import Target
from obs_sse_guard._hooks.http.advice import AIOHTTP
from obs_sse_guard._hooks.http.request import Hop, enforce_hop, is_private, may_carry_sse
from obs_sse_guard._hooks.parameters import expect_parameters
from obs_sse_guard._util.failure import attempt

if TYPE_CHECKING:
    from obs_sse_guard._hooks.types import Function

__all__ = ["TARGETS"]


def _send_hook(_: str, function: Function) -> Function:
    expect_parameters(function, "self conn")

    # Not a coroutine: it returns that of aiohttp, and raises before there is one.
    def hook(request: Any, conn: Any, *args: Any, **kwargs: Any) -> Any:
        try:  # inline, to save a call: most requests are of this kind
            is_harmless = request.url.scheme == "https" and _is_tls(conn)
            head = "\n".join([request.url.raw_query_string, *request.headers])
            is_harmless = is_harmless or not may_carry_sse(head.encode())
        except Exception:  # noqa: BLE001  # a custom request
            is_harmless = False
        if not is_harmless:
            enforce_hop(AIOHTTP, lambda: _hop(request), lambda: attempt(lambda: _is_private(conn), None))
        return function(request, conn, *args, **kwargs)

    return hook


def _is_tls(conn: Any) -> bool:
    return conn.transport.get_extra_info("ssl_object") is not None


def _hop(request: Any) -> Hop:
    headers = [*request.headers.items()]
    proxy = request.proxy
    if proxy is None or request.is_ssl():
        # A request for a tunnel was made for the proxy, and given the URL behind the tunnel.
        url = request.original_url if request.method == "CONNECT" else request.url
        return Hop(request.method, request.url.raw_path_qs, headers, url.host, url.port)
    return Hop(request.method, str(request.url), headers, proxy.host, proxy.port)


def _is_private(conn: Any) -> bool | None:
    return _is_tls(conn) or is_private(conn.transport.get_extra_info("socket"))


TARGETS: tuple[Target, ...] = (Target("aiohttp", "ClientRequest.send", _send_hook),)
"""Every place that is hooked in aiohttp."""
