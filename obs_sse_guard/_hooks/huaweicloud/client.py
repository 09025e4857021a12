"""What a call, a client and a URL show: service, transport, address and proxy."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from obs_sse_guard._hooks.huaweicloud.advice import HUAWEICLOUD, REWRITTEN
from obs_sse_guard._hooks.tls_gaps import unreported_gap
from obs_sse_guard._policy.headers import names_sse, parse_headers
from obs_sse_guard._policy.kms_uploads import kms_uploads
from obs_sse_guard._policy.operations import bucket_operation, object_operation
from obs_sse_guard._policy.request import UNKNOWN_PROXY, RequestContext, normalize_host
from obs_sse_guard._util.failure import attempt
from obs_sse_guard.rules import Operation

if TYPE_CHECKING:
    from collections.abc import Callable
    from urllib.parse import SplitResult

    from obs_sse_guard._hooks.types import Function, Items

__all__ = ["Call", "Hop", "current_call", "is_obs", "may_carry_sse", "operation_of", "request_context", "unjudged"]

_PACKAGE = "huaweicloudsdkobs."


def is_obs(client: Any) -> bool:
    """Return whether a client of the core is one of OBS."""
    return any(str(base.__module__).startswith(_PACKAGE) for base in type(client).__mro__)


class Call:
    """A call of the application, from the client's method to the request's last hop.

    Attributes:
        http_client: what sends it; it has the settings of TLS and of the proxy.
        name: the method, such as ``ObsClient.put_object``.
        bucket: the bucket that is part of the host, in lower case; empty if there is none.
        url: where the client would send it; empty if that is not known.
        first: method and URL of the first hop of this attempt, once it is sent.
        asynchronous: whether worker threads carry it out.
        work: calls a function in one of these, as part of the call; ``None`` if that surely has nothing to report.
    """

    def __init__(self, http_client: Any, name: str, bucket: str = "", *, asynchronous: bool = False) -> None:
        self.http_client = http_client
        self.name = name
        self.bucket = bucket
        self.url = ""
        self.first: tuple[str, str] | None = None
        self.asynchronous = asynchronous
        self.work: Function | None = None


current_call: ContextVar[Call | None] = ContextVar("obs_sse_guard_huaweicloud_call", default=None)


class Hop(NamedTuple):
    """A request, where it goes, and how.

    Attributes:
        method: the HTTP method.
        url: where it goes.
        headers: its headers.
        tls_gap: what TLS does not verify: id of the finding, or nothing.
        find_proxy: returns the host of the proxy that it goes through, or nothing.
    """

    method: str
    url: str
    headers: Items
    tls_gap: str
    find_proxy: Callable[[], str]


def may_carry_sse(headers: Items, query: Items) -> bool:
    """Return whether a request needs a closer look. It may err only towards that."""
    return names_sse([name for name, _ in headers]) or bool(query and (names_sse([n for n, _ in query]) or kms_uploads))


def request_context(call: Call, hop: Hop) -> RequestContext | None:
    """Return the context of a hop, or ``None`` if the policy finds nothing."""
    url = urlsplit(hop.url)
    query = parse_qsl(url.query, keep_blank_values=True)
    if not may_carry_sse(hop.headers, query):
        return None
    secure, host = url.scheme.lower() == "https", _endpoint_host(call, url)
    # A redirect is about what was asked for first, wherever it leads.
    asked_method, asked_url = call.first or (hop.method, hop.url)
    asked = urlsplit(asked_url)
    sse = parse_headers(hop.headers, query)
    other_host = host != _endpoint_host(call, asked)
    gap = unreported_gap(call.http_client, hop.tls_gap) if secure and sse.key and hop.tls_gap else ""
    private = secure and not gap and not other_host
    if private and sse.key_location().is_private_over_tls:
        return None
    operation = operation_of(asked_method, asked, hop.headers)
    kms_upload = not secure and operation == Operation.UPLOAD_PART.value and _is_kms_part(call, asked)
    if not (sse.names or kms_upload):
        return None
    return RequestContext(
        sdk=HUAWEICLOUD,
        call=call.name,
        operation=operation,
        secure=secure,
        host=host,
        port=attempt(lambda: url.port, None),
        proxy="" if secure else attempt(hop.find_proxy, UNKNOWN_PROXY),
        target=sse.target,
        source=sse.source,
        key=sse.key_location(),
        key_ids=sse.key_ids,
        headers=sse.names,
        kms_upload=kms_upload,
        other_host=other_host,
        downgraded=not secure and asked.scheme.lower() == "https",
        tls_gap=gap,
        origin=REWRITTEN if not secure and call.url.startswith("https:") else "",
    )


def operation_of(method: str, url: SplitResult, headers: Items) -> str:
    """Return the operation of a request; its bucket is part of the host."""
    parameters = [name for name, _ in parse_qsl(url.query, keep_blank_values=True)]
    if url.path.strip("/"):
        return object_operation(method, parameters, headers)
    return bucket_operation(method, has_parameters=bool(parameters))


def unjudged(call: Call, find_url: Callable[[], str], operation: str) -> RequestContext:
    """Return what can be read for certain of a request that could not be judged.

    Args:
        call: the call.
        find_url: returns where the request goes.
        operation: the operation, or what is known of it.
    """
    url = attempt(lambda: urlsplit(find_url()), urlsplit(""))
    secure = url.scheme.lower() == "https"
    host = attempt(lambda: _endpoint_host(call, url), "")
    return RequestContext(HUAWEICLOUD, call.name, operation, secure, host, port=attempt(lambda: url.port, None))


def _endpoint_host(call: Call, url: SplitResult) -> str:
    """Return the host of a URL without the bucket, as in the application's endpoint."""
    host, bucket = normalize_host(url.hostname), f"{call.bucket}."
    return host[len(bucket) :] if call.bucket and host.startswith(bucket) else host


def _is_kms_part(call: Call, url: SplitResult) -> bool:
    """Return whether a part belongs to an upload that another SDK began with SSE-KMS."""
    upload_id = dict(parse_qsl(url.query)).get("uploadId", "")
    return (_endpoint_host(call, url), call.bucket, upload_id) in kms_uploads
