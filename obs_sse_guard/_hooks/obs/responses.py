"""Read responses: record SSE-KMS uploads, report SSE-KMS reads over plaintext."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.enforce import enforce
from obs_sse_guard._hooks.hook import judging
from obs_sse_guard._hooks.obs.arguments import items
from obs_sse_guard._hooks.obs.client import destination, operation_of, proxy_of, request_context, unjudged, upload_key
from obs_sse_guard._policy.headers import encryption_of, names_kms
from obs_sse_guard._policy.kms_uploads import kms_uploads
from obs_sse_guard._util.text import to_text
from obs_sse_guard.rules import Encryption

if TYPE_CHECKING:
    from obs_sse_guard._hooks.obs.wire import Request
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["record_response"]


def record_response(client: Any, request: Request, response: Any) -> None:
    """Record SSE-KMS uploads and report SSE-KMS objects read over plaintext.

    Args:
        client: the ObsClient.
        request: what was sent.
        response: the SDK's result.
    """
    context = _read_response(client, request, response)
    if context is not None:
        enforce(context)


def _unread(client: Any, request: Request, _: Any) -> RequestContext:
    return unjudged(client, request.call, secure=request.plaintext is None)._replace(answered=True)


@judging(_unread)
def _read_response(client: Any, request: Request, response: Any) -> RequestContext | None:
    if request.parameters:
        _record_upload(client, request, response)
    if request.plaintext and request.method == "GET" and request.key:
        return _read_in_clear(client, request, response, *request.plaintext)
    return None


def _record_upload(client: Any, request: Request, response: Any) -> None:
    # A bucket's default encryption shows in the response alone.
    parameters = request.parameters
    if not isinstance(parameters, dict) or not _succeeded(response):
        return
    if request.method == "POST" and "uploads" in parameters:
        asked = names_kms(items(request.headers, request.extension_headers))
        upload_id = getattr(response.body, "uploadId", None)
        if upload_id and (asked or _shows_kms(response)):
            kms_uploads.add(*upload_key(client, request.bucket, upload_id))
    elif kms_uploads and "uploadId" in parameters and request.method in ("POST", "DELETE"):
        kms_uploads.forget(*upload_key(client, request.bucket, parameters["uploadId"]))


def _read_in_clear(
    client: Any, request: Request, response: Any, connection: Any, redirect: Any
) -> RequestContext | None:
    if not (_succeeded(response) and _shows_kms(response)):
        return None
    host, port = destination(client, connection, request.bucket, redirect)
    operation = operation_of(client, "GET", request.bucket, request.key, request.parameters or (), ())
    call = to_text(request.sdk_method or "getObject")
    proxy = proxy_of(client, request.bucket, redirect, secure=False)
    return request_context(client, call, operation, secure=False, host=host, port=port, proxy=proxy, read_kms=True)


def _succeeded(response: Any) -> bool:
    status = getattr(response, "status", None)
    return isinstance(status, int) and status < HTTPStatus.MULTIPLE_CHOICES


def _shows_kms(response: Any) -> bool:
    # The SDK strips "x-obs-" and "x-amz-" off the names of a response's headers.
    headers = dict(getattr(response, "header", None) or ())
    return encryption_of(headers.get("server-side-encryption")) is Encryption.SSE_KMS
