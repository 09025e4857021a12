"""Print the report, to a terminal or a file."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import rich.table
from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

from obs_sse_guard._cli.demo.observation import REFUSED
from obs_sse_guard._cli.demo.results import Excerpt, Table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from obs_sse_guard._cli.demo.results import Cell, Item

__all__ = ["Report"]

FILE_WIDTH = 110
_WRONG = "bold red"
# The columns of the four tables of rules line up.
_LABEL_WIDTH = 23
_LABELS_WIDTH = 30
"""A label and what the document allows."""
_SDK_WIDTH = 16
_CELL_WIDTHS = {"": 14, "http": 8, "https": 5}


class Report:
    """Print the results as the scenarios yield them, and count those that are not as expected."""

    def __init__(self) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            # Frames and marks are not ASCII, and some terminals' encodings are.
            sys.stdout.reconfigure(errors="replace")
        self._console = Console(highlight=False)
        if not self._console.is_terminal:
            self._console.width = FILE_WIDTH
        self._verdicts: list[bool] = []

    def heading(self, title: str) -> None:
        """Print the title of a scenario."""
        self._console.print()
        self._console.print(Text(title, style="bold"))

    def write(self, text: str) -> None:
        """Print plain text."""
        self._console.print(Text(text))

    def show(self, item: Item) -> None:
        """Print one result of a scenario."""
        if isinstance(item, Excerpt):
            self._console.print(_excerpt(item))
            return
        for part in item.parts(max(1, (self._console.width - _LABELS_WIDTH) // _SDK_WIDTH)):
            self._console.print(_table(part))
        for note in item.notes:
            self._console.print(Text(f"* {note}", style="magenta"))
        for failure in item.failures:
            self._console.print(Text(f"✗ {failure}", style=_WRONG))
        self._verdicts += item.verdicts

    def summary(self) -> bool:
        """Print the result.

        Returns:
            Whether everything was as expected.
        """
        wrong = self._verdicts.count(False)
        self._console.print()
        if wrong:
            self._console.print(Text(f"{wrong} of {len(self._verdicts)} checks are NOT as expected.", style=_WRONG))
        else:
            self._console.print(Text(f"All {len(self._verdicts)} checks are as expected.", style="bold green"))
        return not wrong


def _excerpt(excerpt: Excerpt) -> RenderableType:
    title = Text(excerpt.title, style="dim")
    return Padding(Panel(Text(excerpt.text), title=title, title_align="left", border_style="dim"), (0, 0, 0, 4))


def _table(table: Table) -> RenderableType:
    shows_demand = any(row.demand for row in table.rows)
    shown = rich.table.Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    shown.add_column(table.title, no_wrap=True, min_width=_LABEL_WIDTH)
    if shows_demand:
        shown.add_column("allows", no_wrap=True)
    last = ""
    for column in table.columns:
        sdk, last = "" if column.sdk == last else column.sdk, column.sdk
        shown.add_column(f"{sdk}\n{column.scheme}".rstrip(), no_wrap=True, min_width=_CELL_WIDTHS[column.scheme])
    for row in table.rows:
        shown.add_row(row.label, *([row.demand] if shows_demand else ()), *map(_cell, row.cells))
    return Padding(shown, (1 if table.title else 0, 0, 0, 0), expand=False)


def _cell(cell: Cell) -> Text:
    if cell is None:
        return Text("-", style="dim")
    if not cell.ok:
        return Text(f"✗ {cell.outcome}", style=_WRONG)
    mark = "*" if cell.notes else ""
    return Text(cell.outcome + mark, style="yellow" if cell.outcome == REFUSED else "green")
