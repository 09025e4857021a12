"""Hooks on every request of a client, and on the connections it is sent over.

`Minio._execute` and `Minio._url_open` see a request before anything is looked up, signed or sent. urllib3 then follows
redirects and retries by itself, with all headers. `PoolManager.urlopen` sees the URL of each hop, and
`HTTPConnection.request` its connection: TLS is open by then, and plaintext is not connected yet. urllib3 lets a refusal
pass, once and unchanged.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from obs_sse_guard._enforcement.enforce import enforce, enforcing
from obs_sse_guard._hooks.hook import judging
from obs_sse_guard._hooks.minio.advice import HTTP_CLIENT
from obs_sse_guard._hooks.minio.client import (
    Request,
    connection_gap,
    destination,
    is_https,
    is_kms_part,
    is_safe,
    is_safe_connection,
    is_safe_transport,
    is_tls,
    items,
    may_carry_sse,
    may_misplace,
    operation_of,
    pool_gap,
    proxy_of,
    request_context,
    unjudged,
    unreported,
)
from obs_sse_guard._hooks.minio.responses import record_response
from obs_sse_guard._hooks.parameters import expect_parameters
from obs_sse_guard._hooks.sending import Sending, sending
from obs_sse_guard._hooks.tls_gaps import mark_reported
from obs_sse_guard._policy.headers import parse_headers
from obs_sse_guard._policy.request import UNKNOWN_PROXY
from obs_sse_guard._util.failure import attempt
from obs_sse_guard._util.text import to_text
from obs_sse_guard.rules import Operation

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from obs_sse_guard._hooks.types import Function
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["connection_hook", "describe", "enforcing_on", "execute_hook", "judged", "open_hook", "pool_hook"]

_NOTHING = nullcontext()


# --- the request -----------------------------------------------------------------------------


def execute_hook(_: str, function: Function) -> Function:
    """Make the hook of ``_execute``, which first looks up the region of the bucket."""
    expect_parameters(function, "self method bucket_name object_name body headers query_params")

    def hook(  # noqa: PLR0913, PLR0917  # the SDK's parameters
        client: Any,
        method: Any,
        bucket_name: Any = None,
        object_name: Any = None,
        body: Any = None,
        headers: Any = None,
        query_params: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        with judged(Request(client, method, bucket_name, object_name, headers, query_params)):
            return function(client, method, bucket_name, object_name, body, headers, query_params, *args, **kwargs)

    return hook


def open_hook(_: str, function: Function) -> Function:
    """Make the hook of ``_url_open``, which makes every attempt to send a request."""
    expect_parameters(function, "self method region bucket_name object_name body headers query_params")

    def hook(  # noqa: PLR0913, PLR0917  # the SDK's parameters
        client: Any,
        method: Any,
        region: Any,
        bucket_name: Any = None,
        object_name: Any = None,
        body: Any = None,
        headers: Any = None,
        query_params: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        current = _Sending(Request(client, method, bucket_name, object_name, headers, query_params))
        sent = (method, region, bucket_name, object_name, body, headers, query_params)
        with judged(current.request), current:
            response = function(client, *sent, *args, **kwargs)
        record_response(current.request, response, current.urls if current.is_plaintext else [])
        return response

    return hook


class _Enforcing(enforcing):
    """Enforce the policy on a client's request, and note reported gaps of its TLS."""

    def __init__(self, client: Any, context: RequestContext) -> None:
        super().__init__(context)
        self._client = client

    def __enter__(self) -> frozenset[str]:
        reported = super().__enter__()
        mark_reported(self._client, self.context, reported)
        return reported


def judged(request: Request) -> AbstractContextManager[Any]:
    """Return what enforces the policy on a request while it is sent."""
    client, headers, query = request.client, request.headers, request.query
    if not may_carry_sse(headers, query) or (is_safe_transport(client) and not may_misplace(headers, query)):
        return _NOTHING
    context = describe(request)
    return _NOTHING if context is None else enforcing_on(client, context)


def enforcing_on(client: Any, context: RequestContext) -> AbstractContextManager[Any]:
    """Return what enforces the policy on a request of a client, given its context."""
    return _Enforcing(client, context)


@judging(lambda request: unjudged(request.client, "a request of Minio", request.method))
def describe(request: Request) -> RequestContext | None:
    """Return the context of a request, or ``None`` if the policy finds nothing."""
    client, headers = request.client, items(request.headers)
    secure = is_https(client)
    sse = parse_headers(headers, items(request.query))
    kms_upload = not secure and is_kms_part(request)
    gap = unreported(client, sse, pool_gap(client)) if secure else ""
    if not (sse.names or kms_upload) or is_safe(sse, gap, secure=secure):
        return None
    operation = operation_of(request, headers)
    kms_upload = kms_upload and operation == Operation.UPLOAD_PART.value
    return request_context(client, operation, sse, secure=secure, kms_upload=kms_upload, tls_gap=gap)


# --- the connection --------------------------------------------------------------------------


class _Sending(Sending):
    """A request that urllib3 is sending.

    Attributes:
        request: the request.
        pool: the pool that sends it: the client's, or one to which that hands it on.
        urls: the URL of each hop, the last one under way.
        is_plaintext: whether the last hop is plaintext.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.pool: Any = None
        self.urls: list[str] = []
        self.is_plaintext = False

    def __enter__(self) -> None:
        self._token = sending.set(self)

    def __exit__(self, *_: object) -> None:
        sending.reset(self._token)
        self.end()


def _current() -> _Sending | None:
    current = sending.get()
    return current if isinstance(current, _Sending) and not current.is_over else None


def pool_hook(_: str, function: Function) -> Function:
    """Make the hook of ``PoolManager.urlopen``, which calls itself for each redirect."""
    expect_parameters(function, "self method url")

    def hook(pool: Any, method: Any, url: Any, *args: Any, **kwargs: Any) -> Any:
        current = _current()
        # Providers of credentials send requests of their own meanwhile.
        if current is not None and (pool is current.pool or _is_first_hop(current, pool, url)):
            current.pool = pool
            current.urls.append(url)
        return function(pool, method, url, *args, **kwargs)

    return hook


def connection_hook(_: str, function: Function) -> Function:
    """Make the hook of ``HTTPConnection.request``."""
    expect_parameters(function, "self method url body headers")

    def hook(
        connection: Any, method: Any, url: Any, body: Any = None, headers: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        current = _current()
        if current is not None and _is_own(current, url) and not _is_harmless(connection, current, headers):
            context = _hop_context(connection, current, method, headers)
            if context is not None:
                mark_reported(current.request.client, context, enforce(context))
                current.hops = (context,)
        return function(connection, method, url, body, headers, *args, **kwargs)

    return hook


def _is_first_hop(current: _Sending, pool: Any, url: Any) -> bool:
    request = current.request
    if current.urls:
        return False
    if pool is getattr(request.client, "_http", None):
        return True
    # The client's pool may have handed it on to this one.
    return attempt(lambda: unquote(urlsplit(url).path).endswith(f"/{request.key or request.bucket}"), default=False)


def _is_own(current: _Sending, target: Any) -> bool:
    """Return whether this is the hop under way, not another request sent meanwhile."""
    from urllib3.util import parse_url  # noqa: PLC0415  # the SDK has it imported

    def path(url: str) -> str:  # urllib3 rewrites what it is given, and through a proxy sends all of it
        return str(parse_url(url).request_uri)

    def is_own() -> bool:
        sent = to_text(target)
        return (sent if sent.startswith("/") else path(sent)) == path(to_text(current.urls[-1]))

    return bool(current.urls) and attempt(is_own, default=True)


def _is_harmless(connection: Any, current: _Sending, headers: Any) -> bool:
    """Note the transport of a hop, and return whether the hop needs no closer look."""
    current.is_plaintext = not is_tls(connection)
    if len(current.urls) > 1:
        return False  # after a redirect
    if not may_carry_sse(headers, current.request.query):
        return True
    return is_safe_connection(connection) and not may_misplace(headers, None)


def _unjudged_hop(connection: Any, current: _Sending, method: Any, _: Any) -> RequestContext:
    secure = attempt(lambda: is_tls(connection) and current.urls[-1].startswith("https:"), default=False)
    return unjudged(current.request.client, "a request of Minio", method, secure=secure)


@judging(_unjudged_hop)
def _hop_context(connection: Any, current: _Sending, method: Any, headers: Any) -> RequestContext | None:
    client, first, url = current.request.client, urlsplit(to_text(current.urls[0])), urlsplit(to_text(current.urls[-1]))
    request = current.request._replace(method=method, headers=headers)
    sent = items(headers)
    # Through a proxy over TLS, the rest of the way may be plaintext.
    secure = url.scheme.lower() == "https" and not current.is_plaintext
    current.is_plaintext = not secure
    sse = parse_headers(sent, parse_qsl(url.query, keep_blank_values=True))
    kms_upload = not secure and is_kms_part(request)
    gap = unreported(client, sse, connection_gap(connection)) if secure else ""
    host, port, other_host = destination(current.request, current.urls[0], current.urls[-1])
    if not (sse.names or kms_upload) or is_safe(sse, gap, secure=secure, other_host=other_host):
        return None
    operation = operation_of(request, sent)
    return request_context(
        client,
        operation,
        sse,
        secure=secure,
        host=host,
        port=port,
        kms_upload=kms_upload and operation == Operation.UPLOAD_PART.value,
        other_host=other_host,
        downgraded=not secure and len(current.urls) > 1 and first.scheme.lower() == "https",
        origin=HTTP_CLIENT if not secure and is_https(client) else "",
        proxy="" if secure else attempt(lambda: proxy_of(current.pool), UNKNOWN_PROXY),
        tls_gap=gap,
    )
