"""``obs-sse-guard rules``: print the 32 rules as text, Markdown, JSON or SVG."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from obs_sse_guard._cli import output
from obs_sse_guard._cli.rules import svg
from obs_sse_guard._cli.rules.matrix import MATRICES
from obs_sse_guard.rules import PAGE, PAGE_TITLE, RULES

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from obs_sse_guard._cli.rules.matrix import Matrix
    from obs_sse_guard.rules import Rule

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Print the rules in the requested format.

    Returns:
        0.
    """
    write = output.text if arguments.format == "text" else output.document
    write(_FORMATS[arguments.format]())
    return 0


def _text() -> str:
    title = f'OBS API reference, page {PAGE}, "{PAGE_TITLE}"'
    return "\n\n".join([title, *(_aligned(_cells(matrix, _as_is)) for matrix in MATRICES)])


def _as_is(rule: Rule) -> str:
    return rule.demand


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def _markdown() -> str:
    return "\n\n".join(_piped(_cells(matrix, _emphasized)) for matrix in MATRICES)


def _emphasized(rule: Rule) -> str:
    return f"**{rule.demand}**" if "http" in rule.transports else rule.demand


def _piped(rows: Sequence[Sequence[str]]) -> str:
    heading, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([heading, f"|{'---|' * len(rows[0])}", *body])


def _cells(matrix: Matrix, write: Callable[[Rule], str]) -> list[list[str]]:
    heading = [matrix.subject, *(f"table {column.table}: {column.heading}" for column in matrix.columns)]
    return [heading, *([line.label, *map(write, line.rules)] for line in matrix.lines)]


def _json() -> str:
    document = {"page": PAGE, "title": PAGE_TITLE, "rules": [*_objects(RULES)]}
    return json.dumps(document, indent=2, ensure_ascii=False)


def _objects(rules: Iterable[Rule]) -> Iterable[Mapping[str, object]]:
    for rule in rules:
        yield {
            "id": rule.id,
            "table": rule.table,
            "operation": rule.operation,
            "source": rule.source,
            "target": rule.target,
            "transports": sorted(rule.transports),
            "text": rule.text,
        }


_FORMATS: Mapping[str, Callable[[], str]] = {
    "text": _text,
    "markdown": _markdown,
    "json": _json,
    "svg": svg.render,
}
