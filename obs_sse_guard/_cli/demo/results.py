"""What a scenario yields: tables of checks with a column per SDK, and excerpts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import compress
from typing import TYPE_CHECKING, NamedTuple, Union

from obs_sse_guard._cli.demo.observation import REFUSED, SENT, Observation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obs_sse_guard.rules import Rule

__all__ = [
    "IN_PLAINTEXT",
    "KEY_IN_PLAINTEXT",
    "Cell",
    "Check",
    "Column",
    "Excerpt",
    "Item",
    "Row",
    "RuleCheck",
    "Table",
]

IN_PLAINTEXT = "in plaintext"
"""A customer key was recorded on the wire."""
KEY_IN_PLAINTEXT = f"key {IN_PLAINTEXT}"


@dataclass(frozen=True)
class Check:
    """A comparison of what happened with what was expected.

    Attributes:
        expected: what should happen.
        outcome: what happened.
        notes: remarks, such as what the guard logged.
    """

    expected: str
    outcome: str
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the outcome is the expected one."""
        return self.outcome == self.expected


@dataclass(frozen=True)
class RuleCheck:
    """The call that one SDK made for a rule over one transport."""

    rule: Rule
    scheme: str
    observation: Observation
    key_in_plaintext: bool

    @property
    def expected(self) -> str:
        """What the rule demands of the call."""
        return SENT if self.scheme in self.rule.transports else REFUSED

    @property
    def outcome(self) -> str:
        """What became of the call."""
        return self.observation.outcome

    @property
    def notes(self) -> tuple[str, ...]:
        """What was logged, which other rule refused the call, and any unlogged leak."""
        logged = (f"logged {KEY_IN_PLAINTEXT if rule == self.rule.id else rule}" for rule in self.observation.logged)
        refused_by = getattr(self.observation.error, "rule", self.rule.id)
        other = () if refused_by == self.rule.id else (f"refused by {refused_by}",)
        return (*logged, *other, *((f"{KEY_IN_PLAINTEXT}, not logged",) if self._is_unlogged else ()))

    @property
    def ok(self) -> bool:
        """Whether the call went as the rule demands, and any key in plaintext was logged."""
        return self.observation.summary == self.expected and not self._is_unlogged

    @property
    def _is_unlogged(self) -> bool:
        return self.key_in_plaintext and self.rule.id not in self.observation.logged


Cell = Union[Check, RuleCheck, None]
"""What a column shows; nothing where the SDK's API cannot express the row."""


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        label: what it is about.
        cells: the checks, in the order of the columns.
        demand: the transports that the document allows, in tables that show them.
    """

    label: str
    cells: tuple[Cell, ...]
    demand: str = ""


class Column(NamedTuple):
    """The heading of a column: an SDK, and the transport where it makes a difference."""

    sdk: str
    scheme: str = ""


@dataclass(frozen=True)
class Table:
    """Rows with the same columns.

    Attributes:
        columns: the headings.
        rows: the rows.
        title: what the rows are about, unless the scenario's title covers it.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    title: str = ""

    def parts(self, most: int) -> Iterator[Table]:
        """Return the table in parts of at most so many SDKs."""
        sdks = [*dict.fromkeys(column.sdk for column in self.columns)]
        for first in range(0, len(sdks), most):
            shown = [column.sdk in sdks[first : first + most] for column in self.columns]
            rows = tuple(replace(row, cells=tuple(compress(row.cells, shown))) for row in self.rows)
            yield Table(tuple(compress(self.columns, shown)), rows, self.title)

    @property
    def checks(self) -> list[bool]:
        """Whether each cell is as expected."""
        return [cell.ok for _, _, cell in self._cells()]

    @property
    def notes(self) -> list[str]:
        """Each note once, with its row and the SDKs that it applies to."""
        notes: dict[str, dict[str, None]] = {}
        for row, column, cell in self._cells():
            for note in cell.notes:
                notes.setdefault(f"{row.label}: {note}", {})[column.sdk] = None
        return [f"{note} ({', '.join(sdks)})" for note, sdks in notes.items()]

    @property
    def failures(self) -> list[str]:
        """A sentence for each cell that is not as expected."""
        return [
            f"{row.label}, {' over '.join(filter(None, column))}: {cell.outcome}, expected: {cell.expected}"
            for row, column, cell in self._cells()
            if not cell.ok
        ]

    def _cells(self) -> Iterator[tuple[Row, Column, Check | RuleCheck]]:
        for row in self.rows:
            for column, cell in zip(self.columns, row.cells):
                if cell is not None:
                    yield row, column, cell


@dataclass(frozen=True)
class Excerpt:
    """A text to show in a frame, and whether it shows a leak or a refusal."""

    title: str
    text: str
    outcome: str


Item = Union[Table, Excerpt]
