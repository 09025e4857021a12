"""Collect what is reported, for `obs_sse_guard.testing`."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from obs_sse_guard._enforcement.message import headline
from obs_sse_guard._policy.overrides import in_force, overriding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from obs_sse_guard._enforcement.decision import Decision

__all__ = ["ReportedFinding", "collecting", "open_collectors", "report", "tested"]


class ReportedFinding(NamedTuple):
    """A finding that was refused, would have been refused, or was logged.

    Attributes:
        rule: id of the row or finding, such as ``table-1/PutObject``.
        outcome: ``refused``, ``would-refuse`` or ``noticed``.
        sdk: the distribution whose call it is about.
        operation: the operation by the OBS API's name.
        scheme: the transport, ``http`` or ``https``.
        endpoint: where the request would have gone, ``http://host:port``.
        target: encryption of the object that is written or read.
        source: encryption of the source of a copy.
        headers: names of the headers that name encryption.
        call: the SDK's method that was called.
        call_site: where the application called it, ``file:line in function``; empty where that is unknown.
        text: all of this in one line.
    """

    rule: str
    outcome: str
    sdk: str
    operation: str
    scheme: str
    endpoint: str
    target: str
    source: str
    headers: tuple[str, ...]
    call: str
    call_site: str
    text: str

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.text, self.call, self.call_site)))


_collector: ContextVar[list[ReportedFinding] | None] = ContextVar("obs_sse_guard_collector", default=None)
open_collectors: list[list[ReportedFinding]] = []
"""What is being collected; empty if nobody collects."""


@contextlib.contextmanager
def collecting() -> Iterator[list[ReportedFinding]]:
    """Collect what is reported in this thread or task, or in one without a collector."""
    found: list[ReportedFinding] = []
    token = _collector.set(found)
    open_collectors.append(found)
    try:
        yield found
    finally:
        open_collectors[:] = [other for other in open_collectors if other is not found]
        with contextlib.suppress(ValueError):  # an asynchronous fixture ends in another task than it began in
            _collector.reset(token)


def report(decision: Decision) -> None:
    """Add a finding to this context's innermost collector, or to all if it has none."""
    here = _collector.get()
    fields = decision.fields()
    found = ReportedFinding(
        outcome=decision.outcome.value,
        text=headline(decision),
        **{name: fields[name] for name in ReportedFinding._fields if name in fields},
    )
    for findings in open_collectors.copy() if here is None else (here,):
        findings.append(found)


def tested(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that runs in a worker thread under what a test has set here.

    If no test has set anything, as in production, it is the function itself.
    """
    texts, found = in_force(), _collector.get()
    if not texts and found is None:
        return function

    def work(*args: Any, **kwargs: Any) -> Any:
        token = _collector.set(found)
        try:
            with overriding(texts):
                return function(*args, **kwargs)
        finally:
            _collector.reset(token)

    return work
