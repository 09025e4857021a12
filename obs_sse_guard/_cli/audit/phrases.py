"""Phrases that the reports on audit files share, whatever their format."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obs_sse_guard._cli.audit.summary import Summary

__all__ = ["call_sites", "count_of", "headline", "printable", "time_text"]

_MAX_PATHS = 3


def headline(summary: Summary, paths: list[str]) -> list[str]:
    """Return what an operator asks first, one answer per line."""
    total = summary.total()
    names = ", ".join(printable(path) for path in paths[:_MAX_PATHS])
    more = f" and {len(paths) - _MAX_PATHS:,} more" if len(paths) > _MAX_PATHS else ""
    span = f", {time_text(total.first)} to {time_text(total.last)} UTC" if total.findings else ""
    lines = [f"{count_of(total.findings, 'finding')} in {names}{more}{span}"]
    for policy, refused in (("enforce", total.enforce), ("strict", total.strict)):
        lines.append(f"{policy} would refuse {refused:,}, from {call_sites(summary, policy)}")
    if total.refused:
        lines.append(f"already refused: {total.refused:,}")
    if summary.damaged:
        lines.append(f"skipped: {count_of(summary.damaged, 'damaged line')}")
    if not summary.is_complete:
        lines.append("too many places to list: the rest is counted as (others)")
    return lines


def call_sites(summary: Summary, policy: str) -> str:
    """Return how many call sites a policy would refuse, in words."""
    least = "" if summary.is_complete else "at least "
    unknown = summary.without_call_site(policy)
    besides = f" and {count_of(unknown, 'call')} in threads or tasks of the SDK" if unknown else ""
    return f"{least}{count_of(summary.call_sites(policy), 'call site')}{besides}"


def count_of(count: int, noun: str) -> str:
    """Return a number with its noun, in the singular or plural."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def time_text(time: str) -> str:
    """Return the time of an audit line, to the second."""
    return time[:19].replace("T", " ")


def printable(text: str) -> str:
    """Return untrusted text with escapes for what would move the cursor or change the writing direction."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
