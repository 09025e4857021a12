"""The layout of the package: no file is too long, and no code is generated."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import runpy
from pathlib import Path

import pytest

import obs_sse_guard

MODULES = sorted(Path(str(obs_sse_guard.__file__)).parent.rglob("*.py"))
LONGEST = 350  # lines


NAMES = [
    ".".join(("obs_sse_guard", *path.relative_to(MODULES[0].parent).with_suffix("").parts)).removesuffix(".__init__")
    for path in MODULES
    if path.parent.name != "_bootstrap"
]


@pytest.mark.parametrize("name", NAMES)
def test_every_module_can_be_imported(name: str) -> None:
    assert importlib.import_module(name).__doc__


def test_the_types_of_the_hooks() -> None:
    """Only type checkers import them otherwise. Run anew, for a test that is not measured may have imported them."""
    name = "obs_sse_guard._hooks.types"
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert runpy.run_path(str(spec.origin), run_name=name)["__all__"]


def test_no_file_is_too_long() -> None:
    lengths = {path.name: len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}
    assert len(lengths) > 40


def test_no_code_is_generated() -> None:
    generated = [
        f"{path.name}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("exec", "eval", "compile")
    ]
    assert generated == []
