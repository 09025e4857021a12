"""What an act has to say: lines and rows that are as expected or not, and quotations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Union

from obs_sse_guard._demo.evidence import REFUSED, SENT, Evidence

if TYPE_CHECKING:
    from obs_sse_guard.rules import Rule

__all__ = ["Item", "Line", "Quotation", "Row", "Rows"]


@dataclass(frozen=True)
class Line:
    """Something that was looked at."""

    what: str
    expected: str
    seen: str
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether it is as expected."""
        return self.seen == self.expected


@dataclass(frozen=True)
class Quotation:
    """Something to read."""

    title: str
    text: str


@dataclass(frozen=True)
class Row:
    """A row of the document and the call that was made for it over one transport."""

    rule: Rule
    scheme: str
    evidence: Evidence
    key_in_clear: bool

    @property
    def name(self) -> str:
        """The row's name within its table."""
        return self.rule.id.partition("/")[2]

    @property
    def expected(self) -> str:
        """What the document demands of the call."""
        return SENT if self.scheme in self.rule.transports else REFUSED

    @property
    def logged(self) -> str:
        """What the guard logged, in words; also a key in clear that it did not log."""
        if self._silent:
            return "no, yet key in clear"
        return ", ".join("key in clear" if rule == self.rule.id else rule for rule in self.evidence.logged)

    @property
    def ok(self) -> bool:
        """Whether the call went as the document demands, and no key crossed in clear unsaid."""
        return self.evidence.seen == self.expected and not self._silent

    @property
    def _silent(self) -> bool:
        return self.key_in_clear and self.rule.id not in self.evidence.logged


@dataclass(frozen=True)
class Rows:
    """The rows of one of the document's tables."""

    title: str
    rows: tuple[Row, ...]


Item = Union[Line, Quotation, Rows]
