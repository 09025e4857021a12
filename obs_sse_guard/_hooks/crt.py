"""The facts of the AWS CRT's S3 client, which boto3 uses for transfers where it is asked to.

botocore only serializes such a request; the CRT sends it, to a host and over a transport of its
own: ``use_ssl=`` of its client decides, not the scheme of any URL.
"""

from __future__ import annotations

import weakref
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from obs_sse_guard._enforcement import enforce as _reaction
from obs_sse_guard._hooks.botocore import BOTOCORE, never_raises, only_serialized
from obs_sse_guard._hooks.installer import Target
from obs_sse_guard._hooks.tls_gaps import note_gap, unsaid_gap
from obs_sse_guard._policy.headers import named_by
from obs_sse_guard._policy.request import Facts, KeyPlace
from obs_sse_guard.rules import Operation

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = Callable[..., Any]

__all__ = ["TARGETS"]

# What nothing in these objects tells afterwards. Of clients made before the guard was armed nothing is known.
_without_tls: weakref.WeakSet[Any] = weakref.WeakSet()
_unverified: weakref.WeakKeyDictionary[Any, SimpleNamespace] = weakref.WeakKeyDictionary()  # with a place for notes


def _serializer_gate(_: str, function: Function) -> Function:
    def gate(*args: Any, **kwargs: Any) -> Any:
        token = only_serialized.set(True)
        try:
            return function(*args, **kwargs)
        finally:
            only_serialized.reset(token)

    return gate


def _context_gate(_: str, function: Function) -> Function:
    def gate(context: Any, options: Any) -> None:
        function(context, options)
        if not options.verify_peer:
            _unverified[context] = SimpleNamespace()

    return gate


def _client_gate(_: str, function: Function) -> Function:
    def gate(client: Any, **kwargs: Any) -> None:
        function(client, **kwargs)
        from awscrt.s3 import S3RequestTlsMode  # noqa: PLC0415  # it calls us

        if kwargs.get("tls_mode") == S3RequestTlsMode.DISABLED:
            _without_tls.add(client)
        elif getattr(kwargs.get("tls_connection_options"), "tls_ctx", None) in _unverified:
            _unverified[client] = SimpleNamespace()

    return gate


def _request_gate(_: str, function: Function) -> Function:
    def gate(client: Any, **kwargs: Any) -> Any:
        facts = _facts(client, **kwargs)
        if facts is not None:
            note_gap(_unverified.get(client), facts, _reaction.react(facts))
        return function(client, **kwargs)

    return gate


_OPERATIONS = {"PUT_OBJECT": Operation.PUT_OBJECT, "GET_OBJECT": Operation.GET_OBJECT}
_ORIGIN = (
    "comes from use_ssl=False (tls_mode) of the CRT's client, whatever endpoint_url says; it is made with use_ssl=True"
)


@never_raises
def _facts(
    client: Any,
    *,
    type: Any,  # noqa: A002  # the SDK's parameter
    request: Any,
    operation_name: Any = None,
    **_: Any,
) -> Facts | None:
    named = named_by(request.headers)
    secure = client not in _without_tls
    notes = _unverified.get(client)
    gap = unsaid_gap(notes, "unverified-tls") if notes is not None and named.key else ""
    if not (named.metadata_key or gap if secure else named.headers):
        return None
    host = urlsplit(f"//{request.headers.get('host') or ''}")
    return Facts(
        sdk=BOTOCORE,
        call="a CRT transfer",
        operation=_OPERATIONS.get(type.name, operation_name or f"{request.method} object"),
        secure=secure,
        host=host.hostname or "",
        port=host.port,
        target=named.target,
        source=named.source,
        key=KeyPlace.METADATA if named.metadata_key else KeyPlace.HEADER if named.key else KeyPlace.NOWHERE,
        headers=named.headers,
        tls_gap=gap,
        origin=_ORIGIN,
    )


TARGETS: tuple[Target, ...] = (
    Target("s3transfer.crt", "BotocoreCRTRequestSerializer.serialize_http_request", _serializer_gate),
    Target("awscrt.io", "ClientTlsContext.__init__", _context_gate),
    Target("awscrt.s3", "S3Client.__init__", _client_gate),
    Target("awscrt.s3", "S3Client.make_request", _request_gate),
)
"""Every place that is hooked in the CRT and its use."""
