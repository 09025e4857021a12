"""Read the data of botocore once for all tests, because reading it is slow."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any
from unittest import mock


@contextlib.contextmanager
def read_once() -> Iterator[None]:
    """Let all sessions share service models, and all clients share endpoint rules."""
    if find_spec("botocore") is None:
        yield
        return
    from botocore import regions, session

    providers: dict[tuple[int, ...], tuple[Any, Any]] = {}
    make_provider: Any = regions.EndpointProvider

    def provider(**data: Any) -> Any:
        key = tuple(map(id, data.values()))
        if key not in providers:
            providers[key] = (make_provider(**data), data)  # with the data, so that no other can have its ids
        return providers[key][0]

    with (
        mock.patch.object(session, "create_loader", functools.lru_cache(maxsize=None)(session.create_loader)),
        mock.patch.object(regions, "EndpointProvider", provider),
    ):
        yield
