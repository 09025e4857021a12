"""Hook the signing of URLs and POST forms, which anyone may send later.

Two hooks see each of them. The client's hook knows the operation. The signer's hook sees what event handlers made of
the request, and also requests that an application has signed without a client.
"""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.enforce import enforce, enforcing
from obs_sse_guard._hooks.botocore.advice import BOTOCORE
from obs_sse_guard._hooks.botocore.client import (
    is_https,
    is_kms_part,
    obs_operation,
    operation_of,
    parse_address,
    unjudged,
)
from obs_sse_guard._hooks.hook import judging
from obs_sse_guard._hooks.parameters import expect_parameters
from obs_sse_guard._policy.headers import parse_headers
from obs_sse_guard._policy.request import KeyLocation, RequestContext
from obs_sse_guard._util.text import to_text
from obs_sse_guard.rules import Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from obs_sse_guard._hooks.botocore.client import Address
    from obs_sse_guard._hooks.types import Function
    from obs_sse_guard._policy.headers import SSEHeaders
    from obs_sse_guard._policy.request import SDK

    Parts = Mapping[str, Any]
    Enforcing = contextlib.AbstractContextManager[frozenset[str]]

__all__ = [
    "Signing",
    "enforcing_form",
    "enforcing_request",
    "form_hook",
    "form_signer_hook",
    "signing_form",
    "signing_url",
    "url_hook",
    "url_signer_hook",
]


class Signing:
    """What is being signed, and for which call.

    Entered while a client signs, so that the hook on its signer finds it.

    Attributes:
        sdk: the SDK.
        call: the method that the application called, for the message.
        operation: the operation by the OBS API's name; empty where only the request shows it.
        bucket: the bucket, once a request has shown it.
    """

    bucket = ""

    def __init__(self, sdk: SDK, call: str, operation: str = "") -> None:
        self.sdk = sdk
        self.call = call
        self.operation = obs_operation(operation)
        self._is_checked = False

    def __enter__(self) -> None:
        self._token = _by_client.set(self)

    def __exit__(self, *_: object) -> None:
        _by_client.reset(self._token)

    def check(self, url: Any) -> Any:
        """Enforce the policy on a signed URL unless the signer's hook has, and return it.

        Raises:
            SSETransportError: it must not be handed out.
        """
        context = None if self._is_checked else _url_context(self, url)
        self._is_checked = True
        if context is not None:
            enforce(context)
        return url


_by_client: ContextVar[Signing | None] = ContextVar("obs_sse_guard_signing_client", default=None)


def signing_url(sdk: SDK, operation: str) -> Signing:
    """Return what a client is about to sign as a URL."""
    return Signing(sdk, "S3.generate_presigned_url", operation)


def signing_form(sdk: SDK) -> Signing:
    """Return what a client is about to sign as a POST form."""
    return Signing(sdk, "S3.generate_presigned_post")


def enforcing_request(signing: Signing, request: Parts) -> Enforcing:
    """Enforce the policy on a request that is signed for somebody else to send."""
    return _enforcing(_request_context(signing, request))


def enforcing_form(signing: Signing, request: Parts, fields: Any, conditions: Any) -> Enforcing:
    """Enforce the policy on a POST form that is signed for somebody else to send."""
    return _enforcing(_form_context(signing, request, fields, conditions))


def _enforcing(context: RequestContext | None) -> Enforcing:
    return contextlib.nullcontext(frozenset()) if context is None else enforcing(context)


# --- the hooks on clients ---------------------------------------------------------------------


def url_hook(_: str, function: Function) -> Function:
    """Make the hook of ``RequestSigner.generate_presigned_url``."""
    expect_parameters(function, "self request_dict operation_name")

    def hook(signer: Any, request_dict: Any, operation_name: Any, *args: Any, **kwargs: Any) -> Any:
        signing = signing_url(BOTOCORE, operation_name)
        with enforcing_request(signing, request_dict), signing:
            return signing.check(function(signer, request_dict, operation_name, *args, **kwargs))

    return hook


def form_hook(_: str, function: Function) -> Function:
    """Make the hook of ``S3PostPresigner.generate_presigned_post``."""
    expect_parameters(function, "self request_dict fields conditions")

    def hook(  # the SDK's parameters
        presigner: Any, request_dict: Any, fields: Any = None, conditions: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        signing = signing_form(BOTOCORE)
        with enforcing_form(signing, request_dict, fields, conditions), signing:
            return function(presigner, request_dict, fields, conditions, *args, **kwargs)

    return hook


# --- the hooks on signers ---------------------------------------------------------------------


def url_signer_hook(_: str, function: Function) -> Function:
    """Make the hook of a signer of URLs."""
    expect_parameters(function, "self request")

    def hook(auth: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        signing = _signing_now(auth)
        parts = {name: getattr(request, name) for name in ("url", "method", "headers")}
        with enforcing_request(signing, {**parts, "query_string": request.params, "context": request.context}):
            result = function(auth, request, *args, **kwargs)
            signing.check(request.url)
        return result

    return hook


def form_signer_hook(_: str, function: Function) -> Function:
    """Make the hook of a signer of POST forms."""
    expect_parameters(function, "self request")

    def hook(auth: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        policy = request.context.get("s3-presign-post-policy") or {}
        fields = request.context.get("s3-presign-post-fields")
        with enforcing_form(_signing_now(auth), {"url": request.url}, fields, policy.get("conditions")):
            return function(auth, request, *args, **kwargs)

    return hook


def _signing_now(auth: Any) -> Signing:
    return _by_client.get() or Signing(BOTOCORE, f"{type(auth).__name__}.add_auth")


# --- what is signed ---------------------------------------------------------------------------


def _unjudged(signing: Signing, look_up_url: Callable[[], Any]) -> RequestContext:
    return unjudged(signing.sdk, signing.call, signing.operation or "a signed request", look_up_url)


def _unjudged_request(signing: Signing, request: Parts, *_: Any) -> RequestContext:
    return _unjudged(signing, lambda: request["url"])


@judging(_unjudged_request)
def _request_context(signing: Signing, request: Parts) -> RequestContext | None:
    headers, address = list(request["headers"].items()), parse_address(request["url"])
    query: Any = request.get("query_string")  # of a request that is not prepared yet
    parameters = [*address.query, *(query.items() if hasattr(query, "items") else ())]
    sse = parse_headers(headers, parameters)
    operation = signing.operation or operation_of(request["method"], address._replace(query=parameters), headers)
    kept = (request.get("context") or {}).get("s3_redirect") or {}  # where botocore keeps the bucket
    signing.bucket = to_text(kept.get("bucket") or signing.bucket)
    kms_upload = operation == Operation.UPLOAD_PART.value and is_kms_part(request["url"], parameters)
    return _signed_context(signing, request["url"], sse, operation, sse.key_location(), kms_upload=kms_upload)


@judging(lambda signing, url: _unjudged(signing, lambda: url))
def _url_context(signing: Signing, url: Any) -> RequestContext | None:
    sse = parse_headers([], parse_address(url).query)
    return _signed_context(signing, url, sse, signing.operation or "a signed URL", KeyLocation.URL) if sse.key else None


@judging(_unjudged_request)
def _form_context(signing: Signing, request: Parts, fields: Any, conditions: Any) -> RequestContext | None:
    named = [*_named_by_policy([fields]), *_named_by_policy(conditions)]
    sse = parse_headers(named)
    place = sse.key_location(KeyLocation.POLICY)
    signing.bucket = next((to_text(value) for name, value in named if name == "bucket"), signing.bucket)
    return _signed_context(signing, request["url"], sse, Operation.POST_OBJECT.value, place)


def _named_by_policy(conditions: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the names and values of fields in the conditions of a POST policy.

    A condition is ``{"name": "value"}`` or ``["eq", "$name", "value"]``.
    """
    for condition in conditions or ():
        if hasattr(condition, "items"):
            yield from condition.items()
        elif isinstance(condition, (list, tuple)) and len(condition) == 3:  # noqa: PLR2004  # see above
            yield to_text(condition[1]).lstrip("$"), condition[2]


def _signed_context(  # noqa: PLR0913  # what is known of a signature
    signing: Signing, url: Any, sse: SSEHeaders, operation: str, key: KeyLocation, *, kms_upload: bool = False
) -> RequestContext | None:
    secure = is_https(url)
    if secure and key.is_private_over_tls:
        return None
    if not sse.names and not kms_upload:
        return None
    address = parse_address(url)
    return RequestContext(
        sdk=signing.sdk,
        call=signing.call,
        operation=operation,
        secure=secure,
        host=_endpoint_host(address, signing.bucket),
        port=address.port,
        target=sse.target,
        source=sse.source,
        key=key,
        headers=sse.names,
        kms_upload=kms_upload,
    )


def _endpoint_host(address: Address, bucket: str) -> str:
    """Return the host of a URL without the bucket at its start.

    A bucket's host counts as the endpoint's own.
    """
    in_path = address.key.partition("/")[0] == bucket
    start = f"{bucket.lower()}."
    return address.host[len(start) :] if not in_path and address.host.startswith(start) else address.host
