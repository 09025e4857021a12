"""Render the summary of audit files as one self-contained HTML file, light and dark.

Built as a tree rather than as text, so that untrusted names are escaped wherever they stand.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, tostring

from obs_sse_guard._cli.audit.phrases import call_sites, headline, printable, time_text

if TYPE_CHECKING:
    from obs_sse_guard._cli.audit.summary import Group, Summary, Tally

__all__ = ["render"]

_MAX_ROWS = 1000
_MAX_BARS = 15

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --faint: #5d6878; --page: #f6f7f9; --card: #fff; --line: #dde2e9;
  --enforce: #c0392b; --strict: #e08e0b; --rest: #8a97a8; --strict-ink: #925600; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ee; --faint: #9aa6b5; --page: #12161c; --card: #1b212a; --line: #303a47;
    --enforce: #ef6a5b; --strict: #f0b04a; --rest: #66758a; --strict-ink: #f0b04a; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 2rem clamp(1rem, 4vw, 3rem); background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 96rem; margin: auto; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 0 0 .75rem; }
p { margin: .25rem 0; color: var(--faint); overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: 1rem; margin: 1.5rem 0; }
.tile, section { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
.tile { padding: .9rem 1.1rem; border-top: 4px solid var(--rest); }
.tile.enforce { border-top-color: var(--enforce); }
.tile.strict { border-top-color: var(--strict); }
.tile b { display: block; font-size: 1.7rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
section { padding: 1.1rem; margin: 0 0 1.5rem; overflow-x: auto; }
svg { display: block; width: 100%; min-width: 40rem; max-width: 70rem; height: auto; margin: 0 0 1rem; }
svg text { font: 13px system-ui, sans-serif; fill: var(--ink); }
svg .faint { fill: var(--faint); }
.enforce-fill { fill: var(--enforce); } .strict-fill { fill: var(--strict); } .rest-fill { fill: var(--rest); }
.key { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; margin: 0 0 .75rem; padding: 0; list-style: none;
  color: var(--faint); font-size: .85rem; }
.key svg { display: inline-block; width: .8rem; min-width: 0; height: .8rem; margin: 0 .45rem 0 0; }
table { border-collapse: collapse; width: 100%; font-size: .87rem; }
th { text-align: left; color: var(--faint); font-weight: 600; white-space: nowrap; }
th { border-bottom: 2px solid var(--line); }
th, td { padding: .35rem .7rem; vertical-align: top; }
td { border-bottom: 1px solid var(--line); overflow-wrap: anywhere; min-width: 6rem; }
.n, .t { white-space: nowrap; font-variant-numeric: tabular-nums; min-width: 0; }
.n { text-align: right; }
td.enforce { color: var(--enforce); font-weight: 600; }
td.strict { color: var(--strict-ink); font-weight: 600; }
.one td:first-child { width: 50%; }
.many td:nth-child(-n+2) { white-space: nowrap; }
.many { font-size: .8rem; }
.many th, .many td { padding-inline: .45rem; }
.many td:nth-child(3) { min-width: 11rem; }
.many td:nth-child(4) { min-width: 17rem; }
th button { all: unset; cursor: pointer; } th button:focus-visible { outline: 2px solid; }
th[aria-sort=ascending] button::after { content: " \\2191"; }
th[aria-sort=descending] button::after { content: " \\2193"; }
"""

# Sorts the tables; without it they are plain tables. Rows that compare equal keep their order.
_SCRIPT = """
for (const th of document.querySelectorAll('th')) {
  const button = document.createElement('button');
  button.textContent = th.textContent;
  th.replaceChildren(button);
  button.addEventListener('click', () => {
    const before = th.getAttribute('aria-sort');
    const down = before ? before === 'ascending' : th.classList.contains('n');
    for (const other of th.parentNode.children) other.removeAttribute('aria-sort');
    th.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    const body = th.closest('table').tBodies[0], column = th.cellIndex;
    const value = row => row.cells[column].dataset.n ?? row.cells[column].textContent;
    const order = (a, b) => value(a).localeCompare(value(b), 'en', {numeric: th.classList.contains('n')});
    body.append(...[...body.rows].sort((a, b) => down ? order(b, a) : order(a, b)));
  });
}
"""


def render(summary: Summary, paths: list[str]) -> str:
    """Return the whole page."""
    total = summary.total()
    title = "obs-sse-guard audit"
    page = _element(
        "html",
        _element(
            "head",
            _element("meta", charset="utf-8"),
            _element("meta", {"http-equiv": "Content-Security-Policy", "content": _policy()}),
            _element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            _element("title", title),
            _element("style", _STYLE),
        ),
        _element(
            "body",
            _element(
                "main",
                _element("h1", title),
                _element("p", headline(summary, paths)[0]),
                *(_element("p", line) for line in headline(summary, paths)[3:]),
                _tiles(summary, total),
                *(_sections(summary) if total.findings else ()),
            ),
            _element("script", _SCRIPT),
        ),
        lang="en",
    )
    return "<!doctype html>\n" + tostring(page, encoding="unicode", method="html") + "\n"


def _policy() -> str:
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def _element(tag: str, *children: Element | str | dict[str, str], **attributes: str) -> Element:
    """Return an element with its children in order; a dict holds attributes whose names are not Python identifiers."""
    element = Element(tag, {name.rstrip("_"): value for name, value in attributes.items()})
    last: Element | None = None
    for child in children:
        if isinstance(child, dict):
            element.attrib.update(child)
        elif isinstance(child, Element):
            element.append(child)
            last = child
        elif last is None:
            element.text = (element.text or "") + child
        else:
            last.tail = (last.tail or "") + child
    return element


def _tiles(summary: Summary, total: Tally) -> Element:
    return _element(
        "div",
        _tile("enforce", "enforce would refuse", total.enforce, f"from {call_sites(summary, 'enforce')}"),
        _tile("strict", "strict would refuse", total.strict, f"from {call_sites(summary, 'strict')}"),
        _tile("rest", "findings in total", total.findings, f"already refused: {total.refused:,}"),
        class_="tiles",
    )


def _tile(kind: str, title: str, count: int, note: str) -> Element:
    return _element("div", title, _element("b", f"{count:,}"), _element("p", note), class_=f"tile {kind}")


def _sections(summary: Summary) -> list[Element]:
    rules, places = summary.groups("rule"), summary.groups("rule", "operation", "host", "site_text")
    return [
        _section("By rule", ("rule",), rules, _key(), _chart(rules)),
        _section("By call site", ("call site",), summary.groups("site_text")),
        _section("By operation", ("operation",), summary.groups("operation")),
        _section("By host", ("host",), summary.groups("host")),
        _section("Every place", ("rule", "operation", "host", "call site"), places),
    ]


# --- the chart -----------------------------------------------------------------------------

_LABEL, _BAR, _COUNT, _ROW = 240, 560, 200, 28
_SHARES = {
    "enforce": "enforce and strict would refuse",
    "strict": "only strict would refuse",
    "rest": "neither would refuse",
}


def _key() -> Element:
    square = {"viewBox": "0 0 10 10", "aria-hidden": "true"}
    return _element(
        "ul",
        *(_element("li", _element("svg", square, _rect(kind, 0, 0, 10, 10)), text) for kind, text in _SHARES.items()),
        class_="key",
    )


def _chart(groups: list[Group]) -> Element:
    """Draw a bar for each rule, divided by what would refuse."""
    shown = groups[:_MAX_BARS]
    longest = max(group.tally.findings for group in shown)
    size = f"0 0 {_LABEL + _BAR + _COUNT} {_ROW * len(shown)}"
    bars = (_bar(group, row, longest) for row, group in enumerate(shown))
    return _element("svg", {"viewBox": size, "role": "img", "aria-label": "findings by rule"}, *bars)


def _bar(group: Group, row: int, longest: int) -> Element:
    tally, top = group.tally, row * _ROW
    name = printable(group.names[0])
    shares = {"enforce": tally.enforce, "strict": tally.strict - tally.enforce, "rest": tally.findings - tally.strict}
    bar = _element(
        "g",
        _element("title", f"{name}: " + ", ".join(f"{_SHARES[kind]} {count:,}" for kind, count in shares.items())),
        _label(name[:32], _LABEL - 12, top, {"text-anchor": "end"}),
    )
    left = float(_LABEL)
    for kind, count in shares.items():
        # Even one finding in a million is visible.
        width = max(_BAR * count / longest, 2.0) if count else 0.0
        if width:
            bar.append(_rect(kind, left, top + 5, width, _ROW - 10))
        left += width
    bar.append(_label(f"{tally.findings:,}", left + 10, top, {"class": "faint"}))
    return bar


def _rect(kind: str, left: float, top: float, width: float, height: float) -> Element:
    box = {"x": left, "y": top, "width": width, "height": height}
    return _element("rect", {name: f"{value:g}" for name, value in box.items()}, class_=f"{kind}-fill")


def _label(text: str, left: float, top: float, more: dict[str, str]) -> Element:
    return _element("text", {"x": f"{left:g}", "y": f"{top + _ROW / 2 + 4.5:g}", **more}, text)


# --- the tables ----------------------------------------------------------------------------

_NUMBERS = ("findings", "enforce", "strict")
_TIMES = ("first", "last")


def _section(title: str, names: tuple[str, ...], groups: list[Group], *before: Element) -> Element:
    heads = [
        *(_element("th", name) for name in names),
        *(_element("th", name, class_="n") for name in _NUMBERS),
        *(_element("th", f"{name} seen (UTC)", class_="t") for name in _TIMES),
    ]
    rows = [_row(group) for group in groups[:_MAX_ROWS]]
    left = len(groups) - _MAX_ROWS
    kind = "one" if len(names) == 1 else "many"
    return _element(
        "section",
        _element("h2", title),
        *before,
        _element("table", _element("thead", _element("tr", *heads)), _element("tbody", *rows), class_=kind),
        *([_element("p", f"{left:,} more; use --format json")] if left > 0 else []),
    )


def _row(group: Group) -> Element:
    counts = {name: getattr(group.tally, name) for name in _NUMBERS}
    return _element(
        "tr",
        *(_element("td", printable(name)) for name in group.names),
        *(
            _element("td", {"data-n": str(count)}, f"{count:,}", class_=f"n {name if count else ''}".rstrip())
            for name, count in counts.items()
        ),
        *(_element("td", time_text(getattr(group.tally, name)), class_="t") for name in _TIMES),
    )
