"""The log: every finding that does not raise, in full the first time, then counted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from obs_sse_guard._enforcement.decision import Verdict, attributes
from obs_sse_guard._enforcement.message import VERBS, message
from obs_sse_guard._policy import settings as _settings
from obs_sse_guard._util.once import Once
from obs_sse_guard._util.throttle import Noise

if TYPE_CHECKING:
    from obs_sse_guard._enforcement.decision import Report
    from obs_sse_guard._policy.request import Facts

__all__ = ["logger", "report"]

logger = logging.getLogger("obs_sse_guard")

first_use_of_trust = Once()
noise = Noise()

_LOGGED = frozenset((Verdict.WOULD_REFUSE, Verdict.NOTICED))


def report(report: Report) -> None:
    """Log a finding; one that raises is for the caller, and one that is allowed for nobody."""
    if report.verdict is Verdict.TRUSTED:
        _log_trust(report.facts)
    elif report.verdict in _LOGGED:
        facts, finding = report.facts, report.finding
        count = noise((report.verdict, finding.name, facts.operation, facts.host, report.site))
        if count:
            _log(report, count)


def _log_trust(facts: Facts) -> None:
    if first_use_of_trust(facts.host):
        logger.warning(
            "%s sends %s over http to %s, which %s trusts; said once per host",
            facts.call,
            facts.operation,
            facts.endpoint,
            _settings.TRUSTED_HOSTS,
            extra={**attributes(facts), "rule": "trusted-host"},
        )


def _log(report: Report, count: int) -> None:
    facts, finding, settings = report.facts, report.finding, report.settings
    extra = {
        **attributes(facts),
        "rule": finding.name,
        "action": finding.case.action(settings.policy).value,
        "mode": settings.mode.value,
        "policy": settings.policy.value,
        "call_site": str(report.site) if report.site else "",
        "count": count,
    }
    said = message(report) if count == 1 else _again(report, count)
    logger.warning("%s", said, extra=extra)


def _again(report: Report, count: int) -> str:
    facts, verb = report.facts, VERBS[report.verdict]
    where = f", from {report.site}" if report.site else ""
    return (
        f"obs_sse_guard {verb} {facts.call} again: {facts.operation} over {facts.scheme} to {facts.host}{where}; "
        f"{count} times by now, {count - count // 10} of them since the last record. [{report.finding.name}]"
    )
