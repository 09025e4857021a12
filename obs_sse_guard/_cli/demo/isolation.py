"""Isolate a run from the caller's shell, and restore what it changes."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import warnings
from typing import TYPE_CHECKING

import obs_sse_guard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["guard_log", "guard_restored", "own_environment", "quiet"]

# Proxies, credentials, the guard's own settings (so that its defaults apply), and what MiniStack and
# s3fs read when they are imported.
REMOVED = re.compile(
    r"(OBS_SSE_GUARD|AWS_|MINISTACK_|LOCALSTACK_|S3_|S3FS_|FSSPEC_|CLOUDTRAIL_).*|.*_PROXY"
    r"|PERSIST_STATE|LOG_LEVEL|GATEWAY_PORT|EDGE_PORT",
    re.IGNORECASE,
)


@contextlib.contextmanager
def own_environment(directory: Path) -> Iterator[None]:
    """Replace the environment variables that matter, and restore them afterwards.

    MiniStack then keeps its state in memory or in the directory.
    """
    saved = dict(os.environ)
    for name in filter(REMOVED.fullmatch, saved):
        del os.environ[name]
    os.environ.update(SERVICES="s3", STATE_DIR=str(directory / "state"), S3_DATA_DIR=str(directory / "s3"))
    # botocore reads the caller's profiles unless told otherwise.
    os.environ.update(AWS_CONFIG_FILE=str(directory / "none"), AWS_SHARED_CREDENTIALS_FILE=str(directory / "none"))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(saved)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep log records and warnings of the servers and SDKs out of the report."""
    handler = logging.NullHandler()
    root = logging.getLogger()
    # MiniStack calls logging.basicConfig() when it is imported, which does nothing if there is a handler.
    root.addHandler(handler)
    try:
        with warnings.catch_warnings():
            # esdk-obs-python: datetime.utcnow(), ssl.PROTOCOL_SSLv23, and "\." in plain strings.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", SyntaxWarning)
            yield
    finally:
        root.removeHandler(handler)


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        # A failure of the guard itself has no rule; its message, which never quotes a key, stands in.
        self.ids.append(getattr(record, "rule", "") or record.getMessage())


@contextlib.contextmanager
def guard_log() -> Iterator[list[str]]:
    """Collect the ids that the guard logs, instead of printing the records."""
    logger = logging.getLogger("obs_sse_guard")
    collector = _Collector()
    saved = logger.level, logger.propagate
    logger.addHandler(collector)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    try:
        yield collector.ids
    finally:
        logger.removeHandler(collector)
        logger.setLevel(saved[0])
        logger.propagate = saved[1]


@contextlib.contextmanager
def guard_restored() -> Iterator[None]:
    """Leave the guard as it was found, installed or not."""
    was_installed = set(obs_sse_guard.status().values()) != {"off"}
    try:
        yield
    finally:
        restore = obs_sse_guard.install if was_installed else obs_sse_guard.uninstall
        restore()
