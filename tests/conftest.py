"""Fixtures of every test: the guard active, a clean environment, and no network."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.botocore_data import read_once
from tests.support.guard import install_if_changed, reset
from tests.support.measurement import import_what_is_measured, unmeasured
from tests.support.selection import left_out, not_collected, untraced
from tests.support.servers import RecordingServer, TlsRecordingServer, loopback_names

# The default run draws the same examples each time. The nightly run draws new ones; a failure becomes a named test.
settings.register_profile("ci", max_examples=20, derandomize=True, database=None, deadline=None)
settings.register_profile("full", max_examples=60, derandomize=True, database=None, deadline=None)
settings.register_profile("nightly", max_examples=4_000, deadline=None, print_blob=True)
settings.load_profile("ci")

_CLEARED = ("obs_sse_guard", "aws_", "http_proxy", "https_proxy", "all_proxy", "no_proxy")

collect_ignore_glob = not_collected()

# In development mode asyncio warns about every step longer than 0.1 s. On a busy machine that is no defect.
logging.getLogger("asyncio").setLevel(logging.ERROR)

_SERVERS = frozenset({"http", "https", "proxy", "recorder", "worker"})
"""Fixtures that start a server or a process."""

_LEFT_OPEN = ("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")

_UNTRACED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--full``."""
    parser.addoption("--full", action="store_true", help="run everything, see tests/support/selection.py")


def pytest_configure(config: pytest.Config) -> None:
    """Draw more examples in a full run, unless a profile is given."""
    if config.getoption("--full") and not config.getoption("--hypothesis-profile"):
        settings.load_profile("full")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests by what they need or leave open, and deselect those of a full run."""
    for item in items:
        if not _SERVERS.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("server")
        if item.get_closest_marker("leaves_open"):
            item.add_marker(pytest.mark.filterwarnings(*_LEFT_OPEN))
    if not config.getoption("--full"):
        deselected = left_out(items)
        config.hook.pytest_deselected(items=sorted(deselected, key=lambda item: item.nodeid))
        items[:] = [item for item in items if item not in deselected]
        for item in untraced(items):
            item.stash[_UNTRACED] = True


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Measure what imports run in one worker only: it is slow, and the same in each."""
    worker = getattr(session.config, "workerinput", {}).get("workerid", "gw0")
    with unmeasured(when=worker != "gw0"):
        found = yield
        import_what_is_measured()
        return found


def pytest_collection_finish() -> None:
    """Freeze the tests and modules, so that the garbage collector skips them."""
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Measure no coverage of a case that runs the same lines as others."""
    with unmeasured(when=item.stash.get(_UNTRACED, False)):
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def _botocore_data() -> Iterator[None]:
    with read_once():
        yield


@pytest.fixture(autouse=True)
def _nothing_left_open(request: pytest.FixtureRequest) -> Iterator[None]:
    """Collect what the SDK left open while its warning is ignored.

    Later, the warning would fail another test.
    """
    yield
    if request.node.get_closest_marker("leaves_open"):
        gc.collect()


@pytest.fixture(autouse=True)
def _loopback_names() -> Iterator[None]:
    with loopback_names():
        yield


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in list(os.environ):
        if variable.lower().startswith(_CLEARED):
            monkeypatch.delenv(variable)
    # botocore would look for credentials and settings in the home folder and on the network.
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(autouse=True)
def _unmeasured_processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure no coverage in child processes, unless only they run some lines.

    Measuring doubles their time.
    """
    if not request.node.get_closest_marker("measured_processes"):
        monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


@pytest.fixture(autouse=True)
def _guard_active(_clean_environment: None) -> None:
    """Install the guard, and clear its memory of other tests."""
    reset()
    install_if_changed()


@pytest.fixture
def http() -> Iterator[RecordingServer]:
    """Start a recording server for HTTP."""
    with RecordingServer() as server:
        yield server


@pytest.fixture
def https() -> Iterator[TlsRecordingServer]:
    """Start a recording server for HTTPS."""
    with TlsRecordingServer() as server:
        yield server
