"""Enforce the policy on a request: raise, report, or let it pass.

Called only for requests that may have a finding.
"""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement import reporters
from obs_sse_guard._enforcement.callsite import called_by, caller, caller_id
from obs_sse_guard._enforcement.collector import tested
from obs_sse_guard._enforcement.decision import Outcome, decide
from obs_sse_guard._enforcement.log import log_failure
from obs_sse_guard._enforcement.message import error_text
from obs_sse_guard._errors import SSETransportError
from obs_sse_guard._policy.request import normalize_host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from obs_sse_guard._enforcement.decision import Decision
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["disable", "enable", "enforce", "enforcing", "in_worker", "is_enabled", "is_judged", "refusals"]

_enabled = False

# One call passes several hooks, and each of them finds the same: it is reported once. A context variable works for
# threads and coroutines alike. A task that is started within a call inherits what was reported until then.
_calls: ContextVar[tuple[enforcing | _Inherited, ...]] = ContextVar("obs_sse_guard_calls", default=())

# The refusals since `refusals` was entered. No other reference is kept: a traceback holds the frames of the call.
_watched: ContextVar[list[SSETransportError] | None] = ContextVar("obs_sse_guard_watched", default=None)


def enable() -> None:
    """Have `enforce` judge requests."""
    global _enabled  # noqa: PLW0603  # one switch for the process, as for the classes that are hooked
    _enabled = True


def disable() -> None:
    """Have `enforce` let everything pass: a hook that cannot be removed does nothing."""
    global _enabled  # noqa: PLW0603  # see `enable`
    _enabled = False


def is_enabled() -> bool:
    """Return whether `enforce` judges requests."""
    return _enabled


def enforce(context: RequestContext) -> frozenset[str]:
    """Raise or report what the policy finds about a request.

    Returns:
        The ids of the findings that were reported.

    Raises:
        SSETransportError: the policy refuses a finding, and the mode is ``enforce``.
    """
    refusal, reported = _judge(context)
    if refusal is not None:
        raise refusal
    return reported


def is_judged(context: RequestContext, hops: Iterable[RequestContext] = ()) -> bool:
    """Return whether hooks further out have judged a request sent in plaintext.

    Args:
        context: the request.
        hops: what they have judged besides what `enforcing` is entered for.
    """
    calls = (call.context for call in _calls.get() if not call.is_over)
    return any(judged.covers(context) and _passes_the_same(judged, context) for judged in (*calls, *hops))


def _passes_the_same(judged: RequestContext, context: RequestContext) -> bool:
    """Return whether a request passes no proxy that changes what was judged.

    Trusting one proxy does not imply trusting another.
    """
    if context.proxy in ("", normalize_host(judged.proxy)):
        return True
    return not any(decision.outcome is Outcome.TRUSTED for decision in decide(judged))


def _judge(context: RequestContext) -> tuple[SSETransportError | None, frozenset[str]]:
    """Report what the policy finds about a request.

    Returns:
        The refusal, or ``None``, and the ids of the findings that were reported.
    """
    decisions = decide(context) if _enabled else []
    refused = next((decision for decision in decisions if decision.outcome is Outcome.REFUSED), None)
    if refused is not None:
        reported = _report([refused])  # before it is raised: an application may well swallow it
        return _refusal(refused), reported
    muted = _muted(context.host) if decisions else frozenset()
    return None, _report([decision for decision in decisions if decision.finding.id not in muted])


def _muted(host: str) -> frozenset[str]:
    """Return the ids of the findings that hooks further out reported about this call."""
    calls = [call for call in _calls.get() if call.reported and call.host == host]
    this_call = caller_id() if calls else 0
    return frozenset().union(*(call.reported for call in calls if call.caller_id == this_call))


def _report(decisions: list[Decision]) -> frozenset[str]:
    for decision in decisions:
        reporters.report(decision)
    if any(decision.outcome is not Outcome.ALLOWED for decision in decisions):
        try:
            decisions[0].context.sdk.after_report()
        except Exception:  # noqa: BLE001  # neither may this break a permitted call nor replace a refusal
            log_failure("check the hooks", "the decision about the call stands")
    return frozenset(decision.finding.id for decision in decisions)


def _refusal(decision: Decision) -> SSETransportError:
    error = SSETransportError(error_text(decision), decision.fields())
    watched = _watched.get()
    if watched is not None:
        watched.append(error)
    return error


class enforcing:  # noqa: N801  # reads as a statement: `with enforcing(context):`
    """Enforce the policy on a request, then mute its findings at hooks further in.

    Entering returns the ids of the findings that were reported, or raises `SSETransportError`. A class, not a
    generator: a traceback shows every frame between the application and the refusal.

    Attributes:
        context: the request.
        host: the host of the request.
        reported: the ids of the findings that were reported; none once the call has ended.
        caller_id: what `callsite.caller_id` returned for the application's call.
        is_over: whether the call has ended: a task that was started meanwhile has inherited this object.
    """

    reported: frozenset[str] = frozenset()
    caller_id = 0
    is_over = False

    def __init__(self, context: RequestContext) -> None:
        self.context = context
        self.host = context.host

    def __enter__(self) -> frozenset[str]:
        refusal, reported = _judge(self.context)
        if refusal is not None:
            raise refusal  # here, not in `enforce`: a frame less in the traceback
        if reported:
            self.caller_id, self.reported = caller_id(), reported
        self._token = _calls.set((*_calls.get(), self))
        return reported

    def __exit__(self, *_: object) -> None:
        self.reported, self.is_over = frozenset(), True
        _calls.reset(self._token)


class _Inherited:
    """What `enforcing` knows of a call, which may return before the worker is done."""

    def __init__(self, call: enforcing | _Inherited) -> None:
        self.context: RequestContext = call.context
        self.host: str = call.host
        self.reported: frozenset[str] = call.reported
        self.caller_id: int = call.caller_id
        self.is_over: bool = call.is_over


def in_worker(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that runs in a worker thread as part of this thread's call.

    A finding there has the call site of the application, and is not reported again. Nothing but that is carried over,
    and what `obs_sse_guard.testing` has set here.
    """
    calls = tuple(map(_Inherited, _calls.get()))
    known, function = caller(), tested(function)

    def work(*args: Any, **kwargs: Any) -> Any:
        token = _calls.set(calls)
        try:
            with called_by(known):
                return function(*args, **kwargs)
        finally:
            _calls.reset(token)
            for call in calls:  # a task that was started meanwhile has inherited them
                call.reported, call.is_over = frozenset(), True

    return work


@contextlib.contextmanager
def refusals() -> Iterator[Callable[[], SSETransportError | None]]:
    """Watch for a refusal that the SDK swallows between the hook and here.

    Yields:
        A function that returns the last refusal since, or ``None``.
    """
    seen: list[SSETransportError] = []
    token = _watched.set(seen)
    try:
        yield lambda: seen[-1] if seen else None
    finally:
        _watched.reset(token)
