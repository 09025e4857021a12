"""Sample requests: for each request that the tables name, the context of its usual call.

A call with SSE-C carries its customer key in a header, on the side of the copy that names it.
"""

from __future__ import annotations

from obs_sse_guard._hooks.obs.advice import ESDK
from obs_sse_guard._policy.headers import header_names
from obs_sse_guard._policy.request import KeyLocation, RequestContext
from obs_sse_guard.rules import Encryption, Operation

__all__ = ["request"]

_HOST = "obs.example.com"
_METHODS = {
    Operation.PUT_OBJECT: "putContent",
    Operation.POST_OBJECT: "createPostSignature",
    Operation.INITIATE_MULTIPART_UPLOAD: "initiateMultipartUpload",
    Operation.HEAD_OBJECT: "getObjectMetadata",
    Operation.GET_OBJECT: "getObject",
    Operation.UPLOAD_PART: "uploadPart",
    Operation.COMPLETE_MULTIPART_UPLOAD: "completeMultipartUpload",
    Operation.COPY_OBJECT: "copyObject",
    Operation.UPLOAD_PART_COPY: "copyPart",
}
# The SDK has no argument for encryption here: callers pass the headers or form fields themselves.
_NAMED_BY_HEADERS = (Operation.POST_OBJECT, Operation.COMPLETE_MULTIPART_UPLOAD)


def request(
    operation: Operation, scheme: str, target: Encryption, source: Encryption = Encryption.NONE
) -> RequestContext:
    """Return the context of one request, as a call of ObsClient makes it."""
    names = header_names(target, source, "x-obs-")
    return RequestContext(
        sdk=ESDK,
        call=f"ObsClient.{_METHODS[operation]}",
        operation=operation.value,
        secure=scheme == "https",
        host=_HOST,
        target=target,
        source=source,
        key=KeyLocation.HEADER if Encryption.SSE_C in (target, source) else KeyLocation.NOWHERE,
        headers=tuple(sorted(map(str.lower, names))) if operation in _NAMED_BY_HEADERS else names,
    )
