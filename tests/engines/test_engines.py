"""The workers of every engine are guarded, by its own way and by ``enable``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING

import pytest

from tests.engines import sessions
from tests.support.documents import is_as_shown
from tests.support.servers import RecordingServer, assert_silent, leaks
from tests.support.sse import KEY

if TYPE_CHECKING:
    from tests.engines.sessions import Environment, Example

pytestmark = [
    pytest.mark.full,
    pytest.mark.server,
    pytest.mark.skipif(sys.platform != "linux", reason="the processes that are left behind are found in /proc"),
]


@pytest.fixture(params=sessions.examples(), ids=str)
def example(request: pytest.FixtureRequest) -> Example:
    """Return each example whose engine is installed here."""
    found: Example = request.param
    try:
        for name in found.engine.versions:
            distribution(name)
    except PackageNotFoundError as missing:
        pytest.skip(f"{missing.name} is not installed here")
    return found


@pytest.fixture
def recorder() -> Iterator[RecordingServer]:
    """Start a recording server that outlives slow engines."""
    with RecordingServer(lifetime=600) as server:
        yield server


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Make an environment in which nothing is enabled."""
    return sessions.environment(tmp_path_factory.mktemp("bare"))


@pytest.fixture(scope="module")
def enabled(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Make an environment in which the guard is enabled."""
    made = sessions.environment(tmp_path_factory.mktemp("enabled"))
    made.enable()
    return made


def _is_guarded(example: Example, place: Environment, recorder: RecordingServer) -> None:
    """Assert that no byte is sent, the error is shown, and settings reach workers."""
    with sessions.session(example, place, recorder) as made:
        for command, printed in sessions.run(example, made):
            assert is_as_shown(printed, command.shown), f"$ {command.text}\n{printed}\n{made.log}"
            assert leaks(printed, KEY) == []
        assert_silent(recorder)
        assert leaks(made.log, KEY) == []
        lines = [json.loads(line) for line in made.audit.read_text("utf-8").splitlines()]
    assert {line["rule"] for line in lines if line["event"] == "finding"} == {"table-1/PutObject"}


def test_its_own_way_guards_every_worker(example: Example, bare: Environment, recorder: RecordingServer) -> None:
    _is_guarded(example, bare, recorder)


def test_enable_guards_every_worker(example: Example, enabled: Environment, recorder: RecordingServer) -> None:
    _is_guarded(example.without_own_way(), enabled, recorder)


def test_without_either_the_key_is_sent(example: Example, bare: Environment, recorder: RecordingServer) -> None:
    unguarded = example.without_own_way()
    assert unguarded != example
    with sessions.session(unguarded, bare, recorder) as made:
        sessions.run(unguarded, made)
        assert not made.audit.exists()
    assert leaks(recorder.wire, KEY)
