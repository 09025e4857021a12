"""Summarize audit files with DuckDB. The queries are in ``audit.sql``."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from obs_sse_guard._cli.audit.inputs import find_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["COLUMNS", "PLACE", "QUERIES", "Summary", "SummaryError", "summarize"]

QUERIES = {
    name: query.strip()
    for name, query in re.findall(
        r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)",
        Path(__file__).with_name("audit.sql").read_text("utf-8"),
        re.DOTALL | re.MULTILINE,
    )
}
"""The queries, by name."""

COLUMNS = {
    **dict.fromkeys(("time", "event", "host", "mode", "version", "rule", "operation", "endpoint"), "VARCHAR"),
    **dict.fromkeys(("documented", "strict", "verdict", "sdk"), "VARCHAR"),
    "site": "STRUCT(file VARCHAR, line BIGINT, function VARCHAR)",
}
"""The columns of the table ``lines``, with their types."""

PLACE = ("rule", "operation", "endpoint", "file", "line", "function")
"""The columns that distinguish places."""

_LONGEST_LINE = 4 << 20
"""Bytes; the guard writes at most a quarter, and a thread's buffer is twice this."""
_MEMORY = "600MiB"
"""More than that is written to temporary files."""
_MAX_THREADS = 8
_REFRESH = 0.1
"""Seconds."""


class SummaryError(Exception):
    """A query failed, or its result cannot be written; the message is DuckDB's."""


class Summary:
    """What the audit files contain.

    Attributes:
        unreadable: why each file and directory that is missing in the summary cannot be read.
        totals: the rows of the queries ``totals`` and ``sites``, as one.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, unreadable: list[OSError]) -> None:
        self._connection = connection
        self.unreadable = unreadable
        self.totals: dict[str, Any] = {**next(self._rows("totals")), **next(self._rows("sites"))}

    def groups(self, *columns: str) -> Iterator[dict[str, Any]]:
        """Yield the findings grouped by these columns, those that would be refused first."""
        return self._rows("groups", ", ".join(columns))

    def hosts(self) -> Iterator[dict[str, Any]]:
        """Yield the machines that wrote a line, by name."""
        return self._rows("hosts")

    def write_parquet(self, path: str) -> None:
        """Write the tallies of places and of hosts to a Parquet file."""
        self._connection.table("tallies").write_parquet(path, compression="zstd")

    def _rows(self, name: str, columns: str = "") -> Iterator[dict[str, Any]]:
        cursor = self._connection.cursor().execute(QUERIES[name].format(columns=columns))
        names = [column[0] for column in cursor.description]
        while rows := cursor.fetchmany(1000):
            yield from (dict(zip(names, row)) for row in rows)


@contextmanager
def summarize(words: list[str], show: Callable[[float], None]) -> Iterator[Summary]:
    """Summarize audit files in bounded memory, leaving out what cannot be read.

    Args:
        words: as for ``find_files``.
        show: called from time to time with the percentage that was read.

    Raises:
        OSError: there is no audit file, or none can be read.
        SummaryError: the query failed, or its result cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="obs-sse-guard-") as scratch:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": _MEMORY,
            "preserve_insertion_order": False,
            "temp_directory": scratch,
            "threads": min(os.cpu_count() or 1, _MAX_THREADS),
        }
        with duckdb.connect(config=settings) as connection:
            unreadable: list[OSError] = []
            files = find_files(words, Path(scratch), unreadable.append)
            if not (files or unreadable):  # empty directories
                raise FileNotFoundError(errno.ENOENT, "no audit file", ", ".join(words))
            try:
                _read_files(connection, files, unreadable, show)
                yield Summary(connection, unreadable)
            except duckdb.Error as error:
                raise SummaryError(_first_line(error)) from error


def _read_files(
    connection: duckdb.DuckDBPyConnection, files: list[Path], unreadable: list[OSError], show: Callable[[float], None]
) -> None:
    """Create the table ``tallies`` from all readable files, and collect the errors.

    Raises:
        OSError: none can be read.
        duckdb.Error: the query failed, though each file by itself can be read.
    """
    if not files:
        raise unreadable[0]
    try:
        _read(connection, files, show)
    except duckdb.Error:  # about one file, and it may not say which
        errors = {file: error for file in files if (error := _reading_error(connection, file))}
        if not errors:
            raise
        unreadable += errors.values()
        _read_files(connection, [file for file in files if file not in errors], unreadable, show)


def _reading_error(connection: duckdb.DuckDBPyConnection, file: Path) -> OSError | None:
    """Return why a file cannot be read, if it cannot."""
    try:
        file.open("rb").close()  # for the reason in the system's words
        _create_view(connection, [file])
        connection.execute(f"SELECT count(*) FROM ({QUERIES['tallies']})").fetchall()  # noqa: S608  # our own
    except OSError as error:
        return error
    except duckdb.Error as error:
        return OSError(errno.EIO, _first_line(error), str(file))
    return None


def _read(connection: duckdb.DuckDBPyConnection, files: list[Path], show: Callable[[float], None]) -> None:
    _create_view(connection, files)
    # DuckDB reports its progress only if it might print it.
    connection.execute("SET enable_progress_bar_print = false; SET enable_progress_bar = true")
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(connection.execute, f"CREATE TABLE tallies AS {QUERIES['tallies']}")
        try:
            while wait([reading], _REFRESH).not_done:
                show(connection.query_progress())
        except BaseException:  # such as Ctrl-C
            connection.interrupt()
            raise
        reading.result()


def _create_view(connection: duckdb.DuckDBPyConnection, files: list[Path]) -> None:
    """Create the view ``lines``."""
    connection.read_json(
        [_pattern(file) for file in files],
        columns=COLUMNS,
        format="newline_delimited",
        ignore_errors=True,  # a line that is no JSON becomes a row of NULLs
        hive_partitioning=False,  # a folder "host=..." is no column
        maximum_object_size=_LONGEST_LINE,
    ).create_view("lines")


def _first_line(error: duckdb.Error) -> str:
    return str(error).splitlines()[0]


def _pattern(file: Path) -> str:
    """Return a file name that DuckDB does not take for a pattern."""
    return re.sub(r"([*?[])", r"[\1]", str(file))
