"""The text of the error and of log records. ASCII only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.decision import Outcome
from obs_sse_guard._policy.findings import Action
from obs_sse_guard._policy.overrides import is_overridden
from obs_sse_guard._policy.request import UNKNOWN_PROXY
from obs_sse_guard._policy.settings import MODE, POLICY, TRUSTED_HOSTS, Policy, ip_address
from obs_sse_guard._util.failure import attempt
from obs_sse_guard.rules import Encryption

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obs_sse_guard._enforcement.decision import Decision
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["REDIRECT_TO_HTTPS", "REMARK", "REPORT_FAILURE", "VERBS", "error_text", "headline", "log_text", "to_ascii"]

VERBS = {Outcome.REFUSED: "refused", Outcome.WOULD_REFUSE: "would refuse", Outcome.NOTICED: "noticed"}
"""What became of a request, for the outcomes that are reported."""


REMARK = "   "
"""What separates, in a fix, what to write from a remark about it."""

REPORT_FAILURE = "report this to the maintainers of obs-sse-guard, with the version of the SDK"
"""How to fix a failure of the guard itself."""

REDIRECT_TO_HTTPS = (
    "make the service redirect to {url}   it redirects to http://, as servers do behind a proxy that ends TLS"
)
"""How to fix a redirect to plaintext in any SDK: its endpoint is https already."""

_ARGUMENTS = {MODE: "mode", POLICY: "policy", TRUSTED_HOSTS: "trusted_hosts"}
"""Of `configure`, by the variable that each overrides."""

# What a redirect to plaintext may be found as, besides a row.
_PLAINTEXT = ("inferred-kms", "key-in-clear", "kms-in-clear", "read-in-clear")


def headline(decision: Decision) -> str:
    """Return one line that stands alone: outcome, request, destination and id."""
    fields, verb = decision.fields(), VERBS[decision.outcome]
    encryption = _encryption(decision.context)
    # A header object is made before there is a request.
    where = "" if decision.context.dropped and not decision.context.host else " over {scheme} to {endpoint}"
    return to_ascii(f"{{}} {{operation}}{{}}{where} [{{rule}}]".format(verb, encryption, **fields))


def error_text(decision: Decision) -> str:
    """Return the error's text: the headline, then lines call, why, fix, off and more."""
    lines = {
        "call": _call(decision.fields()),
        "why": _why(decision),
        "fix": _fix(decision),
        "off": _off(decision),
        "more": f"obs-sse-guard explain {decision.finding.id}",
    }
    return "\n".join([headline(decision), *(f"  {f'{name}:':5} {to_ascii(text)}" for name, text in lines.items())])


def log_text(decision: Decision) -> str:
    """Return the text of a log record: headline, call and fix in one line."""
    label = "failure" if decision.context.failure else "names"
    names = f"; {label}: {_names(decision.context)}" if decision.finding.type.names_matter else ""
    call = _call(decision.fields())
    fix, _, remark = _fix(decision).partition(REMARK)
    remark = f" ({remark})" if remark else ""
    return to_ascii(f"obs_sse_guard {headline(decision)}{names}; call: {call}; fix: {fix}{remark}")


def to_ascii(text: str) -> str:
    """Return text that any log handler can write: one line, with non-ASCII escaped."""
    return "".join(char if char.isascii() and char.isprintable() else ascii(char)[1:-1] for char in text)


def _encryption(context: RequestContext) -> str:
    if context.source is not Encryption.NONE:
        return f" from {context.source} to {context.target}"
    return f" with {context.target}" if context.target is not Encryption.NONE else ""


def _call(fields: Mapping[str, Any]) -> str:
    return ", ".join(filter(None, (fields["call"], fields["call_site"])))


def _why(decision: Decision) -> str:
    finding, context = decision.finding, decision.context
    names = f": {_names(context)}" if finding.type.names_matter else ""
    redirect = "; a redirect from https leads there" if _topic(decision) != finding.id else ""
    strict = f"; {_switch(POLICY, 'strict')} refuses it" if _only_strict_refuses(decision) else ""
    return f"{finding.why}{names}{redirect}{_unknown_proxy(decision)}{strict}"


def _only_strict_refuses(decision: Decision) -> bool:
    return decision.settings.policy is Policy.STRICT and decision.finding.type.documented is not Action.REFUSE


def _topic(decision: Decision) -> str:
    """Return the id of the finding whose fix applies.

    After a redirect to plaintext, the client's endpoint is not what to fix.
    """
    finding = decision.finding
    redirected = decision.context.downgraded and (finding.row or finding.id in _PLAINTEXT)
    return "downgraded-redirect" if redirected else finding.id


def _unknown_proxy(decision: Decision) -> str:
    context = decision.context
    if context.secure or context.proxy != UNKNOWN_PROXY or not decision.settings.trusted.trusts(context.host):
        return ""
    return "; the host is trusted, but not the proxy, which could not be determined"


def _names(context: RequestContext) -> str:
    return context.failure or ", ".join(context.headers or context.dropped)


def _fix(decision: Decision) -> str:
    # The advice looks at the SDK's version and configuration, which may fail.
    return attempt(lambda: decision.context.sdk.advise(decision.context, _topic(decision)), "use https")


def _off(decision: Decision) -> str:
    context, switches = decision.context, [f"{_switch(MODE, 'warn')} logs instead of refusing"]
    if _only_strict_refuses(decision):
        switches.append(f"{_switch(POLICY, 'documented')} {decision.finding.type.documented.value}s it")
    hops = context.hops
    if not context.secure and UNKNOWN_PROXY not in hops and all(map(_is_plausibly_trusted, hops)):
        switches.append(f"{_switch(TRUSTED_HOSTS, ','.join(hops))} trusts plaintext to this host")
    return "; ".join(switches)


def _switch(variable: str, value: str) -> str:
    """Return how to set a setting: its variable, or `configure` if that overrides it."""
    return f'configure({_ARGUMENTS[variable]}="{value}")' if is_overridden(variable) else f"{variable}={value}"


def _is_plausibly_trusted(host: str) -> bool:
    """Return whether a host may be a sidecar or a test server.

    Such a host has a private address, or a name without a dot.
    """
    address = ip_address(host)
    return "." not in host if address is None else address.is_private or address.is_link_local
