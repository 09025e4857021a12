"""Hook `http.client`, and with it requests, urllib3, urllib and SDKs' sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obs_sse_guard._errors import SSETransportError
from obs_sse_guard._hooks.hook import Abort, Target, is_hook
from obs_sse_guard._hooks.http.advice import HTTP_CLIENT
from obs_sse_guard._hooks.http.request import Hop, enforce_hop, is_private, may_carry_sse
from obs_sse_guard._hooks.log_records import record_hook
from obs_sse_guard._hooks.parameters import expect_parameters
from obs_sse_guard._util.text import to_text

if TYPE_CHECKING:
    from obs_sse_guard._hooks.types import Function

__all__ = ["TARGETS"]


def _endheaders_hook(_: str, function: Function) -> Function:
    """Make the hook of ``endheaders``: all headers are known, and nothing is sent.

    Not of ``_send_output``, which `AWSConnection` of botocore replaces.
    """
    expect_parameters(function, "self message_body")

    def hook(connection: Any, *args: Any, **kwargs: Any) -> Any:
        try:  # inline, to save a call: most requests are of this kind
            lines = connection._buffer
            # Through a proxy without a tunnel, the first line has a whole URL, and may be sent on in plaintext.
            is_harmless = hasattr(connection.sock, "getpeercert") and b" /" in lines[0]
            is_harmless = is_harmless or not may_carry_sse(b"\n".join(lines))
        except Exception:  # noqa: BLE001  # a custom connection
            is_harmless = False
        if not is_harmless:
            _enforce(connection)
        return function(connection, *args, **kwargs)

    return hook


def _tunnel_hook(_: str, function: Function) -> Function:
    """Make the hook of ``_tunnel``, which sends CONNECT and its headers to a proxy."""

    def hook(connection: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            enforce_hop(HTTP_CLIENT, lambda: _tunnel_hop(connection), lambda: is_private(connection.sock))
        except BaseException:
            connection.close()  # or the next request would go to the proxy without a tunnel
            raise
        return function(connection, *args, **kwargs)

    return hook


def _tunnel_hop(connection: Any) -> Hop:
    target = f"{connection._tunnel_host}:{connection._tunnel_port}"
    return Hop("CONNECT", target, [*connection._tunnel_headers.items()], connection.host, connection.port)


def _enforce(connection: Any) -> None:
    lines = getattr(connection, "_buffer", None)
    if not lines:
        return  # nothing was begun
    has_hook = is_hook(getattr(type(connection), "_send_output", None))
    try:
        enforce_hop(
            HTTP_CLIENT,
            lambda: _hop(connection, lines),
            lambda: _is_private(connection),
            connection if has_hook else None,
        )
    except BaseException as error:
        del lines[:]  # or the next request would send it
        if isinstance(error, (SSETransportError, Abort)):
            connection.close()  # ready for another request
        raise


def _hop(connection: Any, lines: Any) -> Hop:
    first, *others = (to_text(line) for line in lines)
    method, target = (*first.split(" "), "", "")[:2]
    tunnel = getattr(connection, "_tunnel_host", None)
    return Hop(
        method,
        target,
        [line.partition(":")[::2] for line in others],
        tunnel or connection.host,
        getattr(connection, "_tunnel_port", None) if tunnel else connection.port,
        connection.host if tunnel else "",
    )


def _is_private(connection: Any) -> bool | None:
    if connection.sock is None:
        connect = connection.connect
        if str(connect.__module__).endswith(("http.client", "urllib3.connection")):
            return "HTTPSConnection." in connect.__qualname__  # not the port, which a class may choose
        # Of another class, such as one for Unix sockets: its socket shows what it is. The next thing to be done anyway.
        if connection.auto_open:
            connection.connect()
    return is_private(connection.sock)


TARGETS: tuple[Target, ...] = (
    Target("http.client", "HTTPConnection.endheaders", _endheaders_hook),
    Target("http.client", "HTTPConnection._tunnel", _tunnel_hook),
    # urllib3 has one of its own, where that of Python's release lacks something.
    Target("urllib3.connectionpool", "HTTPConnection._tunnel", _tunnel_hook, optional=True),
    # urllib3 logs the URL of each request. In a process without it there is nothing to redact.
    Target("urllib3.connectionpool", "logging.Logger.makeRecord", record_hook),
)
"""Every place that is hooked in the standard library, and in urllib3 above it."""
