"""Hooks on the SDK's trace: customer keys in its headers and URLs are redacted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.enforce import is_enabled
from obs_sse_guard._hooks.hook import never_raises
from obs_sse_guard._hooks.key_scanner import masked, mentions_key
from obs_sse_guard._hooks.parameters import expect_parameters

if TYPE_CHECKING:
    from obs_sse_guard._hooks.types import Function

__all__ = ["headers_hook", "trace_hook"]


class _Redacting:
    """A stream that redacts what is written to it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: Any) -> Any:
        return self._stream.write(_redacted(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _redacted(text: Any) -> Any:
    return _masked(text) or text if is_enabled() else text


@never_raises("redact the trace of Minio")
def _masked(text: Any) -> Any:
    return masked(text) if mentions_key(text) else text


def trace_hook(_: str, function: Function) -> Function:
    """Make the hook of ``trace_on``."""
    expect_parameters(function, "self stream")

    def hook(client: Any, stream: Any) -> Any:
        return function(client, _Redacting(stream) if stream else stream)

    return hook


def headers_hook(_: str, function: Function) -> Function:
    """Make the hook of ``headers_to_strings``.

    It redacts a trace that was turned on before the hooks were installed.
    """

    def hook(*args: Any, **kwargs: Any) -> Any:
        return _redacted(function(*args, **kwargs))

    return hook
