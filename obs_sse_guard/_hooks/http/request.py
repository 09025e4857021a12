"""Judge the requests of HTTP clients: their encryption, target and transport."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

from obs_sse_guard._enforcement.enforce import enforce, is_judged
from obs_sse_guard._errors import SSETransportError
from obs_sse_guard._hooks.hook import Abort, inside, judging
from obs_sse_guard._hooks.http.advice import UNKNOWN_TRANSPORT
from obs_sse_guard._hooks.installer import installer
from obs_sse_guard._hooks.parameters import code_of
from obs_sse_guard._hooks.sending import Sending, sending
from obs_sse_guard._policy.headers import parse_headers
from obs_sse_guard._policy.operations import request_in_words
from obs_sse_guard._policy.request import RequestContext, normalize_host
from obs_sse_guard._util.failure import attempt
from obs_sse_guard._util.text import to_text
from obs_sse_guard.rules import Encryption

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from obs_sse_guard._hooks.hook import Target
    from obs_sse_guard._hooks.types import Items
    from obs_sse_guard._policy.request import SDK

__all__ = ["Hop", "enforce_hop", "is_private", "may_carry_sse"]

_CALL = "an HTTP request"
_THESE = f"{__name__.rpartition('.')[0]}."
_SHARED = ("requests", "urllib3")
"""Libraries with hooks for one SDK, which other requests pass too."""


class Hop(NamedTuple):
    """A request about to be sent.

    Attributes:
        method: the HTTP method.
        target: the target, as the request line has it; a whole URL if it is sent through a proxy without a tunnel.
        headers: names and values of the headers.
        host: the host that the connection leads to.
        port: its port.
        proxy: host of the proxy that has opened a tunnel to there.
    """

    method: Any
    target: Any
    headers: Items
    host: Any
    port: Any
    proxy: Any = ""


def may_carry_sse(head: bytes) -> bool:
    """Return whether a request needs a closer look.

    Args:
        head: the names of its headers, or the headers, and its target.
    """
    head = head.lower()
    return b"ncryption" in head or (b"%" in head and b"ncryption" in unquote_to_bytes(head).lower())


def enforce_hop(
    client: SDK, read: Callable[[], Hop], look_up_privacy: Callable[[], bool | None], connection: Any = None
) -> None:
    """Enforce the policy on a request unless a hook further out has judged it.

    Args:
        client: the library that sends it.
        read: returns the request.
        look_up_privacy: returns what `is_private` does; called if that matters, and may open the connection.
        connection: the connection, if a hook on its class judges what an SDK sends over it.
    """
    current, context = sending.get() or Sending(), _describe(client, read)
    if context is None or is_judged(context, () if current.is_over else current.hops):
        return
    is_of_sdk = current.sends(context)
    if is_of_sdk and connection is not None and current.judges(connection, context.host):
        return
    private = look_up_privacy()
    if (private and not _is_forwarded_in_clear(read)) or _began_without_hooks():
        return
    if private is None:
        # Without the encryption, which over TLS would be no finding: the only one is ``cannot-judge``.
        context = RequestContext(
            sdk=context.sdk,
            call=context.call,
            operation=context.operation,
            secure=context.secure,
            host=context.host,
            port=context.port,
            proxy=context.proxy,
            headers=context.headers,
            failure=context.failure or UNKNOWN_TRANSPORT,
        )
    try:
        enforce(context)
    except SSETransportError as error:
        if is_of_sdk:
            raise Abort(error) from None  # the SDK around it would try again
        raise


def is_private(sock: Any) -> bool | None:
    """Return whether the network cannot read a socket's data; ``None`` if unknown."""
    if hasattr(sock, "getpeercert"):  # of any TLS: that of ssl, of gevent, of pyOpenSSL, of urllib3 within TLS
        return True
    family = getattr(sock, "family", None)
    if family in (socket.AF_INET, socket.AF_INET6):
        return False
    return True if family is not None and family == getattr(socket, "AF_UNIX", None) else None


def _unjudged(client: SDK, _: object) -> RequestContext:
    return RequestContext(client, _CALL, "request", secure=False, host="")


@judging(_unjudged)
def _describe(client: SDK, read: Callable[[], Hop]) -> RequestContext | None:
    """Return the context of a request, or ``None`` if there is nothing to judge.

    The context is that of a plaintext request, whatever the transport.
    """
    hop = read()
    target = to_text(hop.target)
    path, _, query = target.partition("?")
    parameters = parse_qsl(query, keep_blank_values=True)
    sse = parse_headers(hop.headers, parameters)
    if not (sse.key or sse.key_in_metadata or sse.target is Encryption.SSE_KMS):
        return None
    host, port, proxy = hop.host, hop.port, hop.proxy
    if "://" in path and path[:1] != "/":
        path = path.partition("://")[2].partition("/")[2]
        # A host that cannot be read is trusted by nobody.
        unknown: tuple[str, int | None] = ("", None)
        host, port = attempt(lambda: _authority(target), unknown)
        proxy = "" if normalize_host(host) == normalize_host(hop.host) else hop.host
    return RequestContext(
        sdk=client,
        call=_CALL,
        operation=request_in_words(to_text(hop.method), path, (name for name, _ in parameters)),
        secure=False,
        host=normalize_host(host),
        port=port,
        proxy=normalize_host(proxy),
        target=sse.target,
        source=sse.source,
        key=sse.key_location(),
        key_ids=sse.key_ids,
        headers=sse.names,
    )


def _began_without_hooks() -> bool:
    """Return whether an SDK call in progress began before the SDK was hooked.

    A row may allow it. Nothing but the stack shows it: a hooked function runs there, and no hook has called it.
    """
    hooked: dict[tuple[str, str], list[Target]] = {}
    for target in installer.loaded:
        if not target.make.__module__.startswith(_THESE):
            hooked.setdefault((target.module, target.path.rpartition(".")[2]), []).append(target)
    found, called = False, ""
    frame: FrameType | None = sys._getframe()  # the only way to walk it
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        if module.startswith("obs_sse_guard._hooks.") and not module.startswith(_THESE) and called not in _SHARED:
            return False
        found = found or any(_is_code_of(target, frame) for target in hooked.get((module, frame.f_code.co_name), ()))
        called, frame = module.partition(".")[0], frame.f_back
    return found


def _is_code_of(target: Target, frame: FrameType) -> bool:
    """Return whether a frame runs a hooked function, not just one of the same name."""
    return any(code_of(inside(vars(owner)[name])) is frame.f_code for owner, name in target.places())


def _authority(url: str) -> tuple[str, int | None]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port


def _is_forwarded_in_clear(read: Callable[[], Hop]) -> bool:
    """Return whether a proxy will forward a request in plaintext.

    The transport to the proxy does not matter.
    """
    return attempt(lambda: to_text(read().target)[:5].lower() == "http:", default=False)
