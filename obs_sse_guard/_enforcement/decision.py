"""Decide: what each finding about a request comes to under the settings."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.callsite import CallSite, call_site
from obs_sse_guard._enforcement.waiting import waiting_frames
from obs_sse_guard._policy.findings import TRUSTED_HOST, Action, cannot_judge, evaluate
from obs_sse_guard._policy.overrides import by_thread, in_force, of_thread, overriding
from obs_sse_guard._policy.settings import Mode, read_settings
from obs_sse_guard._util.failure import attempt, describe_failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obs_sse_guard._policy.findings import Finding
    from obs_sse_guard._policy.request import RequestContext
    from obs_sse_guard._policy.settings import Settings

__all__ = ["Decision", "Outcome", "decide", "is_reported"]


class Outcome(Enum):
    """What a finding comes to."""

    REFUSED = "refused"
    WOULD_REFUSE = "would-refuse"
    NOTICED = "noticed"
    ALLOWED = "allowed"
    TRUSTED = "trusted"


class Decision:
    """A finding about a request, and what it comes to. Every reporter is given one.

    Attributes:
        context: the request.
        finding: what there is to report about it.
        settings: the settings that decided.
        outcome: what the finding comes to under these settings.
    """

    def __init__(self, context: RequestContext, finding: Finding, settings: Settings) -> None:
        self.context = context
        self.finding = finding
        self.settings = settings
        self.outcome = _outcome(finding, settings)
        self._sites: list[CallSite | None] = []
        self._fields: dict[str, Any] = {}

    # No functools.cached_property: up to Python 3.11 it holds one lock for all decisions, and a child that is forked
    # meanwhile would wait for it forever.
    @property
    def site(self) -> CallSite | None:
        """Where the application made the call.

        Found on the stack of the first reader, in the thread of the call.
        """
        if not self._sites:
            self._sites.append(call_site())
        return self._sites[0]

    def fields(self) -> dict[str, Any]:
        """Return what the error and the log record carry, by the error's attribute names."""
        if not self._fields:
            context = self.context
            self._fields = {
                "sdk": context.sdk.name,
                "operation": context.operation,
                "scheme": context.scheme,
                "endpoint": context.endpoint,
                "target": context.target,
                "source": context.source,
                "rule": self.finding.id,
                "headers": context.headers,
                "call": context.call,
                "call_site": str(self.site or ""),
            }
        return self._fields


def decide(context: RequestContext) -> list[Decision]:
    """Decide every finding about a request, in the order of `evaluate`.

    The settings are read only if there is a finding. With ``OBS_SSE_GUARD=off`` nothing is decided. Findings about
    plaintext do not apply to trusted hosts. If deciding fails, the only finding is ``cannot-judge``.
    """
    try:
        return _decide(context)
    except Exception:  # noqa: BLE001  # a bug of ours must break neither a permitted call nor a refusal
        failed = context._replace(failure=describe_failure())
        return [Decision(failed, cannot_judge(failed), _read_settings())]


def is_reported(context: RequestContext) -> bool:
    """Return whether a request is refused or reported, if only to the audit file."""
    return any(one.outcome is not Outcome.ALLOWED or one.settings.audit for one in decide(context))


def _decide(context: RequestContext) -> list[Decision]:
    findings = evaluate(context)
    if not findings:
        return []
    settings = _read_settings()
    if settings.mode is Mode.OFF:
        return []
    if _is_trusted(context, settings):
        findings = [TRUSTED_HOST, *evaluate(context, trusted=True)]
    return [Decision(context, finding, settings) for finding in findings]


def _read_settings() -> Settings:
    """Read the settings.

    A worker thread without overrides of its own uses those that a test has set in the thread that waits for it.
    """
    if not by_thread or in_force():
        return read_settings()
    with overriding(attempt(_override_of_waiting_thread, {})):
        return read_settings()


def _override_of_waiting_thread() -> Mapping[str, str]:
    known = (of_thread(thread) for thread, _ in waiting_frames())
    return next(filter(None, known), {})


def _is_trusted(context: RequestContext, settings: Settings) -> bool:
    # Through a proxy plaintext passes two hops, and both must be trusted.
    return not context.secure and any(settings.trusted) and all(map(settings.trusted.trusts, context.hops))


def _outcome(finding: Finding, settings: Settings) -> Outcome:
    action = finding.type.action(settings.policy)
    if finding is TRUSTED_HOST:
        return Outcome.TRUSTED
    if action is Action.REFUSE:
        return Outcome.REFUSED if settings.mode is Mode.ENFORCE else Outcome.WOULD_REFUSE
    return Outcome.NOTICED if action is Action.LOG else Outcome.ALLOWED
