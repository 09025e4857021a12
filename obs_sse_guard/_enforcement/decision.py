"""One report: a finding about a request, what was done about it, and where the call came from."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.callsite import CallSite, call_site
from obs_sse_guard._policy.findings import TRUSTED_HOST, Action
from obs_sse_guard._policy.settings import Mode

if TYPE_CHECKING:
    from obs_sse_guard._policy.findings import Finding
    from obs_sse_guard._policy.request import Facts
    from obs_sse_guard._policy.settings import Settings

__all__ = ["Report", "Verdict", "attributes"]


class Verdict(Enum):
    """What was done about a finding."""

    REFUSED = "refused"
    WOULD_REFUSE = "would-refuse"
    NOTICED = "noticed"
    ALLOWED = "allowed"
    TRUSTED = "trusted"


class Report:
    """What every reporter is given.

    Attributes:
        facts: the request.
        finding: what there is to say about it.
        settings: the settings that it was judged by.
        verdict: what is done about the finding, by these settings.
    """

    def __init__(self, facts: Facts, finding: Finding, settings: Settings) -> None:
        self.facts = facts
        self.finding = finding
        self.settings = settings
        self.verdict = _verdict(finding, settings)
        self._sites: list[CallSite | None] = []

    # No functools.cached_property: up to Python 3.11 it holds a lock of all reports, and a child that is forked
    # meanwhile would wait for it for ever.
    @property
    def site(self) -> CallSite | None:
        """The application's call; walks the stack of whoever asks first, in the thread of the call."""
        if not self._sites:
            self._sites.append(call_site())
        return self._sites[0]


def _verdict(finding: Finding, settings: Settings) -> Verdict:
    action = finding.case.action(settings.policy)
    if finding is TRUSTED_HOST:
        return Verdict.TRUSTED
    if action is Action.REFUSE:
        return Verdict.REFUSED if settings.mode is Mode.ENFORCE else Verdict.WOULD_REFUSE
    return Verdict.NOTICED if action is Action.LOG else Verdict.ALLOWED


def attributes(facts: Facts) -> dict[str, Any]:
    """What the error and the log record carry of a request."""
    return {
        "sdk": facts.sdk.name,
        "operation": facts.operation,
        "scheme": facts.scheme,
        "endpoint": facts.endpoint,
        "target": facts.target,
        "source": facts.source,
        "headers": facts.headers,
    }
