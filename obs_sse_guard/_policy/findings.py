"""The verdict on the facts of a request: the law's rows, and the findings beside them.

Every finding is one row here: its name, what is wrong, and what each policy does about it.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from obs_sse_guard import rules
from obs_sse_guard._policy.request import KeyPlace
from obs_sse_guard._policy.settings import Policy
from obs_sse_guard.rules import Encryption

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obs_sse_guard._policy.request import Facts

__all__ = ["TRUSTED_HOST", "Action", "Case", "Finding", "findings"]


class Action(Enum):
    """What a policy does about a finding."""

    ALLOW = "allow"
    LOG = "log"
    REFUSE = "refuse"


class Case(NamedTuple):
    """One line of the policies: a finding and what is done about it."""

    documented: Action
    strict: Action
    why: str

    def action(self, policy: Policy) -> Action:
        """What this policy does."""
        return self.strict if policy is Policy.STRICT else self.documented


ROW_DEMANDS_HTTPS = Case(Action.REFUSE, Action.REFUSE, "")  # the row says it all
ROW_ALLOWS_KEY = Case(
    Action.LOG,
    Action.REFUSE,
    "the row allows HTTP, yet the customer key crosses in clear, readable to anyone on the path",
)
ROW_ALLOWS = Case(
    Action.ALLOW, Action.REFUSE, "the row allows HTTP; the strict policy demands HTTPS wherever encryption is named"
)
SSE_OBS_ROW = Case(Action.ALLOW, Action.REFUSE, "")

CASES: dict[str, Case] = {
    "inferred-kms": Case(
        Action.REFUSE,
        Action.REFUSE,
        "this upload was begun with SSE-KMS, so that the SSE-KMS row of UploadPart speaks of each part: HTTPS only",
    ),
    "downgraded-redirect": Case(
        Action.REFUSE,
        Action.REFUSE,
        "a redirect leads from https to plaintext, which the application did not ask for, and encryption is named",
    ),
    "key-in-clear": Case(
        Action.REFUSE,
        Action.REFUSE,
        "no row of the tables speaks of this request, and the customer key would cross in clear",
    ),
    "key-misplaced": Case(
        Action.REFUSE,
        Action.REFUSE,
        "the SDK would store the customer key as user metadata, readable to everyone who may read the object, "
        "and would not encrypt",
    ),
    "kms-in-clear": Case(
        Action.LOG, Action.REFUSE, "no row of the tables speaks of this request, which names SSE-KMS over plaintext"
    ),
    "key-in-url": Case(
        Action.LOG,
        Action.REFUSE,
        "the customer key would stand in what is signed and handed on: URLs and forms end up in logs and histories",
    ),
    "cross-host-redirect": Case(Action.LOG, Action.REFUSE, "a redirect hands the customer key to another host"),
    "unverified-tls": Case(
        Action.LOG,
        Action.REFUSE,
        "the customer key travels over TLS whose certificate is not verified: whoever answers for the host can read it",
    ),
    "unverified-host": Case(
        Action.LOG,
        Action.LOG,
        "the customer key travels over TLS whose certificate is verified, but not against the host's name",
    ),
    "sse-dropped": Case(
        Action.LOG, Action.REFUSE, "the SDK silently ignores this SSE argument: the object would be stored unencrypted"
    ),
    "read-in-clear": Case(Action.LOG, Action.LOG, "the answer shows that an SSE-KMS object was read over plaintext"),
}
"""The findings outside the tables, by name."""


class Finding(NamedTuple):
    """Something to say about a request."""

    name: str
    case: Case
    row: rules.Rule | None = None

    @property
    def why(self) -> str:
        """What is wrong, in words; for a row, the row itself first."""
        return "; ".join(part for part in (self.row.text if self.row else "", self.case.why) if part)


TRUSTED_HOST = Finding("trusted-host", Case(Action.ALLOW, Action.ALLOW, "the settings trust this plaintext hop"))
"""Not a finding about the request, but that the settings excuse it."""


def named(name: str) -> Finding:
    """A finding outside the tables."""
    return Finding(name, CASES[name])


def findings(facts: Facts, *, trusted: bool = False) -> list[Finding]:
    """All there is to say about a request, the gravest first.

    Args:
        facts: the request.
        trusted: the plaintext hop is trusted; only what any transport shows is looked at.
    """
    private = facts.secure or trusted
    return [*(() if private else _in_clear(facts)), *_anywhere(facts, private=private)]


def _in_clear(facts: Facts) -> Iterator[Finding]:
    travels = facts.key is not KeyPlace.NOWHERE
    # SSE-OBS as a source never matters: no header tells the service of it.
    source = Encryption.NONE if facts.source is Encryption.SSE_OBS else facts.source
    verdict = rules.check(facts.operation, "http", target=facts.target, source=source)
    if verdict.rule is not None and not verdict.allowed:
        yield Finding(verdict.rule.id, ROW_DEMANDS_HTTPS, verdict.rule)
    elif facts.kms_upload:
        yield named("inferred-kms")
    elif travels and verdict.rule is None and facts.key is not KeyPlace.METADATA:
        yield named("key-in-clear")
    elif facts.downgraded and (travels or _names_encryption(facts)):
        yield named("downgraded-redirect")
    elif verdict.rule is not None and travels:
        yield Finding(verdict.rule.id, ROW_ALLOWS_KEY, verdict.rule)
    elif verdict.rule is not None and _names_encryption(facts):
        yield Finding(verdict.rule.id, ROW_ALLOWS, verdict.rule)
    elif facts.target is Encryption.SSE_KMS:
        yield named("kms-in-clear")
    elif Encryption.SSE_OBS in (facts.target, facts.source):
        yield from _sse_obs_row(facts)


def _sse_obs_row(facts: Facts) -> Iterator[Finding]:
    verdict = rules.check(facts.operation, "http", target=facts.target, source=facts.source, sse_obs_edition=True)
    if verdict.rule is not None and not verdict.allowed:
        yield Finding(verdict.rule.id, SSE_OBS_ROW, verdict.rule)


def _names_encryption(facts: Facts) -> bool:
    return not {facts.target, facts.source}.isdisjoint((Encryption.SSE_C, Encryption.SSE_KMS))


def _anywhere(facts: Facts, *, private: bool) -> Iterator[Finding]:
    if facts.key is KeyPlace.METADATA:
        yield named("key-misplaced")
    if private and facts.key in (KeyPlace.URL, KeyPlace.POLICY):
        yield named("key-in-url")
    if private and facts.other_host and facts.key is not KeyPlace.NOWHERE:
        yield named("cross-host-redirect")
    if facts.tls_gap and facts.key is not KeyPlace.NOWHERE:
        yield named(facts.tls_gap)
    if facts.dropped:
        yield named("sse-dropped")
    if facts.read_kms and not private:
        yield named("read-in-clear")
