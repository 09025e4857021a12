"""The four scenarios of the demo."""

from __future__ import annotations

from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Callable, NamedTuple

import obs_sse_guard
from obs_sse_guard._cli.demo.fixtures import CONTENT
from obs_sse_guard._cli.demo.observation import FAILURE, REFUSED, SENT
from obs_sse_guard._cli.demo.results import IN_PLAINTEXT, Check, Column, Excerpt, Row, RuleCheck, Table
from obs_sse_guard.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from obs_sse_guard._cli.demo.drivers import Driver
    from obs_sse_guard._cli.demo.fixtures import CustomerKey
    from obs_sse_guard._cli.demo.observation import Observation
    from obs_sse_guard._cli.demo.results import Cell, Item
    from obs_sse_guard._cli.demo.testbed import Testbed
    from obs_sse_guard.rules import Rule

__all__ = ["SCENARIOS", "Scenario"]

NOT_FOUND = "not found"
NOTHING = "nothing"
_SHOWN_HEADERS = "x-amz-server-side-encryption-"


class Scenario(NamedTuple):
    """A part of the demo: its title, and a function that yields its results."""

    title: str
    run: Callable[[Testbed], Iterator[Item]]


def without_guard(testbed: Testbed) -> Iterator[Item]:
    """Without the guard, the key crosses in plaintext and nothing warns about it."""
    obs_sse_guard.uninstall()
    uploads = _uploads(testbed, "http", testbed.key)
    yield _table(
        testbed,
        _row("upload with SSE-C over http", SENT, uploads),
        _key_on_the_wire(testbed, IN_PLAINTEXT, uploads),
    )
    first = testbed.drivers[0].name
    yield Excerpt(f"Recorded from {first}; values masked here", _masked(testbed.key, uploads[0].recorded), IN_PLAINTEXT)


def with_guard(testbed: Testbed) -> Iterator[Item]:
    """With the guard, the same calls are refused before a byte leaves."""
    obs_sse_guard.install()
    uploads = _uploads(testbed, "http", testbed.key)
    yield _table(
        testbed,
        _row("the same upload", REFUSED, uploads),
        Row("recorded by the proxy", tuple(Check(NOTHING, _traffic(upload)) for upload in uploads)),
        _row("an upload without encryption", SENT, _uploads(testbed, "http", None)),
    )
    yield Excerpt(
        f"The SSETransportError of {testbed.drivers[0].name}", str(uploads[0].error or "was not raised"), REFUSED
    )


def over_https(testbed: Testbed) -> Iterator[Item]:
    """Over https the same uploads work; reading the objects requires their key."""
    uploads = _uploads(testbed, "https", testbed.key)
    yield _table(
        testbed,
        _row("upload with SSE-C over https", SENT, uploads),
        _key_on_the_wire(testbed, NOT_FOUND, uploads),
        _downloads(testbed, "download with the key", "readable", testbed.key),
        _downloads(testbed, "download without a key", "unreadable 400", None),
        _downloads(testbed, "download with another key", "unreadable 403", testbed.other_key),
    )


def every_rule(testbed: Testbed) -> Iterator[Item]:
    """Make a call for every rule that an SDK can express, over both transports."""
    columns = tuple(Column(driver.name, scheme) for driver in testbed.drivers for scheme in testbed.servers.proxies)
    for table, rules in groupby(RULES, key=lambda rule: rule.table):
        rows = tuple(_rule_row(testbed, rule) for rule in rules)
        yield Table(columns, rows, f"Table {table}\n{_TABLE_SUBJECTS[table]}")


SCENARIOS = (
    Scenario("1. Without the guard: SSE-C over http", without_guard),
    Scenario("2. With the guard: the same calls", with_guard),
    Scenario("3. The same uploads over https", over_https),
    Scenario(f"4. All {len(RULES)} rules of the document, each over http and https", every_rule),
)
_TABLE_SUBJECTS = {1: "SSE-C", 2: "SSE-KMS", 3: "CopyObject", 4: "UploadPartCopy"}


def _uploads(testbed: Testbed, scheme: str, key: CustomerKey | None) -> list[Observation]:
    return [testbed.observe(partial(driver.upload, scheme, key)) for driver in testbed.drivers]


def _table(testbed: Testbed, *rows: Row) -> Table:
    return Table(tuple(Column(driver.name) for driver in testbed.drivers), rows)


def _row(label: str, expected: str, calls: Iterable[Observation]) -> Row:
    return Row(
        label, tuple(Check(expected, call.outcome, tuple(f"logged {rule}" for rule in call.logged)) for call in calls)
    )


def _key_on_the_wire(testbed: Testbed, expected: str, uploads: Iterable[Observation]) -> Row:
    found = {True: IN_PLAINTEXT, False: NOT_FOUND}
    return Row(
        "the customer key on the wire",
        tuple(Check(expected, found[testbed.sent_key(upload)]) for upload in uploads),
    )


def _downloads(testbed: Testbed, label: str, expected: str, key: CustomerKey | None) -> Row:
    return Row(label, tuple(Check(expected, _read(driver, key)) for driver in testbed.drivers))


def _read(driver: Driver, key: CustomerKey | None) -> str:
    content, status = driver.download(key)
    return ("readable" if content == CONTENT else "unreadable") + (f" {status}" if status >= FAILURE else "")


def _traffic(call: Observation) -> str:
    seen = call.connections or call.recorded
    return f"{call.connections} connections, {len(call.recorded)} bytes" if seen else NOTHING


def _masked(key: CustomerKey, recorded: bytes) -> str:
    """Return a recorded request's first line and encryption headers, keys masked."""
    request_line, *head = recorded.partition(b"\r\n\r\n")[0].decode("latin-1").splitlines()
    masks = {key.header: "the customer key", key.md5: "its MD5"}
    shown = (line.partition(": ") for line in head if line.lower().startswith(_SHOWN_HEADERS))
    return "\n".join([request_line, *(f"{name}: {_mask(value, masks)}" for name, _, value in shown)])


def _mask(value: str, masks: Mapping[str, str]) -> str:
    return f"*** ({masks[value]})" if value in masks else value


def _rule_row(testbed: Testbed, rule: Rule) -> Row:
    cells = tuple(cell for driver in testbed.drivers for cell in _rule_cells(testbed, rule, driver))
    return Row(rule.id.partition("/")[2], cells, "either" if "http" in rule.transports else "HTTPS")


def _rule_cells(testbed: Testbed, rule: Rule, driver: Driver) -> Iterator[Cell]:
    for scheme in testbed.servers.proxies:
        call = driver.prepare(rule)
        if call is None:
            yield None
        else:
            observation = testbed.observe(partial(call, scheme))
            yield RuleCheck(rule, scheme, observation, testbed.sent_key(observation))
