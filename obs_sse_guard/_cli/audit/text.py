"""Render the summary of audit files as plain text, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obs_sse_guard._cli.audit.phrases import headline, printable, time_text

if TYPE_CHECKING:
    from obs_sse_guard._cli.audit.summary import Group, Summary

__all__ = ["render"]

_MAX_ROWS = 20
_TABLES = (("rule", "rule"), ("operation", "operation"), ("host", "host"), ("call site", "site_text"))
_HEADINGS = ("findings", "enforce", "strict", "first seen (UTC)", "last seen (UTC)")


def render(summary: Summary, paths: list[str]) -> str:
    """Return the headline, and a table each by rule, operation, host and call site."""
    tables = (
        [_table(title, summary.groups(attribute)) for title, attribute in _TABLES] if summary.total().findings else []
    )
    return "\n\n".join(["\n".join(headline(summary, paths)), *tables]) + "\n"


def _table(title: str, groups: list[Group]) -> str:
    rows = [(*_HEADINGS, f"by {title}"), *(_cells(group) for group in groups[:_MAX_ROWS])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = ["  ".join([*(cell.rjust(width) for cell, width in zip(row, widths)), row[-1]]) for row in rows]
    left = len(groups) - _MAX_ROWS
    return "\n".join([*lines, *([f"{left:,} more; use --format json"] if left > 0 else [])])


def _cells(group: Group) -> tuple[str, ...]:
    tally = group.tally
    counts = (f"{number:,}" for number in (tally.findings, tally.enforce, tally.strict))
    return (*counts, time_text(tally.first), time_text(tally.last), printable(group.names[0]))
