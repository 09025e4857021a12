"""The paths and tests in the configuration exist; wrong ones would be ignored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.evidence import sabotage
from tests.support import ROOT, selection

tomllib: Any = pytest.importorskip("tomllib", reason="of Python 3.11")

TOOL = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]


def _exists(path: str) -> bool:
    return any(ROOT.glob(path)) if "*" in path else (ROOT / path).exists()


def _of_pyproject() -> Iterator[str]:
    mutmut = TOOL["mutmut"]
    yield from mutmut["source_paths"]
    yield from mutmut["only_mutate"]
    yield from mutmut["pytest_add_cli_args_test_selection"]
    yield from (word.partition("=")[2].partition("::")[0] for word in mutmut["pytest_add_cli_args"] if "::" in word)
    yield from TOOL["coverage"]["run"]["source_dirs"]
    yield from TOOL["ruff"]["lint"]["per-file-ignores"]
    yield from TOOL["mypy"]["files"]
    yield from TOOL["pytest"]["ini_options"]["testpaths"]


def _of_tox() -> list[str]:
    return re.findall(r"(?<![\w/])(?:tests|docs|benchmarks)/[\w/.]+", (ROOT / "tox.ini").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted({*_of_pyproject(), *_of_tox()}))
def test_every_path_in_the_configuration_exists(path: str) -> None:
    assert _exists(path)


@pytest.mark.parametrize("pattern", sorted({path for paths in selection.NEEDS.values() for path in paths}))
def test_every_path_of_the_selection_exists(pattern: str) -> None:
    assert _exists(f"tests/{pattern}")


def test_every_test_in_the_configuration_exists() -> None:
    deselected = [word.partition("=")[2] for word in TOOL["mutmut"]["pytest_add_cli_args"] if "::" in word]
    for path, _, name in (word.partition("::") for word in deselected):
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), name


@pytest.mark.parametrize("group", sabotage.CLAIMS)
def test_the_tests_of_each_layer_exist(group: str) -> None:
    for layer in sabotage.LAYERS:
        for path in sabotage.tests_of(group, layer):
            assert _exists(path), path
