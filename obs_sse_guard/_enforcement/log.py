"""The logger ``obs_sse_guard``, for every finding that does not raise.

The first of a kind is logged in full. Repeats are counted, and logged ever more rarely.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from obs_sse_guard._enforcement.decision import Outcome
from obs_sse_guard._enforcement.message import headline, log_text, to_ascii
from obs_sse_guard._policy.settings import TRUSTED_HOSTS
from obs_sse_guard._util.failure import describe_failure
from obs_sse_guard._util.once import OncePerKey
from obs_sse_guard._util.throttle import Throttle

if TYPE_CHECKING:
    from obs_sse_guard._enforcement.decision import Decision

__all__ = ["log_failure", "logger", "report"]

logger = logging.getLogger("obs_sse_guard")

throttle = Throttle()
first_use_of_trust = OncePerKey()
failures = Throttle()


def report(decision: Decision) -> None:
    """Log a finding that does not raise; one that repeats, ever more rarely."""
    if decision.outcome is Outcome.TRUSTED:
        _log_trust(decision)
        return
    context = decision.context
    kind = (decision.outcome, decision.finding.id, context.operation, context.failure)
    count = throttle((*kind, context.host, decision.site))
    if count:
        _log(decision, count)


def _log_trust(decision: Decision) -> None:
    context = decision.context
    if first_use_of_trust(context.host):
        logger.warning(
            "obs_sse_guard allowed %s over http to %s, which %s trusts; logged once per host",
            to_ascii(context.operation),
            to_ascii(context.endpoint),
            TRUSTED_HOSTS,
            extra=decision.fields(),
        )


def _log(decision: Decision, count: int) -> None:
    settings = decision.settings
    extra = {
        **decision.fields(),
        "action": decision.finding.type.action(settings.policy).value,
        "mode": settings.mode.value,
        "policy": settings.policy.value,
        "count": count,
    }
    logger.warning("%s", log_text(decision) if count == 1 else _repeated(decision, count), extra=extra)


def _repeated(decision: Decision, count: int) -> str:
    site = f"; call site: {to_ascii(str(decision.site))}" if decision.site else ""
    return f"obs_sse_guard {headline(decision)}{site}; {count} occurrences, {count - count // 10} since last logged"


def log_failure(task: str, consequence: str) -> None:
    """Log a failure of the guard itself: the 1st, 10th, 100th, ... of a task.

    To be called in an ``except`` block. Not for a request that cannot be judged, which is the finding ``cannot-judge``.

    Args:
        task: what failed, as in "could not ...".
        consequence: what happens now.
    """
    count = failures(task)
    if not count:
        return
    repeated = f"; {count} occurrences, {count - count // 10} since last logged" if count > 1 else ""
    with contextlib.suppress(Exception):  # the log itself may be what fails
        logger.error(
            "obs_sse_guard could not %s (%s); %s%s. Please report this with the version of the SDK.",
            task,
            to_ascii(describe_failure()),
            consequence,
            repeated,
        )
