"""The reporters: what each decision is reported to."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from obs_sse_guard._enforcement import audit, collector, log, telemetry
from obs_sse_guard._enforcement.armed import armed
from obs_sse_guard._enforcement.decision import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from obs_sse_guard._enforcement.decision import Decision

__all__ = ["REPORTERS", "report"]


class Reporter(NamedTuple):
    """One reporter.

    Attributes:
        name: what it reports to.
        wants: returns whether a decision is to be reported.
        report: reports it.
    """

    name: str
    wants: Callable[[Decision], bool]
    report: Callable[[Decision], None]


# A refusal is raised instead, and an allowed request is not worth a record.
_LOGGED = frozenset((Outcome.WOULD_REFUSE, Outcome.NOTICED, Outcome.TRUSTED))
_FOUND = frozenset((Outcome.REFUSED, Outcome.WOULD_REFUSE, Outcome.NOTICED))

REPORTERS = (
    Reporter("log", lambda decision: decision.outcome in _LOGGED, log.report),
    # First, for a process that was forked, or had no audit file when its SDK was hooked.
    Reporter(
        "audit file", lambda decision: bool(decision.settings.audit), lambda decision: armed.report(decision.settings)
    ),
    Reporter("audit file", lambda decision: bool(decision.settings.audit), audit.report),
    Reporter(
        "telemetry",
        lambda decision: decision.outcome is not Outcome.ALLOWED and "opentelemetry" in sys.modules,
        telemetry.report,
    ),
    Reporter(
        "collector",
        lambda decision: bool(collector.open_collectors) and decision.outcome in _FOUND,
        collector.report,
    ),
)


def report(decision: Decision) -> None:
    """Report a decision to every reporter that wants it.

    A reporter that fails neither breaks a permitted call nor replaces a refusal.
    """
    for reporter in REPORTERS:
        try:
            if reporter.wants(decision):
                reporter.report(decision)
        except Exception:  # noqa: BLE001, PERF203  # the failure of one reporter spares the next
            log.log_failure(f"report to the {reporter.name}", "the decision about the call stands")
