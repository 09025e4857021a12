"""Redact customer keys in the log records of the SDKs and their HTTP clients."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.enforce import is_enabled
from obs_sse_guard._enforcement.log import log_failure
from obs_sse_guard._hooks.hook import never_raises
from obs_sse_guard._hooks.parameters import expect_parameters
from obs_sse_guard._hooks.redaction import redact_message, redact_traceback

if TYPE_CHECKING:
    from obs_sse_guard._hooks.types import Function

__all__ = ["record_hook"]

_LOGGERS = frozenset((
    "aiobotocore", "aiohttp", "boto3", "botocore", "fsspec", "hpack", "httpcore", "httpx", "hyper", "requests", "s3fs",
    "s3transfer", "smart_open", "urllib3",
))  # fmt: skip


_HUAWEICLOUD = "HuaweiCloud-SDK-"
"""The prefix of huaweicloudsdkcore's logger names, before the client's class."""


@functools.lru_cache(1024)
def _is_of_sdk(logger: str) -> bool:
    return logger.partition(".")[0] in _LOGGERS or logger.startswith(_HUAWEICLOUD)


def record_hook(_: str, function: Function) -> Function:
    """Make the hook of ``Logger.makeRecord``; a filter would miss later loggers."""
    expect_parameters(function, "self name level fn lno msg args exc_info func extra sinfo")

    # Spelled out: *args would add a few percent to the time that a record takes.
    def make_record(  # noqa: PLR0913, PLR0917  # logging's parameters
        self: Any,
        name: str,
        level: Any,
        fn: Any,
        lno: Any,
        msg: Any,
        args: Any,
        exc_info: Any,
        func: Any = None,
        extra: Any = None,
        sinfo: Any = None,
    ) -> Any:
        is_redacted = _is_of_sdk(name) and is_enabled()
        try:
            if is_redacted:
                msg, args = redact_message(msg, args)
        except Exception:  # noqa: BLE001  # a bug in the guard must never break a call
            log_failure("redact a log record", "it is logged as it is")
        record = function(self, name, level, fn, lno, msg, args, exc_info, func, extra, sinfo)
        if is_redacted and record.exc_info:
            _redact_traceback(record)
        return record

    return make_record


_redact_traceback = never_raises("redact the traceback of a log record")(redact_traceback)
