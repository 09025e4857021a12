"""Event handlers of boto3 that add a customer key or rewrite the URL, and calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.s3_calls import PUT, Call, customer, raw_headers


def _add_parameters(params: dict[str, Any], **_: Any) -> dict[str, Any]:
    return {**params, **customer()}


def _add_parameters_in_place(params: dict[str, Any], **_: Any) -> None:
    params.update(customer())


def _adding_to_dict(headers: dict[str, str]) -> Callable[..., None]:
    def add(params: dict[str, Any], **_: Any) -> None:
        params["headers"].update(headers)

    return add


def _adding_to_request(headers: dict[str, str]) -> Callable[..., None]:
    def add(request: Any, **_: Any) -> None:
        for name, value in headers.items():
            request.headers[name] = value

    return add


add_to_request = _adding_to_request(raw_headers("SSE-C"))
"""Adds the headers of SSE-C to a request that is about to be signed or sent."""

ADDERS: dict[str, Callable[..., Any]] = {
    "provide-client-params": _add_parameters,
    "before-parameter-build": _add_parameters_in_place,
    "before-call": _adding_to_dict(raw_headers("SSE-C")),
    "request-created": add_to_request,
    "before-sign": add_to_request,
    "before-send": add_to_request,
}


METADATA = {f"x-amz-meta-{name}": value for name, value in raw_headers("SSE-C").items()}
"""The headers of SSE-C as user metadata."""


def _add_metadata_parameters(params: dict[str, Any], **_: Any) -> None:
    params["Metadata"] = raw_headers("SSE-C")


METADATA_ADDERS: dict[str, Callable[..., Any]] = {
    "provide-client-params": _add_metadata_parameters,
    "before-parameter-build": _add_metadata_parameters,
    "before-call": _adding_to_dict(METADATA),
    "request-created": _adding_to_request(METADATA),
    "before-sign": _adding_to_request(METADATA),
    "before-send": _adding_to_request(METADATA),
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
