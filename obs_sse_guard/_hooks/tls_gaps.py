"""Find what TLS does not verify, to be reported once per client.

Otherwise every request of a client would report it again.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING, Any

from obs_sse_guard._policy.overrides import setting
from obs_sse_guard._policy.settings import POLICY, Policy, read_settings
from obs_sse_guard._util.weak import WeakNotes

if TYPE_CHECKING:
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["context_gap", "mark_reported", "unreported_context_gap", "unreported_gap"]

# Counted from the end: gevent and truststore replace ssl.SSLContext with a subclass.
_PLAIN_CONTEXT, _PLAIN_BASE = ssl.SSLContext.__mro__[-3:-1]
# The attribute of a plain context as an int: this is on the hot path, and ssl makes an enum member at each access.
_verify_mode = vars(_PLAIN_BASE)["verify_mode"].__get__

_reported: WeakNotes[str] = WeakNotes()


def context_gap(context: Any) -> str:
    """Return the id of the gap that a TLS context has now; empty if it has none.

    Args:
        context: an `ssl.SSLContext`, or what takes its place; ``None`` stands for the default of `http.client`.
    """
    if context is None:
        return ""
    mode = _verify_mode(context) if type(context) is _PLAIN_CONTEXT else context.verify_mode
    if mode == 0:  # ssl.CERT_NONE
        return "unverified-tls"
    return "" if context.check_hostname else "unverified-host"


def unreported_context_gap(client: Any, context: Any) -> str:
    """Return `context_gap`, or nothing if already reported; see `unreported_gap`."""
    if _reported.get(client) == "unverified-host" and type(context) is _PLAIN_CONTEXT and _verify_mode(context):
        return ""  # the hot path
    gap = context_gap(context)
    return gap and unreported_gap(client, gap)


def unreported_gap(client: Any, gap: str) -> str:
    """Return the gap, or nothing if reported for this client under the same policy.

    Args:
        client: the object that has the TLS settings.
        gap: id of the finding.
    """
    noted = _reported.get(client)
    # For "unverified-host" the note is the gap itself, and no setting is read: this is on the hot path.
    return "" if noted is not None and (noted == gap or noted == _note(gap)) else gap


def mark_reported(client: Any, context: RequestContext, reported: frozenset[str]) -> None:
    """Note that the gap was reported, so that it is not reported again.

    Not under ``strict``, which refuses it, so that ``warn`` mode logs it every time.

    Args:
        client: the object that has the TLS settings.
        context: the request that showed the gap.
        reported: ids of the findings that were reported about it.
    """
    if context.tls_gap in reported and read_settings().policy is not Policy.STRICT:
        with contextlib.suppress(TypeError):  # cannot be referenced weakly: reported every time
            _reported.set(client, _note(context.tls_gap))


def _note(gap: str) -> str:
    # No policy refuses a host name that is not checked, and the environment is expensive to read at every call.
    return gap if gap == "unverified-host" else f"{gap}, {POLICY}={setting(POLICY)}"
