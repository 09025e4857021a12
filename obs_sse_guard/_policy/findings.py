"""The catalogue of findings, and which of them a request shows.

A finding is either a row of the rules that the request meets, or a problem outside the rows. `CATALOGUE` is the only
list of the latter: their ids, what is wrong, and what each policy does about it.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from obs_sse_guard import rules
from obs_sse_guard._policy.request import KeyLocation
from obs_sse_guard._policy.settings import Policy
from obs_sse_guard.rules import Encryption

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obs_sse_guard._policy.request import RequestContext

__all__ = ["CATALOGUE", "ROW_TYPES", "TRUSTED_HOST", "Action", "Finding", "FindingType", "cannot_judge", "evaluate"]


class Action(Enum):
    """What a policy does about a finding."""

    ALLOW = "allow"
    LOG = "log"
    REFUSE = "refuse"


class FindingType(NamedTuple):
    """A kind of finding.

    Attributes:
        documented: what the ``documented`` policy does about it.
        strict: what the ``strict`` policy does about it.
        why: what is wrong, as a clause.
        names_matter: whether the message lists the headers or arguments concerned.
    """

    documented: Action
    strict: Action
    why: str
    names_matter: bool = False

    def action(self, policy: Policy) -> Action:
        """Return what a policy does."""
        return self.strict if policy is Policy.STRICT else self.documented


ROW_PROTECTS_KEY = FindingType(Action.REFUSE, Action.REFUSE, "the customer key would cross the network in plaintext")
ROW_DEMANDS_HTTPS = FindingType(Action.REFUSE, Action.REFUSE, "")
ROW_ALLOWS_KEY = ROW_PROTECTS_KEY._replace(documented=Action.LOG)
ROW_ALLOWS = FindingType(Action.ALLOW, Action.REFUSE, "")
SSE_OBS_ROW = FindingType(Action.ALLOW, Action.REFUSE, "")
ROW_TYPES = (ROW_PROTECTS_KEY, ROW_DEMANDS_HTTPS, ROW_ALLOWS_KEY, ROW_ALLOWS, SSE_OBS_ROW)
"""What a row can find."""

CATALOGUE: dict[str, FindingType] = {
    "inferred-kms": FindingType(
        Action.REFUSE,
        Action.REFUSE,
        "this upload was begun with SSE-KMS, and OBS requires HTTPS for every part of it (obs_04_0108, table 2)",
    ),
    "downgraded-redirect": FindingType(
        Action.REFUSE,
        Action.REFUSE,
        "a redirect leads from HTTPS to plaintext HTTP, and the request names encryption",
    ),
    "key-in-clear": FindingType(
        Action.REFUSE,
        Action.REFUSE,
        "no row of the rules covers this request, and the customer key would cross the network in plaintext",
    ),
    "key-misplaced": FindingType(
        Action.REFUSE,
        Action.REFUSE,
        "the SDK would not encrypt with the customer key, but send it as text where it does not belong, such as in "
        "user metadata, which everyone who may read the object can read",
        names_matter=True,
    ),
    "kms-in-clear": FindingType(
        Action.LOG,
        Action.REFUSE,
        "no row of the rules covers this request, which names SSE-KMS and would cross the network in plaintext",
    ),
    "key-in-url": FindingType(
        Action.LOG,
        Action.REFUSE,
        "the customer key would become part of a signed URL or form, and these end up in logs and browser histories",
    ),
    "cross-host-redirect": FindingType(
        Action.LOG, Action.REFUSE, "a redirect would hand the customer key to another host"
    ),
    "unverified-tls": FindingType(
        Action.LOG,
        Action.REFUSE,
        "the customer key travels over TLS whose certificate is not verified, so whoever answers for the host can "
        "read it",
    ),
    "unverified-host": FindingType(
        Action.LOG,
        Action.LOG,
        "the customer key travels over TLS whose certificate is verified, but not against the host name",
    ),
    "sse-dropped": FindingType(
        Action.LOG,
        Action.REFUSE,
        "the SDK silently ignores this SSE argument, so an object that is written would be stored unencrypted",
        names_matter=True,
    ),
    "cannot-judge": FindingType(
        Action.LOG,
        Action.REFUSE,
        "the guard failed to judge the request, or cannot determine its transport",
        names_matter=True,
    ),
    "read-in-clear": FindingType(
        Action.LOG, Action.LOG, "the response shows that an object encrypted with SSE-KMS was read over plaintext HTTP"
    ),
}
"""The findings outside the rows, by id."""


class Finding(NamedTuple):
    """Something to report about a request.

    Attributes:
        id: id of the row, or a key of `CATALOGUE`.
        type: what is wrong, and what each policy does about it.
        row: the row that found it, if one did.
    """

    id: str
    type: FindingType
    row: rules.Rule | None = None

    @property
    def why(self) -> str:
        """What is wrong, in words, and the text of the row, if there is one."""
        return "; ".join(part for part in (self.type.why, self.row.text if self.row else "") if part)


TRUSTED_HOST = Finding(
    "trusted-host", FindingType(Action.ALLOW, Action.ALLOW, "the settings trust plaintext to this host")
)
"""Not a problem of the request: the settings excuse one."""


def finding(name: str) -> Finding:
    """Return a finding of the catalogue.

    Raises:
        KeyError: the catalogue has no such id.
    """
    return Finding(name, CATALOGUE[name])


def cannot_judge(context: RequestContext) -> Finding:
    """Return the finding about a request that could not be judged."""
    found = finding("cannot-judge")
    if context.secure or context.answered:
        return found._replace(type=found.type._replace(strict=Action.LOG))
    return found


def evaluate(context: RequestContext, *, trusted: bool = False) -> list[Finding]:
    """Return every finding about a request, the one about plaintext first.

    Args:
        context: the request.
        trusted: whether plaintext to its host is trusted; then only findings that apply to any transport remain.
    """
    private = context.secure or trusted
    return [*(() if private else _over_plaintext(context)), *_over_any_transport(context, private=private)]


def _over_plaintext(context: RequestContext) -> Iterator[Finding]:
    # SSE-OBS as a source never matters: no header names it to the service.
    source = Encryption.NONE if context.source is Encryption.SSE_OBS else context.source
    verdict = rules.check(context.operation, "http", target=context.target, source=source)
    if verdict.rule is not None and not verdict.allowed:
        yield Finding(verdict.rule.id, ROW_PROTECTS_KEY if context.has_key else ROW_DEMANDS_HTTPS, verdict.rule)
    elif context.kms_upload:
        yield finding("inferred-kms")
    elif context.has_key and verdict.rule is None and context.key is not KeyLocation.METADATA:
        yield finding("key-in-clear")
    elif context.downgraded and (context.has_key or _names_encryption(context)):
        yield finding("downgraded-redirect")
    elif verdict.rule is not None and context.has_key:
        yield Finding(verdict.rule.id, ROW_ALLOWS_KEY, verdict.rule)
    elif verdict.rule is not None and _names_encryption(context):
        yield Finding(verdict.rule.id, ROW_ALLOWS, verdict.rule)
    elif context.target is Encryption.SSE_KMS:
        yield finding("kms-in-clear")
    elif Encryption.SSE_OBS in (context.target, context.source):
        yield from _sse_obs_row(context)


def _sse_obs_row(context: RequestContext) -> Iterator[Finding]:
    verdict = rules.check(context.operation, "http", target=context.target, source=context.source, sse_obs_edition=True)
    if verdict.rule is not None and not verdict.allowed:
        yield Finding(verdict.rule.id, SSE_OBS_ROW, verdict.rule)


def _names_encryption(context: RequestContext) -> bool:
    return not {context.target, context.source}.isdisjoint((Encryption.SSE_C, Encryption.SSE_KMS))


def _over_any_transport(context: RequestContext, *, private: bool) -> Iterator[Finding]:
    if context.key is KeyLocation.METADATA:
        yield finding("key-misplaced")
    if private and context.key in (KeyLocation.URL, KeyLocation.POLICY):
        yield finding("key-in-url")
    if private and context.other_host and context.has_key:
        yield finding("cross-host-redirect")
    if context.tls_gap and context.has_key:
        yield finding(context.tls_gap)
    if context.dropped:
        yield finding("sse-dropped")
    if context.failure:
        yield cannot_judge(context)
    if context.read_kms and not private:
        yield finding("read-in-clear")
