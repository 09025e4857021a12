"""What responses show: uploads with SSE-KMS, and SSE-KMS objects that were read over plaintext."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.enforce import enforce
from obs_sse_guard._hooks.botocore.client import (
    is_https,
    is_s3,
    only_serialized,
    operation_of,
    parse_address,
    proxy_of,
    upload_of,
)
from obs_sse_guard._hooks.hook import never_raises
from obs_sse_guard._policy.headers import encryption_of
from obs_sse_guard._policy.kms_uploads import kms_uploads
from obs_sse_guard._policy.request import RequestContext
from obs_sse_guard._util.text import to_text
from obs_sse_guard.rules import Encryption, Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from obs_sse_guard._policy.request import SDK

    Params = Mapping[str, Any]

__all__ = ["names_kms", "record_response", "report_read"]

_ENCRYPTION_HEADERS = ("x-amz-server-side-encryption", "x-obs-server-side-encryption")


def record_response(sdk: SDK, client: Any, operation: str, params: Params, response: Any) -> None:
    """Keep track of SSE-KMS uploads, and report an SSE-KMS object that was read in plaintext."""
    if operation in _RECORDERS:
        _record(sdk, client, operation, params, response)


@never_raises("read a response of botocore")
def _record(sdk: SDK, client: Any, operation: str, params: Params, response: Any) -> None:
    if is_s3(client) and not only_serialized.get():
        _RECORDERS[operation](sdk, client, params, response)


def _record_begun_upload(_: SDK, client: Any, params: Params, response: Any) -> None:
    # The default encryption of a bucket shows only in the response.
    if _names_kms(params) or _names_kms(response):
        kms_uploads.add(*upload_of(client, {**params, "UploadId": response.get("UploadId")}))


def _record_ended_upload(_: SDK, client: Any, params: Params, _response: Any) -> None:
    if kms_uploads:
        kms_uploads.forget(*upload_of(client, params))


def _names_kms(values: Params) -> bool:
    return encryption_of(values.get("ServerSideEncryption")) is Encryption.SSE_KMS


_RECORDERS: dict[str, Callable[[SDK, Any, Params, Any], None]] = {
    "CreateMultipartUpload": _record_begun_upload,
    "CompleteMultipartUpload": _record_ended_upload,
    "AbortMultipartUpload": _record_ended_upload,
}


# --- what was read --------------------------------------------------------------------------


def report_read(sdk: SDK, endpoint: Any, request: Any, response: Any) -> None:
    """Report an SSE-KMS object that was read in plaintext. The response knows where redirects led to."""
    url = getattr(response, "url", None)
    if url and not is_https(url) and to_text(request.method) == "GET":
        _report_read(sdk, endpoint, url, request, response)


@never_raises("read a response of botocore")
def _report_read(sdk: SDK, endpoint: Any, url: Any, request: Any, response: Any) -> None:
    if response.status_code >= 300 or not names_kms(response.headers):  # noqa: PLR2004  # a redirect or an error
        return
    address = parse_address(url, endpoint.host)
    asked = parse_address(request.url, endpoint.host)
    if operation_of("GET", asked, []) == Operation.GET_OBJECT.value:
        proxy = proxy_of(endpoint, request.url)  # redirects go through the same one
        context = RequestContext(sdk, "S3.get_object", Operation.GET_OBJECT.value, secure=False, host=address.host)
        enforce(context._replace(port=address.port, proxy=proxy, read_kms=True))


def names_kms(headers: Mapping[str, Any]) -> bool:
    """Return whether the headers of a response name SSE-KMS."""
    return any(encryption_of(headers.get(name)) is Encryption.SSE_KMS for name in _ENCRYPTION_HEADERS)
