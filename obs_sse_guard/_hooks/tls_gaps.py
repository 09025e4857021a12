"""TLS that proves less than it seems to: said once per client, for each of its requests would say it again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from obs_sse_guard._policy import settings as _settings

if TYPE_CHECKING:
    from obs_sse_guard._policy.request import Facts

__all__ = ["note_gap", "unsaid_gap"]

_NOTICED = "_obs_sse_guard_tls_noticed"


def unsaid_gap(client: Any, gap: str) -> str:
    """The gap, or nothing where it was said of this client and no change of the policy matters since."""
    noticed = vars(client).get(_NOTICED)
    # Of a name that is not checked the notice is the gap itself: not asked for then, for that is on the hot path.
    return "" if noticed == gap or noticed == _notice(gap) else gap


def note_gap(client: Any, facts: Facts, said: frozenset[str]) -> None:
    """Note that the gap was said; not under strict, where it is a refusal, which warn mode says every time."""
    if facts.tls_gap in said and _settings.read().policy is not _settings.Policy.STRICT:
        vars(client)[_NOTICED] = _notice(facts.tls_gap)


def _notice(gap: str) -> str:
    # No policy refuses a name that is not checked, and the environment is dear to read at every call.
    return gap if gap == "unverified-host" else f"{gap}, {_settings.POLICY}={os.environ.get(_settings.POLICY, '')}"
