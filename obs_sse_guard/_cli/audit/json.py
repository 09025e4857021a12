"""Render the report on audit files as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from obs_sse_guard._cli.audit.report import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from obs_sse_guard._cli.audit.report import Report

__all__ = ["render"]


def render(report: Report) -> Iterator[str]:
    """Yield the whole report row by row, because there may be millions of rows."""
    totals = dict(report.totals)
    sites = {policy: totals.pop(f"{policy}_sites") for policy in ("enforce", "strict")}
    unknown = {policy: totals.pop(f"{policy}_unknown") for policy in ("enforce", "strict")}
    head = {
        "files": report.paths,
        **totals,
        "call_sites": sites,
        "without_call_site": unknown,
        "missing_hosts": report.missing,
        "unreadable": report.unreadable,
        "hosts": report.hosts,
    }
    yield json.dumps(head, indent=2)[: -len("\n}")]
    for table in TABLES:
        yield from _rows(f"by_{table}", report.groups(table))
    yield from _rows("places", report.places())
    yield "\n}\n"


def _rows(name: str, rows: Iterable[object]) -> Iterator[str]:
    yield f',\n  "{name}": ['
    separator = "\n    "
    for row in rows:
        yield separator + json.dumps(row)
        separator = ",\n    "
    yield "\n  ]"
