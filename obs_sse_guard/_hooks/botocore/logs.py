"""Redaction of customer keys in the log records of the botocore family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.enforce import is_enabled
from obs_sse_guard._enforcement.log import log_failure
from obs_sse_guard._hooks.hook import expect_parameters
from obs_sse_guard._hooks.redaction import redacted

if TYPE_CHECKING:
    from obs_sse_guard._hooks.types import Function

__all__ = ["log_hook"]

_LOGGERS = frozenset(("aiobotocore", "boto3", "botocore", "fsspec", "s3fs", "s3transfer"))


def log_hook(_: str, function: Function) -> Function:
    """Make the hook of ``Logger.makeRecord``; a filter would not reach loggers that are made later."""
    expect_parameters(function, "self name level fn lno msg args")

    def make_record(  # noqa: PLR0913, PLR0917  # logging's parameters
        logger: Any, name: str, level: Any, fn: Any, lno: Any, msg: Any, args: Any, *more: Any, **kwargs: Any
    ) -> Any:
        try:
            if name.partition(".")[0] in _LOGGERS and is_enabled():
                (msg,), args = redacted((msg,)), redacted(args)
        except Exception:  # noqa: BLE001  # a bug of ours must never break a call
            log_failure("redact a log record", "it is logged as it is")
        return function(logger, name, level, fn, lno, msg, args, *more, **kwargs)

    return make_record
