"""What a response shows: SSE-KMS objects that were read over plaintext."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from obs_sse_guard._enforcement.enforce import enforce
from obs_sse_guard._hooks.hook import judging
from obs_sse_guard._hooks.huaweicloud.client import operation_of, unjudged
from obs_sse_guard._hooks.requests_proxies import proxy_used
from obs_sse_guard._policy.headers import names_kms
from obs_sse_guard._util.failure import attempt
from obs_sse_guard.rules import Operation

if TYPE_CHECKING:
    from obs_sse_guard._hooks.huaweicloud.client import Call
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["report_read"]


def report_read(call: Call, request: Any, response: Any, proxies: Any) -> None:
    """Report an SSE-KMS object that was read over plaintext."""
    if request.method == "GET" and not request.url.startswith("https:"):
        context = _read(call, request, response, proxies)
        if context is not None:
            enforce(context)


def _unread(call: Call, request: Any, *_: Any) -> RequestContext:
    return unjudged(call, lambda: str(request.url), f"{request.method} request")._replace(answered=True)


@judging(_unread)
def _read(call: Call, request: Any, response: Any, proxies: Any) -> RequestContext | None:
    if response.status_code >= 300 or not names_kms(response.headers.items()):  # noqa: PLR2004  # a redirect or an error
        return None
    context = unjudged(call, lambda: str(request.url), operation_of(request.method, urlsplit(request.url), []))
    if context.operation != Operation.GET_OBJECT.value:
        return None
    return context._replace(proxy=attempt(lambda: proxy_used(request.url, proxies), ""), read_kms=True)
