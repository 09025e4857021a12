"""The guard works beside libraries that patch botocore, in any order.

OpenTelemetry and moto are part of every run; ``tox -e neighbours`` installs them all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from typing import Any

import pytest

from tests.support.neighbours import KEY, METHOD_HOOK, NEIGHBOURS
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_silent, leaks

_COMINGS = {
    "guard first": ("SDK", "guard in", "neighbour in"),
    "neighbour first": ("SDK", "neighbour in", "guard in"),
    "SDK last": ("guard in", "neighbour in", "SDK"),
}
_GOINGS = {
    "guard first": ("guard out", "call", "neighbour out"),
    "neighbour first": ("neighbour out", "call", "guard out"),
}
_RULE = "table-1/PutObject"
_QUIET = {
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "DD_TRACE_STARTUP_LOGS": "false",
}


def _play(http: RecordingServer, https: TlsRecordingServer, neighbour: str, *steps: str) -> list[dict[str, Any]]:
    """Run the steps in a separate process, and return what each call observed."""
    task = {"neighbour": neighbour, "steps": steps, "http": http.url, "https": https.url, "ca": https.ca}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.support.neighbours", json.dumps(task)],
        env={**os.environ, **_QUIET},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not leaks(done.stdout + done.stderr, KEY)
    result: list[dict[str, Any]] = json.loads(done.stdout)
    return result


@pytest.fixture(params=NEIGHBOURS)
def neighbour(request: pytest.FixtureRequest) -> str:
    """Return the name of each library; skip those that are not installed."""
    name: str = request.param
    try:
        metadata.version(NEIGHBOURS[name].distribution)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{name} is not installed; tox -e neighbours installs them all")
    return name


def _reported(log: list[str]) -> list[str]:
    """Return the methods that the log reports as removed; it contains nothing else."""
    return [line.partition("the hook on ")[2].partition(" is gone: ")[0] for line in log]


@pytest.mark.thinned(strength=1)
@pytest.mark.parametrize("going", _GOINGS)
@pytest.mark.parametrize("coming", _COMINGS)
def test_both_work_and_can_be_removed(
    neighbour: str, coming: str, going: str, http: RecordingServer, https: TlsRecordingServer
) -> None:
    steps = (*_COMINGS[coming], "call", *_GOINGS[going], "call", "guard in", "call")
    stages = _play(http, https, neighbour, *steps)
    together, alone, neither, again = stages
    assert [stage["status"] for stage in stages] == [200] * 4
    assert (together["seen"], together["off"], together["log"]) == (1, [], [])
    if going == "guard first":
        assert alone["seen"] == 1, "the neighbour still works"
    else:
        assert set(alone["refused"]) == {_RULE}, "the guard still works"
        assert alone["off"] == _reported(alone["log"]), "status() and the log agree"
        assert set(alone["off"]) <= {METHOD_HOOK}
    assert set(neither["off"]) >= {METHOD_HOOK}
    assert set(together["refused"]) == set(again["refused"]) == {_RULE}
    assert (again["off"], again["log"]) == ([], [])
    assert_silent(http)
