"""What a finding in an audit file means, and how to fix it with the SDK in use."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from obs_sse_guard._cli.sdks import SDKS
from obs_sse_guard._policy.findings import CATALOGUE, TRUSTED_HOST
from obs_sse_guard._policy.request import RequestContext
from obs_sse_guard._util.failure import attempt
from obs_sse_guard.rules import RULES, SSE_OBS_RULES

__all__ = ["meaning", "remedy"]

_MEANINGS = {
    **{rule.id: rule.text for rule in (*RULES, *SSE_OBS_RULES)},
    **{name: kind.why for name, kind in CATALOGUE.items()},
    TRUSTED_HOST.id: TRUSTED_HOST.why,
}


def meaning(rule: str) -> str:
    """Return what a rule or finding id means; empty if this release does not know it."""
    return _MEANINGS.get(rule, "")


def remedy(place: dict[str, Any]) -> str:
    """Return how to fix what was found at a place.

    Args:
        place: a row with ``rule``, ``operation``, ``endpoint`` and ``sdk``.
    """
    if place["rule"] == TRUSTED_HOST.id:
        return "none if the trust is intended"
    # The row may come from another release of the guard, or from a file that it did not write.
    return attempt(lambda: _advice(place), f"obs-sse-guard explain {place['rule']}")


def _advice(place: dict[str, Any]) -> str:
    known, url = SDKS[place["sdk"]], urlsplit(place["endpoint"])
    context = RequestContext(
        sdk=known.sdk,
        call="",
        operation=place["operation"],
        secure=url.scheme == "https",
        host=url.hostname or "",
        origin=known.origin,  # not what the environment or the files of this machine say
    )
    return known.sdk.advise(context, place["rule"])
