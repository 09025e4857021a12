"""The pages for contributors name files that exist, and every module."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support import documents
from tests.support.documents import ROOT

PAGE = ROOT / "docs" / "architecture.md"
PACKAGE = ROOT / "obs_sse_guard"
PLACEHOLDERS = ("<sdk>", "NAME")
OUTPUTS = ("dist/", "site/")
"""Folders that commands make."""

_ENTRY = re.compile(r"^(?P<indent>(?:[│ ]   )*)[├└]── (?P<name>\S+) +(?P<purpose>\S.*)$", re.MULTILINE)


def _tree() -> dict[str, str]:
    """Return the purpose of every entry of the tree, by path within the package."""
    [tree] = [block.text for block in documents.blocks(PAGE, "text") if block.text.startswith("obs_sse_guard/\n")]
    entries, folders = {}, [""]
    for entry in _ENTRY.finditer(tree):
        depth = len(entry["indent"]) // 4
        path = folders[depth] + entry["name"]
        folders[depth + 1 :] = [path]
        entries[path] = entry["purpose"]
    assert len(entries) == len(tree.splitlines()) - 1  # each line but the first is an entry
    return entries


def test_the_tree_is_the_package() -> None:
    sources = {".css", ".html", ".js", ".py", ".sql"}
    modules = {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*") if path.suffix in sources}
    files = {path.as_posix() for path in modules if path.name != "__init__.py" or path == Path("__init__.py")}
    folders = {f"{path.parent.as_posix()}/" for path in modules if path.parent != Path()}
    assert {*_tree()} == files | folders


@pytest.mark.parametrize("page", [PAGE, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_every_named_path_exists(page: Path) -> None:
    paths = {
        path
        for path in re.findall(r"`([\w./<>]+(?:/|\.\w+))`", documents.prose(page))
        if ("/" in path or path.endswith(".py")) and not any(word in path for word in PLACEHOLDERS)
    }
    assert paths
    inside_sdk = {path for path in paths if (PACKAGE / "_hooks" / "obs" / path).is_file()}  # the same for each SDK
    named = {path for path in paths - inside_sdk if not path.startswith(OUTPUTS)}
    missing = [path for path in named if not ((ROOT / path).exists() or (PACKAGE / path).exists())]
    assert missing == []


@pytest.mark.parametrize(
    ("what", "file", "text"),
    [
        ("the row for CopyObject", "rules.py", "Operation.COPY_OBJECT|_COPY"),
        ("the text of an error", "_enforcement/message.py", "def error_text"),
        ("the abort of the retry loop", "_hooks/hook.py", "class Abort"),
        ("the audit line", "_enforcement/audit.py", "def _line"),
        ("the hook on presigning", "_hooks/obs/signing.py", "def signed_url_hook"),
        ("the hook on presigning", "_hooks/botocore/signing.py", "def url_hook"),
        ("the outcome of a finding", "_enforcement/decision.py", "def decide"),
    ],
)
def test_it_lives_where_the_page_says(what: str, file: str, text: str) -> None:
    assert file in _tree()
    assert re.search(text, (PACKAGE / file).read_text("utf-8")), what
