"""The wheel and the source distribution: reproducible, complete, one dependency."""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from email.message import Message
from pathlib import Path

import pytest
from hatchling import build

from obs_sse_guard import __version__
from tests.support.documents import ROOT

GIT = shutil.which("git")

Builder = Callable[[str], str]
each_kind = pytest.mark.parametrize("builder", [build.build_wheel, build.build_sdist], ids=["wheel", "sdist"])


def _copy(folder: Path, modified: int, mode: int) -> Path:
    """Copy what a build reads, as another machine may have checked it out."""
    for entry in ROOT.iterdir():
        if entry.is_file() and entry.suffix in {"", ".toml", ".md", ".ini", ".py"}:
            shutil.copyfile(entry, folder / entry.name)
    shutil.copytree(ROOT / "obs_sse_guard", folder / "obs_sse_guard", ignore=shutil.ignore_patterns("__pycache__"))
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(mode)
        os.utime(path, (modified, modified))
    return folder


def _build(builder: Builder, project: Path, folder: Path) -> Path:
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SOURCE_DATE_EPOCH", raising=False)
        patch.chdir(project)
        return folder / builder(str(folder))


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(archive.read(name))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build(build.build_wheel, ROOT, tmp_path_factory.mktemp("build") / "wheel")


@each_kind
def test_two_builds_are_equal(builder: Builder, tmp_path: Path) -> None:
    built = []
    for name, modified, mode in (("one", 1_000_000_000, 0o644), ("other", 1_500_000_000, 0o600)):
        (tmp_path / name).mkdir()
        built.append(_build(builder, _copy(tmp_path / name, modified, mode), tmp_path / f"{name} built"))
    one, other = built
    assert one.name == other.name
    assert one.read_bytes() == other.read_bytes()


PACKAGES = ("_obs_sse_guard_startup", "obs_sse_guard", "pytest_obs_sse_guard")
"""The first is for enabled Pythons, the last for pytest.

Neither may import the package unasked.
"""


def test_the_wheel_is_the_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*"))
    files = (path for path in found if path.is_file() and "__pycache__" not in path.parts)
    assert names == {path.relative_to(ROOT).as_posix() for path in files}


def test_the_version_has_one_source(wheel: Path) -> None:
    assert _metadata(wheel)["Version"] == __version__
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.findall(r"^## \[(.*?)\]", changes, re.MULTILINE)[0] == __version__
    assert __version__ not in (ROOT / "pyproject.toml").read_text("utf-8")


def test_wrapt_is_the_only_runtime_dependency(wheel: Path) -> None:
    required = [text for text in _metadata(wheel).get_all("Requires-Dist", []) if "extra ==" not in text]
    assert [re.split(r"[^\w-]", text)[0] for text in required] == ["wrapt"]


def test_every_supported_python_is_tested(wheel: Path) -> None:
    metadata = _metadata(wheel)
    classified = re.findall(r"Python :: (3\.\d+)", "\n".join(metadata.get_all("Classifier", [])))
    assert metadata["Requires-Python"] == f">={classified[0]}"
    [factors] = re.findall(r"^\[testenv:py\{,([\d,]+)\}\]", (ROOT / "tox.ini").read_text("utf-8"), re.MULTILINE)
    assert [f"3.{factor[1:]}" for factor in factors.split(",")] == classified
    tests = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    assert re.findall(r'"(3\.\d+)"', tests.partition("python: [")[2].partition("]")[0]) == classified


@pytest.mark.skipif(not (GIT and (ROOT / ".git").exists()), reason="not a clone")
def test_the_source_distribution_has_every_tracked_file(tmp_path: Path) -> None:
    tracked = subprocess.check_output([str(GIT), "ls-files", "-z"], cwd=ROOT, text=True).split("\0")
    with tarfile.open(_build(build.build_sdist, ROOT, tmp_path / "sdist")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {name for name in tracked if name and (ROOT / name).exists()} <= names
