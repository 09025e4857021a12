"""Hook on the SDK's log, which prints customer keys at its default level: they are redacted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.enforce import is_enabled
from obs_sse_guard._hooks.hook import never_raises
from obs_sse_guard._hooks.redaction import redact_message

if TYPE_CHECKING:
    from obs_sse_guard._hooks.types import Args, Function

__all__ = ["log_hook"]


def log_hook(_: str, function: Function) -> Function:
    """Make the hook of ``LogClient.log``."""

    # The SDK names the caller in each line, and skips frames of functions that are called "log": so is this one.
    def log(log_client: Any, /, *args: Any, **kwargs: Any) -> Any:
        if is_enabled():
            args = _redact(log_client, *args) or args
        return function(log_client, *args, **kwargs)

    return log


@never_raises("redact the log of ObsClient")
def _redact(log_client: Any, level: Any = None, message: Any = None, *args: Any) -> Args | None:
    if not _is_written(log_client, level) or _is_content(message, *args):
        return None
    message, args = redact_message(message, args)
    return level, message, *args


def _is_written(log_client: Any, level: Any) -> bool:
    if not isinstance(level, int):
        return True
    logger = log_client.logger
    # The SDK keeps its log to its own handlers, but an application may let it reach those of the root logger.
    return logger.propagate or any(handler.level <= level for handler in logger.handlers)


def _is_content(message: Any, *args: Any) -> bool:
    """Return whether this is the content of an object, which may be large. Only the JSON of a fetch job has headers."""
    return message == "request content:%s" and not str(*args[:1])[:3].lstrip("b'\"").startswith("{")
