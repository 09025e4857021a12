"""What failed, and look-ups that may fail."""

from __future__ import annotations

import pytest

from obs_sse_guard._util.failure import attempt, describe_failure


def test_a_failure_is_described_without_its_text() -> None:
    try:
        _fail()
    except LookupError:
        described = describe_failure()
    assert described == f"LookupError in _fail, {__file__}:{_fail.__code__.co_firstlineno + 1}"


def test_a_failed_look_up_returns_its_default() -> None:
    assert attempt(lambda: 1, 2) == 1
    assert attempt(_fail, 2) == 2
    with pytest.raises(KeyboardInterrupt):
        attempt(_interrupted, 2)


def _fail() -> int:
    raise LookupError("a secret")


def _interrupted() -> int:
    raise KeyboardInterrupt
