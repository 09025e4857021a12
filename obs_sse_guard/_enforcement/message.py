"""What the guard says of a finding: to the caller as an error, and to the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obs_sse_guard._enforcement.decision import Verdict
from obs_sse_guard._policy import settings as _settings

if TYPE_CHECKING:
    from obs_sse_guard._enforcement.decision import Report
    from obs_sse_guard._policy.request import Facts

__all__ = ["VERBS", "message"]


VERBS = {Verdict.REFUSED: "refused", Verdict.WOULD_REFUSE: "would refuse", Verdict.NOTICED: "noticed"}
"""What is done about a finding that something is said of."""


def message(report: Report) -> str:
    """The whole of it: what, where, why, and how to mend it or switch it off; the id comes last."""
    facts, finding, settings = report.facts, report.finding, report.settings
    target = f" with {facts.target}" if facts.target.value != "none" else ""
    source = f" from a source with {facts.source}" if facts.source.value != "none" else ""
    names = f" (names: {', '.join(facts.headers or facts.dropped)})" if facts.headers or facts.dropped else ""
    strict = f" under {_settings.POLICY}=strict" if settings.policy is _settings.Policy.STRICT else ""
    return (
        f"obs_sse_guard {VERBS[report.verdict]} {facts.call}{strict}: {facts.operation}{target}{source} "
        f"over {facts.scheme} to {facts.endpoint}{names}. "
        f"Why: {finding.why}. "
        f"Fix: {facts.sdk.advise(facts, finding.name)}. "
        f"Switch: {_switch(facts)}. [{finding.name}]"
    )


def _switch(facts: Facts) -> str:
    live = f"{_settings.MODE}=warn logs instead of refusing, {_settings.MODE}=off is silent"
    trust = "" if facts.secure else f"; {_settings.TRUSTED_HOSTS}={','.join(facts.hops)} trusts this plaintext hop"
    return live + trust
