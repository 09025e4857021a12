"""The reaction to a finding: raise, log or let pass, by mode and policy.

Everything here runs only when there is something to say; a call without findings never
comes this far and pays for none of it.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from obs_sse_guard import _settings
from obs_sse_guard._errors import SSETransportError
from obs_sse_guard._findings import Action, findings
from obs_sse_guard._once import Once
from obs_sse_guard._settings import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from obs_sse_guard._facts import Facts
    from obs_sse_guard._findings import Finding
    from obs_sse_guard._settings import Settings

__all__ = ["announced", "armed", "bug", "logger", "react", "refusals", "wording"]

logger = logging.getLogger("obs_sse_guard")

# Whether the hooks judge at all: one that could not be removed stays in place and lets everything pass.
armed = False

# One call passes several gates, and each of them sees the same thing: say it once. A context
# variable, for it is right in threads and in coroutines alike.
_said: ContextVar[frozenset[tuple[str, str]]] = ContextVar("obs_sse_guard_said", default=frozenset())

_last_refusal: ContextVar[SSETransportError | None] = ContextVar("obs_sse_guard_last_refusal", default=None)


first_use_of_trust = Once()
first_bug = Once()


@contextlib.contextmanager
def announced(facts: Facts) -> Iterator[frozenset[str]]:
    """React to the facts, then mute the same findings at the gates further in.

    Yields:
        The names of the findings that were logged.

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
    token = _last_refusal.set(None)
    try:
        yield _last_refusal.get
    finally:
        _last_refusal.reset(token)


def react(facts: Facts) -> frozenset[str]:
    """Raise or log what there is to say about a request.

    Returns:
        The names of the findings that were logged.

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
        _log_trust(facts)
        found = findings(facts, trusted=True)
    actions = {finding: finding.case.action(settings.policy) for finding in found}
    if settings.mode is Mode.ENFORCE:
        _raise_first(facts, [finding for finding in found if actions[finding] is Action.REFUSE], settings)
    return frozenset(
        _log(facts, finding, action, settings)
        for finding, action in actions.items()
        if action is not Action.ALLOW and (finding.name, facts.host) not in _said.get()
    )


def _is_trusted(facts: Facts, settings: Settings) -> bool:
    return not facts.secure and all(settings.trusted.trusts(hop) for hop in _hops(facts))


def _hops(facts: Facts) -> tuple[str, ...]:
    # Through a proxy the plaintext passes two hops, and both must be trusted.
    return (facts.host, facts.proxy) if facts.proxy else (facts.host,)


def _log_trust(facts: Facts) -> None:
    if first_use_of_trust(facts.host):
        logger.warning(
            "%s sends %s over http to %s, which %s trusts; said once per host",
            facts.call,
            facts.operation,
            facts.endpoint,
            _settings.TRUSTED_HOSTS,
            extra={**_fields(facts), "rule": "trusted-host"},
        )


def _raise_first(facts: Facts, refused: list[Finding], settings: Settings) -> None:
    if refused:
        error = SSETransportError(wording(facts, refused[0], settings), rule=refused[0].name, **_fields(facts))
        _last_refusal.set(error)
        raise error


def _log(facts: Facts, finding: Finding, action: Action, settings: Settings) -> str:
    extra = {
        **_fields(facts),
        "rule": finding.name,
        "action": action.value,
        "mode": settings.mode.value,
        "policy": settings.policy.value,
    }
    logger.warning("%s", wording(facts, finding, settings), extra=extra)
    return finding.name


def _fields(facts: Facts) -> dict[str, Any]:
    return {
        "sdk": facts.sdk.name,
        "operation": facts.operation,
        "scheme": facts.scheme,
        "endpoint": facts.endpoint,
        "target": facts.target,
        "source": facts.source,
        "headers": facts.headers,
    }


def wording(facts: Facts, finding: Finding, settings: Settings) -> str:
    """What is said of a finding: to the caller who is refused, else to the log."""
    if finding.case.action(settings.policy) is not Action.REFUSE:
        return _message("noticed", facts, finding, settings)
    verb = "refused" if settings.mode is Mode.ENFORCE else "would refuse"
    return _message(verb, facts, finding, settings)


def _message(verb: str, facts: Facts, finding: Finding, settings: Settings) -> str:
    target = f" with {facts.target}" if facts.target.value != "none" else ""
    source = f" from a source with {facts.source}" if facts.source.value != "none" else ""
    names = f" (names: {', '.join(facts.headers or facts.dropped)})" if facts.headers or facts.dropped else ""
    strict = f" under {_settings.POLICY}=strict" if settings.policy is _settings.Policy.STRICT else ""
    return (
        f"obs_sse_guard {verb} {facts.call}{strict}: {facts.operation}{target}{source} "
        f"over {facts.scheme} to {facts.endpoint}{names}. "
        f"Why: {finding.why}. "
        f"Fix: {facts.sdk.advise(facts, finding.name)}. "
        f"Switch: {_switch(facts)}. [{finding.name}]"
    )


def _switch(facts: Facts) -> str:
    live = f"{_settings.MODE}=warn logs instead of refusing, {_settings.MODE}=off is silent"
    trust = "" if facts.secure else f"; {_settings.TRUSTED_HOSTS}={','.join(_hops(facts))} trusts this plaintext hop"
    return live + trust


def bug(place: str) -> None:
    """Log a failure of the guard itself, once per place; to be called in an ``except`` block.

    The exception's own text is left out: it may quote what the guard was looking at.
    """
    if first_bug(place):
        kind, _, trace = sys.exc_info()
        where = traceback.extract_tb(trace)[-1]
        logger.error(
            "obs_sse_guard could not judge %s (%s at %s:%s); the call goes on unguarded at this gate. "
            "Please report this with the SDK's version.",
            place,
            getattr(kind, "__name__", kind),
            where.name,
            where.lineno,
        )
