"""Hook on the log records of the SDKs, and of the HTTP clients below them: customer keys in them are redacted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.enforce import is_enabled
from obs_sse_guard._hooks.hook import expect_parameters, never_raises
from obs_sse_guard._hooks.redaction import redact_message, redact_traceback

if TYPE_CHECKING:
    from obs_sse_guard._hooks.types import Function

__all__ = ["record_hook"]

_LOGGERS = frozenset((
    "aiobotocore", "aiohttp", "boto3", "botocore", "fsspec", "hpack", "httpcore", "httpx", "hyper", "requests", "s3fs",
    "s3transfer", "urllib3",
))  # fmt: skip


def record_hook(_: str, function: Function) -> Function:
    """Make the hook of ``Logger.makeRecord``; a filter would not reach loggers that are made later."""
    expect_parameters(function, "self name level fn lno msg args")

    def make_record(  # noqa: PLR0913, PLR0917  # logging's parameters
        logger: Any, name: str, level: Any, fn: Any, lno: Any, msg: Any, args: Any, *more: Any, **kwargs: Any
    ) -> Any:
        is_redacted = name.partition(".")[0] in _LOGGERS and is_enabled()
        if is_redacted:
            msg, args = _redact_message(msg, args) or (msg, args)
        record = function(logger, name, level, fn, lno, msg, args, *more, **kwargs)
        if is_redacted and record.exc_info:
            _redact_traceback(record)
        return record

    return make_record


_redact_message = never_raises("redact a log record")(redact_message)
_redact_traceback = never_raises("redact the traceback of a log record")(redact_traceback)
