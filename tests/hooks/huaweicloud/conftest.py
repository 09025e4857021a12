"""Fixtures of the tests of huaweicloudsdkobs."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.support.huaweicloud_calls import CLIENTS


@pytest.fixture(autouse=True)
def _quiet_sdk() -> Iterator[None]:
    """Keep the SDK's log out of caplog, which gets it despite ``propagate=False``."""
    loggers = [logging.getLogger(f"HuaweiCloud-SDK-{client.__name__}") for client in CLIENTS.values()]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    yield
    for logger in loggers:
        for handler in [*logger.handlers]:
            logger.removeHandler(handler)
