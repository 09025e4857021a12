"""Render the audit report as one self-contained HTML file, light and dark."""

from __future__ import annotations

import base64
import hashlib
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from obs_sse_guard._cli.audit.remedies import meaning
from obs_sse_guard._cli.audit.report import TABLES, printable, time_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from obs_sse_guard._cli.audit.report import Report

__all__ = ["FINDINGS_PAGE", "render"]

FINDINGS_PAGE = ""
"""URL of the published docs/findings.md; if empty, links stay within the report."""

_FOLDER = Path(__file__).parent
_MAX_ROWS = 1000


def render(report: Report) -> Iterator[str]:
    """Yield the page in parts."""
    environment = jinja2.Environment(
        autoescape=True,
        loader=jinja2.FileSystemLoader(_FOLDER),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_untrusted,
    )
    environment.filters.update(time=time_text, number="{:,}".format)
    script = environment.get_template("report.js").render()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("report.html").generate(
        report=report,
        places=_first(report.places()),
        hosts=_first(report.hosts),
        tables={table: _first(report.groups(table)) for table in TABLES},
        meaning=meaning,
        findings_page=FINDINGS_PAGE,
        script_hash=digest,
    )


def _first(rows: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """Return the first rows, and how many are left out."""
    iterator = iter(rows)
    return list(islice(iterator, _MAX_ROWS)), sum(1 for _ in iterator)


def _untrusted(value: object) -> object:
    """Return text that is safe to show; what is markup already stays so."""
    return printable(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
