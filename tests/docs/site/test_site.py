"""The built site loads nothing from elsewhere, and its links and anchors work."""

from __future__ import annotations

import json
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pytest

import obs_sse_guard
from obs_sse_guard import rules
from obs_sse_guard._policy import findings

pytest.importorskip("mkdocs", reason="tox -e docs builds the site and runs its tests")

ROOT = Path(__file__).parents[3]
SITE = ROOT / "site"
IDS = [*(rule.id for rule in (*rules.RULES, *rules.SSE_OBS_RULES)), *findings.CATALOGUE, findings.TRUSTED_HOST.id]


class _Page(HTMLParser):
    """What a page loads, where it links to, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: set[str] = set()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors.update(values[name] for name in ("id", "name") if name in values)
        if tag == "a":
            self.links.add(values.get("href", ""))
        elif tag == "link" and values.get("rel") not in {"canonical", "next", "prev"}:
            self.loaded.add(values["href"])
        self.loaded.update(values[name] for name in ("src", "srcset", "poster") if name in values)


@cache
def _page(path: Path) -> _Page:
    return _Page(path.read_text(encoding="utf-8"))


def _pages() -> list[Path]:
    return sorted(SITE.glob("*.html"))


@pytest.mark.parametrize("path", _pages(), ids=lambda path: path.stem)
def test_a_page_loads_nothing_from_elsewhere(path: Path) -> None:
    loaded = {address for address in _page(path).loaded if not address.startswith("data:")}
    assert [address for address in loaded if urlsplit(address).netloc] == []
    assert [name for name in map(_file, loaded) if not (SITE / name).is_file()] == []


def _file(address: str) -> str:
    return unquote(urlsplit(address).path).lstrip("/")


def test_no_style_sheet_loads_anything_from_elsewhere() -> None:
    sheets = [*SITE.rglob("*.css")]
    assert len(sheets) > 1
    for sheet in sheets:
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", sheet.read_text(encoding="utf-8")), sheet.name


@pytest.mark.parametrize("path", _pages(), ids=lambda path: path.stem)
def test_every_link_within_the_site_has_a_target(path: Path) -> None:
    for link in _page(path).links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            assert parts.scheme in {"https", "mailto"}, link
            continue
        target = SITE / _file(link) if parts.path.strip("./") else path
        assert target.is_file(), link
        assert not parts.fragment or unquote(parts.fragment) in _page(target).anchors, link


@pytest.mark.parametrize("name", IDS)
def test_every_id_is_an_anchor_of_the_findings(name: str) -> None:
    assert name in _page(SITE / "findings.html").anchors


def test_the_search_works_without_a_server_and_knows_every_finding() -> None:
    index = (SITE / "search" / "search_index.js").read_text(encoding="utf-8")
    assert all(f'"findings.html#{name}"' in index for name in findings.CATALOGUE)
    for path in _pages():
        assert any(address.endswith("assets/iframe-worker.js") for address in _page(path).loaded), path.name


def test_the_search_splits_chinese_into_words() -> None:
    index = json.loads((SITE / "search" / "search_index.json").read_text(encoding="utf-8"))
    [limitations] = [doc for doc in index["docs"] if unquote(doc["location"]) == "zh-CN-reference.html#局限性"]
    assert "脱敏" in re.split(index["config"]["separator"], limitations["text"].replace("<", " "))


@pytest.mark.parametrize("path", _pages(), ids=lambda path: path.stem)
def test_a_page_states_its_language(path: Path) -> None:
    language = "zh-CN" if path.stem.startswith("zh-CN") else "en"
    assert f'<html lang="{language}"' in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("module", [obs_sse_guard, rules], ids=lambda module: module.__name__)
def test_the_reference_has_every_public_name(module: ModuleType) -> None:
    anchors = _page(SITE / "api.html").anchors
    public = {name for name in module.__all__ if not isinstance(getattr(module, name), ModuleType)}
    assert {f"{module.__name__}.{name}" for name in public} <= anchors
    private = {anchor for anchor in anchors if re.search(r"\._(?!_)", anchor)}
    assert private == set()
