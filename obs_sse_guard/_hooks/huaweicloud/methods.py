"""The method hooks: every operation goes through ``Client.do_http_request``.

That includes the operations of later releases. Both clients call it in the thread of the application, from their
methods and their invokers. Its headers are those of the request model, and what ``add_header`` has added. What is set
on a request model without being one of its fields shows only to the methods themselves, which ignore it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from obs_sse_guard._enforcement.enforce import enforce, enforcing, in_worker
from obs_sse_guard._hooks.hook import judging
from obs_sse_guard._hooks.huaweicloud.client import (
    Call,
    Hop,
    current_call,
    is_obs,
    may_carry_sse,
    request_context,
    unjudged,
)
from obs_sse_guard._hooks.parameters import expect_parameters, parameter_names
from obs_sse_guard._hooks.requests_proxies import proxy_of_session
from obs_sse_guard._hooks.tls_gaps import mark_reported
from obs_sse_guard._util.failure import attempt

if TYPE_CHECKING:
    from obs_sse_guard._hooks.types import Function, Items, Kwargs
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["method_hook", "operation_hook", "operations"]

_PARAMETERS = "self method resource_path path_params query_params header_params"
_NAMES = _PARAMETERS.split()[1:]


def method_hook(_: str, function: Function) -> Function:
    """Make the hook of ``Client.do_http_request``."""
    expect_parameters(function, _PARAMETERS)

    def hook(client: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_obs(client):
            return function(client, *args, **kwargs)
        params = {**dict(zip(_NAMES, args)), **kwargs}
        call = _call(client, params)
        context = _context(client, call, params)
        token = current_call.set(call)
        try:
            if context is None:
                _hand_over(client, call, params)
                return function(client, *args, **kwargs)
            with enforcing(context) as reported:
                mark_reported(call.http_client, context, reported)
                _hand_over(client, call, params)
                return function(client, *args, **kwargs)
        finally:
            current_call.reset(token)

    return hook


def _call(client: Any, params: Kwargs) -> Call:
    asynchronous = bool(params.get("async_request"))
    name = attempt(lambda: _method_name(params), "do_http_request") + ("_async" if asynchronous else "")
    bucket = attempt(lambda: str(params.get("cname") or "").lower(), "")
    http_client = getattr(client, "_http_client", None)
    return Call(http_client, f"{type(client).__name__}.{name}", bucket, asynchronous=asynchronous)


def _method_name(params: Kwargs) -> str:
    """Return the method that was called, derived from the name of its request model."""
    words = re.sub(r"(?<=.)(?=[A-Z])", "_", params["request_type"]).lower()
    return words.removesuffix("_request")


def _hand_over(client: Any, call: Call, params: Kwargs) -> None:
    if call.asynchronous and attempt(lambda: _may_be_reported(client, params), default=True):
        call.work = in_worker(lambda function, *args, **kwargs: function(*args, **kwargs))


def _may_be_reported(client: Any, params: Kwargs) -> bool:
    return not _url(client, params).startswith("https:") or may_carry_sse(*_names(client, params))


@judging(lambda client, call, params: unjudged(call, lambda: _url(client, params), f"{params.get('method')} request"))
def _context(client: Any, call: Call, params: Kwargs) -> RequestContext | None:
    headers, query = _names(client, params)
    if not may_carry_sse(headers, query):
        return None
    call.url = url = _url(client, params)
    http_client = call.http_client
    hop = Hop(
        params["method"].upper(),
        f"{url}?{urlencode(query)}",
        headers,
        "" if http_client._verify or _is_custom(http_client._session, url) else "unverified-tls",
        lambda: proxy_of_session(http_client._session, url, http_client._proxy),
    )
    return request_context(call, hop)


def _is_custom(session: Any, url: str) -> bool:
    """Return whether an adapter of the application may override the TLS settings."""
    return type(session.get_adapter(url)).__module__ != "requests.adapters"


def _url(client: Any, params: Kwargs) -> str:
    url = client._url_parse(params.get("cname"))
    return f"{url.scheme}://{url.netloc}{params['resource_path']}"


def _names(client: Any, params: Kwargs) -> tuple[Items, Items]:
    """Return the headers and the query parameters of a request."""
    headers = _items(params.get("header_params")) + _items(getattr(client, "preset_headers", None))
    return headers, _items(params.get("query_params"))


def _items(values: Any) -> Items:
    """Return the pairs of a mapping or list without ``None``, which the core drops."""
    pairs = values.items() if hasattr(values, "items") else values or ()
    # Given the class of a request model, not a request, each value is a property, and the core raises its own error.
    return [(name, value) for name, value in pairs if value is not None and not isinstance(value, property)]


# --- what a request model does not send -----------------------------------------------------


def operations(client: type) -> list[str]:
    """Return the methods of a client that take a request model."""
    return [
        name
        for name, found in vars(client).items()
        if name[:1] != "_" and parameter_names(found) == ("self", "request")
    ]


def operation_hook(name: str, function: Function) -> Function:
    """Make the hook of a method of a client."""

    def hook(*args: Any, **kwargs: Any) -> Any:
        request = kwargs.get("request", args[-1] if args else None)
        dropped: tuple[str, ...] = attempt(lambda: _dropped(request), ())
        if dropped and args:  # without args self= is a keyword
            enforce(_dropped_context(args[0], name, request, dropped))
        return function(*args, **kwargs)

    return hook


def _dropped(request: Any) -> tuple[str, ...]:
    """Return encryption attributes that the request model lacks: they are not sent."""
    fields = request.attribute_map
    named = [name for name, value in vars(request).items() if "encryption" in name.lower() and value is not None]
    return tuple(name for name in named if name.lstrip("_") not in fields)


def _dropped_context(client: Any, name: str, request: Any, dropped: tuple[str, ...]) -> RequestContext:
    call = Call(None, f"{type(client).__name__}.{name}")
    operation = type(request).__name__.removesuffix("Request")
    return unjudged(call, lambda: str(client._url_parse(None).geturl()), operation)._replace(dropped=dropped)
