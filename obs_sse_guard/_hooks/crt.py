"""Hooks on the S3 client of the AWS CRT, which boto3 uses for transfers if configured to.

botocore only serializes such a request. The CRT's client sends it over a transport of its own: ``use_ssl=`` decides,
not the scheme of a URL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakSet

from obs_sse_guard._enforcement.enforce import enforce
from obs_sse_guard._hooks.botocore.advice import advise
from obs_sse_guard._hooks.botocore.client import can_have_findings, only_serialized
from obs_sse_guard._hooks.hook import Target, judging
from obs_sse_guard._hooks.installer import installer
from obs_sse_guard._hooks.tls_gaps import mark_reported, unreported_gap
from obs_sse_guard._policy.headers import parse_headers
from obs_sse_guard._policy.request import SDK, RequestContext
from obs_sse_guard._util.failure import attempt
from obs_sse_guard.rules import Operation

if TYPE_CHECKING:
    from obs_sse_guard._hooks.types import Function

__all__ = ["TARGETS"]

# What the objects themselves do not show. Nothing is known of those made before the hooks were installed.
_without_tls: WeakSet[Any] = WeakSet()
_unverified: WeakSet[Any] = WeakSet()


def _advise(context: RequestContext, finding_id: str) -> str:
    if context.secure or finding_id in ("key-misplaced", "cannot-judge"):
        return advise(context, finding_id)
    return "create_s3_crt_client(..., use_ssl=True)   the http comes from use_ssl=False; the CRT ignores a URL's scheme"


CRT = SDK("botocore", _advise, installer.report_removed_hooks)


def _serializer_hook(_: str, function: Function) -> Function:
    def hook(*args: Any, **kwargs: Any) -> Any:
        token = only_serialized.set(True)
        try:
            return function(*args, **kwargs)
        finally:
            only_serialized.reset(token)

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

        if kwargs.get("tls_mode") == S3RequestTlsMode.DISABLED:
            _without_tls.add(client)
        elif getattr(kwargs.get("tls_connection_options"), "tls_ctx", None) in _unverified:
            _unverified.add(client)

    return hook


def _request_hook(_: str, function: Function) -> Function:
    def hook(client: Any, **kwargs: Any) -> Any:
        context = _transfer_context(client, **kwargs)
        if context is not None:
            mark_reported(client, context, enforce(context))
        return function(client, **kwargs)

    return hook


_OPERATIONS = {"PUT_OBJECT": Operation.PUT_OBJECT, "GET_OBJECT": Operation.GET_OBJECT}


def _unjudged(client: Any, *, request: Any = None, **_: Any) -> RequestContext:
    # Whether the transport is TLS is known of the clients that were made while the hooks were installed.
    host = attempt(lambda: urlsplit(f"//{request.headers.get('host') or ''}").hostname or "", "")
    secure = attempt(lambda: client not in _without_tls, default=False)
    return RequestContext(CRT, "a CRT transfer", "a CRT transfer", secure, host)


@judging(_unjudged)
def _transfer_context(
    client: Any,
    *,
    type: Any,  # noqa: A002  # the SDK's parameter
    request: Any,
    operation_name: Any = None,
    **_: Any,
) -> RequestContext | None:
    sse, secure = parse_headers(request.headers), client not in _without_tls
    gap = unreported_gap(client, "unverified-tls") if sse.key and client in _unverified else ""
    if not can_have_findings(sse, secure=secure, exposed=bool(gap), kms_upload=False):
        return None
    host = urlsplit(f"//{request.headers.get('host') or ''}")
    return RequestContext(
        sdk=CRT,
        call="a CRT transfer",
        operation=_OPERATIONS.get(type.name, operation_name or f"{request.method} object"),
        secure=secure,
        host=host.hostname or "",
        port=host.port,
        target=sse.target,
        source=sse.source,
        key=sse.key_location(),
        headers=sse.names,
        tls_gap=gap,
    )


TARGETS: tuple[Target, ...] = (
    Target("s3transfer.crt", "BotocoreCRTRequestSerializer.serialize_http_request", _serializer_hook),
    Target("awscrt.io", "ClientTlsContext.__init__", _tls_context_hook),
    Target("awscrt.s3", "S3Client.__init__", _client_hook),
    Target("awscrt.s3", "S3Client.make_request", _request_hook),
)
"""Every place that is hooked in the CRT and its use."""
