"""Hooks of MkDocs: the pages from the root of the repository, and links between these, docs/ and the rest."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
DOCS = "docs"
PAGES = {
    "README.md": "index.md",
    "README.zh-CN.md": "zh-CN.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
"""Files in the root of the repository that are pages of the site."""

_LINK = re.compile(r"\[([^\]]*)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")
_REPOSITORY = re.compile(r'^repository = "(.*)"', re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from the root of the repository."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=_read(source)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Make the links of a page lead to pages of the site, or to the repository if its address is known."""
    if page.file.src_uri == "findings.md":
        page.meta["search"] = {"boost": 4}  # first among the results for an id
    folder = "" if page.file.src_uri in PAGES.values() else DOCS
    return _LINK.sub(lambda link: _linked(folder, link[1], link[2], link[3] or ""), markdown)


def on_post_page(output: str, page: Page, **_: object) -> str:
    """State the language of the Chinese pages, by which a browser chooses its fonts and a screen reader its voice."""
    is_chinese = page.file.src_uri.startswith("zh-CN")
    return output.replace('<html lang="en"', '<html lang="zh-CN"', 1) if is_chinese else output


def _linked(folder: str, text: str, path: str, anchor: str) -> str:
    """Return a link of a file in a folder of the repository, or its text alone if the site has no such target."""
    target = posixpath.normpath(posixpath.join(folder, path))
    if target in PAGES:
        return f"[{_title(target, text)}]({PAGES[target]}{anchor})"
    if target.startswith(f"{DOCS}/"):
        return f"[{_title(target, text)}]({posixpath.relpath(target, DOCS)}{anchor})"
    [repository] = _REPOSITORY.findall(_read("pyproject.toml"))
    return f"[{text}]({repository}/blob/HEAD/{target}{anchor})" if repository else text


def _title(target: str, text: str) -> str:
    """Return the title of a page where the text of a link is the name of its file."""
    is_name = text in (target, posixpath.basename(target))
    return _read(target).partition("\n")[0].lstrip("# ") if is_name else text


def _read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")
