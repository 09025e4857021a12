"""The wire hook: every attempt to send a request ends in `Endpoint._send`.

It runs after the event handlers that may change the URL and the headers, and sees what really leaves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.enforce import enforcing
from obs_sse_guard._hooks.botocore.advice import BOTOCORE
from obs_sse_guard._hooks.botocore.client import (
    can_have_findings,
    is_https,
    is_safe_transport,
    operation_of,
    parse_address,
    proxy_of,
    tls_gap,
    unjudged,
)
from obs_sse_guard._hooks.hook import expect_parameters, judging
from obs_sse_guard._hooks.tls_gaps import mark_reported
from obs_sse_guard._policy.headers import parse_headers
from obs_sse_guard._policy.kms_uploads import kms_uploads
from obs_sse_guard._policy.request import RequestContext
from obs_sse_guard.rules import Operation

if TYPE_CHECKING:
    from obs_sse_guard._hooks.botocore.client import Address
    from obs_sse_guard._hooks.types import Function
    from obs_sse_guard._policy.request import SDK

__all__ = ["names_sse", "parts_of", "request_context", "send_hook"]

_REWRITTEN = "was written into the URL by an event handler, a redirect or use_ssl=False; the client's endpoint is https"


def send_hook(_: str, function: Function) -> Function:
    """Make the hook of ``Endpoint._send``."""
    expect_parameters(function, "self request")

    def hook(endpoint: Any, request: Any) -> Any:
        if is_safe_transport(endpoint, getattr(request, "url", None)) or not names_sse(request):
            return function(endpoint, request)
        context = request_context(BOTOCORE, endpoint, *parts_of(request))
        if context is None:
            return function(endpoint, request)
        with enforcing(context) as reported:
            mark_reported(endpoint, context, reported)
            return function(endpoint, request)

    return hook


def parts_of(request: Any) -> tuple[Any, Any, Any]:
    """Return the method, the URL and the headers of a request; ``None`` for what one of the application's own lacks."""
    return getattr(request, "method", None), getattr(request, "url", None), getattr(request, "headers", None)


def names_sse(request: Any) -> bool:
    """Return whether a request needs a closer look. The names of its headers and its URL rule most requests out.

    It may err only towards a closer look.
    """
    try:
        url = request.url
        names = "\n".join((url, *request.headers))
        return "ncryption" in names.lower() or bool(kms_uploads and "partNumber" in url)
    except Exception:  # noqa: BLE001  # a request of the application's own making
        return True


def _unjudged(sdk: SDK, _endpoint: Any, method: Any, url: Any, *_: Any) -> RequestContext:
    return unjudged(sdk, "an S3 request", method, lambda: url)


@judging(_unjudged)
def request_context(  # noqa: PLR0913, PLR0917  # what a request consists of
    sdk: SDK, endpoint: Any, method: Any, url: Any, headers: Any, first_url: Any = ""
) -> RequestContext | None:
    """Return the context of a request about to be sent, or ``None`` if the policy cannot find anything about it.

    Args:
        sdk: the SDK that sends.
        endpoint: the client's endpoint.
        method: the HTTP method.
        url: where the request goes.
        headers: its headers.
        first_url: for a redirect, where the request went first.
    """
    items, secure = list((headers or {}).items()), is_https(url)
    address = parse_address(url, endpoint.host)
    # A redirect is about what was asked for first, wherever it leads.
    asked = parse_address(first_url, endpoint.host) if first_url else address
    sse = parse_headers([*items, *address.query])
    kms_upload = not secure and _is_kms_part(asked)
    gap = tls_gap(endpoint, sse, secure=secure)
    other_host = address.host != asked.host
    if not can_have_findings(sse, secure=secure, exposed=bool(gap) or other_host, kms_upload=kms_upload):
        return None
    operation = operation_of(method, asked, items)
    return RequestContext(
        sdk=sdk,
        call="an S3 request",
        operation=operation,
        secure=secure,
        host=address.host,
        port=address.port,
        proxy=proxy_of(endpoint, url),
        target=sse.target,
        source=sse.source,
        key=sse.key_location(),
        headers=sse.names,
        kms_upload=kms_upload and operation == Operation.UPLOAD_PART.value,
        other_host=other_host,
        downgraded=not secure and is_https(first_url),
        tls_gap=gap,
        origin=_REWRITTEN if not secure and is_https(endpoint.host) else "",
    )


def _is_kms_part(address: Address) -> bool:
    """Return whether a URL leads to a part of an upload that was begun with SSE-KMS."""
    if not kms_uploads or "partNumber" not in address.parameters:
        return False
    return (address.host, address.bucket, dict(address.query).get("uploadId", "")) in kms_uploads
