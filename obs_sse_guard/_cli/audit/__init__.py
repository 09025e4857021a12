"""``obs-sse-guard audit``: summarize audit files as text, JSON or one HTML file."""

from __future__ import annotations

import contextlib
import importlib
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING

from obs_sse_guard._cli import output
from obs_sse_guard._cli.audit.summary import Summary

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

__all__ = ["run"]

STDIN = "-"
FAST_BYTES = 10_000_000
"""Size of input that is read too fast for a progress bar to be of use."""

INSTALL = "pip install 'obs-sse-guard[report]'"


def run(arguments: argparse.Namespace) -> int:
    """Summarize audit files.

    Returns:
        0, or 2 if a file cannot be read or the summary cannot be written.
    """
    try:
        summary = _read(arguments.paths)
        renderer = importlib.import_module(f"obs_sse_guard._cli.audit.{arguments.format}")
        _write(renderer.render(summary, arguments.paths), arguments.output)
    except BrokenPipeError:  # such as a pager that was quit
        output.discard()
    except OSError as error:
        if error.filename is None:
            output.discard()
        sys.stderr.write(f"{error.filename or 'cannot write the report'}: {error.strerror}\n")
        return 2
    return 0


def _read(paths: list[str]) -> Summary:
    sizes = [Path(path).stat().st_size for path in paths if path != STDIN]  # all must exist before the first is read
    summary = Summary()
    with _progress(0 if STDIN in paths else sum(sizes)) as advance:
        for path in paths:
            with _open(path) as stream:
                summary.read(stream, advance)
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
    """Show a progress bar on a terminal; ``size`` is in bytes, 0 if unknown."""
    if not sys.stderr.isatty() or 0 < size < FAST_BYTES:
        yield lambda _: None
    elif find_spec("rich") is None:
        sys.stderr.write(f"a progress bar needs rich: {INSTALL}\n")
        yield lambda _: None
    else:
        from rich.console import Console  # noqa: PLC0415  # an extra
        from rich.progress import Progress  # noqa: PLC0415

        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("reading", total=size or None)
            yield lambda more: progress.update(task, advance=more)


def _write(report: str, path: str) -> None:
    data = report.encode()
    if path:
        Path(path).write_bytes(data)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
