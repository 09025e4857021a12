"""The pytest plugin: off by default; with the option, a finding fails its test."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("obs", reason="esdk-obs-python is not installed here")

import pytest_obs_sse_guard
from obs_sse_guard._policy.settings import Policy, read_settings
from tests.support.programs import run

if TYPE_CHECKING:
    from tests.support.servers import RecordingServer

TESTS = """
import contextlib
import pytest
from obs import ObsClient, PutObjectHeader, SseCHeader
from obs_sse_guard import SSETransportError
from obs_sse_guard.testing import findings, override

def put(**settings):
    client = ObsClient(access_key_id="a", secret_access_key="b", server="{url}", signature="v2")
    header = PutObjectHeader(sseHeader=SseCHeader.getInstance("k" * 32))
    with contextlib.closing(client), override(**settings):
        client.putContent("bucket", "object", "content", headers=header)

@pytest.fixture
def swallowed():
    with contextlib.suppress(SSETransportError):
        put()

def test_nothing():
    pass

def test_refused():
    put()

def test_swallowed():
    with contextlib.suppress(SSETransportError):
        put()

def test_logged():
    put(mode="warn")

def test_expected():
    with findings() as found:
        put(mode="warn")
    assert found

def test_in_a_fixture(swallowed):
    pass

def test_its_own_failure():
    assert not put(mode="warn")
    assert 1 == 2
"""


class _Outcomes:
    def __init__(self) -> None:
        self.seen: dict[str, tuple[str, str]] = {}
        self.policy: Policy | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.policy = read_settings().policy
        if report.when == "call" or report.failed:
            self.seen[report.location[2]] = str(report.when), str(report.longrepr or "")


def _outcomes(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch, *options: str) -> _Outcomes:
    file = folder / f"test_shop_{len(options)}.py"  # pytest keeps the module of a name
    file.write_text(TESTS.format(url=url), encoding="utf-8")
    outcomes = _Outcomes()
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    alone = [
        "-p",
        "pytest_obs_sse_guard",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(folder),
        "-c",
        str(folder / "pytest.ini"),
    ]
    (folder / "pytest.ini").write_text("", encoding="utf-8")
    pytest.main(
        [*alone, "-q", "--capture=no", "--no-header", "--import-mode=importlib", *options, str(file)], [outcomes]
    )
    return outcomes


def test_a_test_in_which_something_is_found_fails(
    http: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = _outcomes(tmp_path, http.url, monkeypatch, "--obs-sse-guard=strict")
    failed = {name: (when, text) for name, (when, text) in outcomes.seen.items() if text}
    assert {name: when for name, (when, _) in failed.items()} == {
        "test_refused": "call",
        "test_swallowed": "call",
        "test_logged": "call",
        "test_in_a_fixture": "setup",
        "test_its_own_failure": "call",
    }
    assert {"test_nothing", "test_expected"} <= {*outcomes.seen}
    assert failed["test_swallowed"][1].startswith("refused PutObject with SSE-C over http to")
    assert "test_shop_1.py:" in failed["test_swallowed"][1]
    assert failed["test_logged"][1].startswith("would refuse PutObject")
    assert "assert 1 == 2" in failed["test_its_own_failure"][1]
    assert outcomes.policy is Policy.STRICT
    assert read_settings().policy is Policy.DOCUMENTED, "restored at the end"


def test_without_the_option_nothing_changes(
    http: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = _outcomes(tmp_path, http.url, monkeypatch)
    assert {name for name, (_, text) in outcomes.seen.items() if text} == {"test_refused", "test_its_own_failure"}
    assert outcomes.policy is Policy.DOCUMENTED


def test_the_plugin_does_not_import_the_package() -> None:
    assert run("import sys, pytest_obs_sse_guard; print('obs_sse_guard' in sys.modules)") == "False"


def test_pytest_finds_the_plugin() -> None:
    [entry] = [entry for entry in distribution("obs-sse-guard").entry_points if entry.group == "pytest11"]
    assert entry.name != "obs_sse_guard", "-p obs_sse_guard imports the package"
    assert entry.load() is pytest_obs_sse_guard
