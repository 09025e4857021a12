"""``obs-sse-guard audit``: summarize the audit files of many hosts with DuckDB."""

from __future__ import annotations

import contextlib
import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from obs_sse_guard._cli import output
from obs_sse_guard._cli.audit.inputs import STDIN

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator

    from obs_sse_guard._cli.audit.report import Report

__all__ = ["run"]

INSTALL = "pip install 'obs-sse-guard[report]'"

_FAILURES: dict[str, Callable[[Report], object]] = {
    "refuse": lambda report: report.totals["refused"] or report.totals["would_refuse"] or report.totals["enforce"],
    "any": lambda report: report.totals["findings"],
    "": lambda _: False,
}
"""By the value of ``--fail-on``: whether a report is a failure."""


def run(arguments: argparse.Namespace) -> int:
    """Summarize audit files.

    Returns:
        0; 1 if ``--fail-on`` applies, an expected host never reported, a file cannot be read, or most lines are
        damaged; 2 if the arguments conflict, a library of the extra is missing, the list of hosts or every audit file
        cannot be read, a query fails, or the report cannot be written.
    """
    problem = _unusable(arguments)
    if problem:
        sys.stderr.write(f"obs-sse-guard audit: error: {problem}\n")
        return 2
    try:
        return _report(arguments)
    except BrokenPipeError:  # such as a pager that was quit
        output.discard()
        return 0
    except OSError as error:
        if error.filename is None:
            output.discard()
        sys.stderr.write(_text_of(error))
        return 2


def _text_of(error: OSError) -> str:
    return f"{error.filename or 'cannot write the report'}: {error.strerror}\n"


def _unusable(arguments: argparse.Namespace) -> str:
    """Return what is wrong with the arguments or environment; empty if nothing is."""
    if [*arguments.paths, arguments.expect].count(STDIN) > 1:
        return "standard input can be read once: give one -"
    if arguments.format == "parquet" and not arguments.output:
        return "--format parquet needs --output"
    try:
        for name in ("duckdb", "jinja2", "rich"):
            importlib.import_module(name)
    except ImportError as error:
        return f"audit needs {error.name}: {INSTALL}"
    return ""


def _report(arguments: argparse.Namespace) -> int:
    # Imported here, because they need the extra.
    from obs_sse_guard._cli.audit.report import Report  # noqa: PLC0415
    from obs_sse_guard._cli.audit.summary import SummaryError, summarize  # noqa: PLC0415

    expected = _expected_hosts(arguments.expect)
    try:
        with _progress() as show, summarize(arguments.paths, show) as summary:
            for error in summary.unreadable:
                sys.stderr.write(_text_of(error))
            report = Report(summary, arguments.paths, expected)
            if arguments.format == "parquet":
                summary.write_parquet(arguments.output)
            else:
                renderer = importlib.import_module(f"obs_sse_guard._cli.audit.{arguments.format}")
                _write(renderer.render(report), arguments.output)
    except SummaryError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    failed = report.missing or report.unreadable or report.is_mostly_damaged or _FAILURES[arguments.fail_on](report)
    return 1 if failed else 0


def _expected_hosts(path: str) -> list[str]:
    """Return the hosts listed in a file, one per line, without blanks and comments."""
    if not path:
        return []
    text = sys.stdin.read() if path == STDIN else Path(path).read_text("utf-8", "replace")
    # Editors on Windows put a byte order mark before the first line.
    lines = text.removeprefix("\ufeff").splitlines()
    return [host for host in (line.partition("#")[0].strip() for line in lines) if host]


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[float], None]]:
    """Show a progress bar on a terminal."""
    from rich.console import Console  # noqa: PLC0415  # an extra
    from rich.progress import Progress  # noqa: PLC0415

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("reading", total=100)
        yield lambda percent: progress.update(task, completed=percent)


def _write(report: Iterable[str], path: str) -> None:
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(Path(path).open("wb")) if path else sys.stdout.buffer
        sys.stdout.flush()
        for part in report:
            stream.write(part.encode())
        stream.flush()
