"""What responses show: SSE-KMS uploads, and SSE-KMS objects read over plaintext."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.enforce import enforce
from obs_sse_guard._hooks.hook import judging
from obs_sse_guard._hooks.minio.client import (
    destination,
    items,
    operation_of,
    request_context,
    unjudged,
    upload_of,
)
from obs_sse_guard._policy.headers import NO_SSE_HEADERS, names_kms
from obs_sse_guard._policy.kms_uploads import kms_uploads
from obs_sse_guard.rules import Operation

if TYPE_CHECKING:
    from obs_sse_guard._hooks.minio.client import Request
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["record_response"]

_UPLOAD_ID = re.compile(rb"<UploadId>([^<]*)</UploadId>")


def record_response(request: Request, response: Any, plaintext: list[str]) -> None:
    """Keep track of SSE-KMS uploads, and report an SSE-KMS object read in plaintext.

    Args:
        request: the request.
        response: a response without an error; the SDK raises any other.
        plaintext: the URLs of the hops of the request if the response came over plaintext; otherwise none.
    """
    if not request.query and not (plaintext and request.method == "GET"):
        return
    context = _read_response(request, response, plaintext)
    if context is not None:
        enforce(context)


@judging(lambda request, *_: unjudged(request.client, "a request of Minio", request.method)._replace(answered=True))
def _read_response(request: Request, response: Any, plaintext: list[str]) -> RequestContext | None:
    query = request.query or {}
    if request.method == "POST" and "uploads" in query:
        # The default encryption of a bucket shows only in the response.
        if any(names_kms(items(message.headers)) for message in (request, response)):
            found = _UPLOAD_ID.search(response.data)
            kms_uploads.add(*upload_of(request, unescape(found[1].decode()) if found else ""))
    elif request.method in ("POST", "DELETE") and "uploadId" in query and kms_uploads:
        kms_uploads.forget(*upload_of(request, query["uploadId"]))
    operation = operation_of(request, [])
    if not plaintext or operation != Operation.GET_OBJECT.value or not names_kms(items(response.headers)):
        return None
    host, port, _ = destination(request, plaintext[0], plaintext[-1])
    known = {"host": host, "port": port, "read_kms": True}
    return request_context(request.client, operation, NO_SSE_HEADERS, secure=False, **known)
