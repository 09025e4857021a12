"""The surroundings of a run: nothing of the caller's shell changes it, nothing of it is left behind."""

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

__all__ = ["guard_log", "guard_restored", "isolated", "quiet"]

# Proxies, credentials, the guard's own settings (for its defaults to apply), and what MiniStack and
# s3fs read when they are imported.
FOREIGN = re.compile(
    r"(OBS_SSE_GUARD|AWS_|MINISTACK_|LOCALSTACK_|S3_|S3FS_|FSSPEC_|CLOUDTRAIL_).*|.*_PROXY"
    r"|PERSIST_STATE|LOG_LEVEL|GATEWAY_PORT|EDGE_PORT",
    re.IGNORECASE,
)


@contextlib.contextmanager
def isolated(directory: Path) -> Iterator[None]:
    """Run with an environment of its own; MiniStack keeps its state in memory, or in the directory."""
    saved = dict(os.environ)
    for name in filter(FOREIGN.fullmatch, saved):
        del os.environ[name]
    os.environ.update(SERVICES="s3", STATE_DIR=str(directory / "state"), S3_DATA_DIR=str(directory / "s3"))
    # The caller's profiles: botocore reads them wherever it is not told otherwise.
    os.environ.update(AWS_CONFIG_FILE=str(directory / "none"), AWS_SHARED_CREDENTIALS_FILE=str(directory / "none"))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(saved)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the servers' and the SDK's own noise out of the report."""
    handler = logging.NullHandler()
    root = logging.getLogger()
    # MiniStack calls logging.basicConfig() when it is imported; with a handler there, that does nothing.
    root.addHandler(handler)
    try:
        with warnings.catch_warnings():
            # The SDK's datetime.utcnow() and ssl.PROTOCOL_SSLv23, and its "\." in plain strings.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", SyntaxWarning)
            yield
    finally:
        root.removeHandler(handler)


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.rules: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        # Trouble with the guard itself has no rule; its message tells (and never quotes a key).
        self.rules.append(getattr(record, "rule", "") or record.getMessage())


@contextlib.contextmanager
def guard_log() -> Iterator[list[str]]:
    """Collect what the guard logs, by the id of the rule or finding, instead of printing it."""
    logger = logging.getLogger("obs_sse_guard")
    kept = _Kept()
    saved = logger.level, logger.propagate
    logger.addHandler(kept)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    try:
        yield kept.rules
    finally:
        logger.removeHandler(kept)
        logger.setLevel(saved[0])
        logger.propagate = saved[1]


@contextlib.contextmanager
def guard_restored() -> Iterator[None]:
    """Leave the guard as it was found, armed or not."""
    armed = set(obs_sse_guard.status().values()) != {"off"}
    try:
        yield
    finally:
        restore = obs_sse_guard.install if armed else obs_sse_guard.uninstall
        restore()
