"""The HTML report in a browser: sorting, filtering, keyboard, width, colors."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.cli.audit.lines import Audit, armed, encoded, finding

pytestmark = pytest.mark.full

PICTURES = os.environ.get("OBS_SSE_GUARD_TEST_PICTURES", "")
"""A folder to save screenshots of the report in."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Start Chromium."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not program:
        pytest.skip("no Chromium here")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def report(run: Audit, tmp_path: Path) -> str:
    """Write a report with several rules, counts and hosts; return its address."""
    long = {"file": "/srv/shop/" + "packages/" * 9 + "store.py", "line": 7, "function": "put_" + "object_" * 9}
    lines = [
        *[finding(site=long)] * 10,
        *[finding(rule="key-in-url", operation="GetObject", documented="log", sdk="botocore", host="node-2")] * 9,
        *[finding(rule="unverified-tls", endpoint="https://obs.example.com", documented="log", sdk="minio")] * 100,
        finding(rule="trusted-host", documented="allow", strict="allow", verdict="trusted", host="node-10"),
        armed("node-2"),
        armed("node-10", mode="warn"),
    ]
    (tmp_path / "audit").write_bytes(encoded(*lines))
    (tmp_path / "hosts").write_text("node-2\nnode-77\n")
    run("--format=html", "--output", tmp_path / "report.html", "--expect", tmp_path / "hosts", tmp_path / "audit")
    return (tmp_path / "report.html").as_uri()


@pytest.fixture
def page(browser: Any, report: str) -> Iterator[Any]:
    """Open the report; fail if it reports an error."""
    opened = browser.new_page()
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda message: problems.append(message.text))
    opened.goto(report)
    yield opened
    opened.close()
    assert problems == []


def _column(page: Any, section: str, label: str) -> list[str]:
    cells = page.locator(f"section[aria-labelledby={section}] td[data-label='{label}']:visible")
    return list(cells.all_inner_texts())


def test_a_heading_sorts_and_says_so(page: Any) -> None:
    places = page.get_by_role("region", name="Every place")
    assert _column(page, "places", "enforce") == ["10", "0", "0", "0"]
    heading = places.get_by_role("columnheader", name="findings")
    assert heading.get_attribute("aria-sort") == "none"
    heading.get_by_role("button").click()
    assert _column(page, "places", "findings") == ["100", "10", "9", "1"], "as numbers, not as text"
    assert heading.get_attribute("aria-sort") == "descending"
    assert places.get_by_role("columnheader", name="enforce").get_attribute("aria-sort") == "none"
    heading.get_by_role("button").click()
    assert _column(page, "places", "findings") == ["1", "9", "10", "100"]
    assert heading.get_attribute("aria-sort") == "ascending"


def test_hosts_sort_as_people_count(page: Any) -> None:
    heading = page.get_by_role("region", name="By host").get_by_role("columnheader").first
    heading.get_by_role("button").click()
    heading.get_by_role("button").click()
    assert _column(page, "hosts", "host") == ["node-1", "node-2", "node-10"]


def test_the_keyboard_sorts_and_filters(page: Any) -> None:
    page.keyboard.press("Tab")
    page.keyboard.type("key-in-url get")
    assert _column(page, "places", "rule") == ["key-in-url"]
    assert "of" in page.locator("output").inner_text()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "rule"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", "the focus is visible"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.parentNode.getAttribute('aria-sort')") == "ascending"


def test_the_filter_hides_rows_and_brings_them_back(page: Any) -> None:
    box = page.get_by_role("searchbox", name="Filter every table")
    box.fill("NODE-10")
    assert _column(page, "hosts", "host") == ["node-10"]
    assert _column(page, "places", "rule") == []
    box.fill("")
    assert len(_column(page, "places", "rule")) == 4


def test_a_rule_leads_to_its_explanation(page: Any) -> None:
    page.get_by_role("region", name="Every place").get_by_role("link", name="key-in-url").click()
    target = page.locator("tr:target")
    assert "signed URL" in target.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1000, 1400])
def test_nothing_is_cut_or_squeezed(page: Any, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wide = "[...document.querySelectorAll('section')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
    assert page.evaluate(wide) == 0
    narrow = "Math.min(...[...document.querySelectorAll('td.site, td.remedy')].map(e => e.clientWidth))"
    assert page.evaluate(narrow) > 200
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(246, 247, 249)", "dark": "rgb(18, 22, 28)"}[scheme]
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"report-{width}-{scheme}.png", full_page=True)
