"""The upkeep of the hooks: when a finding is reported, whoever placed them looks whether they are still there.

A reporter like the log, so that the reaction need not know who places hooks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from obs_sse_guard._enforcement.decision import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from obs_sse_guard._enforcement.decision import Report

__all__ = ["report", "watchers"]

watchers: list[Callable[[], None]] = []


def report(report: Report) -> None:
    """Have the hooks looked after; a call that is allowed does not pay for that."""
    if report.verdict is not Verdict.ALLOWED:
        for look in watchers:
            look()
