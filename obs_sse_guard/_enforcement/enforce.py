"""The reaction to a finding: raise, report or let pass, by mode and policy.

Everything here runs only when there is something to say; a call without findings never
comes this far and pays for none of it.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from contextvars import ContextVar
from typing import TYPE_CHECKING, NoReturn

from obs_sse_guard._enforcement import audit as _audit
from obs_sse_guard._enforcement import log as _log
from obs_sse_guard._enforcement import telemetry as _telemetry
from obs_sse_guard._enforcement import upkeep as _upkeep
from obs_sse_guard._enforcement.decision import Report, Verdict, attributes
from obs_sse_guard._enforcement.log import logger
from obs_sse_guard._enforcement.message import message
from obs_sse_guard._errors import SSETransportError
from obs_sse_guard._policy import settings as _settings
from obs_sse_guard._policy.findings import TRUSTED_HOST, findings
from obs_sse_guard._policy.settings import Mode
from obs_sse_guard._util.once import Once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from obs_sse_guard._policy.request import Facts
    from obs_sse_guard._policy.settings import Settings

__all__ = ["announced", "armed", "bug", "logger", "react", "refusals"]

# Whether the hooks judge at all: one that could not be removed stays in place and lets everything pass.
armed = False

# One call passes several gates, and each of them sees the same thing: say it once. A context
# variable, for it is right in threads and in coroutines alike.
_said: ContextVar[frozenset[tuple[str, str]]] = ContextVar("obs_sse_guard_said", default=frozenset())

# The refusals since somebody watches. Nobody else keeps one: its traceback holds the call's frames, client and all.
_watched: ContextVar[list[SSETransportError] | None] = ContextVar("obs_sse_guard_watched", default=None)

first_bug = Once()


@contextlib.contextmanager
def announced(facts: Facts) -> Iterator[frozenset[str]]:
    """React to the facts, then mute the same findings at the gates further in.

    Yields:
        The names of the findings that were reported.

    Raises:
        SSETransportError: the request must not leave.
    """
    said = react(facts)
    token = _said.set(_said.get() | {(name, facts.host) for name in said})
    try:
        yield said
    finally:
        _said.reset(token)


@contextlib.contextmanager
def refusals() -> Iterator[Callable[[], SSETransportError | None]]:
    """Watch for a refusal that somebody between the gate and here swallows.

    Yields:
        A function that tells the last refusal since, or ``None``.
    """
    seen: list[SSETransportError] = []
    token = _watched.set(seen)
    try:
        yield lambda: seen[-1] if seen else None
    finally:
        _watched.reset(token)


def react(facts: Facts) -> frozenset[str]:
    """Raise or report what there is to say about a request.

    Returns:
        The names of the findings that were reported.

    Raises:
        SSETransportError: a finding is refused by the policy, and the mode is ``enforce``.
    """
    found = findings(facts) if armed else []
    if not found:
        return frozenset()
    settings = _settings.read()
    if settings.mode is Mode.OFF:
        return frozenset()
    if _is_trusted(facts, settings):
        found = [TRUSTED_HOST, *findings(facts, trusted=True)]
    reports = [Report(facts, finding, settings) for finding in found]
    for report in reports:
        if report.verdict is Verdict.REFUSED:
            _refuse(report)
    said = _said.get()
    return frozenset(_tell(report) for report in reports if (report.finding.name, facts.host) not in said)


def _is_trusted(facts: Facts, settings: Settings) -> bool:
    # Through a proxy the plaintext passes two hops, and both must be trusted.
    return not facts.secure and any(settings.trusted) and all(settings.trusted.trusts(hop) for hop in facts.hops)


def _refuse(report: Report) -> NoReturn:
    # Before it is raised: an application may well swallow it.
    rule = _tell(report)
    error = SSETransportError(message(report), rule=rule, **attributes(report.facts))
    watched = _watched.get()
    if watched is not None:
        watched.append(error)
    raise error


_REPORTERS = (_log, _audit, _telemetry, _upkeep)


def _tell(report: Report) -> str:
    """Tell all reporters; trouble that one has neither breaks a legal call nor stands in for a refusal."""
    for reporter in _REPORTERS:
        try:
            reporter.report(report)
        except Exception:  # noqa: BLE001, PERF203  # a bug of ours, or of what it reports to; one spares the next
            _say_trouble(f"report by {reporter.__name__}", "the verdict on the call stands")
    return report.finding.name


def bug(place: str) -> None:
    """Log a failure to judge, once per place; to be called in an ``except`` block."""
    _say_trouble(f"judge {place}", "the call goes on unguarded at this gate")


def _say_trouble(what: str, so: str) -> None:
    # The exception's own text is left out: it may quote what the guard was looking at.
    if first_bug(what):
        _, error, trace = sys.exc_info()
        where = traceback.extract_tb(trace)[-1]
        with contextlib.suppress(Exception):  # the log itself may be what fails
            logger.error(
                "obs_sse_guard could not %s (%s at %s:%s); %s. Please report this with the SDK's version.",
                what,
                type(error).__name__,
                where.name,
                where.lineno,
                so,
            )
