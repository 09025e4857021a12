"""The four acts."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Callable, NamedTuple

import obs

import obs_sse_guard
from obs_sse_guard._demo import calls
from obs_sse_guard._demo.evidence import REFUSED, SENT, Evidence
from obs_sse_guard._demo.lines import Line, Quotation, Row, Rows
from obs_sse_guard._demo.stage import BUCKET, CONTENT
from obs_sse_guard.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from obs_sse_guard._demo.lines import Item
    from obs_sse_guard._demo.stage import CustomerKey, Stage
    from obs_sse_guard.rules import Rule

__all__ = ["ACTS", "Act"]

OBJECT = "secret.txt"
IN_CLEAR = "in clear"
NOT_FOUND = "not found"
_SHOWN = "x-amz-server-side-encryption-"


class Act(NamedTuple):
    """A part of the demo: what it shows, and the play itself."""

    title: str
    play: Callable[[Stage], Iterator[Item]]


def unguarded(stage: Stage) -> Iterator[Item]:
    """Without the guard the key crosses in clear, and nobody says a word."""
    obs_sse_guard.uninstall()
    evidence = _upload(stage, "http")
    yield _line("putContent with SSE-C over http", f"{SENT}, status 200", evidence)
    yield _key_line(stage.key, evidence)
    yield Quotation("What the tap recorded, the values masked here", _masked(stage.key, evidence.recorded))


def guarded(stage: Stage) -> Iterator[Item]:
    """With the guard the same call is refused before a byte leaves."""
    obs_sse_guard.install()
    evidence = _upload(stage, "http")
    yield Line("the same call", REFUSED, evidence.outcome)
    seen = f"{evidence.connections} connections, {len(evidence.recorded)} bytes"
    yield Line("what the tap recorded", "0 connections, 0 bytes", seen)
    yield Quotation("SSETransportError", str(evidence.error or "was not raised"))
    plain = stage.watch(lambda: int(stage.sides["http"].client.putContent(BUCKET, "plain.txt", CONTENT).status))
    yield _line("the same client, without encryption", f"{SENT}, status 200", plain)


def encrypted(stage: Stage) -> Iterator[Item]:
    """Over https the same upload works, and the object cannot be read without its key."""
    evidence = _upload(stage, "https")
    yield _line("putContent with SSE-C over https", f"{SENT}, status 200", evidence)
    yield Line("the customer key in what was recorded", NOT_FOUND, _found(stage.key, evidence))
    yield Line("getObject with the key", "readable, status 200", _read(stage, stage.key))
    yield Line("getObject without a key", "not readable, status 400", _read(stage, None))
    yield Line("getObject with another key", "not readable, status 403", _read(stage, stage.other_key))


def by_the_book(stage: Stage) -> Iterator[Item]:
    """Every row of the document, over both transports."""
    calls.add_sources(stage)
    for table, rules in groupby(RULES, key=lambda rule: rule.table):
        rows = tuple(_row(stage, rule, scheme) for rule in rules for scheme in stage.sides)
        yield Rows(f"Table {table}: {_subject(rows[0].rule)}", rows)


ACTS = (
    Act("Act 1: without the guard, SSE-C over http", unguarded),
    Act("Act 2: with the guard, the same call", guarded),
    Act("Act 3: the same upload over https", encrypted),
    Act(f"Act 4: the document's {len(RULES)} rows, each driven over http and https", by_the_book),
)


def _upload(stage: Stage, scheme: str) -> Evidence:
    headers = obs.PutObjectHeader(sseHeader=stage.key.sse())
    client = stage.sides[scheme].client
    return stage.watch(lambda: int(client.putContent(BUCKET, OBJECT, CONTENT, headers=headers).status))


def _read(stage: Stage, key: CustomerKey | None) -> str:
    headers = obs.GetObjectHeader(sseHeader=key.sse() if key else None)
    answer = stage.secure.getObject(BUCKET, OBJECT, headers=headers, loadStreamInMemory=True)
    content = getattr(answer.body, "buffer", None)
    return f"{'readable' if content == CONTENT.encode() else 'not readable'}, status {answer.status}"


def _line(what: str, expected: str, evidence: Evidence) -> Line:
    detail = f"logged: {', '.join(evidence.logged)}" if evidence.logged else ""
    return Line(what, expected, evidence.outcome, detail)


def _found(key: CustomerKey, evidence: Evidence) -> str:
    return IN_CLEAR if key.header.encode() in evidence.recorded else NOT_FOUND


def _key_line(key: CustomerKey, evidence: Evidence) -> Line:
    at = evidence.recorded.find(key.header.encode())
    detail = f"the {len(key.header)} base64 characters of the key were found at byte {at} of {len(evidence.recorded)}"
    return Line("the customer key in what was recorded", IN_CLEAR, _found(key, evidence), detail if at >= 0 else "")


def _masked(key: CustomerKey, recorded: bytes) -> str:
    first, *head = recorded.partition(b"\r\n\r\n")[0].decode("latin-1").splitlines()
    masks = {key.header: "the customer key", key.md5: "its MD5"}
    shown = (line.partition(": ") for line in head if line.lower().startswith(_SHOWN))
    return "\n".join([first, *(f"{name}: {_mask(value, masks)}" for name, _, value in shown)])


def _mask(value: str, masks: Mapping[str, str]) -> str:
    return f"*** ({masks[value]})" if value in masks else value


def _subject(rule: Rule) -> str:
    return f"{rule.operation}, source→target" if rule.is_copy else str(rule.target)


def _row(stage: Stage, rule: Rule, scheme: str) -> Row:
    call, side = calls.prepare(stage, rule), stage.sides[scheme]
    evidence = stage.watch(lambda: call(side))
    return Row(rule, scheme, evidence, stage.key.header.encode() in evidence.recorded)
