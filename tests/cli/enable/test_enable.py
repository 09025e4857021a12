"""``enable`` and ``disable``: what they write, and what Python does with it."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

import _obs_sse_guard_startup as startup
from obs_sse_guard._cli import startup_files
from obs_sse_guard._cli.main import main
from obs_sse_guard._cli.run import BOOTSTRAP
from obs_sse_guard._hooks.sdk_targets import SDK_TARGETS
from tests.support import ROOT
from tests.support.environments import alone, installed

MODULE = "_obs_sse_guard_enabled.py"
BEGIN = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COVERAGE", "OBS_SSE"))}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in for the site-packages of this process."""
    monkeypatch.setattr(startup_files, "folder", lambda: tmp_path)
    return tmp_path


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --------------------------------------------------------------------------------------- the files


def test_up_to_python_3_14_it_is_one_readable_line() -> None:
    files = startup_files.wanted((3, 14))
    assert [*files] == [MODULE, "obs-sse-guard.pth"]
    assert files["obs-sse-guard.pth"] == "import _obs_sse_guard_enabled; _obs_sse_guard_enabled.start()\n"


def test_from_python_3_15_on_it_is_an_entry_point() -> None:
    files = startup_files.wanted((3, 15))
    assert [*files] == [MODULE, "obs-sse-guard.start"]
    assert files["obs-sse-guard.start"] == "_obs_sse_guard_enabled:start\n"


def test_enable_and_disable_are_idempotent(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert startup_files.state() == "disabled"
    for word in ("enabled: ", "already enabled: "):
        assert main(["enable"]) == 0
        assert capsys.readouterr().out.startswith(word + str(folder))
        assert _names(folder) == sorted(startup_files.wanted())
        assert startup_files.state() == "enabled"
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}
    for words in ("disabled\n", "not enabled: there is nothing to undo\n"):
        assert main(["disable"]) == 0
        assert capsys.readouterr().out == words
        assert _names(folder) == []


def test_a_guard_that_only_pythonpath_names_is_not_enabled(tmp_path: Path) -> None:
    """A Python that does not read PYTHONPATH would be unguarded and silent."""
    python = alone(tmp_path)
    [packages] = tmp_path.rglob("site-packages")
    for name in ("obs_sse_guard", "_obs_sse_guard_startup"):
        (packages / name).unlink()
    command = [str(python), "-m", "obs_sse_guard", "enable"]
    done = subprocess.run(
        command, env={**BEGIN, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"obs-sse-guard enable: the guard is not installed in {tmp_path}, but found elsewhere, such as on PYTHONPATH. "
        "Nothing is enabled. pip install obs-sse-guard\n"
    )
    assert not [*packages.glob("*obs-sse-guard*")]


def test_what_this_python_does_not_find_by_itself_is_not_enabled(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process, where coverage is measured."""
    monkeypatch.setattr(startup_files, "STARTUP", "_no_such_module")
    assert main(["enable"]) == 1
    assert "Nothing is enabled" in capsys.readouterr().err
    assert _names(folder) == []


def test_files_of_another_release_are_outdated_and_replaced(folder: Path) -> None:
    main(["enable"])
    (folder / MODULE).write_bytes(b"\xff")
    assert startup_files.state() == "outdated"
    (folder / MODULE).unlink()
    assert startup_files.state() == "outdated"
    main(["enable"])
    assert startup_files.state() == "enabled"


def test_a_python_that_starts_meanwhile_never_finds_a_name_without_its_module(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for word in ("enable", "disable"):
        main([word])  # first: what imports modules may replace files
    seen = []
    replace, unlink = os.replace, Path.unlink

    def replacing(source: str, target: Path) -> None:
        assert (folder / source).read_text("utf-8") == startup_files.wanted()[target.name], "written whole, then named"
        replace(source, target)
        seen.append(target.name)

    def unlinking(path: Path) -> None:
        seen.append(path.name)
        unlink(path)

    monkeypatch.setattr(os, "replace", replacing)
    monkeypatch.setattr(Path, "unlink", unlinking)
    main(["enable"])
    main(["disable"])
    assert seen == [*startup_files.wanted(), *reversed([*startup_files.wanted()])]


@pytest.mark.parametrize("command", ["enable", "disable"])
def test_site_packages_that_cannot_be_written_are_an_error(
    command: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Root may write everywhere, so the refusal is simulated."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    if command == "disable":
        main(["enable"])
    before = _names(folder)
    capsys.readouterr()
    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    assert main([command]) == 1
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.startswith(f"obs-sse-guard {command}: cannot write to {folder}: Permission denied.")
    assert _names(folder) == before, "no temporary file stays"


def test_the_page_for_security_teams_shows_what_is_written() -> None:
    page = (ROOT / "docs" / "enable.md").read_text("utf-8")
    for version in ((3, 14), (3, 15)):
        for name, content in startup_files.wanted(version).items():
            if name != MODULE:
                assert f"| `{name}` |" in page
                assert f"| `{content.strip()}` |" in page
    for name, content in startup_files.wanted((3, 14)).items():
        assert f"{hashlib.sha256(content.encode()).hexdigest()}  {name}\n" in page


# ------------------------------------------------------------------------------------- the module


def test_without_the_package_the_module_is_silent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = runpy.run_path(str(Path(BOOTSTRAP) / MODULE))
    monkeypatch.setitem(sys.modules, "_obs_sse_guard_startup", None)
    module["start"]()
    assert capsys.readouterr().err == ""


def test_a_broken_package_prints_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> None:
        raise LookupError

    module = runpy.run_path(str(Path(BOOTSTRAP) / MODULE))
    monkeypatch.setattr(startup, "install", broken)
    module["start"]()
    assert capsys.readouterr().err == f"obs-sse-guard: NOT GUARDED: {sys.executable}: LookupError\n"


# ------------------------------------------------------------------------------------- the finder


@pytest.fixture
def finder() -> Iterator[startup._Finder]:
    """Replace the finder of this process by one that has done nothing yet."""
    fresh = startup._Finder()
    before = [*sys.meta_path]
    sys.meta_path.insert(0, fresh)
    yield fresh
    fresh.is_done = True
    sys.meta_path[:] = before


def _without_sdks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in startup.SDKS.intersection(sys.modules):
        monkeypatch.delitem(sys.modules, name)


def test_it_waits_for_every_sdk_of_the_installer() -> None:
    assert SDK_TARGETS.keys() == startup.SDKS


def test_an_sdk_that_is_imported_already_activates_the_guard(finder: startup._Finder) -> None:
    importlib.import_module("http.client")
    startup.install()
    assert finder.is_done
    assert sys.meta_path.count(finder) == 1
    startup.install()
    assert sys.meta_path.count(finder) == 1


@pytest.mark.parametrize("is_active", [False, True])
def test_a_finder_that_is_removed_prints_one_line_unless_the_guard_is_active(
    is_active: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _without_sdks(monkeypatch)
    if not is_active:
        monkeypatch.delitem(sys.modules, "obs_sse_guard")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "meta_path", [])
        startup.install()
        assert len(sys.meta_path) == 1
        sys.meta_path.clear()
    reason = "another library removed the import finder from sys.meta_path"
    line = f"obs-sse-guard: NOT GUARDED: {sys.executable}: {reason}\n"
    assert capsys.readouterr().err == ("" if is_active else line)


def test_an_interpreter_that_ends_is_silent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "meta_path", None)
        startup._Finder()
    assert capsys.readouterr().err == ""


def test_other_imports_do_not_activate_it(finder: startup._Finder, monkeypatch: pytest.MonkeyPatch) -> None:
    _without_sdks(monkeypatch)
    startup.install()
    assert finder.find_spec("json") is None
    assert not finder.is_done


def test_the_import_of_an_sdk_activates_it_and_is_found_once_more(
    finder: startup._Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without_sdks(monkeypatch)
    startup.install()
    found = finder.find_spec("http.client")
    assert isinstance(found, ModuleSpec)
    assert finder.is_done
    assert finder.find_spec("http.client") is None


def test_an_sdk_that_another_finder_found_is_noticed_at_the_next_import(
    finder: startup._Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    importlib.import_module("http.client")
    assert finder.find_spec("json") is None
    assert finder.is_done
    finder.is_done = False
    assert finder.find_spec("http.client") is None, "it is reloaded"


def test_a_guard_that_cannot_be_imported_prints_one_line(
    finder: startup._Finder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _without_sdks(monkeypatch)
    monkeypatch.setitem(sys.modules, "obs_sse_guard", None)
    startup.install()
    monkeypatch.delitem(sys.modules, "obs_sse_guard")
    monkeypatch.setattr(sys, "meta_path", [finder])
    assert finder.find_spec("obs") is None
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"obs-sse-guard: NOT GUARDED: {sys.executable}: ModuleNotFoundError: ")
    finder.find_spec("botocore")
    assert capsys.readouterr().err == ""


def test_without_stderr_it_is_silent_and_with_require_the_process_ends(
    finder: startup._Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(status: int) -> None:
        raise SystemExit(status)

    monkeypatch.setitem(sys.modules, "obs_sse_guard", None)
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(os, "_exit", leave)
    finder.activate()
    monkeypatch.setenv("_OBS_SSE_GUARD_REQUIRE", "1")
    with pytest.raises(SystemExit):
        finder.activate()


# ------------------------------------------------------------------------------ a real environment

needs_obs = pytest.mark.skipif(not installed("esdk-obs-python"), reason="esdk-obs-python is not installed here")

LOADED = "import sys; print(sorted(sys.modules))"


def _run(python: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-W", "ignore", *words], env=BEGIN, capture_output=True, text=True, timeout=60, check=False
    )


def _loaded(python: Path, *options: str) -> set[str]:
    done = _run(python, *options, "-c", LOADED)
    assert done.stderr == ""
    return set(json.loads(done.stdout.replace("'", '"')))


@needs_obs
def test_an_enabled_environment(tmp_path: Path) -> None:
    """From `enable` to uninstallation in one environment, because making it is slow."""
    python = alone(tmp_path, "esdk-obs-python")
    [site] = tmp_path.glob("**/site-packages")
    before = _loaded(python)

    assert _run(python, "-m", "obs_sse_guard", "enable").returncode == 0
    # Counted, not timed: two small modules, and nothing that Python itself has not loaded, or loads for any .pth file.
    own = _loaded(python) - before - {"encodings.utf_8_sig"}
    assert own == {"_obs_sse_guard_enabled", "_obs_sse_guard_startup"}
    report = json.loads(_run(python, "-m", "obs_sse_guard", "doctor", "--json").stdout)
    assert report["startup"] == {"state": "enabled", "folder": str(site)}
    text = _run(python, "-m", "obs_sse_guard", "doctor").stdout
    assert text.splitlines()[0] == "PROTECTED: programs in this environment are guarded."

    hooked = "import obs; print(hasattr(obs.ObsClient.putContent, '__obs_sse_guard__'))"
    for option in ("-I", "-E"):
        assert _run(python, option, "-c", hooked).stdout == "True\n"
    assert _run(python, "-S", "-c", "import sys; print('_obs_sse_guard_startup' in sys.modules)").stdout == "False\n"

    for name in ("obs_sse_guard", "_obs_sse_guard_startup"):
        (site / name).unlink()
    done = _run(python, "-c", hooked)
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", "")
