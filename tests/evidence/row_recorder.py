"""A pytest plugin that records which rows the tests saw, for docs/coverage.md.

A refusal is recorded as its error is made, and a request as it arrives at a recording server. A test of one row
records that row too, because an SDK may send nothing that identifies it to a server. ``--junit-xml`` has the records,
one property ``seen`` each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from obs_sse_guard import SSETransportError
from obs_sse_guard._enforcement.enforce import is_enabled
from tests.support import oracle
from tests.support.expected_rules import ROWS, Row
from tests.support.http_calls import CLIENTS
from tests.support.servers import RecordingServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.servers import Request

REFUSED, SENT, SIGNED = "refused", "sent", "signed"
NET_RULE = "key-in-clear"
"""The finding of the hooks on HTTP clients, which know no operations."""

_ONE_ROW = {"test_over_http": "http", "test_over_https": "https"}
"""The tests of one row, and their transport."""


class Seen(NamedTuple):
    """What a test saw of one rule."""

    library: str
    rule: str
    scheme: str
    outcome: str


def _parameter(name: str) -> Callable[[pytest.Item], str]:
    return lambda item: str(_parameters(item)[name])


def _native(item: pytest.Item) -> str:
    name = _parameters(item).get("name")
    calls = vars(item.module)["CALLS"]  # type: ignore[attr-defined]  # of every test in a module
    return _DISTRIBUTIONS.get(calls[name].package, calls[name].package) if name in calls else ""


def _http(item: pytest.Item) -> str:
    return CLIENTS[name][1] if (name := _parameters(item).get("name")) in CLIENTS else ""


_DISTRIBUTIONS = {"lance": "pylance"}

TESTS: dict[str, Callable[[pytest.Item], str]] = {
    "aiobotocore/test_s3fs.py": lambda _: "s3fs",
    "botocore/test_rows.py": _parameter("sdk"),
    "crt/test_crt.py": lambda _: "awscrt",
    "http/test_clients.py": _http,
    "huaweicloud/test_rows.py": lambda _: "huaweicloudsdkobs",
    "minio/test_rows.py": lambda _: "minio",
    "obs/test_rows.py": lambda _: "esdk-obs-python",
    "programs/test_programs.py": lambda item: str(_parameters(item)["program"].name),
    "stores/test_native_clients.py": _native,
    "stores/test_obstore.py": lambda _: "obstore",
}
"""The tests that see rows, and how to get the library that one of them is about."""


_NET_TEST = "http/test_clients.py"
_ROW_IDS = frozenset(row.id for row in ROWS)


def _parameters(item: pytest.Item) -> dict[str, Any]:
    callspec: Any = getattr(item, "callspec", None)
    return callspec.params if callspec else {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Record what a test sees; a test that fails or is skipped leaves no record."""
    test = "/".join(item.path.parts[-2:])
    if test not in TESTS:
        return (yield)
    seen: set[tuple[str, str, str]] = set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SSETransportError, "__init__", _recording_error(SSETransportError.__init__, seen))
        patch.setattr(RecordingServer, "_reply", _recording_reply(RecordingServer._reply, seen))
        result = yield
    seen |= _row_of(item, seen)
    library = TESTS[test](item) if seen else ""
    rules = {NET_RULE} if test == _NET_TEST else _ROW_IDS
    item.user_properties += [
        ("seen", " ".join([library, *each])) for each in sorted(seen) if library and each[0] in rules
    ]
    return result


def _recording_error(make: Any, seen: set[tuple[str, str, str]]) -> Any:
    def init(self: SSETransportError, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        if self.rule:
            seen.add((self.rule, self.scheme, REFUSED))

    return init


def _recording_reply(reply: Any, seen: set[tuple[str, str, str]]) -> Any:
    def replying(self: RecordingServer, request: Request) -> Any:
        if is_enabled():
            sse = oracle.sse_of(request)
            rules = [row.id for row in ROWS if row[1:4] == sse[:3]] + [NET_RULE] * bool(sse.key)
            seen.update((rule, self.scheme, SENT) for rule in rules or [""])
        return reply(self, request)

    return replying


def _row_of(item: pytest.Item, seen: set[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
    row = _parameters(item).get("row")
    scheme = _ONE_ROW.get(getattr(item, "originalname", ""))
    if not (isinstance(row, Row) and scheme) or (row.id, scheme, REFUSED) in seen:
        return set()
    return {(row.id, scheme, SENT if any(outcome == SENT for *_, outcome in seen) else SIGNED)}
