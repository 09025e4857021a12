"""The report, for a terminal or a file."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any, Callable

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from obs_sse_guard._demo.evidence import REFUSED, SENT
from obs_sse_guard._demo.lines import Line, Quotation, Rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType

    from obs_sse_guard._demo.lines import Item

__all__ = ["Report"]

WIDTH_OF_A_FILE = 100
_STYLES = {REFUSED: "yellow", SENT: "green"}
_WRONG = "bold red"


class Report:
    """Prints what the acts say, as they say it, and counts what is not as expected."""

    def __init__(self) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            # The rules' ids have arrows, and not every terminal's encoding does.
            sys.stdout.reconfigure(errors="replace")
        self._console = Console(highlight=False)
        if not self._console.is_terminal:
            self._console.width = WIDTH_OF_A_FILE
        self._verdicts: list[bool] = []

    def heading(self, title: str) -> None:
        """Begin an act."""
        self._console.print()
        self._console.print(Text(title, style="bold"))

    def say(self, text: str) -> None:
        """Print plain text."""
        self._console.print(Text(text))

    def show(self, item: Item) -> None:
        """Print one item of an act."""
        self._console.print(_RENDER[type(item)](item))
        self._verdicts += _VERDICTS[type(item)](item)

    def summary(self) -> bool:
        """Print the result; tell whether every line was as expected."""
        wrong = self._verdicts.count(False)
        self._console.print()
        if wrong:
            self._console.print(Text(f"{wrong} of {len(self._verdicts)} lines are NOT as expected.", style=_WRONG))
        else:
            self._console.print(Text(f"All {len(self._verdicts)} lines are as expected.", style="bold green"))
        return not wrong


def _line(line: Line) -> RenderableType:
    text = Text("  ")
    text.append("✓ " if line.ok else "✗ ", style="green" if line.ok else _WRONG)
    text.append(f"{line.what}: ")
    text.append(line.seen, style="bold" if line.ok else _WRONG)
    text.append("" if line.ok else f", expected: {line.expected}", style=_WRONG)
    text.append(f"\n      {line.detail}" if line.detail else "", style="dim")
    return text


def _quotation(quotation: Quotation) -> RenderableType:
    title = Text(quotation.title, style="dim")
    return Padding(Panel(Text(quotation.text), title=title, title_align="left", border_style="dim"), (0, 0, 0, 4))


def _rows(rows: Rows) -> RenderableType:
    table = Table(title=Text(rows.title), title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("row", "over", "document", "expected", "seen", "logged"):
        table.add_column(heading, no_wrap=True)
    for row in rows.rows:
        style = _STYLES.get(row.evidence.seen, "") if row.ok else _WRONG
        status = f" {row.evidence.status}" if row.evidence.status else ""
        table.add_row(
            row.name,
            row.scheme,
            row.rule.demand,
            row.expected,
            Text(row.evidence.seen + status, style=style),
            Text(row.logged, style="magenta" if row.ok else _WRONG),
        )
    return Padding(table, (1, 0, 0, 0), expand=False)


_RENDER: Mapping[type, Callable[[Any], RenderableType]] = {Line: _line, Quotation: _quotation, Rows: _rows}
_VERDICTS: Mapping[type, Callable[[Any], list[bool]]] = {
    Line: lambda line: [line.ok],
    Quotation: lambda _: [],
    Rows: lambda rows: [row.ok for row in rows.rows],
}
