"""What responses show: uploads with SSE-KMS, and SSE-KMS objects that were read over plaintext."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.enforce import enforce
from obs_sse_guard._hooks.botocore.client import is_https, is_s3, only_serialized, parse_endpoint, unjudged, upload_of
from obs_sse_guard._hooks.hook import judging
from obs_sse_guard._policy.headers import encryption_of
from obs_sse_guard._policy.kms_uploads import kms_uploads
from obs_sse_guard._policy.request import RequestContext
from obs_sse_guard.rules import Encryption

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from obs_sse_guard._policy.request import SDK

    Params = Mapping[str, Any]

__all__ = ["record_response"]


def record_response(sdk: SDK, client: Any, operation: str, params: Params, response: Any) -> None:
    """Keep track of SSE-KMS uploads, and report an SSE-KMS object that was read in plaintext."""
    if operation not in _RECORDERS:
        return
    context = _read_response(sdk, client, operation, params, response)
    if context is not None:
        enforce(context)


def _unread(sdk: SDK, client: Any, operation: str, *_: Any) -> RequestContext:
    return unjudged(sdk, f"S3.{operation}", operation, lambda: client._endpoint.host)._replace(answered=True)


@judging(_unread)
def _read_response(sdk: SDK, client: Any, operation: str, params: Params, response: Any) -> RequestContext | None:
    if only_serialized.get() or not is_s3(client):
        return None
    return _RECORDERS[operation](sdk, client, params, response)


def _record_begun_upload(_: SDK, client: Any, params: Params, response: Any) -> None:
    # The default encryption of a bucket shows only in the response.
    if _names_kms(params) or _names_kms(response):
        kms_uploads.add(*upload_of(client, {**params, "UploadId": response.get("UploadId")}))


def _record_ended_upload(_: SDK, client: Any, params: Params, _response: Any) -> None:
    if kms_uploads:
        kms_uploads.forget(*upload_of(client, params))


def _read_in_clear(sdk: SDK, client: Any, _params: Params, response: Any) -> RequestContext | None:
    if not _names_kms(response) or is_https(client._endpoint.host):
        return None
    host, port = parse_endpoint(client._endpoint.host)
    return RequestContext(sdk, "S3.get_object", "GetObject", secure=False, host=host, port=port, read_kms=True)


def _names_kms(values: Params) -> bool:
    return encryption_of(values.get("ServerSideEncryption")) is Encryption.SSE_KMS


_RECORDERS: dict[str, Callable[[SDK, Any, Params, Any], RequestContext | None]] = {
    "CreateMultipartUpload": _record_begun_upload,
    "CompleteMultipartUpload": _record_ended_upload,
    "AbortMultipartUpload": _record_ended_upload,
    "GetObject": _read_in_clear,
}
