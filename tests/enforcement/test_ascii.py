"""Every id and every message is ASCII, so that any log handler can write it."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from obs_sse_guard import rules
from obs_sse_guard._enforcement import log
from obs_sse_guard._enforcement.decision import Decision
from obs_sse_guard._enforcement.message import error_text, headline, log_text
from obs_sse_guard._hooks.botocore.advice import BOTOCORE
from obs_sse_guard._hooks.obs.advice import ESDK
from obs_sse_guard._policy.findings import CATALOGUE, ROW_TYPES, TRUSTED_HOST, Finding
from obs_sse_guard._policy.request import RequestContext
from obs_sse_guard._policy.settings import Mode, Policy, read_settings
from obs_sse_guard.rules import Encryption

CALL = "putContent of a caf\u00e9 \u2192 \u5317\u4eac"  # an application can have any name
FINDINGS = [
    *(Finding(name, kind) for name, kind in CATALOGUE.items()),
    *(Finding(row.id, kind, row) for row in rules.RULES for kind in ROW_TYPES),
]


def _decisions() -> Iterator[Decision]:
    for sdk in (ESDK, BOTOCORE):
        for finding in FINDINGS:
            row = finding.row
            context = RequestContext(
                sdk=sdk,
                call=CALL,
                operation=str(row.operation if row else "PutObject"),
                secure=False,
                host="caf\u00e9.example.com",
                port=80,
                target=row.target if row else Encryption.SSE_C,
                source=row.source if row else Encryption.NONE,
                headers=("x-obs-server-side-encryption-customer-key",),
            )
            for policy in Policy:
                yield Decision(context, finding, read_settings()._replace(mode=Mode.WARN, policy=policy))


def test_every_id_is_ascii() -> None:
    assert len(rules.RULES) == 32
    for finding in FINDINGS:
        assert finding.id.isascii()


def test_every_message_is_ascii() -> None:
    for decision in _decisions():
        if decision.outcome.value not in ("allowed", "trusted"):
            for text in (headline(decision), error_text(decision), log_text(decision)):
                assert text.isascii()
                assert "caf\\xe9" in text


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_handler_of_any_encoding_writes_one_record_of_each_finding(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(record: logging.LogRecord) -> None:
        raise AssertionError(record.getMessage())

    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict", newline="\n")
    handler = logging.StreamHandler(stream)
    monkeypatch.setattr(handler, "handleError", fail)
    monkeypatch.setattr(log.logger, "handlers", [handler])
    written = set()
    for decision in _decisions():
        if decision.outcome.value in ("would-refuse", "noticed"):
            log.throttle.forget()
            log.report(decision)
            written.add(decision.finding.id)
    assert written >= {*CATALOGUE, *(row.id for row in rules.RULES)} - {TRUSTED_HOST}
    stream.flush()
    lines = stream.buffer.getvalue().decode("ascii").splitlines()
    assert all(line.startswith("obs_sse_guard ") for line in lines)
    assert {line.partition("[")[2].partition("]")[0] for line in lines} == written
