"""The layout of the package: no file is too long, and no code is generated."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import runpy
import tokenize
from collections import Counter
from pathlib import Path

import pytest

import obs_sse_guard

ROOT = Path(__file__).parents[2]
MODULES = sorted(Path(str(obs_sse_guard.__file__)).parent.rglob("*.py"))
LONGEST = 350  # lines
LONGEST_FIRST_LINE = 79  # characters


NAMES = [
    ".".join(("obs_sse_guard", *path.relative_to(MODULES[0].parent).with_suffix("").parts)).removesuffix(".__init__")
    for path in MODULES
    if path.parent.name != "_bootstrap"
]


@pytest.mark.parametrize("name", NAMES)
def test_every_module_can_be_imported(name: str) -> None:
    assert importlib.import_module(name).__doc__


def test_the_types_of_the_hooks() -> None:
    """Run the module anew: only type checkers import it otherwise.

    A test that is not measured may have imported it already.
    """
    name = "obs_sse_guard._hooks.types"
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert runpy.run_path(str(spec.origin), run_name=name)["__all__"]


def test_no_file_is_too_long() -> None:
    lengths = {path.name: len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}
    assert len(lengths) > 40


MACHINERY = "the rules, policy, enforcement and hook machinery"
MOST_CODE = {MACHINERY: 3000, "the hooks of one SDK": 1050}
"""Lines of code, as docs/architecture.md states them. The aim is 2,000 and 1,000."""
SMALL_SDKS = ("aiobotocore", "crt")


def _part(path: Path) -> str:
    """Return the part that a module belongs to: machinery, an SDK, or neither."""
    first, *others = path.relative_to(MODULES[0].parent).with_suffix("").parts
    if first == "_hooks" and (len(others) > 1 or others[0] in SMALL_SDKS):
        return others[0]
    return MACHINERY if first in ("rules", "_policy", "_enforcement", "_hooks") else ""


def _lines_of_code(path: Path) -> int:
    """Count the lines without blank ones, comments and docstrings."""
    with tokenize.open(path) as file:
        source = file.read()
    texts = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or 0) + 1)
    }
    others = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    tokens = tokenize.generate_tokens(iter(source.splitlines(keepends=True)).__next__)
    lines = {line for token in tokens if token.type not in others for line in range(token.start[0], token.end[0] + 1)}
    return len(lines - texts)


def test_what_runs_in_production_stays_small() -> None:
    sizes: Counter[str] = Counter()
    for path in MODULES:
        sizes[_part(path)] += _lines_of_code(path)
    del sizes[""]
    assert len(sizes) > 8
    limits = {part: MOST_CODE.get(part, MOST_CODE["the hooks of one SDK"]) for part in sizes}
    assert {part: size for part, size in sizes.items() if size >= limits[part]} == {}
    stated = " ".join((ROOT / "docs" / "architecture.md").read_text("utf-8").split())
    assert all(f"{what}, under {most:,} lines" in stated for what, most in MOST_CODE.items())


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


def test_the_first_line_of_a_docstring_is_short() -> None:
    sources = [*MODULES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")]
    firsts = {
        node.value.value.strip().partition("\n")[0]: path.name
        for path in sources
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }
    assert len(firsts) > 1_500
    assert {first: name for first, name in firsts.items() if len(first) > LONGEST_FIRST_LINE} == {}
