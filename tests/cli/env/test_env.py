"""``obs-sse-guard env``: the variables for worker processes."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import obs_sse_guard
from obs_sse_guard._cli import startup_files
from obs_sse_guard._cli.main import main
from obs_sse_guard._cli.run import BOOTSTRAP
from tests.support.guard import AUDIT, MODE, POLICY, TRUSTED


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["env", *words]) == 0
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def _disabled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup_files, "folder", lambda: tmp_path)
    monkeypatch.chdir(tmp_path)


def test_json_has_what_a_worker_needs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert json.loads(printed(capsys, "--format", "json")) == {
        MODE: "enforce",
        POLICY: "documented",
        "PYTHONPATH": BOOTSTRAP,
    }


def test_the_settings_of_this_process_are_handed_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODE, " WARN ")
    monkeypatch.setenv(POLICY, "strict")
    monkeypatch.setenv(TRUSTED, " *.svc, minio ")
    monkeypatch.setenv(AUDIT, "audit file")
    monkeypatch.setenv("PYTHONPATH", "/a")
    lines = printed(capsys).splitlines()
    words = dict(word.split("=", 1) for word in (shlex.split(line)[1] for line in lines))
    assert all(line.startswith("export ") for line in lines)
    assert words == {
        MODE: "warn",
        POLICY: "strict",
        TRUSTED: "*.svc, minio",
        AUDIT: str(Path.cwd() / "audit file"),
        "PYTHONPATH": os.pathsep.join((BOOTSTRAP, "/a")),
    }


def test_an_enabled_environment_needs_no_path(capsys: pytest.CaptureFixture[str]) -> None:
    startup_files.write()
    assert "PYTHONPATH" not in printed(capsys)


def test_a_package_in_an_archive(tmp_path: Path) -> None:
    """The file that ``enable`` writes is read from there, as with Spark and zipapp."""
    archive, package = tmp_path / "packages.zip", Path(obs_sse_guard.__file__).parent
    with zipfile.ZipFile(archive, "w") as packages:
        for file in package.rglob("*.py"):
            packages.write(file, file.relative_to(package.parent))
    code = (
        f"import sys; sys.path.insert(0, {str(archive)!r}); from obs_sse_guard.__main__ import main; sys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", code, "env"], check=True, capture_output=True, text=True)
    assert f"export PYTHONPATH={archive}" in done.stdout
