"""Hook each attempt to send a request: `Endpoint._send`, and the connection.

The first runs after the event handlers that may change the URL and the headers. The second sees the connection itself:
whether it is TLS, whether that verified a certificate, and whether a proxy reads what is inside.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from obs_sse_guard._enforcement.enforce import enforce, enforcing
from obs_sse_guard._errors import SSETransportError
from obs_sse_guard._hooks.botocore.advice import BOTOCORE, REWRITTEN
from obs_sse_guard._hooks.botocore.client import (
    can_have_findings,
    is_https,
    is_kms_part,
    is_safe_transport,
    operation_of,
    parse_address,
    parse_hop,
    proxy_of,
    tls_gap,
    unjudged,
)
from obs_sse_guard._hooks.botocore.responses import report_read
from obs_sse_guard._hooks.hook import Abort, judging
from obs_sse_guard._hooks.parameters import expect_parameters
from obs_sse_guard._hooks.sending import Sending, sending
from obs_sse_guard._hooks.tls_gaps import mark_reported
from obs_sse_guard._policy.headers import NO_SSE_HEADERS, parse_headers
from obs_sse_guard._policy.kms_uploads import kms_uploads
from obs_sse_guard._policy.request import RequestContext
from obs_sse_guard._util.failure import attempt
from obs_sse_guard._util.text import to_text
from obs_sse_guard.rules import Operation

if TYPE_CHECKING:
    from obs_sse_guard._hooks.types import Function, Items
    from obs_sse_guard._policy.headers import SSEHeaders
    from obs_sse_guard._policy.request import SDK

__all__ = ["Hop", "connection_hook", "hop_of", "may_carry_sse", "request_context", "send_hook"]

_HTTPS_PORT = 443  # not from http.client: its own hook could not be placed while the hooks here are half imported


class Hop(NamedTuple):
    """A request, where it goes, and how.

    Attributes:
        method: the HTTP method.
        url: where it goes.
        headers: its headers.
        first_url: for a redirect, where the request went first.
        secure: whether the transport is TLS; by default the URL decides.
        proxy: URL of the proxy that it goes through; by default the endpoint's settings decide.
        verification: what TLS verifies, as for `tls_gap`; by default the endpoint's settings decide.
    """

    method: Any
    url: Any
    headers: Any
    first_url: Any = ""
    secure: bool | None = None
    proxy: Any = None
    verification: Any = None


def hop_of(request: Any, **known: Any) -> Hop:
    """Return a request as a hop; attributes that a custom request lacks are ``None``."""
    return Hop(*(getattr(request, name, None) for name in ("method", "url", "headers")), **known)


# --- the request ----------------------------------------------------------------------------


def send_hook(_: str, function: Function) -> Function:
    """Make the hook of ``Endpoint._send``."""
    expect_parameters(function, "self request")

    def hook(endpoint: Any, request: Any) -> Any:
        try:
            safe = is_safe_transport(endpoint, request.url)
        except AttributeError:  # a custom request
            safe = False
        if not may_carry_sse(request):
            response = function(endpoint, request)
        else:
            context = None
            if not safe or _misplaces_key(request):
                context = request_context(BOTOCORE, endpoint, hop_of(request))
            with _Sending(endpoint, request):  # no function of its own: a traceback shows every frame
                if context is None:
                    response = function(endpoint, request)
                else:
                    with enforcing(context) as reported:
                        mark_reported(endpoint, context, reported)
                        response = function(endpoint, request)
        if not safe:
            report_read(BOTOCORE, endpoint, request, response)
        return response

    return hook


class _Sending(Sending):
    """A request in progress; leaving it unpacks the refusal of the connection hook.

    Attributes:
        endpoint: the client's endpoint.
        request: the request that it is sending. The connection knows neither.
    """

    def __init__(self, endpoint: Any, request: Any) -> None:
        self.endpoint = endpoint
        self.request = request

    def __enter__(self) -> None:
        self._token = sending.set(self)

    def judges(self, connection: Any, host: str) -> bool:
        """Return whether what is about to leave is this request, on its way to its host."""
        is_its_host = attempt(lambda: parse_address(self.request.url).host == host, default=False)
        return is_its_host and _is_about(connection, self)

    def sse(self) -> SSEHeaders:
        """Return what the headers and the query of the request name."""
        return attempt(
            lambda: parse_headers(self.request.headers.items(), _place_of(self.request.url)[1]), NO_SSE_HEADERS
        )

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        sending.reset(self._token)
        self.end()
        if isinstance(error, Abort):
            raise error.error.with_traceback(None) from None  # without the frames of the HTTP client


# The headers that most requests have, and no others: quicker to find than to search.
_are_ordinary = frozenset((
    "accept-encoding", "amz-sdk-invocation-id", "amz-sdk-request", "authorization", "content-encoding",
    "content-length", "content-md5", "content-type", "expect", "host", "range", "transfer-encoding", "user-agent",
    "x-amz-checksum-mode", "x-amz-content-sha256", "x-amz-date", "x-amz-decoded-content-length",
    "x-amz-sdk-checksum-algorithm", "x-amz-security-token", "x-amz-trailer",
)).issuperset  # fmt: skip
_lower = attrgetter("_lower")


def may_carry_sse(request: Any) -> bool:
    """Return whether a request needs a closer look; if in doubt, it does.

    The names of its headers and its URL rule most requests out.
    """
    try:
        url, headers = request.url, request.headers
        # The storage of botocore's own mapping, whose methods would take calls.
        if not _are_ordinary(map(_lower, headers._dict)):
            names = _header_names(headers)
            if "ncryption" in names or "%" in names:
                return True
        return "?" in url and ("ncryption" in unquote(url).lower() or ("partNumber" in url and bool(kms_uploads)))
    except Exception:  # noqa: BLE001  # a custom request
        return True


def _misplaces_key(request: Any) -> bool:
    """Return whether a request may have a key in its metadata or in its query."""
    try:
        names = _header_names(request.headers).split("\n")
        in_metadata = any("meta-" in name and ("ncryption" in name or "%" in name) for name in names)
        return in_metadata or ("?" in request.url and "ncryption" in unquote(request.url).lower())
    except Exception:  # noqa: BLE001  # a custom request
        return True


def _header_names(headers: Any) -> str:
    """Return the names of all headers, in lower case and one a line."""
    try:  # as above
        return "\n".join(map(_lower, headers._dict))
    except Exception:  # noqa: BLE001  # another mapping
        return "\n".join(headers).lower()


def _unjudged(sdk: SDK, _endpoint: Any, hop: Hop) -> RequestContext:
    context = unjudged(sdk, "an S3 request", hop.method, lambda: hop.url)
    return context if hop.secure is None else context._replace(secure=hop.secure)


@judging(_unjudged)
def request_context(sdk: SDK, endpoint: Any, hop: Hop) -> RequestContext | None:
    """Return the context of a request, or ``None`` if there is nothing to judge.

    Args:
        sdk: the SDK that sends.
        endpoint: the client's endpoint.
        hop: the request.
    """
    items = list((hop.headers or {}).items())
    secure = is_https(hop.url) if hop.secure is None else hop.secure
    # A redirect is about what was asked for first, wherever it leads.
    first_url = hop.first_url or hop.url
    asked = parse_address(first_url, endpoint.host)
    address = parse_hop(hop.url, asked, endpoint.host) if hop.first_url else asked
    sse = parse_headers(items, address.query)
    kms_upload = not secure and is_kms_part(first_url, asked.query)
    gap = tls_gap(endpoint, sse, secure=secure, verification=hop.verification)
    other_host = address.host != asked.host
    if not can_have_findings(sse, secure=secure, exposed=bool(gap) or other_host, kms_upload=kms_upload):
        return None
    operation = operation_of(hop.method, asked, items)
    return RequestContext(
        sdk=sdk,
        call="an S3 request",
        operation=operation,
        secure=secure,
        host=address.host,
        port=address.port,
        proxy=proxy_of(endpoint, hop.url) if hop.proxy is None else parse_address(hop.proxy).host,
        target=sse.target,
        source=sse.source,
        key=sse.key_location(),
        key_ids=sse.key_ids,
        headers=sse.names,
        kms_upload=kms_upload and operation == Operation.UPLOAD_PART.value,
        other_host=other_host,
        downgraded=not secure and is_https(hop.first_url),
        tls_gap=gap,
        origin=REWRITTEN if not secure and is_https(endpoint.host) else "",
    )


# --- the connection -------------------------------------------------------------------------


def connection_hook(_: str, function: Function) -> Function:
    """Make the hook of ``AWSConnection._send_output``, where nothing is sent yet."""
    expect_parameters(function, "self message_body")

    def hook(connection: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            is_safe = connection.is_verified and getattr(connection, "proxy", None) is None  # urllib3 1.25 has no proxy
        except Exception:  # noqa: BLE001  # a custom connection
            is_safe = False
        if not is_safe:
            current = sending.get()
            if isinstance(current, _Sending) and not current.is_over and _is_about(connection, current):
                _enforce_connection(connection, current.endpoint, current.request)
        return function(connection, *args, **kwargs)

    return hook


def _is_about(connection: Any, current: _Sending) -> bool:
    """Return whether a connection is about to send the SDK's request, and no other."""
    try:
        first, *others = connection._buffer
        place, own_place = _place_of(first.split()[1].decode()), _place_of(current.request.url)
        sse, own = parse_headers([line.partition(b":")[::2] for line in others], place[1]), current.sse()
    except Exception:  # noqa: BLE001  # a custom connection
        return True
    if sse.key or own.key:
        return sse.key_ids == own.key_ids
    return sse.target is own.target and place == own_place


def _place_of(url: Any) -> tuple[str, Items]:
    """Return the path and the query of a URL."""
    parts = urlsplit(to_text(url))
    return unquote(parts.path), parse_qsl(parts.query, keep_blank_values=True)


def _enforce_connection(connection: Any, endpoint: Any, request: Any) -> None:
    context = _connection_context(connection, endpoint, request)
    if context is None:
        return
    try:
        mark_reported(endpoint, context, enforce(context))
    except SSETransportError as error:
        raise Abort(error) from None  # the HTTP session turns every `Exception` into one that is retried


def _unjudged_connection(connection: Any, endpoint: Any, request: Any) -> RequestContext:
    # The connection decides, whatever its URL says.
    secure = attempt(lambda: bool(connection.is_verified), default=False)
    return _unjudged(BOTOCORE, endpoint, hop_of(request, secure=secure))


@judging(_unjudged_connection)
def _connection_context(connection: Any, endpoint: Any, request: Any) -> RequestContext | None:
    secure = _is_tls(connection)
    if not is_https(request.url) or (secure and connection.sock is None):
        return None  # the hook on `_send` has checked the settings, and any plaintext URL
    # A proxy without a tunnel ends the TLS: it verifies the host in place of the client, and reads what is inside.
    forwards = getattr(connection, "proxy", None) is not None and not connection._tunnel_host
    verified = False if forwards else getattr(connection, "is_verified", None)
    return request_context(BOTOCORE, endpoint, hop_of(request, secure=secure, verification=verified))


def _is_tls(connection: Any) -> bool:
    """Return whether a connection is TLS, which its socket shows once it is open."""
    if connection.sock is None:
        return bool(connection.default_port == _HTTPS_PORT)
    return hasattr(connection.sock, "getpeercert")
