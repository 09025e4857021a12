"""What an act has to say: tables of what was seen, with a column for each SDK, and quotations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Union

from obs_sse_guard._cli.demo.evidence import REFUSED, SENT, Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obs_sse_guard.rules import Rule

__all__ = ["Cell", "Column", "Item", "Line", "Quotation", "RowCell", "Seen", "Table"]

IN_CLEAR = "key in clear"


@dataclass(frozen=True)
class Seen:
    """Something that was looked at.

    Attributes:
        expected: what it should be.
        outcome: what it is.
        notes: what else is to be said of it, such as what the guard logged.
    """

    expected: str
    outcome: str
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it is as expected."""
        return self.outcome == self.expected


@dataclass(frozen=True)
class RowCell:
    """The call that one SDK made for a row of the document over one transport."""

    rule: Rule
    scheme: str
    evidence: Evidence
    key_in_clear: bool

    @property
    def expected(self) -> str:
        """What the document demands of the call."""
        return SENT if self.scheme in self.rule.transports else REFUSED

    @property
    def outcome(self) -> str:
        """What became of the call."""
        return self.evidence.outcome

    @property
    def notes(self) -> tuple[str, ...]:
        """What the guard logged; by what it refused, if not by the row itself; a key in clear that it did not log."""
        logged = tuple(f"logged {IN_CLEAR if rule == self.rule.id else rule}" for rule in self.evidence.logged)
        refused_by = getattr(self.evidence.error, "rule", self.rule.id)
        other = () if refused_by == self.rule.id else (f"refused by {refused_by}",)
        return (*logged, *other, *((f"{IN_CLEAR}, not logged",) if self._silent else ()))

    @property
    def ok(self) -> bool:
        """Whether the call went as the document demands, and no key crossed in clear unsaid."""
        return self.evidence.seen == self.expected and not self._silent

    @property
    def _silent(self) -> bool:
        return self.key_in_clear and self.rule.id not in self.evidence.logged


Cell = Union[Seen, RowCell, None]
"""What stands in a column; nothing where the SDK's API cannot express the line."""


@dataclass(frozen=True)
class Line:
    """One line of a table.

    Attributes:
        label: what it is about.
        cells: what was seen, in the columns' order.
        demand: what the document demands, in the tables that have it.
    """

    label: str
    cells: tuple[Cell, ...]
    demand: str = ""


class Column(NamedTuple):
    """What one column is of: an SDK, and the transport where that makes a difference."""

    sdk: str
    scheme: str = ""


@dataclass(frozen=True)
class Table:
    """Lines that have their columns in common.

    Attributes:
        columns: of the lines' cells.
        lines: the lines.
        title: what the lines are about, if the act's own title does not say it.
    """

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    title: str = ""

    @property
    def verdicts(self) -> list[bool]:
        """Of each cell whether it is as expected."""
        return [cell.ok for _, _, cell in self._cells()]

    @property
    def remarks(self) -> list[str]:
        """The notes, each with the lines and SDKs that it belongs to."""
        remarks: dict[str, dict[str, None]] = {}
        for line, column, cell in self._cells():
            for note in cell.notes:
                remarks.setdefault(f"{line.label}: {note}", {})[column.sdk] = None
        return [f"{remark} ({', '.join(sdks)})" for remark, sdks in remarks.items()]

    @property
    def failures(self) -> list[str]:
        """What is not as expected, in full."""
        return [
            f"{line.label}, {' over '.join(filter(None, column))}: {cell.outcome}, expected: {cell.expected}"
            for line, column, cell in self._cells()
            if not cell.ok
        ]

    def _cells(self) -> Iterator[tuple[Line, Column, Seen | RowCell]]:
        for line in self.lines:
            for column, cell in zip(self.columns, line.cells):
                if cell is not None:
                    yield line, column, cell


@dataclass(frozen=True)
class Quotation:
    """Something to read."""

    title: str
    text: str


Item = Union[Table, Quotation]
