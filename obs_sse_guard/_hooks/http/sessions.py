"""Unwrap refusals that SDK HTTP sessions wrap in their own errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obs_sse_guard._errors import SSETransportError
from obs_sse_guard._hooks.parameters import expect_parameters

if TYPE_CHECKING:
    from obs_sse_guard._hooks.types import Function

__all__ = ["async_session_hook", "session_hook"]


def session_hook(_: str, function: Function) -> Function:
    """Make the hook of ``URLLib3Session.send``, which raises the refusal itself."""
    expect_parameters(function, "self request")

    def hook(session: Any, request: Any) -> Any:
        try:
            return function(session, request)
        except Exception as error:
            _raise_refusal(error)
            raise

    return hook


def async_session_hook(_: str, function: Function) -> Function:
    """Make the same hook for a coroutine function."""
    expect_parameters(function, "self request")

    async def hook(session: Any, request: Any) -> Any:
        try:
            return await function(session, request)
        except Exception as error:
            _raise_refusal(error)
            raise

    return hook


def _raise_refusal(error: Exception) -> None:
    refusal = getattr(error, "kwargs", {}).get("error")
    if isinstance(refusal, SSETransportError):
        raise refusal.with_traceback(None) from None
