"""Render the report on audit files as plain text, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obs_sse_guard._cli.audit.report import TABLES, printable, time_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obs_sse_guard._cli.audit.report import Report

__all__ = ["render"]

_MAX_ROWS = 20
_HEADINGS = ("findings", "enforce", "strict", "first seen (UTC)", "last seen (UTC)")
_HOST_HEADINGS = ("findings", "processes", "version", "mode", "armed since (UTC)", "last seen (UTC)")


def render(report: Report) -> Iterator[str]:
    """Yield the headline, then tables by rule, operation, endpoint, site and host."""
    yield "\n".join(report.headline()) + "\n"
    if report.totals["findings"]:
        for table in TABLES:
            rows = ((*_numbers(row), printable(row[table])) for row in report.groups(table))
            yield _table((*_HEADINGS, f"by {table.replace('_', ' ')}"), rows)
    if report.hosts:
        yield _table((*_HOST_HEADINGS, "by host"), map(_host, report.hosts))


def _table(headings: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    shown = [headings, *(row for _, row in zip(range(_MAX_ROWS), rows))]
    widths = [max(map(len, column)) for column in zip(*shown)]
    # The last column is aligned to the left, and needs no padding.
    lines = ["  ".join([*(cell.rjust(width) for cell, width in zip(row[:-1], widths)), row[-1]]) for row in shown]
    left = sum(1 for _ in rows)
    return "\n".join(["", *lines, *([f"{left:,} more; use --format json"] if left else [])]) + "\n"


def _numbers(row: dict[str, Any]) -> tuple[str, ...]:
    counts = (f"{row[name]:,}" for name in ("findings", "enforce", "strict"))
    return (*counts, time_text(row["first"]), time_text(row["last"]))


def _host(row: dict[str, Any]) -> tuple[str, ...]:
    counts = (f"{row[name]:,}" for name in ("findings", "processes"))
    settings = (printable(row[name] or "-") for name in ("version", "mode"))
    return (*counts, *settings, time_text(row["armed_since"]), time_text(row["last_seen"]), printable(row["host"]))
