"""Read responses: record SSE-KMS uploads, report SSE-KMS reads over plaintext."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.enforce import enforce
from obs_sse_guard._hooks.botocore.client import (
    is_https,
    is_s3,
    operation_of,
    parse_address,
    parse_hop,
    proxy_of,
    unjudged,
    unjudged_call,
    upload_of,
)
from obs_sse_guard._hooks.hook import judging
from obs_sse_guard._policy.headers import encryption_of, names_kms
from obs_sse_guard._policy.kms_uploads import kms_uploads
from obs_sse_guard._policy.request import RequestContext
from obs_sse_guard.rules import Encryption, Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from obs_sse_guard._policy.request import SDK

    Params = Mapping[str, Any]

__all__ = ["RECORDED", "record_response", "report_read"]


def record_response(sdk: SDK, client: Any, operation: str, params: Params, response: Any) -> None:
    """Keep track of SSE-KMS uploads.

    Args:
        sdk: the SDK.
        client: its client.
        operation: one of `RECORDED`.
        params: the parameters of the call.
        response: what it returned.
    """
    context = _read_response(sdk, client, operation, params, response)
    if context is not None:
        enforce(context)


@judging(lambda sdk, client, operation, *_: unjudged_call(sdk, client, operation)._replace(answered=True))
def _read_response(sdk: SDK, client: Any, operation: str, params: Params, response: Any) -> RequestContext | None:
    return _RECORDERS[operation](sdk, client, params, response) if is_s3(client) else None


def _record_begun_upload(_: SDK, client: Any, params: Params, response: Any) -> None:
    # The default encryption of a bucket shows only in the response.
    if _is_kms(params) or _is_kms(response):
        kms_uploads.add(*upload_of(client, {**params, "UploadId": response.get("UploadId")}))


def _record_ended_upload(_: SDK, client: Any, params: Params, _response: Any) -> None:
    if kms_uploads:
        kms_uploads.forget(*upload_of(client, params))


def _is_kms(values: Params) -> bool:
    return encryption_of(values.get("ServerSideEncryption")) is Encryption.SSE_KMS


_RECORDERS: dict[str, Callable[[SDK, Any, Params, Any], RequestContext | None]] = {
    "CreateMultipartUpload": _record_begun_upload,
    "CompleteMultipartUpload": _record_ended_upload,
    "AbortMultipartUpload": _record_ended_upload,
}
RECORDED = frozenset(_RECORDERS)
"""The operations whose responses `record_response` reads."""


# --- what was read --------------------------------------------------------------------------


def report_read(sdk: SDK, endpoint: Any, request: Any, response: Any) -> None:
    """Report an SSE-KMS object that was read over plaintext.

    The response has the URL that redirects led to.
    """
    if getattr(request, "method", None) != "GET" or is_https(getattr(response, "url", None) or "https:"):
        return
    context = _read(sdk, endpoint, request, response)
    if context is not None:
        enforce(context)


def _unread_object(sdk: SDK, _endpoint: Any, request: Any, response: Any) -> RequestContext:
    method = getattr(request, "method", None)
    return unjudged(sdk, "S3.get_object", method, lambda: response.url)._replace(answered=True)


@judging(_unread_object)
def _read(sdk: SDK, endpoint: Any, request: Any, response: Any) -> RequestContext | None:
    if response.status_code >= 300 or not names_kms(response.headers.items()):  # noqa: PLR2004  # a redirect or an error
        return None
    asked = parse_address(request.url, endpoint.host)
    address = parse_hop(response.url, asked, endpoint.host)
    if operation_of(request.method, asked, []) != Operation.GET_OBJECT.value:
        return None
    return RequestContext(
        sdk=sdk,
        call="S3.get_object",
        operation=Operation.GET_OBJECT.value,
        secure=False,
        host=address.host,
        port=address.port,
        proxy=proxy_of(endpoint, request.url),  # redirects go through the same one
        read_kms=True,
    )
