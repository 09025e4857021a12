"""Compare the time of logging a call with and without the redaction of keys.

The records of one call are logged to a file again and again, with the hooks on the log and without them. Nothing else
of the call is repeated. The file is overwritten each time.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import tempfile
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest import mock

from benchmarks import budgets, sdks, timing
from obs_sse_guard._enforcement.enforce import disable, enable
from obs_sse_guard._hooks.log_records import record_hook
from obs_sse_guard._hooks.obs.logs import log_hook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.sdks import Call

    Log = Callable[..., Any]
    Records = list[tuple[Any, ...]]

__all__ = ["rows"]

_2_MB = b"some customer, of a list, 12.3, street 17, town\n" * (2_000_000 // 48)
# What no call is made for: the record itself.
_LARGE_RECORDS: dict[str, Records] = {
    "obs": [(logging.DEBUG, "request content:%s", str(_2_MB))],
    "botocore": [(logging.getLogger("botocore.parsers"), logging.DEBUG, "Response body:\n%r", _2_MB)],
}


def rows(package: str, match: str, seconds: float) -> list[dict[str, Any]]:
    """Return the times of each log that has a budget, with and without the hooks.

    Args:
        package: ``obs`` or ``botocore``.
        match: only calls whose names contain this.
        seconds: how long to compare the times of one log.
    """
    names = [one.call for one in budgets.BUDGETS if one[0] == package and one.connection == budgets.LOG]
    found = []
    for name in filter(lambda name: match in name, names):
        times = timing.added(dict(_sides(package, _records(package, name))), seconds)
        found += [
            {"sdk": package, "call": name, "connection": budgets.LOG, "side": side, **timing.columns(times[side])}
            for side in ("copy", "guarded")
        ]
    disable()
    return found


def _records(package: str, name: str) -> Records:
    """Make a call, and return what it logs."""
    if name not in sdks.CALLS[package]:
        return _LARGE_RECORDS[package]
    sdks.side(package, "unguarded")
    call, records = sdks.CALLS[package][name](), []  # type: ignore[var-annotated]
    with _capturing_obs(records) if package == "obs" else _capturing_botocore(records):
        call()
    return records


@contextlib.contextmanager
def _capturing_obs(records: Records) -> Iterator[None]:
    with mock.patch.object(sys.modules["obs.ilog"].NoneLogClient, "log", lambda _, *args: records.append(args)):
        yield


@contextlib.contextmanager
def _capturing_botocore(records: Records) -> Iterator[None]:
    def keep(logger: logging.Logger, level: int, message: object, args: tuple[object, ...], **_: object) -> None:
        records.append((logger, level, message, *args))

    logger = logging.getLogger("botocore")
    level = logger.level
    logger.setLevel(logging.DEBUG)
    with mock.patch.object(logging.Logger, "_log", keep):
        yield
    logger.setLevel(level)


def _sides(package: str, records: Records) -> Iterator[tuple[str, Call]]:
    """Return calls that log the records with and without the hooks."""
    enable()
    make_record = logging.Logger.makeRecord
    handler, original = _of_obs() if package == "obs" else _of_botocore()
    for side in ("unguarded", "copy", "guarded"):
        log, make = original, make_record
        if side == "guarded":
            log, make = _hooked(package, log), record_hook("makeRecord", make_record)
        yield side, partial(_log, records, log, make, handler)


def _of_botocore() -> tuple[Any, Log]:
    """Return what boto3.set_stream_logger() logs with: the handler and the function."""
    handler = logging.StreamHandler(tempfile.TemporaryFile("w", encoding="utf-8"))  # noqa: SIM115  # to the end
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s [%(levelname)s] %(message)s"))
    logger = logging.getLogger("botocore")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.DEBUG)
    return handler, logging.Logger.log


def _of_obs() -> tuple[Any, Log]:
    """Return the handler and the function of the SDK's log, with documented settings."""
    ilog = sys.modules["obs.ilog"]
    settings = ilog.LogConf()
    settings.disable, settings.print_log_to_console = False, 0
    settings.log_file_dir, settings.log_file_name = tempfile.mkdtemp(), "log"
    settings.log_file_number, settings.log_file_size, settings.log_file_level = 10, 100, logging.DEBUG
    client = ilog.LogClient(settings, f"benchmark {settings.log_file_dir}", "sdk")
    return client.logger.handlers[0], partial(ilog.LogClient.log, client)


def _hooked(package: str, log: Any) -> Log:
    return partial(log_hook("log", log.func), *log.args) if package == "obs" else log


def _log(records: Records, log: Log, make_record: Any, handler: Any) -> None:
    logging.Logger.makeRecord = make_record  # type: ignore[method-assign]
    handler.stream.seek(0)
    for record in records:
        log(*record)
