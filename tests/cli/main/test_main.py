"""The command line."""

from __future__ import annotations

import errno
import importlib
import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

import obs_sse_guard
from obs_sse_guard._cli import main as _cli

if TYPE_CHECKING:
    import argparse


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A command of the tests' own, in a row of its own."""
    module = ModuleType("echo")
    monkeypatch.setitem(sys.modules, "echo", module)
    row = _cli.Command("echo", "echo", "say a word again", (("word", {"help": "the word"}),))
    monkeypatch.setattr(_cli, "COMMANDS", (*_cli.COMMANDS, row))
    return module


@pytest.mark.parametrize("words", [[], ["nonsense"], ["demo", "--nonsense"], ["demo", "nonsense"]])
def test_words_that_make_no_sense_exit_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        _cli.main(words)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("usage: obs-sse-guard")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        _cli.main(["--help"])
    assert stopped.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    for command in _cli.COMMANDS:
        assert f"{command.name} {command.help}" in out


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        _cli.main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"obs-sse-guard {obs_sse_guard.__version__}\n"


def test_a_row_is_all_that_a_command_needs(echo: ModuleType) -> None:
    said: list[str] = []

    def run(arguments: argparse.Namespace) -> int:
        said.append(arguments.word)
        return 7

    echo.run = run  # type: ignore[attr-defined]
    assert _cli.main(["echo", "hello"]) == 7
    assert said == ["hello"]


def test_ctrl_c_is_130_and_no_traceback(echo: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    def run(_: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    echo.run = run  # type: ignore[attr-defined]
    assert _cli.main(["echo", "hello"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_no_command_is_imported_before_it_runs() -> None:
    code = (
        "import sys\n"
        "from obs_sse_guard._cli.main import COMMANDS, main\n"
        "commands = {command.module for command in COMMANDS}\n"
        "extra = {'obs', 'boto3', 's3fs', 'ministack', 'hypercorn', 'trustme', 'rich', *commands}\n"
        "try:\n"
        "    main(['--help'])\n"
        "finally:\n"
        "    print(extra.intersection(sys.modules))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.splitlines()[-1] == "set()"


def test_the_package_runs_as_a_module(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module("obs_sse_guard.__main__")
    assert module.main is _cli.main
    monkeypatch.setattr(sys, "argv", ["obs_sse_guard", "--version"])
    # Run afresh: a module that was imported already would be run twice, and runpy says so.
    monkeypatch.delitem(sys.modules, "obs_sse_guard.__main__")
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module("obs_sse_guard", run_name="__main__")
    assert stopped.value.code == 0
    assert capsys.readouterr().out.startswith("obs-sse-guard ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device here")
def test_a_full_disk_is_one_line() -> None:
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "obs_sse_guard", "rules"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, env=buffered, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, b"the output: No space left on device\n")


def test_other_trouble_of_the_system_is_no_output(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> int:
        raise OSError(errno.EIO, "trouble")

    monkeypatch.setattr("obs_sse_guard._cli.rules.run", fails)
    with pytest.raises(OSError, match="trouble"):
        _cli.main(["rules"])
