"""The report, for a terminal or a file."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import rich.table
from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

from obs_sse_guard._cli.demo.evidence import REFUSED
from obs_sse_guard._cli.demo.lines import Quotation, Table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from obs_sse_guard._cli.demo.lines import Cell, Item

__all__ = ["Report"]

WIDTH_OF_A_FILE = 100
_WRONG = "bold red"
# One below the other, the tables of the document have their columns in line.
_LABEL_WIDTH = 23
_CELL_WIDTHS = {"": 14, "http": 8, "https": 5}


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
        if isinstance(item, Quotation):
            self._console.print(_quotation(item))
            return
        self._console.print(_table(item))
        for remark in item.remarks:
            self._console.print(Text(f"* {remark}", style="magenta"))
        for failure in item.failures:
            self._console.print(Text(f"✗ {failure}", style=_WRONG))
        self._verdicts += item.verdicts

    def summary(self) -> bool:
        """Print the result; tell whether everything was as expected."""
        wrong = self._verdicts.count(False)
        self._console.print()
        if wrong:
            self._console.print(Text(f"{wrong} of {len(self._verdicts)} checks are NOT as expected.", style=_WRONG))
        else:
            self._console.print(Text(f"All {len(self._verdicts)} checks are as expected.", style="bold green"))
        return not wrong


def _quotation(quotation: Quotation) -> RenderableType:
    title = Text(quotation.title, style="dim")
    return Padding(Panel(Text(quotation.text), title=title, title_align="left", border_style="dim"), (0, 0, 0, 4))


def _table(table: Table) -> RenderableType:
    demanded = any(line.demand for line in table.lines)
    shown = rich.table.Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    shown.add_column(table.title, no_wrap=True, min_width=_LABEL_WIDTH)
    if demanded:
        shown.add_column("allows", no_wrap=True)
    last = ""
    for column in table.columns:
        sdk, last = "" if column.sdk == last else column.sdk, column.sdk
        shown.add_column(f"{sdk}\n{column.scheme}".rstrip(), no_wrap=True, min_width=_CELL_WIDTHS[column.scheme])
    for line in table.lines:
        shown.add_row(line.label, *([line.demand] if demanded else ()), *map(_cell, line.cells))
    return Padding(shown, (1 if table.title else 0, 0, 0, 0), expand=False)


def _cell(cell: Cell) -> Text:
    if cell is None:
        return Text("-", style="dim")
    if not cell.ok:
        return Text(f"✗ {cell.outcome}", style=_WRONG)
    mark = "*" if cell.notes else ""
    return Text(cell.outcome + mark, style="yellow" if cell.outcome == REFUSED else "green")
