"""Pause the measurement of coverage, to save time on lines that other tests run."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
from collections.abc import Iterator

from coverage import Coverage

import obs_sse_guard


@contextlib.contextmanager
def unmeasured(*, when: bool = True) -> Iterator[None]:
    """Measure nothing in this block. Coverage that is not measured stays so."""
    measurement = Coverage.current() if when else None
    if measurement is None:
        yield
        return
    measurement.stop()
    try:
        yield
    finally:
        measurement.start()


def import_what_is_measured() -> None:
    """Import every module of the package while coverage is measured.

    The test that would import one first may not be measured.
    """
    if Coverage.current() is not None:
        for module in pkgutil.walk_packages(obs_sse_guard.__path__, "obs_sse_guard."):
            importlib.import_module(module.name)
