"""The rules arranged for lookup: by operation, or by source and target of a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from obs_sse_guard.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable

    from obs_sse_guard.rules import Rule

__all__ = ["COPIES", "MATRICES", "OPERATIONS", "Column", "Line", "Matrix"]


class Column(NamedTuple):
    """One of the document's tables: its number, and what all its rows have in common."""

    table: int
    heading: str


class Line(NamedTuple):
    """The rules of several tables for one subject, in the order of the columns."""

    label: str
    rules: tuple[Rule, ...]


class Matrix(NamedTuple):
    """Tables with the same subjects, side by side."""

    subject: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]


def _matrix(
    subject: str, tables: tuple[int, ...], label: Callable[[Rule], str], heading: Callable[[Rule], str]
) -> Matrix:
    rows = {(rule.table, label(rule)): rule for rule in RULES if rule.table in tables}
    labels = dict.fromkeys(name for _, name in rows)
    headings = {rule.table: heading(rule) for rule in rows.values()}
    return Matrix(
        subject,
        tuple(Column(table, headings[table]) for table in tables),
        tuple(Line(name, tuple(rows[table, name] for table in tables)) for name in labels),
    )


OPERATIONS = _matrix("operation", (1, 2), lambda rule: str(rule.operation), lambda rule: str(rule.target))
COPIES = _matrix(
    "source to target", (3, 4), lambda rule: f"{rule.source} to {rule.target}", lambda rule: str(rule.operation)
)
MATRICES = (OPERATIONS, COPIES)
