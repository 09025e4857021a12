"""Read the endpoint, proxy and TLS settings of an ObsClient and its connections.

They are read at each call, because any of them can change.
"""

from __future__ import annotations

import re
from http.client import HTTPConnection, HTTPSConnection
from typing import TYPE_CHECKING, Any

from obs_sse_guard._hooks.obs.advice import ESDK
from obs_sse_guard._hooks.requests_proxies import proxy_of_session
from obs_sse_guard._hooks.tls_gaps import unreported_context_gap, unreported_gap
from obs_sse_guard._policy.operations import bucket_operation, object_operation
from obs_sse_guard._policy.request import UNKNOWN_PROXY, RequestContext, in_url, normalize_host
from obs_sse_guard._util.failure import attempt
from obs_sse_guard._util.text import to_text

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "destination",
    "header_prefix",
    "is_tls",
    "operation_of",
    "proxy_of",
    "request_context",
    "server_host",
    "tls_gap",
    "unjudged",
    "upload_key",
]


def request_context(client: Any, call: str, operation: str, bucket: Any = None, **known: Any) -> RequestContext:
    """Return the context of a request.

    Args:
        client: the ObsClient.
        call: the method that the application called.
        operation: the operation by the OBS API's name.
        bucket: the bucket, which is part of the host that a proxy is looked up for.
        known: other fields of the context; they override those of the client.
    """
    secure = known.pop("secure", bool(client.is_secure))
    proxy = known.pop("proxy", None)
    fields = {"host": server_host(client.server), "port": client.port, **known}
    return RequestContext(
        sdk=ESDK,
        call=f"{type(client).__name__}.{call}",
        operation=operation,
        secure=secure,
        proxy=proxy_of(client, bucket, None, secure=secure) if proxy is None else proxy,
        **fields,
    )


def unjudged(client: Any, name: str, *, secure: bool) -> RequestContext:
    """Return what can be read for certain of a request that could not be judged.

    Args:
        client: the ObsClient.
        name: the method that the application called.
        secure: whether the transport surely is TLS.
    """
    host, port = attempt(lambda: (server_host(client.server), client.port), ("", None))
    return RequestContext(ESDK, f"{type(client).__name__}.{name}", name, secure, host, port)


def server_host(server: Any) -> str:
    """Return the host of a ``server=``, without credentials in front of it."""
    return normalize_host(str(server or "").rpartition("@")[2])


def header_prefix(client: Any) -> str:
    """Return the prefix of the headers that the client sends."""
    return "x-obs-" if str(getattr(client, "signature", "obs")).lower() == "obs" else "x-amz-"


def operation_of(  # noqa: PLR0913, PLR0917  # what a request consists of
    client: Any, method: str, bucket: Any, key: Any, parameters: Iterable[Any], headers: Iterable[tuple[Any, Any]]
) -> str:
    """Return the operation of a request, as the service sees it."""
    if key and (bucket or client.is_cname):
        return object_operation(method, parameters, headers)
    return bucket_operation(method, has_parameters=any(parameters) or not (bucket or client.is_cname))


def is_tls(connection: Any) -> bool:
    """Return whether a connection is TLS, whatever the client's settings.

    A pool may hold connections of either kind.
    """
    connection = getattr(connection, "real_connection", connection)  # vcrpy wraps it in one of its own
    if isinstance(connection, HTTPConnection):
        return isinstance(connection, HTTPSConnection)
    if getattr(connection, "default_port", None) == HTTPSConnection.default_port:
        return True  # of another copy of http.client, such as eventlet's
    request = getattr(connection, "req", None)  # obs.http.Connection, of use_http_conns=True
    if request is not None:
        return to_text(request.scheme).lower() == "https"
    return getattr(connection, "secure", False) is True  # hyper, of use_http2=True


_BUCKET = re.compile(r"[\w.-]+")


def destination(client: Any, connection: Any, bucket: Any, redirect: tuple[Any, Any] | None) -> tuple[str, Any]:
    """Return the host and port that a connection leads to.

    A bucket's host counts as the client's own.

    Args:
        client: the ObsClient.
        connection: the connection.
        bucket: the bucket of the request, or nothing.
        redirect: host and port of the redirect that led there, or ``None``.
    """
    home, bucket = server_host(client.server), to_text(bucket or "").lower()
    if redirect is not None:
        host, port = server_host(redirect[0]), redirect[1]
        return home if bucket and _bucket_in(host, home) == bucket else host, port
    request = getattr(connection, "req", connection)
    tunnel = getattr(connection, "_tunnel_host", None)
    host = server_host(tunnel or getattr(request, "server", getattr(connection, "host", "")))
    # Of any bucket: the pool of the SDK hands out a connection for another one than it was opened for.
    if host in (home, server_host(_server(client, _bucket_in(host, home)))):
        return home, client.port
    return host, getattr(request, "port", None)


def _server(client: Any, bucket: Any) -> Any:
    """Return the host of the client's requests for a bucket, as the SDK builds it."""
    return client.server if client.is_cname else client.calling_format.get_server(client.server, bucket)


def _bucket_in(host: str, home: str) -> str:
    """Return the bucket whose host this is; empty if it is no bucket's."""
    bucket = host[: -len(home) - 1]
    return bucket if host.endswith(f".{home}") and _BUCKET.fullmatch(bucket) else ""


def upload_key(client: Any, bucket: Any, upload_id: Any) -> tuple[str, str, str]:
    """Return what identifies a multipart upload."""
    return server_host(client.server), to_text(bucket), to_text(upload_id)


def tls_gap(client: Any, connection: Any = None) -> str:
    """Return the id of an unreported TLS gap of this client; empty if there is none.

    Args:
        client: the ObsClient.
        connection: the connection; by default the one that the client would open now.
    """
    if getattr(client, "use_http_conns", False):
        # The SDK passes ssl_verify on with each request, and the requests library checks the host name too.
        return "" if client.ssl_verify else unreported_gap(client, "unverified-tls")
    # Not ssl_verify, which the SDK reads only when it makes the context.
    context = client.context if connection is None else getattr(connection, "_context", client.context)
    return unreported_context_gap(client, context)


def proxy_of(client: Any, bucket: Any, redirect: tuple[Any, Any] | None, *, secure: bool) -> str:
    """Return the host of the HTTP proxy that a request goes through, if any.

    Args:
        client: the ObsClient.
        bucket: the bucket of the request, or nothing.
        redirect: host and port of the redirect that it follows, or ``None``.
        secure: whether the transport is TLS.
    """
    return attempt(lambda: _proxy(client, bucket, redirect, secure=secure), UNKNOWN_PROXY)


def _proxy(client: Any, bucket: Any, redirect: tuple[Any, Any] | None, *, secure: bool) -> str:
    if client.proxy_host is not None and client.proxy_port is not None:
        return to_text(client.proxy_host)
    session = getattr(getattr(client, "session", None), "session", None)
    if session is None:
        return ""
    host, port = redirect or (_server(client, bucket), client.port)
    return proxy_of_session(session, f"{'https' if secure else 'http'}://{in_url(host)}:{port}/")
