"""The command line: its words, its exit statuses, and how it fails."""

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
from obs_sse_guard._cli import main as cli

if TYPE_CHECKING:
    import argparse


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A command of the tests' own."""
    module = ModuleType("echo")
    monkeypatch.setitem(sys.modules, "obs_sse_guard._cli.echo", module)
    row = cli.Command("echo", "repeat a word", (("word", {"help": "the word"}),))
    monkeypatch.setattr(cli, "COMMANDS", (*cli.COMMANDS, row))
    return module


@pytest.mark.parametrize("words", [[], ["nonsense"], ["demo", "--nonsense"], ["demo", "nonsense"]])
def test_invalid_words_exit_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(words)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("usage: obs-sse-guard")


@pytest.mark.parametrize(
    ("word", "hint"), [("docter", "did you mean doctor? "), ("EXPLAIN", "did you mean explain? "), ("nonsense", "")]
)
def test_a_wrong_command_gets_the_nearest_right_ones(word: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main([word])
    assert stopped.value.code == 2
    complaint = capsys.readouterr().err.splitlines()[-1]
    assert word in complaint
    assert ("did you mean" in complaint) is bool(hint)
    assert hint in complaint
    assert all(command.name in complaint for command in cli.COMMANDS)


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--help"])
    assert stopped.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    for command in cli.COMMANDS:
        assert f"{command.name} {command.help}" in out


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"obs-sse-guard {obs_sse_guard.__version__}\n"


def test_a_row_is_all_that_a_command_needs(echo: ModuleType) -> None:
    words: list[str] = []

    def run(arguments: argparse.Namespace) -> int:
        words.append(arguments.word)
        return 7

    echo.run = run  # type: ignore[attr-defined]
    assert cli.main(["echo", "hello"]) == 7
    assert words == ["hello"]


def test_ctrl_c_exits_with_130_and_no_traceback(echo: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    def run(_: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    echo.run = run  # type: ignore[attr-defined]
    assert cli.main(["echo", "hello"]) == 130
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
    assert module.main is cli.main
    monkeypatch.setattr(sys, "argv", ["obs_sse_guard", "--version"])
    # Run anew: runpy warns about a module that is already imported.
    monkeypatch.delitem(sys.modules, "obs_sse_guard.__main__")
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(module.__file__), run_name="__main__")
    assert stopped.value.code == 0
    assert capsys.readouterr().out.startswith("obs-sse-guard ")


@pytest.mark.measured_processes
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device here")
def test_a_full_disk_exits_with_2_and_one_line() -> None:
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "obs_sse_guard", "rules"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, env=buffered, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, b"cannot write the output: No space left on device\n")


def test_any_other_error_of_the_system_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> int:
        raise OSError(errno.EIO, "trouble")

    monkeypatch.setattr("obs_sse_guard._cli.rules.run", fails)
    with pytest.raises(OSError, match="trouble"):
        cli.main(["rules"])


def test_every_help_text_is_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], *([command.name] for command in cli.COMMANDS)):
        with pytest.raises(SystemExit) as stopped:
            cli.main([*words, "--help"])
        assert stopped.value.code == 0
        out = capsys.readouterr().out
        assert out.startswith("usage: obs-sse-guard")
        assert out.isascii()
