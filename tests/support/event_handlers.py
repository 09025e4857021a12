"""Event handlers of boto3 clients that add a customer key or rewrite the URL, and calls with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.s3_calls import PUT, Call, customer, raw_headers


def _add_parameters(params: dict[str, Any], **_: Any) -> dict[str, Any]:
    return {**params, **customer()}


def _add_parameters_in_place(params: dict[str, Any], **_: Any) -> None:
    params.update(customer())


def _add_to_dict(params: dict[str, Any], **_: Any) -> None:
    params["headers"].update(raw_headers("SSE-C"))


def add_to_request(request: Any, **_: Any) -> None:
    """Add the headers of SSE-C to a request that is about to be signed or sent."""
    for name, value in raw_headers("SSE-C").items():
        request.headers[name] = value


ADDERS: dict[str, Callable[..., Any]] = {
    "provide-client-params": _add_parameters,
    "before-parameter-build": _add_parameters_in_place,
    "before-call": _add_to_dict,
    "request-created": add_to_request,
    "before-sign": add_to_request,
    "before-send": add_to_request,
}


METADATA = {f"x-amz-meta-{name}": value for name, value in raw_headers("SSE-C").items()}
"""The headers of SSE-C as user metadata."""


def _add_metadata_parameters(params: dict[str, Any], **_: Any) -> None:
    params["Metadata"] = raw_headers("SSE-C")


def _add_metadata_to_dict(params: dict[str, Any], **_: Any) -> None:
    params["headers"].update(METADATA)


def _add_metadata_to_request(request: Any, **_: Any) -> None:
    for name, value in METADATA.items():
        request.headers[name] = value


METADATA_ADDERS: dict[str, Callable[..., Any]] = {
    "provide-client-params": _add_metadata_parameters,
    "before-parameter-build": _add_metadata_parameters,
    "before-call": _add_metadata_to_dict,
    "request-created": _add_metadata_to_request,
    "before-sign": _add_metadata_to_request,
    "before-send": _add_metadata_to_request,
}


def with_handler(event: str, handler: Callable[..., Any], call: Call = PUT) -> Call:
    """Return the call on a client with this handler."""

    def register_and_call(client: Any) -> Any:
        client.meta.events.register(event, handler)
        return call(client)

    return register_and_call


def rewrite_url(request: Any, url: str) -> None:
    """Send a request to another server, under the same path."""
    request.url = url + request.url.partition("://")[2].partition("/")[2].join(("/", ""))


REWRITERS: dict[str, Callable[[str], Callable[..., Any]]] = {
    "before-endpoint-resolution": lambda url: lambda builtins, **_: builtins.update({"SDK::Endpoint": url}),
    "before-call": lambda url: lambda params, **_: params.update(url=url + params["url_path"]),
    "request-created": lambda url: lambda request, **_: rewrite_url(request, url),
    "before-sign": lambda url: lambda request, **_: rewrite_url(request, url),
    "before-send": lambda url: lambda request, **_: rewrite_url(request, url),
}
