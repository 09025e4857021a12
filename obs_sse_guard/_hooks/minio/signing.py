"""Hooks on presigned URLs and POST policies: what is signed here is sent later."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.enforce import enforcing
from obs_sse_guard._hooks.hook import judging
from obs_sse_guard._hooks.minio.client import (
    Request,
    is_https,
    is_kms_part,
    is_safe,
    items,
    may_carry_sse,
    operation_of,
    request_context,
    unjudged,
)
from obs_sse_guard._hooks.minio.methods import is_invalid
from obs_sse_guard._hooks.parameters import expect_parameters
from obs_sse_guard._policy.headers import parse_headers
from obs_sse_guard._policy.request import KeyLocation
from obs_sse_guard.rules import Operation

if TYPE_CHECKING:
    from obs_sse_guard._hooks.types import Args, Function, Kwargs
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["policy_hook", "url_hook"]


def url_hook(_: str, function: Function) -> Function:
    """Make the hook of ``get_presigned_url``, which every presigned URL comes from."""
    expect_parameters(function, "self method bucket_name object_name")
    signature = inspect.signature(function)

    def hook(*args: Any, **kwargs: Any) -> Any:
        context = None
        if any(isinstance(value, Mapping) and may_carry_sse(None, value) for value in (*args, *kwargs.values())):
            context = _url_context(signature, args, kwargs)
        return _sign(context, function, args, kwargs)

    return hook


def policy_hook(_: str, function: Function) -> Function:
    """Make the hook of ``presigned_post_policy``."""
    expect_parameters(function, "self policy")

    def hook(*args: Any, **kwargs: Any) -> Any:
        policy = kwargs.get("policy", args[-1] if args else None)
        conditions = getattr(policy, "_conditions", None)
        context = _policy_context(args[0], conditions) if args and conditions is not None else None
        return _sign(context, function, args, kwargs)

    return hook


def _sign(context: RequestContext | None, function: Function, args: Args, kwargs: Kwargs) -> Any:
    if context is None or is_invalid(function, args, kwargs):
        return function(*args, **kwargs)
    with enforcing(context):
        return function(*args, **kwargs)


_URL, _FORM = "Minio.get_presigned_url", "Minio.presigned_post_policy"


@judging(lambda _, args, __: unjudged(args[0] if args else None, _URL, "a signed request"))
def _url_context(signature: inspect.Signature, args: Args, kwargs: Kwargs) -> RequestContext | None:
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError:  # the SDK raises it itself
        return None
    query = {**(given.get("extra_query_params") or {}), **(given.get("response_headers") or {})}
    request = Request(given["self"], given["method"], given["bucket_name"], given["object_name"], query=query)
    secure, sse = is_https(request.client), parse_headers([], items(query))
    kms_upload = not secure and is_kms_part(request)
    if not (sse.names or kms_upload) or is_safe(sse, "", secure=secure):
        return None
    operation = operation_of(request, [])
    kms_upload = kms_upload and operation == Operation.UPLOAD_PART.value
    return request_context(request.client, operation, sse, secure=secure, kms_upload=kms_upload, call=_URL, proxy="")


@judging(lambda client, _: unjudged(client, _FORM, Operation.POST_OBJECT.value))
def _policy_context(client: Any, conditions: Any) -> RequestContext | None:
    sse = parse_headers([field for kind in conditions.values() for field in items(kind)])
    secure, key = is_https(client), sse.key_location(KeyLocation.POLICY)
    if not sse.names or (secure and key is KeyLocation.NOWHERE):
        return None
    operation = Operation.POST_OBJECT.value
    return request_context(client, operation, sse, secure=secure, key=key, call=_FORM, proxy="")
