"""A failure inside the guard is ``cannot-judge``, and breaks no permitted call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import urllib3

from tests.support.minio_calls import (
    BUCKET,
    OBJECT,
    PUT_SSE_C,
    SERVERS,
    asking,
    client_for,
    new_policy,
    outcome,
    pool_for,
    raw_headers,
    refused,
)
from tests.support.records import rules
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_no_key, leaks
from tests.support.sse import KEY

PACKAGE = "obs_sse_guard._hooks.minio"
BROKEN: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "a method": (f"{PACKAGE}.methods.parse_headers", PUT_SSE_C),
    "a request": (f"{PACKAGE}.wire.items", asking("GetObject", "SSE-C")),
    "a connection": (f"{PACKAGE}.wire.destination", asking("GetObject", "SSE-C")),
    "a response": (
        f"{PACKAGE}.responses.names_kms",
        lambda client: client._create_multipart_upload(BUCKET, OBJECT, {}),
    ),
    "a URL": (
        f"{PACKAGE}.signing.items",
        lambda client: client.presigned_get_object(BUCKET, OBJECT, extra_query_params=raw_headers("SSE-C")),
    ),
    "a policy": (f"{PACKAGE}.signing.parse_headers", lambda client: client.presigned_post_policy(new_policy())),
}


def _fail(*_: Any, **__: Any) -> Any:
    raise LookupError("a secret that is never quoted")


@pytest.mark.parametrize("name", BROKEN)
def test_over_https_the_call_goes_on(
    name: str, https: TlsRecordingServer, policy: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path, call = BROKEN[name]
    monkeypatch.setattr(path, _fail)
    # Over TLS that certainly verifies, the guard would check nothing.
    result = outcome(client_for(https, http_client=pool_for(https, assert_hostname=False)), call)
    assert not isinstance(result, Exception), repr(result)
    assert "cannot-judge" in rules(caplog)
    assert {*rules(caplog)} <= {"cannot-judge", "unverified-host"}
    assert "LookupError in" in caplog.text
    assert "a secret" not in caplog.text
    assert not leaks(caplog.text, KEY)


@pytest.mark.parametrize("name", ["a method", "a request", "a connection", "a URL", "a policy"])
def test_over_http_strict_refuses(name: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD_POLICY", "strict")
    path, call = BROKEN[name]
    monkeypatch.setattr(path, _fail)
    if name == "a connection":  # only the hook on the connection is to judge
        monkeypatch.setattr(f"{PACKAGE}.wire.describe", lambda _: None)
    error = refused(outcome(client_for(http), call), "cannot-judge")
    assert error.endpoint == http.url
    assert_no_key(http, KEY)


@pytest.mark.parametrize("name", ["a method", "a connection"])
def test_another_hook_still_judges(name: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    path, call = BROKEN[name]
    monkeypatch.setattr(path, _fail)
    error = outcome(client_for(http), call)
    assert getattr(error, "rule", "") in ("table-1/PutObject", "table-1/GetObject"), repr(error)
    assert_no_key(http, KEY)


def test_a_key_under_a_name_in_bytes_is_never_sent(http: RecordingServer) -> None:
    """The guard reads names in bytes, and refuses what the SDK would fail on."""
    client = client_for(http)
    names: Any = {b"x-amz-server-side-encryption-customer-key": KEY}
    error = outcome(client, lambda client: client._execute("GET", BUCKET, OBJECT, headers=names))
    assert isinstance(error, Exception)
    assert_no_key(http, KEY)


def test_an_unusual_client(http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    client = client_for(http)
    base_url = client._base_url
    client._base_url = None
    error = outcome(client, asking("HeadObject", "SSE-C"))
    assert isinstance(error, AttributeError), "the SDK's own"
    assert set(rules(caplog)) == {"cannot-judge"}
    client._base_url = base_url


def test_an_unusual_query(http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    client = client_for(http)
    query: Any = 3
    assert isinstance(
        outcome(client, lambda client: client._execute("GET", BUCKET, OBJECT, query_params=query)), AttributeError
    )
    assert rules(caplog) == ["cannot-judge"]


class _Odd(dict[str, Any]):
    """Headers that cannot be iterated over."""

    def __iter__(self) -> Any:
        raise LookupError


@pytest.mark.parametrize("scheme", SERVERS)
def test_headers_that_cannot_be_looked_through(scheme: str, caplog: pytest.LogCaptureFixture) -> None:
    """The SDK reads their ``items()``, and so does the guard."""
    with SERVERS[scheme]() as server:
        client = client_for(server)
        for headers in ({}, raw_headers("SSE-C")):
            result = outcome(client, lambda client: client._execute("HEAD", BUCKET, OBJECT, headers=_Odd(headers)))  # noqa: B023
            if scheme == "http" and headers:
                refused(result, "table-1/HeadObject")
            else:
                assert not isinstance(result, Exception), repr(result)
    assert not caplog.records


class _OddConnection(urllib3.connection.HTTPSConnection):
    """A connection of the application whose ``is_verified`` raises."""

    @property
    def is_verified(self) -> bool:
        raise LookupError

    @is_verified.setter
    def is_verified(self, _: bool) -> None: ...


def test_a_connection_that_cannot_be_looked_at(https: TlsRecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    client = client_for(https)
    client._http.pool_classes_by_scheme = {
        "https": type(
            "Pool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": _OddConnection, "_validate_conn": _open}
        )
    }
    assert asking("GetObject", "SSE-C")(client) == https.object
    assert rules(caplog) == ["cannot-judge"]


def _open(_: Any, connection: Any) -> None:
    connection.connect()
