"""Every claim of the threat model names a test, and each named test exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from tests.support import documents
from tests.support.documents import ROOT

PAGE = ROOT / "docs" / "threat-model.md"
WITHOUT_TESTS = {"Assets"}
"""Sections whose tables claim nothing."""

_TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")


@cache
def _functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}


def _rows() -> list[tuple[str, str]]:
    """Return the section and the text of each row of a table, without the heads."""
    return [
        (section.partition("\n")[0], row)
        for section in re.split(r"^## ", documents.prose(PAGE), flags=re.MULTILINE)[1:]
        for table in re.findall(r"^\|[-|]+\|\n((?:\|.*\n)+)", section, re.MULTILINE)
        for row in table.splitlines()
    ]


def test_every_named_test_exists() -> None:
    named = _TEST.findall(documents.read(PAGE))
    missing = [f"{file}::{name}" for file, name in named if name not in _functions(ROOT / "tests" / file)]
    assert missing == []
    assert len(named) > 90


def test_every_claim_names_a_test() -> None:
    claims = [row for section, row in _rows() if section not in WITHOUT_TESTS]
    assert [row for row in claims if not _TEST.search(row)] == []
    assert len(claims) > 60


def test_tests_are_named_in_the_last_column_alone() -> None:
    for section, row in _rows():
        if section not in WITHOUT_TESTS:
            *cells, tests = row.strip("|").split("|")
            assert not _TEST.sub("", tests).strip(), row
            assert not any(map(_TEST.search, cells)), row
