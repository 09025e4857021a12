"""What the reports on audit files say in words, whatever their format."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obs_sse_guard._cli.audit.summary import Summary

__all__ = ["headline", "moment", "number", "printable", "sites"]

_SHOWN_PATHS = 3


def headline(summary: Summary, paths: list[str]) -> list[str]:
    """The answers that an operator asks for, one each line."""
    total = summary.total()
    named = ", ".join(printable(path) for path in paths[:_SHOWN_PATHS])
    more = f" and {len(paths) - _SHOWN_PATHS:,} more" if len(paths) > _SHOWN_PATHS else ""
    span = f", {moment(total.first)} to {moment(total.last)} UTC" if total.findings else ""
    lines = [f"{number(total.findings, 'finding')} in {named}{more}{span}"]
    for policy, refused in (("enforce", total.enforce), ("strict", total.strict)):
        lines.append(f"{policy} would refuse {refused:,}, from {sites(summary, policy)}")
    if total.refused:
        lines.append(f"refused already: {total.refused:,}")
    if summary.damaged:
        lines.append(f"skipped: {number(summary.damaged, 'damaged line')}")
    if not summary.is_whole:
        lines.append("more places than are told apart: the rest is counted as (others)")
    return lines


def sites(summary: Summary, policy: str) -> str:
    """How many call sites a policy would break."""
    least = "" if summary.is_whole else "at least "
    homeless = summary.homeless(policy)
    beside = f" and {number(homeless, 'call')} in the SDK's own threads or tasks" if homeless else ""
    return f"{least}{number(summary.breaking(policy), 'call site')}{beside}"


def number(count: int, noun: str) -> str:
    """A number of things."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def moment(time: str) -> str:
    """A time of an audit line, to the second."""
    return time[:19].replace("T", " ")


def printable(text: str) -> str:
    """A stranger's text for a screen: what would move the cursor or turn the writing round is spelled out."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
