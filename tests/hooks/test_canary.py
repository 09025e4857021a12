"""The SDKs match their record, and a change that affects the guard is reported."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import obs
import pytest

from tests.support import ROOT, canary
from tests.support.canary import SDKS, Record, Sdk

LATER = f"{obs.const.OBS_SDK_VERSION}.1"


# Modules of the standard library; aiohttp and urllib3, recorded separately; and requests, whose method is public.
HOOKED_UNDER_ANOTHER_NAME = {
    "botocore.endpoint.logging.Logger.makeRecord",
    "obs.ilog.logging.Logger.makeRecord",
    "httpcore._trace.logging.Logger.makeRecord",
    "aiobotocore.httpsession.aiohttp.ClientRequest.__init__",
    "minio.api.urllib3.PoolManager.urlopen",
    "minio.api.urllib3.connection.HTTPConnection.request",
    "minio.api.urllib3.connectionpool.logging.Logger.makeRecord",
    "huaweicloudsdkcore.client.logging.Logger.makeRecord",
    "huaweicloudsdkcore.http.http_client.HTTPAdapter.send",
}


@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.distribution)
def test_the_installed_release_is_as_recorded(sdk: Sdk) -> None:
    pytest.importorskip(sdk.module)
    record = Record()
    changed = canary.changes(sdk, record)
    assert not changed, "\n\n" + canary.advice(sdk, record, changed)


@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.distribution)
def test_every_watched_name_exists(sdk: Sdk) -> None:
    """A misspelled name would watch nothing."""
    record = Record()
    known = {name for release in record.releases(sdk.distribution) for name in record.prints(sdk.distribution, release)}
    assert {name.replace(":", ".") for name in sdk.relied_on} <= known


@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.distribution)
def test_every_hooked_method_is_watched(sdk: Sdk) -> None:
    record = Record()
    prints = record.prints(sdk.distribution, record.releases(sdk.distribution)[-1])
    hooked = {target.name for target in sdk.targets() if target.select is None}
    assert hooked - HOOKED_UNDER_ANOTHER_NAME <= {name for name, found in prints.items() if found}


def test_the_supported_releases_are_recorded() -> None:
    assert Record().releases("esdk-obs-python")[0] == "3.20.11"


# --------------------------------------------------------------------------------- a later release


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """Copy the installed SDK, as a release that is not recorded."""
    sdk = tmp_path / "obs"
    shutil.copytree(Path(str(obs.__file__)).parent, sdk, ignore=shutil.ignore_patterns("__pycache__"))
    _edit(sdk / "const.py", r"(?m)^OBS_SDK_VERSION = .*$", f"OBS_SDK_VERSION = '{LATER}'")
    return sdk


def _edit(path: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, path.read_text("utf-8"), count=1)
    assert count == 1
    path.write_text(text, "utf-8")


# It mostly hashes the sources of the SDKs, which takes ten times as long under coverage.
_unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}


def _canary(sdk: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.support.canary"],
        env={**_unmeasured, "PYTHONPATH": os.pathsep.join([str(sdk.parent), str(ROOT)])},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not done.stderr
    return done.returncode, done.stdout


@pytest.mark.full
def test_a_later_release_with_the_same_seams_passes(later: Path) -> None:
    _edit(later / "client.py", r"def _send_request\(", "def _new_helper(self):\n        pass\n\n    def _send_request(")
    _edit(
        later / "client.py",
        r"( +)def _make_request_internal\(([^)]*)\):",
        r'\1def _make_request_internal(\2):\n\1    """Now with a docstring."""  # and a comment',
    )
    status, text = _canary(later)
    assert status == 0
    assert f"esdk-obs-python {LATER}: as recorded\n" in text


@pytest.mark.parametrize(
    ("file", "pattern", "replacement", "expected"),
    [
        pytest.param(
            "client.py",
            r"(def _send_request\([^)]*\):)",
            r"\1\n        scheme = 'http'",
            ["obs.client._BasicClient._send_request", "_hooks/obs/wire.py"],
            id="source",
            marks=pytest.mark.full,
        ),
        pytest.param(
            "client.py",
            r"def _parse_request_connection\(self, server, port,",
            "def _parse_request_connection(self, port, server,",
            ["obs.client._BasicClient._parse_request_connection", "connection_hook", "(self, port, server,"],
            id="parameters of a hooked method",
        ),
        pytest.param(
            "client.py",
            r"(    @funcCache\n    def getObjectMetadata\()",
            r"    def putEncrypted(self, bucketName, sseHeader=None):\n        pass\n\n\1",
            ["obs.client.ObsClient.putEncrypted", "was: not there", "is:  (self, bucketName, sseHeader=None)"],
            id="new method",
            marks=pytest.mark.full,
        ),
        pytest.param(
            "client.py",
            r"def _make_request_with_retry\(",
            "def _make_request_with_another_name(",
            ["obs.client._BasicClient._make_request_with_retry", "is:  gone"],
            id="gone",
            marks=pytest.mark.full,
        ),
        pytest.param(
            "model.py",
            r"class SetObjectMetadataHeader\(BaseModel\):\s+allowedAttr = \{",
            "class SetObjectMetadataHeader(BaseModel):\n    allowedAttr = {'sseHeader': dict, ",
            ["obs.model.SetObjectMetadataHeader.allowedAttr", "METHODS"],
            id="new class that holds encryption",
            marks=pytest.mark.full,
        ),
    ],
)
def test_a_changed_seam_is_reported(
    file: str, pattern: str, replacement: str, expected: list[str], later: Path
) -> None:
    _edit(later / file, pattern, replacement)
    status, text = _canary(later)
    assert status == 1
    assert f"{LATER} is not what obs_sse_guard was built on: 1 of its seams changed" in text
    for part in (*expected, "What to do", "obs_sse_guard/_hooks/obs", "python -m tests.support.canary --record"):
        assert part in text


# ----------------------------------------------------------------------------------- the record


@pytest.fixture
def record(tmp_path: Path) -> Record:
    made = Record(tmp_path / "record.json")
    made.note("sdk", "1.10", {"same": "a", "changes": "new", "comes": "c"})
    made.note("sdk", "1.2", {"same": "a", "changes": "old", "goes": "g"})
    return made


def test_a_record_returns_what_was_written(record: Record) -> None:
    again = Record(record._path)
    assert again.releases("sdk") == ["1.2", "1.10"]
    assert again.prints("sdk", "1.2") == {"same": "a", "changes": "old", "goes": "g", "comes": None}
    assert again.prints("sdk", "1.10") == {"same": "a", "changes": "new", "goes": None, "comes": "c"}


@pytest.mark.parametrize(
    ("version", "neighbours"),
    [("1.10", ["1.10"]), ("1.5", ["1.2", "1.10"]), ("2.0", ["1.10"]), ("1.0", ["1.2"])],
)
def test_a_release_is_compared_with_its_neighbours(version: str, neighbours: list[str], record: Record) -> None:
    assert record.neighbours("sdk", version) == neighbours


@pytest.mark.full
def test_recording_a_release_makes_it_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(canary.Record.__init__, "__defaults__", (tmp_path / "record.json",))
    assert canary.main([]) == 1
    assert "esdk-obs-python" in capsys.readouterr().out
    assert canary.main(["--record"]) == 0
    assert canary.main([]) == 0
    assert "as recorded" in capsys.readouterr().out
