"""What a report shows, whatever its format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obs_sse_guard._cli.audit.remedies import remedy
from obs_sse_guard._cli.audit.summary import PLACE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obs_sse_guard._cli.audit.summary import Summary

__all__ = ["NO_SITE", "TABLES", "Report", "count_of", "printable", "time_text"]

NO_SITE = "(a thread or task of the SDK)"

TABLES = {
    "rule": ("rule",),
    "operation": ("operation",),
    "endpoint": ("endpoint",),
    "call_site": ("file", "line", "function"),
}
"""What findings are grouped by, with the columns of each."""

_MAX_PATHS = 3


class Report:
    """The summary of audit files, arranged for a reader.

    Attributes:
        paths: the files, as the user named them.
        totals: how many findings, and how many of them each policy refuses.
        hosts: the machines that wrote a line.
        missing: the expected machines that did not.
        unreadable: the files and directories that could not be read.
        is_mostly_damaged: whether more than half of the lines are damaged.
    """

    def __init__(self, summary: Summary, paths: list[str], expected: list[str]) -> None:
        self._summary = summary
        self.paths = paths
        self.totals = summary.totals
        self.hosts = list(summary.hosts())
        seen = {_comparable(host["host"]) for host in self.hosts}
        self.unreadable = [str(error.filename) for error in summary.unreadable]
        self.missing = [host for host in dict.fromkeys(expected) if _comparable(host) not in seen]
        lines = self.totals["findings"] + self.totals["armed"] + self.totals["damaged"]
        self.is_mostly_damaged = 2 * self.totals["damaged"] > lines

    def groups(self, table: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of one of `TABLES`."""
        return map(_described, self._summary.groups(*TABLES[table]))

    def places(self) -> Iterator[dict[str, Any]]:
        """Yield every place, with its remedy."""
        return ({**_described(row), "remedy": remedy(row)} for row in self._summary.groups(*PLACE))

    def headline(self) -> list[str]:
        """Return what an operator asks first, one answer per line."""
        totals = self.totals
        names = ", ".join(map(printable, self.paths[:_MAX_PATHS]))
        more = f" and {len(self.paths) - _MAX_PATHS:,} more" if len(self.paths) > _MAX_PATHS else ""
        span = f", {time_text(totals['first'])} to {time_text(totals['last'])} UTC" if totals["findings"] else ""
        return [
            f"{count_of(totals['findings'], 'finding')} in {names}{more}{span}",
            *(f"{policy} would refuse {totals[policy]:,}, from {self.call_sites(policy)}" for policy in _POLICIES),
            *([f"already refused: {totals['refused']:,}"] if totals["refused"] else []),
            *self.remarks(),
        ]

    def remarks(self) -> list[str]:
        """Return what else there is to know, one answer per line."""
        processes, damaged, unreadable = self.totals["armed"], self.totals["damaged"], len(self.unreadable)
        hosts = sum(host["armed_since"] is not None for host in self.hosts)
        missing = ", ".join(map(printable, self.missing))
        most = ", most of the input" if self.is_mostly_damaged else ""
        return [
            *([f"armed: {count_of(processes, 'process', 'es')} on {count_of(hosts, 'host')}"] if processes else []),
            *([f"never reported: {missing}"] if missing else []),
            *([f"skipped: {count_of(unreadable, 'unreadable file')}"] if unreadable else []),
            *([f"skipped: {count_of(damaged, 'damaged line')}{most}"] if damaged else []),
        ]

    def call_sites(self, policy: str) -> str:
        """Return how many call sites a policy would refuse, in words."""
        unknown = self.totals[f"{policy}_unknown"]
        besides = f" and {count_of(unknown, 'call')} in threads or tasks of the SDK" if unknown else ""
        return f"{count_of(self.totals[f'{policy}_sites'], 'call site')}{besides}"


_POLICIES = ("enforce", "strict")


def _comparable(host: str) -> str:
    return host.lower().rstrip(".")


def _described(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with its call site, if it has one, on one line."""
    shown = {name: value for name, value in row.items() if name not in ("file", "line", "function", "sdk")}
    if "file" not in row:
        return shown
    site = NO_SITE if row["file"] is None else f"{row['file']}:{row['line']} in {row['function']}"
    return {**shown, "call_site": site}


def count_of(count: int, noun: str, plural: str = "s") -> str:
    """Return a number with its noun, in the singular or plural."""
    return f"{count:,} {noun}{'' if count == 1 else plural}"


def time_text(time: str | None) -> str:
    """Return the time of an audit line, to the second; a dash if there is none."""
    return time[:19].replace("T", " ") if time else "-"


def printable(text: object) -> str:
    """Return untrusted text with unprintable characters, such as controls, escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(text))
