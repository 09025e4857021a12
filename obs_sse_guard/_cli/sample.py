"""Sample requests: the context of a usual call for each request of the tables.

A call with SSE-C carries its customer key in a header, on the side of the copy that names it.
"""

from __future__ import annotations

from obs_sse_guard._cli.examples import ESDK_CALLS, S3_CALLS
from obs_sse_guard._cli.sdks import SDKS
from obs_sse_guard._policy.headers import header_names
from obs_sse_guard._policy.request import KeyLocation, RequestContext
from obs_sse_guard.rules import Encryption, Operation

__all__ = ["request"]

_HOST = "obs.example.com"
_ESDK = "esdk-obs-python"
# The SDK has no argument for encryption here: callers pass the headers or form fields themselves.
_NAMED_BY_HEADERS = (Operation.POST_OBJECT, Operation.COMPLETE_MULTIPART_UPLOAD)


def request(
    operation: Operation,
    scheme: str,
    target: Encryption,
    source: Encryption = Encryption.NONE,
    sdk: str | None = None,
) -> RequestContext:
    """Return the context of one request as an SDK makes it, by default ObsClient."""
    known = SDKS[sdk or _ESDK]
    names = header_names(target, source, known.prefix)
    return RequestContext(
        sdk=known.sdk,
        call=_call(sdk or _ESDK, operation),
        operation=operation.value,
        secure=scheme == "https",
        host=_HOST,
        target=target,
        source=source,
        key=KeyLocation.HEADER if Encryption.SSE_C in (target, source) else KeyLocation.NOWHERE,
        headers=tuple(sorted(map(str.lower, names))) if operation in _NAMED_BY_HEADERS else names,
        origin=known.origin,
    )


def _call(sdk: str, operation: Operation) -> str:
    if sdk == _ESDK:
        return f"ObsClient.{ESDK_CALLS[operation].partition('(')[0]}"
    return f"S3.{S3_CALLS[operation].partition('(')[0]}" if SDKS[sdk].is_s3 else f"a call of {sdk}"
