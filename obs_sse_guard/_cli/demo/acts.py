"""The four acts."""

from __future__ import annotations

from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Callable, NamedTuple

import obs_sse_guard
from obs_sse_guard._cli.demo.evidence import FAILURE, REFUSED, SENT
from obs_sse_guard._cli.demo.lines import Column, Line, Quotation, RowCell, Seen, Table
from obs_sse_guard._cli.demo.props import CONTENT
from obs_sse_guard.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from obs_sse_guard._cli.demo.driver import Driver
    from obs_sse_guard._cli.demo.evidence import Evidence
    from obs_sse_guard._cli.demo.lines import Cell, Item
    from obs_sse_guard._cli.demo.props import CustomerKey
    from obs_sse_guard._cli.demo.stage import Stage
    from obs_sse_guard.rules import Rule

__all__ = ["ACTS", "Act"]

IN_CLEAR = "in clear"
NOT_FOUND = "not found"
NOTHING = "nothing"
_SHOWN = "x-amz-server-side-encryption-"


class Act(NamedTuple):
    """A part of the demo: what it shows, and the play itself."""

    title: str
    play: Callable[[Stage], Iterator[Item]]


def unguarded(stage: Stage) -> Iterator[Item]:
    """Without the guard the key crosses in clear, and nobody says a word."""
    obs_sse_guard.uninstall()
    uploads = _uploads(stage, "http", stage.key)
    yield _table(
        stage,
        _line("upload with SSE-C over http", SENT, uploads),
        Line("the customer key on the wire", tuple(Seen(IN_CLEAR, _found(stage.key, upload)) for upload in uploads)),
    )
    first = stage.drivers[0].name
    yield Quotation(
        f"What the tap recorded of {first}, the values masked here", _masked(stage.key, uploads[0].recorded)
    )


def guarded(stage: Stage) -> Iterator[Item]:
    """With the guard the same calls are refused before a byte leaves."""
    obs_sse_guard.install()
    uploads = _uploads(stage, "http", stage.key)
    yield _table(
        stage,
        _line("the same upload", REFUSED, uploads),
        Line("what the tap recorded", tuple(Seen(NOTHING, _traffic(upload)) for upload in uploads)),
        _line("an upload without encryption", SENT, _uploads(stage, "http", None)),
    )
    yield Quotation(f"The SSETransportError of {stage.drivers[0].name}", str(uploads[0].error or "was not raised"))


def encrypted(stage: Stage) -> Iterator[Item]:
    """Over https the same uploads work, and the objects cannot be read without their key."""
    uploads = _uploads(stage, "https", stage.key)
    yield _table(
        stage,
        _line("upload with SSE-C over https", SENT, uploads),
        Line("the customer key on the wire", tuple(Seen(NOT_FOUND, _found(stage.key, upload)) for upload in uploads)),
        _downloads(stage, "download with the key", "readable", stage.key),
        _downloads(stage, "download without a key", "unreadable 400", None),
        _downloads(stage, "download with another key", "unreadable 403", stage.other_key),
    )


def by_the_book(stage: Stage) -> Iterator[Item]:
    """Every row of the document that the SDK's API can express, over both transports."""
    columns = tuple(Column(driver.name, scheme) for driver in stage.drivers for scheme in stage.servers.taps)
    for table, rules in groupby(RULES, key=lambda rule: rule.table):
        lines = tuple(_row(stage, rule) for rule in rules)
        yield Table(columns, lines, f"Table {table}\n{_SUBJECTS[table]}")


ACTS = (
    Act("Act 1: without the guard, SSE-C over http", unguarded),
    Act("Act 2: with the guard, the same calls", guarded),
    Act("Act 3: the same uploads over https", encrypted),
    Act(f"Act 4: the document's {len(RULES)} rows, each driven over http and https", by_the_book),
)
_SUBJECTS = {1: "SSE-C", 2: "SSE-KMS", 3: "CopyObject", 4: "UploadPartCopy"}


def _uploads(stage: Stage, scheme: str, key: CustomerKey | None) -> list[Evidence]:
    return [stage.watch(partial(driver.upload, scheme, key)) for driver in stage.drivers]


def _table(stage: Stage, *lines: Line) -> Table:
    return Table(tuple(Column(driver.name) for driver in stage.drivers), lines)


def _line(label: str, expected: str, calls: Iterable[Evidence]) -> Line:
    cells = (Seen(expected, call.outcome, tuple(f"logged {rule}" for rule in call.logged)) for call in calls)
    return Line(label, tuple(cells))


def _downloads(stage: Stage, label: str, expected: str, key: CustomerKey | None) -> Line:
    return Line(label, tuple(Seen(expected, _read(driver, key)) for driver in stage.drivers))


def _read(driver: Driver, key: CustomerKey | None) -> str:
    content, status = driver.download(key)
    return ("readable" if content == CONTENT else "unreadable") + (f" {status}" if status >= FAILURE else "")


def _found(key: CustomerKey, call: Evidence) -> str:
    return IN_CLEAR if key.header.encode() in call.recorded else NOT_FOUND


def _traffic(call: Evidence) -> str:
    seen = call.connections or call.recorded
    return f"{call.connections} connections, {len(call.recorded)} bytes" if seen else NOTHING


def _masked(key: CustomerKey, recorded: bytes) -> str:
    first, *head = recorded.partition(b"\r\n\r\n")[0].decode("latin-1").splitlines()
    masks = {key.header: "the customer key", key.md5: "its MD5"}
    shown = (line.partition(": ") for line in head if line.lower().startswith(_SHOWN))
    return "\n".join([first, *(f"{name}: {_mask(value, masks)}" for name, _, value in shown)])


def _mask(value: str, masks: Mapping[str, str]) -> str:
    return f"*** ({masks[value]})" if value in masks else value


def _row(stage: Stage, rule: Rule) -> Line:
    cells = tuple(cell for driver in stage.drivers for cell in _cells(stage, rule, driver))
    return Line(rule.id.partition("/")[2], cells, "either" if "http" in rule.transports else "HTTPS")


def _cells(stage: Stage, rule: Rule, driver: Driver) -> Iterator[Cell]:
    for scheme in stage.servers.taps:
        call = driver.prepare(rule)
        if call is None:
            yield None
        else:
            evidence = stage.watch(partial(call, scheme))
            yield RowCell(rule, scheme, evidence, stage.key.header.encode() in evidence.recorded)
