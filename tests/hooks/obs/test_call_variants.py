"""Other calls of each operation: methods, arguments, raw headers, signed URLs."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from obs_sse_guard import SSETransportError
from tests.support import obs_calls, oracle
from tests.support.expected_rules import ROWS, Row
from tests.support.guard import unguarded
from tests.support.obs_calls import ALTERNATIVES, KINDS, PLAIN, CallVariant, needs_https
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_silent
from tests.support.sse import KEY

_PAIRS = [
    (variant, row)
    for operation, variants in ALTERNATIVES.items()
    for variant in (PLAIN[operation], *variants)
    for row in ROWS
    if variant.can_express(row)
]


def _params(pairs: list[tuple[CallVariant, Row]]) -> list[Any]:
    return [pytest.param(variant, row, id=f"{variant.id}-{row.source}→{row.target}") for variant, row in pairs]


_SAID = _params(_PAIRS)


@contextlib.contextmanager
def _client(kind: str, server: RecordingServer, variant: CallVariant, **options: Any) -> Iterator[Any]:
    with obs_calls.open_client(kind, server, **options) as client:
        if not variant.available(client):
            pytest.skip("this release of the SDK does not support this call")
        yield client


def _outcome(variant: CallVariant, client: Any, row: Row, folder: Path) -> str:
    try:
        variant.call(client, row, KEY, folder)
    except SSETransportError:
        return oracle.REFUSED
    return ""


def _expected(variant: CallVariant, row: Row) -> str:
    """Return the oracle's outcome for the most severe request of the variant."""
    if variant.misplaces and oracle.carries_key(row):
        return oracle.REFUSED
    operations = set(variant.requests) or {variant.operation}
    rows = [oracle.row_of(operation, row.source, row.target) for operation in operations | {variant.operation}]
    outcomes = {oracle.outcome(found, "http") for found in rows if found}
    return oracle.REFUSED if oracle.REFUSED in outcomes else ""


@pytest.mark.thinned
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("variant", "row"), _SAID)
def test_over_http(variant: CallVariant, row: Row, kind: str, http: RecordingServer, tmp_path: Path) -> None:
    with _client(kind, http, variant, max_retry_count=0) as client:
        assert _outcome(variant, client, row, tmp_path) == _expected(variant, row)
        if _expected(variant, row) == oracle.REFUSED:
            assert_silent(http)


_VARIES = re.compile(
    r"(?i)^(date|x-(?:obs|amz)-date|authorization)$|(?:(?<=signature=)|(?<=expires=)|(?<=date=))[^&]+|boundary=.*"
)


def _normal(server: RecordingServer) -> list[Any]:
    """Return the requests without time-dependent fields, sorted as workers race."""
    port = str(server.port)
    requests = []
    for call in server.requests:
        headers = [(name, value) for name, value in call.headers if not _VARIES.fullmatch(name)]
        target = _VARIES.sub("", call.target)
        requests.append(repr((call.method, target, headers, call.body)).replace(port, "PORT"))
    return sorted(requests)


def _sent(scheme: str, kind: str, variant: CallVariant, row: Row, folder: Path) -> tuple[list[Any], str]:
    folder.mkdir()
    server_class = TlsRecordingServer if scheme == "https" else RecordingServer
    with server_class() as server, _client(kind, server, variant, max_retry_count=0) as client:
        failure = ""
        try:
            variant.call(client, row, KEY, folder)
        except Exception as error:  # noqa: BLE001  # any error must be the same without the guard
            failure = repr(error).replace(str(server.port), "PORT").replace(str(folder), "FOLDER")
        return _normal(server), failure


def _same(scheme: str, kind: str, variant: CallVariant, row: Row, folder: Path) -> None:
    with unguarded():
        expected = _sent(scheme, kind, variant, row, folder / "unguarded")
    guarded = _sent(scheme, kind, variant, row, folder / "guarded")
    same_folder = [request.replace("/unguarded", "/guarded") for request in expected[0]], expected[1]
    assert guarded == same_folder
    assert variant.only_signs or guarded[0]


@pytest.mark.thinned(strength=1)
@needs_https
@pytest.mark.parametrize(("variant", "row"), _SAID)
def test_over_https_the_same_bytes_are_sent(variant: CallVariant, row: Row, tmp_path: Path) -> None:
    if variant.misplaces and oracle.carries_key(row):
        pytest.skip("refused over any transport: see test_findings")
    _same("https", "obs", variant, row, tmp_path)


@pytest.mark.full
@pytest.mark.parametrize(("variant", "row"), _params([pair for pair in _PAIRS if not _expected(*pair)]))
def test_an_allowed_call_over_http_sends_the_same_bytes(variant: CallVariant, row: Row, tmp_path: Path) -> None:
    _same("http", "v2", variant, row, tmp_path)
