"""The layout of the package: no file is too long, and no code is generated."""

from __future__ import annotations

import ast
from pathlib import Path

import obs_sse_guard

MODULES = sorted(Path(str(obs_sse_guard.__file__)).parent.rglob("*.py"))
LONGEST = 350  # lines


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
