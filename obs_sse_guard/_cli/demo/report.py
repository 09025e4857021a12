"""Print the report, to a terminal or a file."""

from __future__ import annotations

import contextlib
import io
import sys
from itertools import groupby
from typing import TYPE_CHECKING

import rich.table
from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

from obs_sse_guard._cli.demo.observation import REFUSED
from obs_sse_guard._cli.demo.results import IN_PLAINTEXT, KEY_IN_PLAINTEXT, Excerpt, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import RenderableType
    from rich.status import Status

    from obs_sse_guard._cli.demo.results import Cell, Item

__all__ = ["Report"]

FILE_WIDTH = 110
_WRONG = "bold red"
_STYLES = {REFUSED: "green", IN_PLAINTEXT: "red"}
"""By what was seen; the rest is as it should be and of no color."""
# The columns of the four tables of rules line up, and two SDKs fit into 60 columns.
_LABEL_WIDTH = 23
_LABELS_WIDTH = 31
"""A label and what the document allows."""
_SDK_WIDTH = 14
_HTTP_WIDTH = 8
_NARROW = 80


class Report:
    """Print the results as the scenarios yield them, and count the failed checks."""

    def __init__(self) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            # Frames and marks are not ASCII, and some terminals' encodings are.
            sys.stdout.reconfigure(errors="replace")
        self._console = Console(highlight=False)
        if not self._console.is_terminal:
            self._console.width = FILE_WIDTH
        self._checks: list[bool] = []
        self._status: Status | None = None
        self._title = ""
        self._calls = 0

    @contextlib.contextmanager
    def progress(self, title: str) -> Iterator[None]:
        """Show a live line on terminals: what runs, and how many calls have been made."""
        self._title = title
        with self._console.status(Text(title)) as self._status:
            yield
        self._status = None

    def count_call(self) -> None:
        """Count a call in the live line."""
        self._calls += 1
        if self._status is not None:
            line = Text(f"Call {self._calls}: {self._title}", no_wrap=True, overflow="ellipsis")
            self._status.update(line)

    def heading(self, title: str) -> None:
        """Print the title of a scenario."""
        self._title = title
        self._console.print()
        self._console.print(Text(title, style="bold"))

    def write(self, text: str) -> None:
        """Print plain text."""
        self._console.print(Text(text))

    def legend(self, lines: Iterable[tuple[str, str]]) -> None:
        """Print words and what they mean."""
        grid = rich.table.Table.grid(padding=(0, 1))
        for word, meaning in lines:
            grid.add_row(word, meaning)
        self._console.print(Padding(grid, (1, 0, 0, 0)))

    def show(self, item: Item) -> None:
        """Print one result of a scenario."""
        if isinstance(item, Excerpt):
            self._console.print(_excerpt(item, 0 if self._console.width < _NARROW else 4))
            return
        for part in item.parts(max(1, (self._console.width + 1 - _LABELS_WIDTH) // (_SDK_WIDTH + 1))):
            self._console.print(_table(part))
        for note in item.notes:
            self._console.print(Text(f"* {note}", style="red" if KEY_IN_PLAINTEXT in note else ""))
        for failure in item.failures:
            self._console.print(Text(f"✗ {failure}", style=_WRONG))
        self._checks += item.checks

    def summary(self) -> bool:
        """Print the result.

        Returns:
            Whether everything was as expected.
        """
        wrong = self._checks.count(False)
        self._console.print()
        if wrong:
            self._console.print(Text(f"{wrong} of {len(self._checks)} checks are NOT as expected.", style=_WRONG))
        else:
            self._console.print(Text(f"All {len(self._checks)} checks are as expected.", style="bold green"))
        return not wrong


def _excerpt(excerpt: Excerpt, indent: int) -> RenderableType:
    style = _STYLES[excerpt.outcome]
    title = Text(excerpt.title, style=style)
    return Padding(Panel(Text(excerpt.text), title=title, title_align="left", border_style=style), (0, 0, 0, indent))


def _table(table: Table) -> RenderableType:
    shows_demand = any(row.demand for row in table.rows)
    shown = rich.table.Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    shown.add_column(table.title, no_wrap=True, min_width=_LABEL_WIDTH)
    if shows_demand:
        shown.add_column("allows", no_wrap=True)
    sdks = [[*columns] for _, columns in groupby(table.columns, key=lambda column: column.sdk)]
    for columns in sdks:
        schemes = _side_by_side([Text(column.scheme) for column in columns])
        heading = Text(columns[0].sdk) + (Text("\n") + schemes if schemes else "")
        shown.add_column(heading, no_wrap=True, min_width=_SDK_WIDTH)
    for row in table.rows:
        cells = map(_cell, row.cells)
        by_sdk = [_side_by_side([next(cells) for _ in columns]) for columns in sdks]
        shown.add_row(row.label, *([row.demand] if shows_demand else ()), *by_sdk)
    return Padding(shown, (1 if table.title else 0, 0, 0, 0), expand=False)


def _side_by_side(cells: list[Text]) -> Text:
    """Return the cells of one SDK: one, or those for http and https, below its name."""
    first, *rest = cells
    for cell in rest:
        first.pad_right(max(1, _HTTP_WIDTH + 1 - first.cell_len))
        first.append_text(cell)
    return first


def _cell(cell: Cell) -> Text:
    if cell is None:
        return Text("-", style="dim")
    if not cell.ok:
        return Text(f"✗ {cell.outcome}", style=_WRONG)
    mark = "*" if cell.notes else ""
    return Text(cell.outcome + mark, style=_STYLES.get(cell.outcome, ""))
