"""The wire hook: every hop leaves through an adapter of the library requests.

That includes the redirects that the library follows. There the URL, the headers, the proxies and what TLS verifies are
final. The adapters are those of every session of the library, so that a request is judged only if it is a hop of a call
of an OBS client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.enforce import enforcing
from obs_sse_guard._hooks.hook import judging
from obs_sse_guard._hooks.huaweicloud.client import Call, Hop, current_call, request_context, unjudged
from obs_sse_guard._hooks.huaweicloud.responses import report_read
from obs_sse_guard._hooks.parameters import expect_parameters
from obs_sse_guard._hooks.requests_proxies import proxy_used
from obs_sse_guard._hooks.tls_gaps import mark_reported
from obs_sse_guard._util.failure import attempt

if TYPE_CHECKING:
    from obs_sse_guard._hooks.types import Function, Kwargs
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["adapter_hook", "request_hook"]

_PARAMETERS = "self request stream timeout verify cert proxies"
_NAMES = _PARAMETERS.split()[2:]
_LOGGERS = ("HuaweiCloud-SDK-ObsClient", "HuaweiCloud-SDK-ObsAsyncClient")


def request_hook(name: str, function: Function) -> Function:
    """Make the hook of ``do_request_sync`` and ``do_request_async``: a new attempt."""
    expect_parameters(function, "self request")

    def hook(http_client: Any, *args: Any, **kwargs: Any) -> Any:
        call = current_call.get()
        if call is None or call.http_client is not http_client:  # an application may use it directly
            is_obs = attempt(lambda: http_client.logger.name in _LOGGERS, default=False)
            call = Call(http_client, f"HttpClient.{name}") if is_obs else None
        else:
            call.first = None
        token = current_call.set(call)
        try:
            return function(http_client, *args, **kwargs)
        finally:
            current_call.reset(token)

    return hook


def adapter_hook(_: str, function: Function) -> Function:
    """Make the hook of ``HTTPAdapter.send``."""
    expect_parameters(function, _PARAMETERS)

    def hook(adapter: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        call = current_call.get()
        if call is None or not attempt(lambda: _is_hop_of(call, adapter), default=True):
            return function(adapter, request, *args, **kwargs)
        call.first = call.first or (request.method, request.url)
        context = _hop_context(call, adapter, request, {**dict(zip(_NAMES, args)), **kwargs})
        if context is None:
            response = function(adapter, request, *args, **kwargs)
        else:
            with enforcing(context) as reported:
                mark_reported(call.http_client, context, reported)
                response = function(adapter, request, *args, **kwargs)
        report_read(call, request, response, kwargs.get("proxies"))
        return response

    return hook


def _is_hop_of(call: Call, adapter: Any) -> bool:
    # While the body is read, or in a handler, an application may send other requests.
    return any(own is adapter for own in call.http_client._session.adapters.values())


def _unjudged(call: Call, _adapter: Any, request: Any, *_: Any) -> RequestContext:
    return unjudged(call, lambda: str(request.url), f"{request.method} request")


@judging(_unjudged)
def _hop_context(call: Call, adapter: Any, request: Any, settings: Kwargs) -> RequestContext | None:
    hop = Hop(
        request.method,
        request.url,
        [*request.headers.items()],
        _tls_gap(adapter, settings),
        lambda: proxy_used(request.url, settings.get("proxies")),
    )
    return request_context(call, hop)


def _tls_gap(adapter: Any, settings: Kwargs) -> str:
    if not settings.get("verify", True):
        return "unverified-tls"
    options = getattr(getattr(adapter, "poolmanager", None), "connection_pool_kw", {})
    return "unverified-host" if options.get("assert_hostname") is False else ""
