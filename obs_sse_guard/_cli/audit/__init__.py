"""``obs-sse-guard audit``: what audit files say, as text, JSON or one HTML file."""

from __future__ import annotations

import contextlib
import importlib
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING

from obs_sse_guard._cli import output as _output
from obs_sse_guard._cli.audit.summary import Summary

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

__all__ = ["run"]

STDIN = "-"
QUICK = 10_000_000
"""Bytes that are read before anybody would look for a progress bar."""

INSTALL = "pip install 'obs-sse-guard[report]'"


def run(arguments: argparse.Namespace) -> int:
    """Sum up audit files.

    Returns:
        0, or 2 where a file cannot be read or the result cannot be written.
    """
    try:
        summary = _read(arguments.paths)
        renderer = importlib.import_module(f"obs_sse_guard._cli.audit.{arguments.format}")
        _write(renderer.render(summary, arguments.paths), arguments.output)
    except BrokenPipeError:  # of a pager that was left, say
        _output.give_up()
    except OSError as error:
        if error.filename is None:
            _output.give_up()
        sys.stderr.write(f"{error.filename or 'the report'}: {error.strerror}\n")
        return 2
    return 0


def _read(paths: list[str]) -> Summary:
    sizes = [Path(path).stat().st_size for path in paths if path != STDIN]  # all are there, before the first is read
    summary = Summary()
    with _progress(0 if STDIN in paths else sum(sizes)) as done:
        for path in paths:
            with _open(path) as stream:
                summary.read(stream, done)
    return summary


@contextlib.contextmanager
def _open(path: str) -> Iterator[IO[bytes]]:
    if path == STDIN:
        yield sys.stdin.buffer
        return
    with Path(path).open("rb") as stream:
        yield stream


@contextlib.contextmanager
def _progress(size: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal; ``size`` in bytes, 0 if nobody knows."""
    if not sys.stderr.isatty() or 0 < size < QUICK:
        yield lambda _: None
    elif find_spec("rich") is None:
        sys.stderr.write(f"a progress bar needs rich: {INSTALL}\n")
        yield lambda _: None
    else:
        from rich.console import Console  # noqa: PLC0415  # of an extra
        from rich.progress import Progress  # noqa: PLC0415

        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("reading", total=size or None)
            yield lambda more: progress.update(task, advance=more)


def _write(report: str, output: str) -> None:
    data = report.encode()
    if output:
        Path(output).write_bytes(data)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
