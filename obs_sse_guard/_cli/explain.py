"""``obs-sse-guard explain``: explain an id, or how each policy treats a request."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import sys
from typing import TYPE_CHECKING

from obs_sse_guard._cli import examples, output, sample
from obs_sse_guard._cli.sdks import MAIN_SDKS, SDKS
from obs_sse_guard._enforcement.decision import Decision
from obs_sse_guard._enforcement.message import error_text, log_text
from obs_sse_guard._policy.findings import CATALOGUE, TRUSTED_HOST, Action, Finding, FindingType, evaluate
from obs_sse_guard._policy.request import KeyLocation
from obs_sse_guard._policy.settings import Policy, Settings
from obs_sse_guard.rules import PAGE, PAGE_TITLE, RULES, SSE_OBS_RULES, Encryption, Operation, check

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from obs_sse_guard._policy.request import RequestContext
    from obs_sse_guard.rules import Rule

__all__ = ["run"]

_RULES = {rule.id: rule for rule in (*RULES, *SSE_OBS_RULES)}
_FINDINGS = {**{name: Finding(name, kind) for name, kind in CATALOGUE.items()}, TRUSTED_HOST.id: TRUSTED_HOST}
_COPIES = tuple(dict.fromkeys(rule.operation for rule in RULES if rule.is_copy))
_REQUIRED = ("operation", "target", "scheme")
_OUTCOMES = {
    Action.ALLOW: "allowed, nothing is logged",
    Action.LOG: "sent and logged",
    Action.REFUSE: "refused, nothing is sent",
}
_SEVERITY = (*_OUTCOMES,)
_ALWAYS_ALLOWED = FindingType(Action.ALLOW, Action.ALLOW, "")
# The other main SDKs cannot have it; botocore only if the application changes its TLS context.
_FOUND_IN = {
    "sse-dropped": ("esdk-obs-python", "huaweicloudsdkobs"),
    "unverified-host": ("esdk-obs-python", "huaweicloudsdkobs", "minio"),
}
_WITH_EXAMPLES = ("esdk-obs-python", "boto3")


class UsageError(Exception):
    """The arguments make no sense together."""


class _SampleDecision(Decision):
    """A decision about a sample request, which no application makes."""

    @property
    def site(self) -> None:
        return None


def run(arguments: argparse.Namespace) -> int:
    """Explain an id or a request.

    Returns:
        0 whatever the policies do, 2 if there is no such id or request.
    """
    try:
        _check(arguments)
        _import_sdk()
        text = _explain_id(arguments.id, arguments.sdk) if arguments.id else _explain_request(_request(arguments))
    except UsageError as error:
        sys.stderr.write(f"obs-sse-guard explain: error: {error}\n")
        return 2
    output.text(text)
    return 0


def _check(arguments: argparse.Namespace) -> None:
    given = [name for name in (*_REQUIRED, "source") if getattr(arguments, name)]
    missing = [f"--{name}" for name in _REQUIRED if name not in given]
    if arguments.id and given:
        message = "give either an ID or a request, not both"
    elif not arguments.id and missing:
        either = "ID, or " if not given else ""
        message = f"the following arguments are required: {either}{', '.join(missing)}"
    else:
        return
    raise UsageError(message)


def _import_sdk() -> None:
    # The fix depends on the release in use, if any.
    with contextlib.suppress(Exception), contextlib.redirect_stdout(sys.stderr):
        importlib.import_module("obs.const")


def _columns(rows: Iterable[tuple[str, str]], width: int) -> str:
    return "\n".join(f"{name:{width}} {value}" for name, value in rows)


# --- an id ----------------------------------------------------------------------------------


def _explain_id(name: str, sdk: str | None) -> str:
    """Return the explanation of an id: cause, policies, examples, remedies and docs.

    Args:
        name: its id.
        sdk: the SDK whose terms the message uses; the main ones by default.
    """
    known = _known(name)
    rule = _RULES.get(known)
    rows = _rule_rows(rule, sdk) if rule else _finding_rows(_FINDINGS[known], sdk)
    return _columns([("id", known), *rows, ("docs", f"docs/findings.md#{known}")], 10)


def _rule_rows(rule: Rule, sdk: str | None) -> Iterator[tuple[str, str]]:
    context = sample.request(rule.operation, "http", rule.target, rule.source)
    finding = next(iter(evaluate(context)), Finding(rule.id, _ALWAYS_ALLOWED, rule))
    # For SSE-OBS, which only later rules know, the guard may go by another rule or by a finding.
    is_own = finding.row is rule
    yield "cause", finding.why if is_own else rule.text
    for policy in Policy:
        action = finding.type.action(policy)
        other = "" if is_own or action is Action.ALLOW else f" [{finding.id}]"
        yield policy.value, f"over http: {_OUTCOMES[action]}{other}"
    for name in [sdk] if sdk else _WITH_EXAMPLES:
        if name == "esdk-obs-python" or SDKS[name].is_s3:
            example = examples.row_example(rule, is_s3=SDKS[name].is_s3)
            yield "example", f"{name}: {example or 'it has no parameter for this encryption'}"
    yield from _remedies(context, finding, sdk)
    yield "page", _page(rule)


def _finding_rows(finding: Finding, sdk: str | None) -> Iterator[tuple[str, str]]:
    yield "cause", finding.why
    for policy in Policy:
        action = finding.type.action(policy)
        yield policy.value, _OUTCOMES[action] if finding is not TRUSTED_HOST else "sent, and logged once per host"
    for name, example in zip(_WITH_EXAMPLES, examples.FINDINGS.get(finding.id, ())):
        if example and sdk in (None, name):
            yield "example", f"{name}: {example}"
    yield from _remedies(sample.request(Operation.PUT_OBJECT, "http", Encryption.SSE_C), finding, sdk)


def _known(name: str) -> str:
    by_lower = {known.lower(): known for known in (*_RULES, *_FINDINGS)}
    wanted = name.strip("[] ").lower()
    if wanted in by_lower:
        return by_lower[wanted]
    nearest = [by_lower[close] for close in difflib.get_close_matches(wanted, by_lower)]
    hint = f"did you mean {', '.join(nearest)}?" if nearest else f"known are {', '.join(_FINDINGS)}, and the rules"
    message = f"unknown id {name!a}; {hint}"
    raise UsageError(message)


def _remedies(context: RequestContext, finding: Finding, sdk: str | None) -> Iterator[tuple[str, str]]:
    if all(finding.type.action(policy) is Action.ALLOW for policy in Policy):
        return
    for name in [sdk] if sdk else _FOUND_IN.get(finding.id, MAIN_SDKS):
        known = SDKS[name]
        remedy = known.sdk.advise(context._replace(sdk=known.sdk, origin=known.origin), finding.id)
        yield "remedy", f"{name}: {remedy}"


# --- a request ------------------------------------------------------------------------------


def _request(arguments: argparse.Namespace) -> RequestContext:
    operation, source = Operation(arguments.operation), Encryption(arguments.source or Encryption.NONE)
    if source is not Encryption.NONE and operation not in _COPIES:
        message = f"argument --source: {operation} copies nothing; operations with a source are {', '.join(_COPIES)}"
        raise UsageError(message)
    return sample.request(operation, arguments.scheme, Encryption(arguments.target), source, arguments.sdk)


def _explain_request(context: RequestContext) -> str:
    source = f", source {context.source}" if context.operation in _COPIES else ""
    row = _row(context)
    rows = {
        "request": f"{context.operation}, target {context.target}{source}, over {context.scheme}",
        "key": f"a customer key in {context.key.value}" if context.key is not KeyLocation.NOWHERE else "none",
        "row": f"{row.id}: {row.demand}" if row else "none",
        "page": _page(row),
    }
    return "\n\n".join([_columns(rows.items(), 8), *(_treatment(context, policy) for policy in Policy)])


def _page(rule: Rule | None) -> str:
    edition = f", edition {rule.edition}" if rule and rule.edition else ""
    return f'{PAGE} "{PAGE_TITLE}"{edition}'


def _row(context: RequestContext) -> Rule | None:
    decisive = [finding.row for finding in evaluate(context) if finding.row]
    verdict = check(
        context.operation, context.scheme, target=context.target, source=context.source, sse_obs_edition=True
    )
    return decisive[0] if decisive else verdict.rule


def _treatment(context: RequestContext, policy: Policy) -> str:
    """Return what a policy does about a request, and the error or log message."""
    found = evaluate(context)
    decisive = max(found, key=lambda finding: _SEVERITY.index(finding.type.action(policy)), default=None)
    action = decisive.type.action(policy) if decisive else Action.ALLOW
    heading = f"{policy.value}: {_OUTCOMES[action]}"
    if decisive is None or action is Action.ALLOW:
        return heading
    text = error_text if action is Action.REFUSE else log_text
    return f"{heading}\n{text(_SampleDecision(context, decisive, Settings(policy=policy)))}"
