"""Hook the AWS CRT's S3 client, which boto3 uses for transfers if configured to.

botocore only serializes such a request. The CRT's client sends it over a transport of its own: ``use_ssl=`` decides,
not the scheme of a URL, and the environment names the proxy.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from obs_sse_guard._enforcement.enforce import enforce
from obs_sse_guard._hooks.botocore.advice import advise
from obs_sse_guard._hooks.botocore.client import (
    can_have_findings,
    is_kms_part,
    only_serialized,
    operation_of,
    parse_address,
    unjudged,
)
from obs_sse_guard._hooks.hook import Target, judging
from obs_sse_guard._hooks.installer import installer
from obs_sse_guard._hooks.tls_gaps import mark_reported, unreported_gap
from obs_sse_guard._policy.headers import names_kms, parse_headers
from obs_sse_guard._policy.request import SDK, RequestContext
from obs_sse_guard._util.weak import WeakNotes
from obs_sse_guard.rules import Operation

if TYPE_CHECKING:
    from obs_sse_guard._hooks.botocore.client import Address
    from obs_sse_guard._hooks.types import Function

__all__ = ["TARGETS"]

# What the objects themselves do not show. Nothing is known of those made before the hooks were installed.
_tls: WeakNotes[bool] = WeakNotes()
"""Whether each client uses TLS."""
_unverified: WeakSet[Any] = WeakSet()
_endpoints: WeakNotes[str] = WeakNotes()
"""The endpoint of each request that botocore serialized."""
_MADE_BEFORE = "the CRT's client was made before obs_sse_guard was installed, so that its transport is unknown"


def _advise(context: RequestContext, finding_id: str) -> str:
    if context.failure == _MADE_BEFORE:
        return "import obs_sse_guard before boto3 makes the CRT's client"
    if context.secure or finding_id in ("key-misplaced", "cannot-judge"):
        return advise(context, finding_id)
    return "create_s3_crt_client(..., use_ssl=True)   the http comes from use_ssl=False; the CRT ignores a URL's scheme"


CRT = SDK("botocore", _advise, installer.report_removed_hooks)


def _serializer_hook(_: str, function: Function) -> Function:
    def hook(*args: Any, **kwargs: Any) -> Any:
        token = only_serialized.set(True)
        try:
            request = function(*args, **kwargs)
        finally:
            only_serialized.reset(token)
        with contextlib.suppress(Exception):  # a custom serializer: a bucket's host then counts as another host
            _endpoints.set(request, args[0]._client.meta.endpoint_url)  # noqa: SLF001  # no public one
        return request

    return hook


def _tls_context_hook(_: str, function: Function) -> Function:
    def hook(context: Any, options: Any) -> None:
        function(context, options)
        if not options.verify_peer:
            _unverified.add(context)

    return hook


def _client_hook(_: str, function: Function) -> Function:
    def hook(client: Any, **kwargs: Any) -> None:
        function(client, **kwargs)
        from awscrt.s3 import S3RequestTlsMode  # noqa: PLC0415  # it calls us

        _tls.set(client, kwargs.get("tls_mode") != S3RequestTlsMode.DISABLED)
        if getattr(kwargs.get("tls_connection_options"), "tls_ctx", None) in _unverified:
            _unverified.add(client)

    return hook


def _request_hook(_: str, function: Function) -> Function:
    def hook(client: Any, *args: Any, **kwargs: Any) -> Any:
        from awscrt.http import HttpRequest  # noqa: PLC0415  # it calls us

        request = kwargs.get("request")
        if isinstance(request, HttpRequest):  # the CRT refuses anything else itself
            context = _transfer_context(client, request)
            if context is not None:
                mark_reported(client, context, enforce(context))
            if _tls.get(client) is False:
                kwargs["on_headers"] = _watch(request, kwargs.get("on_headers"))
        return function(client, *args, **kwargs)

    return hook


def _unjudged(request: Any, **known: Any) -> RequestContext:
    return unjudged(CRT, "a CRT transfer", request.method, lambda: _url_of(request))._replace(**known)


@judging(lambda client, request: _unjudged(request, secure=_tls.get(client) is True))
def _transfer_context(client: Any, request: Any) -> RequestContext | None:
    headers, address, tls = list(request.headers), _address_of(request), _tls.get(client)
    sse, secure = parse_headers(headers, address.query), tls is True
    gap = unreported_gap(client, "unverified-tls") if sse.key and client in _unverified else ""
    # Neither the type nor the name of the operation: these are for the CRT, and the caller is free to choose them.
    operation = operation_of(request.method, address, headers)
    kms_upload = operation == Operation.UPLOAD_PART.value and is_kms_part(_url_of(request), address.query)
    if not can_have_findings(sse, secure=secure, exposed=bool(gap), kms_upload=kms_upload):
        return None
    context = RequestContext(
        sdk=CRT,
        call="a CRT transfer",
        operation=operation,
        secure=secure,
        host=address.host,
        port=address.port,
        proxy="" if secure else _proxy_to(address.host),
        headers=sse.names,
    )
    if tls is None and not sse.key_in_metadata:
        return context._replace(failure=_MADE_BEFORE)
    return context._replace(
        target=sse.target, source=sse.source, key=sse.key_location(), kms_upload=kms_upload, tls_gap=gap
    )


def _url_of(request: Any) -> str:
    return f"http://{request.headers.get('host') or ''}{request.path}"


def _address_of(request: Any) -> Address:
    """Return where a request leads.

    If the endpoint is unknown, a bucket in the path counts as part of the key.
    """
    return parse_address(_url_of(request), _endpoints.get(request) or "")


def _proxy_to(host: str) -> str:
    """Return the host of the proxy through which the CRT sends plaintext."""
    # urllib has it, though its stubs do not; rarely needed, and expensive to import.
    from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # noqa: PLC0415

    proxy = os.environ.get("http_proxy") or os.environ.get("HTTP_PROXY")  # as the CRT itself reads them
    return parse_address(proxy).host if proxy and not proxy_bypass_environment(host) else ""


def _watch(request: Any, on_headers: Any) -> Function:
    """Return a callback for response headers that reports SSE-KMS read in plaintext."""

    def observe(*args: Any, **kwargs: Any) -> Any:
        context = _read(request, *args, **kwargs)
        if context is not None:
            enforce(context)
        return on_headers(*args, **kwargs) if on_headers is not None else None

    return observe


@judging(lambda request, *_, **__: _unjudged(request, answered=True))
def _read(request: Any, status_code: Any, headers: Any, **_: Any) -> RequestContext | None:
    address = _address_of(request)
    operation = operation_of(request.method, address, [])
    if operation != Operation.GET_OBJECT.value or status_code >= 300 or not names_kms(headers):  # noqa: PLR2004  # no error
        return None
    context = RequestContext(CRT, "a CRT transfer", operation, secure=False, host=address.host, port=address.port)
    return context._replace(proxy=_proxy_to(address.host), read_kms=True)


TARGETS: tuple[Target, ...] = (
    Target("s3transfer.crt", "BotocoreCRTRequestSerializer.serialize_http_request", _serializer_hook),
    Target("awscrt.io", "ClientTlsContext.__init__", _tls_context_hook),
    Target("awscrt.s3", "S3Client.__init__", _client_hook),
    Target("awscrt.s3", "S3Client.make_request", _request_hook),
)
"""Every place that is hooked in the CRT and its use."""
