"""What a client and its connections show: endpoint, proxy and TLS verification."""

from __future__ import annotations

from ssl import CERT_NONE
from typing import TYPE_CHECKING, Any, NamedTuple

from obs_sse_guard._hooks.minio.advice import MINIO
from obs_sse_guard._hooks.tls_gaps import unreported_gap
from obs_sse_guard._policy.headers import names_sse
from obs_sse_guard._policy.kms_uploads import kms_uploads
from obs_sse_guard._policy.operations import bucket_operation, object_operation
from obs_sse_guard._policy.request import UNKNOWN_PROXY, RequestContext, normalize_host
from obs_sse_guard._util.failure import attempt
from obs_sse_guard._util.text import to_text

if TYPE_CHECKING:
    from obs_sse_guard._hooks.types import Items
    from obs_sse_guard._policy.headers import SSEHeaders

__all__ = [
    "Request",
    "connection_gap",
    "destination",
    "is_https",
    "is_kms_part",
    "is_safe",
    "is_safe_connection",
    "is_safe_transport",
    "is_tls",
    "items",
    "may_carry_sse",
    "may_misplace",
    "operation_of",
    "pool_gap",
    "proxy_of",
    "request_context",
    "unjudged",
    "unreported",
    "upload_of",
]


class Request(NamedTuple):
    """A request of a client, in the words of the SDK's private methods."""

    client: Any
    method: Any
    bucket: Any = None
    key: Any = None
    headers: Any = None
    query: Any = None


def items(mapping: Any) -> Items:
    """Return the names and values of headers or query parameters."""
    return list(mapping.items()) if mapping else []


def may_carry_sse(headers: Any, query: Any) -> bool:
    """Return whether a request needs a closer look.

    The names of its headers and parameters rule most requests out. It errs only on the side of a closer look.
    """
    try:
        return bool(headers and names_sse(headers)) or bool(
            query and (names_sse(query) or ("partNumber" in query and kms_uploads))
        )
    except Exception:  # noqa: BLE001  # custom mappings
        return True


def may_misplace(headers: Any, query: Any) -> bool:
    """Return whether a key may be in metadata or the query, a finding even over TLS."""
    try:
        names = "\n".join(headers or ()).lower()
        return "meta-" in names or "%" in names or bool(query and names_sse(query))
    except Exception:  # noqa: BLE001  # custom mappings
        return True


# --- the endpoint ----------------------------------------------------------------------------


def is_https(client: Any) -> bool:
    """Return whether a client's endpoint is https."""
    return bool(client._base_url.is_https)


def endpoint_of(client: Any) -> tuple[str, int | None]:
    """Return the host and port of a client's endpoint."""
    url = client._base_url._url
    return normalize_host(url.hostname), url.port


def destination(request: Request, first_url: Any, url: Any) -> tuple[str, int | None, bool]:
    """Return the host and port of a hop, and whether the host is not the client's.

    The host of the request's bucket counts as the endpoint's own.

    Args:
        request: the request.
        first_url: where the request went first.
        url: where the hop leads.
    """
    from urllib3.util import parse_url  # noqa: PLC0415  # the SDK has it imported

    place, home = parse_url(to_text(url)), endpoint_of(request.client)[0]
    host, first = normalize_host(place.host), normalize_host(parse_url(to_text(first_url)).host)
    is_home = host in (home, first, f"{to_text(request.bucket or '').lower()}.{home}")
    return (home if is_home else host), place.port, not is_home


def operation_of(request: Request, headers: Items) -> str:
    """Return the operation of a request."""
    method, parameters = to_text(request.method), [name for name, _ in items(request.query)]
    if request.key:
        return object_operation(method, parameters, headers)
    return bucket_operation(method, has_parameters=bool(parameters))


def upload_of(request: Request, upload_id: Any) -> tuple[str, str, str]:
    """Return what identifies a multipart upload: endpoint host, bucket and upload id."""
    return endpoint_of(request.client)[0], to_text(request.bucket), to_text(upload_id)


def is_kms_part(request: Request) -> bool:
    """Return whether a request is about a part of an upload begun with SSE-KMS."""
    query = request.query
    if not kms_uploads or not query or "partNumber" not in query:
        return False
    return upload_of(request, query.get("uploadId")) in kms_uploads


# --- the transport ---------------------------------------------------------------------------


def is_safe_transport(client: Any) -> bool:
    """Return whether a client surely connects over verified TLS. Quick; never raises."""
    try:
        settings = client._http.connection_pool_kw
        verifies = settings["cert_reqs"] == "CERT_REQUIRED" and settings.get("assert_hostname") is not False
        return bool(verifies and client._base_url.is_https)
    except Exception:  # noqa: BLE001  # a custom client, or settings without the name
        return False


def is_safe_connection(connection: Any) -> bool:
    """Return whether this is surely verified TLS to the host. Quick; never raises."""
    try:
        is_verified = connection.is_verified and connection.assert_hostname is not False
        return bool(is_verified and connection.proxy is None and is_tls(connection))
    except Exception:  # noqa: BLE001  # a custom connection
        return False


def pool_gap(client: Any) -> str:
    """Return the finding id for what a client's pool does not verify; empty if none."""
    from urllib3.util.ssl_ import resolve_cert_reqs  # noqa: PLC0415  # the SDK has it imported

    settings = client._http.connection_pool_kw
    mode, context = settings.get("cert_reqs"), settings.get("ssl_context")
    if mode is None and context is not None:
        mode = context.verify_mode
    return _gap(settings, verifies=resolve_cert_reqs(mode) != CERT_NONE)


def connection_gap(connection: Any) -> str:
    """Return the finding id for what an open connection did not verify, if any."""
    # A proxy without a tunnel ends the TLS: it verifies the host in place of the client, and reads what is inside.
    if connection.proxy is not None and not connection._tunnel_host:
        return "unverified-tls"
    return _gap(vars(connection), verifies=bool(connection.is_verified))


def _gap(settings: Any, *, verifies: bool) -> str:
    if settings.get("assert_fingerprint"):
        return ""
    if not verifies:
        return "unverified-tls"
    return "unverified-host" if settings.get("assert_hostname") is False else ""


def unreported(client: Any, sse: SSEHeaders, gap: str) -> str:
    """Return a gap that matters to a request and was not yet reported for the client."""
    return unreported_gap(client, gap) if gap and sse.key else ""


def is_tls(connection: Any) -> bool:
    """Return whether a connection is TLS, as its socket shows.

    urllib3 opens TLS before it sends a request.
    """
    return hasattr(connection.sock, "getpeercert")


def is_safe(sse: SSEHeaders, gap: str, *, secure: bool, other_host: bool = False) -> bool:
    """Return whether the policy finds nothing about a request that names encryption."""
    in_place = sse.key_location().is_private_over_tls
    return secure and in_place and not gap and not (sse.key and other_host)


# --- the context -----------------------------------------------------------------------------

_METHODS = {
    "HeadObject": "stat_object",
    "GetObject": "get_object",
    "PutObject": "put_object",
    "CopyObject": "copy_object",
    "PostObject": "presigned_post_policy",
}


def call_of(operation: str) -> str:
    """Return the method that makes a request of this operation, where only one does."""
    return f"Minio.{_METHODS[operation]}" if operation in _METHODS else "a request of Minio"


def request_context(client: Any, operation: str, sse: SSEHeaders, *, secure: bool, **known: Any) -> RequestContext:
    """Return the context of a request to a client's endpoint.

    Args:
        client: the client.
        operation: the operation.
        sse: what the headers of the request name.
        secure: whether the transport is TLS.
        known: other fields of the context, or other values for them.
    """
    host, port = endpoint_of(client)
    proxy = "" if secure else attempt(lambda: proxy_of(client._http), UNKNOWN_PROXY)
    context = RequestContext(
        sdk=MINIO,
        call=call_of(operation),
        operation=operation,
        secure=secure,
        host=host,
        port=port,
        proxy=proxy,
        target=sse.target,
        source=sse.source,
        key=sse.key_location(),
        key_ids=sse.key_ids,
        headers=sse.names,
    )
    return context._replace(**known)


def proxy_of(pool: Any) -> str:
    """Return the host of the HTTP proxy that a pool sends through, or nothing."""
    proxy = pool.proxy
    return (normalize_host(proxy.host) or UNKNOWN_PROXY) if proxy is not None else ""


def unjudged(client: Any, call: str, operation: Any, *, secure: bool | None = None) -> RequestContext:
    """Return what can be read for certain of a request that could not be judged."""
    if secure is None:
        secure = attempt(lambda: is_https(client) is True, default=False)
    unknown: tuple[str, int | None] = ("", None)
    host, port = attempt(lambda: endpoint_of(client), unknown)
    return RequestContext(MINIO, call, attempt(lambda: to_text(operation), "request"), secure, host, port)
