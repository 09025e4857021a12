"""Redact customer keys in the SDK's log, which prints them at its default level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.enforce import is_enabled
from obs_sse_guard._enforcement.log import log_failure
from obs_sse_guard._hooks.redaction import redact_message

if TYPE_CHECKING:
    from obs_sse_guard._hooks.types import Function

__all__ = ["log_hook"]


def log_hook(_: str, function: Function) -> Function:
    """Make the hook of ``LogClient.log``."""

    # The SDK names the caller in each line, and skips frames of functions that are called "log": so is this one.
    def log(log_client: Any, /, *args: Any, **kwargs: Any) -> Any:
        try:
            if len(args) > 1 and is_enabled() and _is_redacted(log_client, *args):
                message, values = redact_message(args[1], args[2:])
                args = (args[0], message, *values)
        except Exception:  # noqa: BLE001  # a bug in the guard must never break a call
            log_failure("redact the log of ObsClient", "it is logged as it is")
        return function(log_client, *args, **kwargs)

    return log


def _is_redacted(log_client: Any, level: Any, message: Any, *args: Any) -> bool:
    if isinstance(level, int) and not _is_written(log_client.logger, level):
        return False
    # The content of an object may be large. Only the JSON of a fetch job has headers.
    return message != "request content:%s" or str(*args[:1])[:3].lstrip("b'\"").startswith("{")


def _is_written(logger: Any, level: int) -> bool:
    # The SDK keeps its log to its own handlers, but an application may let it reach those of the root logger.
    return logger.propagate or any(handler.level <= level for handler in logger.handlers)
