"""Draw the rules as SVG: each subject of the tables against both transports.

Plain SVG with classes and one media query: no script, no variables and no embedded fonts. Browsers show it
light or dark as their user prefers; every other reader of SVG shows it light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree as ET

from obs_sse_guard._cli import sample
from obs_sse_guard._cli.rules.matrix import COPIES, MATRICES, OPERATIONS
from obs_sse_guard._policy.findings import Action, evaluate
from obs_sse_guard._policy.settings import POLICY, Policy
from obs_sse_guard.rules import PAGE, PAGE_TITLE, RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obs_sse_guard._cli.rules.matrix import Matrix
    from obs_sse_guard.rules import Rule

__all__ = ["render"]

_TITLE = "Which transport a request with server-side encryption may use"
_SCHEMES = ("http", "https")


class _Appearance(NamedTuple):
    """How an action is drawn: fill and stroke, light and dark; a sign; a description."""

    light: tuple[str, str]
    dark: tuple[str, str]
    sign: str
    description: str


_APPEARANCES = {
    Action.ALLOW: _Appearance(("#dafbe1", "#116329"), ("#12361f", "#56d364"), "M-6,0 L-2,4.5 L6,-4.5", "allowed"),
    Action.LOG: _Appearance(
        ("#fff1c2", "#7d4e00"),
        ("#3d2e0a", "#e3b341"),
        "M-0.5,0 a4,4 0 1,0 -8,0 a4,4 0 1,0 8,0 H8.5 V4 M4.5,0 V3.5",
        f"allowed by its rule and logged: a customer key crosses in plaintext; {POLICY}=strict refuses it",
    ),
    Action.REFUSE: _Appearance(
        ("#ffe3e0", "#b3261e"), ("#45191c", "#ff8a80"), "M-5,-5 L5,5 M-5,5 L5,-5", "refused: the rule requires HTTPS"
    ),
}

_STYLE = """
text { font: 15px system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; fill: #1f2328 }
.title { font-size: 21px; font-weight: 600 }
.heading { font-weight: 600 }
.small { font-size: 13px; fill: #59636e }
.page { fill: #ffffff; stroke: #d1d9e0 }
.line { stroke: #d1d9e0 }
.sign { fill: none; stroke-width: 2.2; stroke-linecap: round; stroke-linejoin: round }
"""
_DARK = """
text { fill: #e6edf3 }
.small { fill: #9198a1 }
.page { fill: #0d1117; stroke: #3d444d }
.line { stroke: #3d444d }
"""

_MARGIN = 32
_LABEL = 216
_CELL = 72
_ROW = 38
_TABLE = len(_SCHEMES) * _CELL
_TABLE_GAP = 12
_PANEL = _LABEL + 2 * _TABLE + _TABLE_GAP
_PANEL_GAP = 44
_WIDTH = 2 * _MARGIN + 2 * _PANEL + _PANEL_GAP
_PANELS_TOP = 100
_BODY_TOP = _PANELS_TOP + 66
_LEGEND_TOP = _BODY_TOP + max(len(matrix.lines) for matrix in MATRICES) * _ROW + 44
_LEGEND_ROW = 36
_HEIGHT = _LEGEND_TOP + len(_APPEARANCES) * _LEGEND_ROW + 18


def render() -> str:
    """Return the drawing as the text of an SVG file."""
    root = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {_WIDTH} {_HEIGHT}",
            "width": str(_WIDTH),
            "height": str(_HEIGHT),
            "role": "img",
            "aria-labelledby": "title description",
        },
    )
    ET.SubElement(root, "title", id="title").text = _TITLE
    ET.SubElement(root, "desc", id="description").text = _description()
    ET.SubElement(root, "style").text = _style()
    _rectangle(root, 0.5, 0.5, _WIDTH - 1, _HEIGHT - 1, "page", radius=10)
    _text(root, _MARGIN, 46, _TITLE, "title")
    _text(root, _MARGIN, 71, f'Huawei OBS API reference, page {PAGE}, "{PAGE_TITLE}"', "small")
    _panel(root, _MARGIN, OPERATIONS)
    _panel(root, _MARGIN + _PANEL + _PANEL_GAP, COPIES)
    _legend(root)
    ET.indent(root, " ")
    return ET.tostring(root, encoding="unicode")


def _description() -> str:
    free = "; ".join(rule.subject for rule in RULES if "http" in rule.transports)
    return f"All {len(RULES)} rules of page {PAGE} allow HTTPS. Only these allow HTTP: {free}."


def _style() -> str:
    dark = _DARK + _colors("dark")
    indented = dark.replace("\n", "\n  ").rstrip()
    return f"{_STYLE}{_colors('light')}@media (prefers-color-scheme: dark) {{{indented}\n}}\n"


def _colors(theme: str) -> str:
    rules = []
    for action, appearance in _APPEARANCES.items():
        ground, ink = appearance.dark if theme == "dark" else appearance.light
        rules.append(f".{action.value} {{ fill: {ground} }} .{action.value}-sign {{ stroke: {ink} }}\n")
    return "".join(rules)


def _panel(root: ET.Element, left: float, matrix: Matrix) -> None:
    top = _PANELS_TOP
    _text(root, left, top + 47, matrix.subject, "small")
    for position, column in enumerate(matrix.columns):
        x = _table_left(left, position)
        _text(root, x + _TABLE / 2, top + 20, column.heading, "heading", anchor="middle")
        for scheme, centre in zip(_SCHEMES, _centres(x)):
            _text(root, centre, top + 47, scheme.upper(), "small", anchor="middle")
    _line(root, left, _BODY_TOP - 8, _PANEL)
    for number, (label, rules) in enumerate(matrix.lines):
        y = _BODY_TOP + number * _ROW
        _text(root, left, y + _ROW / 2 + 5, label)
        for position, rule in enumerate(rules):
            for scheme, centre in zip(_SCHEMES, _centres(_table_left(left, position))):
                _cell(root, centre, y + _ROW / 2, rule, scheme)
    for position, column in enumerate(matrix.columns):
        x = _table_left(left, position) + _TABLE / 2
        _text(root, x, _BODY_TOP + len(matrix.lines) * _ROW + 18, f"table {column.table}", "small", anchor="middle")


def _table_left(left: float, position: int) -> float:
    return left + _LABEL + position * (_TABLE + _TABLE_GAP)


def _centres(left: float) -> Iterator[float]:
    return (left + (number + 0.5) * _CELL for number in range(len(_SCHEMES)))


def _cell(root: ET.Element, x: float, y: float, rule: Rule, scheme: str) -> None:
    action = _action(rule, scheme)
    cell = ET.SubElement(root, "g")
    ET.SubElement(cell, "title").text = f"{rule.id} over {scheme.upper()}: {_APPEARANCES[action].description}"
    _sign(cell, x, y, action)


def _action(rule: Rule, scheme: str) -> Action:
    found = evaluate(sample.request(rule.operation, scheme, rule.target, rule.source))
    return found[0].type.action(Policy.DOCUMENTED) if found else Action.ALLOW


def _sign(parent: ET.Element, x: float, y: float, action: Action) -> None:
    width, height = _CELL - 8, _ROW - 8
    _rectangle(parent, x - width / 2, y - height / 2, width, height, action.value, radius=5)
    ET.SubElement(
        parent,
        "path",
        {"class": f"sign {action.value}-sign", "transform": f"translate({x:g} {y:g})", "d": _APPEARANCES[action].sign},
    )


def _legend(root: ET.Element) -> None:
    _line(root, _MARGIN, _LEGEND_TOP - 10, _WIDTH - 2 * _MARGIN)
    for number, (action, appearance) in enumerate(_APPEARANCES.items()):
        y = _LEGEND_TOP + (number + 0.5) * _LEGEND_ROW
        _sign(root, _MARGIN + _CELL / 2 - 4, y, action)
        _text(root, _MARGIN + _CELL + 6, y + 5, appearance.description)


def _rectangle(  # noqa: PLR0913, PLR0917  # a rectangle's dimensions
    parent: ET.Element, x: float, y: float, width: float, height: float, kind: str, radius: float
) -> None:
    measures = {"x": x, "y": y, "width": width, "height": height, "rx": radius}
    ET.SubElement(parent, "rect", {"class": kind, **{name: f"{value:g}" for name, value in measures.items()}})


def _line(parent: ET.Element, x: float, y: float, length: float) -> None:
    ET.SubElement(parent, "path", {"class": "line", "d": f"M{x:g},{y + 0.5:g} h{length:g}"})


def _text(  # noqa: PLR0913, PLR0917  # where, what, and how
    parent: ET.Element, x: float, y: float, text: str, kind: str = "", anchor: str = "start"
) -> None:
    attributes = {"x": f"{x:g}", "y": f"{y:g}", "class": kind, "text-anchor": anchor if anchor != "start" else ""}
    ET.SubElement(parent, "text", {name: value for name, value in attributes.items() if value}).text = text
