"""The policy finds what the tables and the catalogue define, and nothing else."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import pytest

from obs_sse_guard._policy.findings import Action, evaluate
from obs_sse_guard._policy.request import SDK, KeyLocation, RequestContext
from obs_sse_guard._policy.settings import Policy
from obs_sse_guard.rules import Encryption, Operation
from tests.support import oracle

SECURE, PLAINTEXT, TRUSTED = "secure", "plaintext", "trusted"
_SDK = SDK("an SDK", advise=lambda _context, _finding: "")
_PLACES = {
    "": KeyLocation.NOWHERE,
    "header": KeyLocation.HEADER,
    "url": KeyLocation.URL,
    "policy": KeyLocation.POLICY,
    "metadata": KeyLocation.METADATA,
}
_OUTCOMES = {Action.REFUSE: oracle.REFUSED, Action.LOG: oracle.LOGGED}
_FLAGS = ("dropped", "redirected", "other_host", "kms_part", "read_kms")


class Request(NamedTuple):
    """A request, its transport, and what is known beside it by the oracle's names."""

    sse: oracle.RequestSSE
    transport: str
    beside: dict[str, Any]

    def expected(self, policy: Policy) -> dict[str, str]:
        """Return what the oracle finds."""
        return oracle.evaluate(self.sse, secure=self.transport != PLAINTEXT, policy=policy.value, **self.beside)

    def found(self, policy: Policy) -> dict[str, str]:
        """Return what the package finds, except what the policy allows."""
        beside = self.beside
        context = RequestContext(
            sdk=_SDK,
            call="call",
            operation=self.sse.operation or "SomethingElse",
            secure=self.transport == SECURE,
            host="obs.example.com",
            target=Encryption(self.sse.target),
            source=Encryption(self.sse.source),
            key=_PLACES[self.sse.key],
            dropped=("sseHeader",) if beside.get("dropped") else (),
            kms_upload=beside.get("kms_part", False),
            other_host=beside.get("other_host", False),
            downgraded=beside.get("redirected", False),
            read_kms=beside.get("read_kms", False),
            tls_gap=beside.get("tls_gap", ""),
        )
        found = evaluate(context, trusted=self.transport == TRUSTED)
        assert len({one.id for one in found}) == len(found), "each finding once"
        assert all((one.row.id if one.row else "no row") == _row_id(one.id) for one in found)
        actions = {one.id: one.type.action(policy) for one in found}
        return {name: _OUTCOMES[action] for name, action in actions.items() if action is not Action.ALLOW}


def _row_id(finding: str) -> str:
    return finding if finding.startswith("table-") else "no row"


def _requests(operation: str) -> list[Request]:
    """Return all combinations for an operation, with up to two flags each."""
    pairs = [
        {},
        *({one: True} for one in _FLAGS),
        *({one: True, two: True} for one, two in itertools.combinations(_FLAGS, 2)),
    ]
    gaps: list[dict[str, Any]] = [{"tls_gap": gap} for gap in ("unverified-tls", "unverified-host")]
    encryptions = [encryption.value for encryption in Encryption]
    return [
        Request(oracle.RequestSSE(operation, source, target, key), transport, beside)
        for source, target, key in itertools.product(encryptions, encryptions, _PLACES)
        for transport in (SECURE, PLAINTEXT, TRUSTED)
        for beside in (*pairs, *(gaps if transport == SECURE else ()))
    ]


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("operation", [*(operation.value for operation in Operation), ""])
def test_every_request_is_judged_as_the_tables_say(operation: str, policy: Policy) -> None:
    wrong = [
        (request, found)
        for request in _requests(operation)
        if (found := request.found(policy)) != request.expected(policy)
    ]
    assert wrong == []
