"""``obs-sse-guard explain``: what the guard makes of one request, and what its caller reads."""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import TYPE_CHECKING

from obs_sse_guard import rules
from obs_sse_guard._cli import output as _output
from obs_sse_guard._cli import sample as _example
from obs_sse_guard._enforcement.decision import Report
from obs_sse_guard._enforcement.message import message
from obs_sse_guard._policy.findings import Action, findings
from obs_sse_guard._policy.request import KeyPlace
from obs_sse_guard._policy.settings import Policy, Settings
from obs_sse_guard.rules import PAGE, PAGE_TITLE, Encryption, Operation

if TYPE_CHECKING:
    import argparse

    from obs_sse_guard._policy.request import Facts

__all__ = ["run"]

_COPIES = tuple(dict.fromkeys(rule.operation for rule in rules.RULES if rule.is_copy))
_VERDICTS = {
    Action.ALLOW: "allowed, nothing is said",
    Action.LOG: "sent, and logged",
    Action.REFUSE: "refused, nothing is sent",
}


def run(arguments: argparse.Namespace) -> int:
    """Explain the verdict on one request, under both policies.

    Returns:
        0 whatever the verdict, 2 if there is no such request.
    """
    operation, source = Operation(arguments.operation), Encryption(arguments.source)
    if source is not Encryption.NONE and operation not in _COPIES:
        complaint = f"{operation} copies nothing; operations with a source are {', '.join(_COPIES)}"
        sys.stderr.write(f"obs-sse-guard explain: error: argument --source: {complaint}\n")
        return 2
    _import_sdk()
    facts = _example.request(operation, arguments.scheme, Encryption(arguments.target), source)
    _output.lines("\n\n".join([_request(facts), *(_verdict(facts, policy) for policy in Policy)]))
    return 0


def _import_sdk() -> None:
    # What to do about a refusal depends on the release in use, if any.
    with contextlib.suppress(Exception), contextlib.redirect_stdout(sys.stderr):
        importlib.import_module("obs.const")


def _request(facts: Facts) -> str:
    source = f", source {facts.source}" if facts.operation in _COPIES else ""
    row = _row(facts)
    lines = {
        "request": f"{facts.operation}, target {facts.target}{source}, over {facts.scheme}",
        "key": f"a customer key in {facts.key.value}" if facts.key is not KeyPlace.NOWHERE else "none",
        "row": f"{row.id}: {row.demand}" if row else "none",
        "page": f'{PAGE} "{PAGE_TITLE}"' + (f", edition {row.edition}" if row and row.edition else ""),
    }
    return "\n".join(f"{name:8} {value}" for name, value in lines.items())


def _row(facts: Facts) -> rules.Rule | None:
    decided = [finding.row for finding in findings(facts) if finding.row]
    check = rules.check(facts.operation, facts.scheme, target=facts.target, source=facts.source, sse_obs_edition=True)
    return decided[0] if decided else check.rule


def _verdict(facts: Facts, policy: Policy) -> str:
    found = findings(facts)
    action = found[0].case.action(policy) if found else Action.ALLOW
    heading = f"{policy.value}: {_VERDICTS[action]}"
    if action is Action.ALLOW:
        return heading
    return f"{heading}\n{message(Report(facts, found[0], Settings(policy=policy)))}"
