"""The HTML report of ``audit``: one page that loads nothing, with data as text."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import re

import pytest

from obs_sse_guard._cli.audit import html as html_report
from tests.cli.audit.lines import Audit, armed, encoded, finding

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;{{ 7 * 7 }}\u202e\x1b[31m.test"


class Page(html.parser.HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self._inside = tag
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Note that an element ends."""
        self._inside = ""

    def handle_data(self, data: str) -> None:
        """Note text."""
        (self.scripts if self._inside == "script" else self.words).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of every element of this kind."""
        return [attributes for name, attributes in self.elements if name == tag]


def _page(run: Audit, *lines: object) -> Page:
    result = run("--format", "html", "-", stdin=encoded(*lines))
    assert (result.status, result.err) == (0, "")
    return Page(result.out)


def test_every_place_comes_first_with_rule_operation_endpoint_and_remedy(run: Audit) -> None:
    page = _page(run, armed("node-7"), finding(), finding(rule="key-in-url", documented="log", sdk="botocore"))
    headings = [word for word in page.words if word.strip()]
    first = headings.index("Every place")
    assert headings[first : first + 6] == ["Every place", "rule", "operation", "endpoint", "call site", "remedy"]
    assert first < headings.index("By host") < headings.index("By rule")
    assert 'ObsClient(server="https://obs.example.com")   a scheme in server= overrides is_secure=' in page.words
    assert {"node-7", "node-1", "0.1.0"} <= {*page.words}
    assert len(page.all("table")) == 6


def test_headings_announce_what_they_are_and_the_order(run: Audit) -> None:
    page = _page(run, finding())
    assert {heading.get("scope") for heading in page.all("th")} == {"col"}
    assert [heading["aria-sort"] for heading in page.all("th") if "aria-sort" in heading][:2] == [
        "descending",
        "ascending",
    ]


def test_a_rule_links_to_its_explanation(run: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    page = _page(run, finding(rule="key-in-url"), finding())
    assert [link["href"] for link in page.all("a")] == ["#rule-1", "#rule-2"]
    assert {"rule-1", "rule-2"} <= {str(row.get("id")) for row in page.all("tr")}
    monkeypatch.setattr(html_report, "FINDINGS_PAGE", "https://docs.example.com/findings")
    page = _page(run, finding(rule='a"b'), finding())
    assert [link["href"] for link in page.all("a")] == [
        "https://docs.example.com/findings#a%22b",
        "https://docs.example.com/findings#table-1/PutObject",
    ]


def test_it_loads_nothing_and_runs_only_its_own_script(run: Audit) -> None:
    text = run("--format", "html", "-", stdin=encoded(finding())).out
    page = Page(text)
    assert not [name for _, attributes in page.elements for name in attributes if name in ("src", "srcset")]
    assert "url(" not in text
    [script] = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    [policy] = [attributes["content"] for attributes in page.all("meta") if "http-equiv" in attributes]
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert "prefers-color-scheme: dark" in text


def test_untrusted_text_stays_text(run: Audit) -> None:
    site = {"file": HOSTILE, "line": 1, "function": HOSTILE}
    hostile = finding(host=HOSTILE, rule=HOSTILE, operation=HOSTILE, endpoint=HOSTILE, mode=HOSTILE, site=site)
    text = run("--format", "html", "-", stdin=encoded(hostile)).out
    assert [tag for tag, _ in Page(text).elements] == [tag for tag, _ in _page(run, finding()).elements]
    assert not {"\x1b", "\u202e"} & set(text)
    assert any("{{ 7 * 7 }}\\u202e\\x1b[31m.test" in word for word in Page(text).words)


@pytest.mark.unmeasured
def test_many_rows_are_cut_and_counted(run: Audit) -> None:
    page = _page(run, *(finding(rule=f"rule-{number:04}") for number in range(1003)))
    assert [word for word in page.words if "more; use" in word] == ["3 more; use --format json"] * 2
    assert len(page.all("a")) == 1000


def test_one_finding_in_a_million_is_visible_in_the_chart(run: Audit) -> None:
    lines = [finding(documented="log"), *[finding(documented="log", strict="log")] * 1000, finding()]
    widths = [float(rect["width"] or 0) for rect in _page(run, *lines).all("rect")]
    assert widths[:2] == [0.5, 0.5]
    assert widths[2] > 99


def test_a_rule_beyond_the_listed_ones_has_no_link(run: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_report, "_MAX_ROWS", 1)
    lines = [finding(rule="one", site={"file": f"{number}", "line": 1, "function": "f"}) for number in range(2)]
    page = _page(run, finding(rule="two"), finding(rule="two"), finding(rule="two"), *lines, *lines)
    assert not [link for link in page.all("a") if not re.fullmatch("#rule-1", str(link["href"]))]
    text = run("--format", "html", "-", stdin=encoded()).out
    assert "<table" not in text
    assert 'type="search"' not in text
