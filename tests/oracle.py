"""What must happen to a request, told from the law alone: an oracle that shares no code with the package."""

from __future__ import annotations

from tests.law import ROWS, Row

REFUSED = "refused"
LOGGED = "logged"
SILENT = "silent"


def verdict(row: Row, scheme: str, policy: str = "documented") -> str:
    """The reaction to a request of this row in ``enforce`` mode."""
    if scheme == "https":
        return SILENT
    if scheme not in row.allowed:
        return REFUSED
    named = {row.source, row.target} != {"none"}
    if policy == "strict":
        return REFUSED if named else SILENT
    return LOGGED if carries_key(row) else SILENT


def carries_key(row: Row) -> bool:
    """Whether a customer key travels in a header of the request."""
    return "SSE-C" in (row.source, row.target)


def row_of(operation: str, source: str, target: str) -> Row | None:
    """The document's row for what is sent, if it has one."""
    return next((row for row in ROWS if row[1:4] == (operation, source, target)), None)
