"""Every HTTP client, over real sockets: what is refused, and what is unchanged."""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
import threading
from typing import Any

import pytest

import obs_sse_guard
from obs_sse_guard import SSETransportError
from tests.support.guard import MODE, POLICY, TRUSTED, unguarded
from tests.support.http_calls import CLIENTS, KMS, SSE_C, client, each_client
from tests.support.records import rules
from tests.support.servers import (
    ConnectProxy,
    RecordingServer,
    TlsRecordingServer,
    assert_no_key,
    each_redirect_status,
    leaks,
    redirect_everything,
)
from tests.support.sse import ENCODED, KEY, OBS_KEY_HEADER, S3_KEY_HEADER

PATH = "/bucket/object"


def refused(error: SSETransportError, name: str, rule: str = "key-in-clear") -> None:
    """Assert what a refusal names, and that it names no key."""
    assert (error.rule, error.scheme, error.sdk) == (rule, "http", CLIENTS[name][0])
    assert error.call_site.startswith(__file__) or "http_calls.py" in error.call_site
    assert ("fix:  use an https:// URL: https://" in str(error)) is (rule != "key-misplaced")
    assert not leaks(f"{error!r} {error} {error.args}", KEY)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301  # our own
    assert error.__cause__ is None


def assert_nothing_sent(server: RecordingServer) -> None:
    """Assert that nothing was sent; some clients connect before they have headers."""
    assert server.wire == b""


@each_client
def test_a_key_over_plaintext_is_refused(name: str, http: RecordingServer, policy: str) -> None:
    send = client(name)
    with unguarded(), RecordingServer() as server:
        assert send(server.url + PATH, SSE_C) == 200
        assert leaks(server.wire, KEY)
    with pytest.raises(SSETransportError) as caught:
        send(http.url + PATH, SSE_C)
    refused(caught.value, name)
    assert (caught.value.operation, caught.value.target) == ("PUT object", "SSE-C")
    assert caught.value.endpoint == http.url
    assert_nothing_sent(http)
    assert send(http.url + PATH, {"x-amz-meta-author": "somebody"}) == 200


@each_client
def test_a_key_in_the_query_is_refused(name: str, http: RecordingServer) -> None:
    for parameter in (S3_KEY_HEADER, "X-Amz-Server-Side-%65ncryption-Customer-Key"):
        with pytest.raises(SSETransportError) as caught:
            client(name)(f"{http.url}{PATH}?versionId=1&{parameter}={ENCODED.rstrip('=')}", {})
        refused(caught.value, name)
    assert_nothing_sent(http)


@each_client
def test_kms_alone_is_logged_and_strict_refuses_it(
    name: str, http: RecordingServer, policy: str, caplog: pytest.LogCaptureFixture
) -> None:
    if policy == "strict":
        with pytest.raises(SSETransportError) as caught:
            client(name)(http.url + PATH, KMS)
        refused(caught.value, name, "kms-in-clear")
        assert_nothing_sent(http)
        assert not caplog.records
    else:
        assert client(name)(http.url + PATH, KMS) == 200
        assert rules(caplog) == ["kms-in-clear"]


@pytest.mark.thinned(strength=1)
@each_client
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-amz-server-side-encryption": "AES256"},
        {"x-amz-server-side-encryption-customer-algorithm": "AES256"},
        {"x-note": "about x-amz-server-side-encryption-customer-key: 100 %"},
    ],
    ids=["none", "SSE-S3", "no key", "a value"],
)
def test_everything_else_is_sent_as_without_the_guard(
    name: str, headers: dict[str, str], policy: str, caplog: pytest.LogCaptureFixture
) -> None:
    def sent() -> bytes:
        with RecordingServer() as server:
            assert client(name)(f"{server.url}{PATH}?x=100%25&acl", headers) == 200
            return server.wire.replace(str(server.port).encode(), b"PORT")

    with unguarded():
        expected = sent()
    assert sent() == expected
    assert not caplog.records


@each_client
def test_a_key_over_tls_is_sent(name: str, https: TlsRecordingServer, policy: str, caplog: Any) -> None:
    assert client(name)(https.url + PATH, SSE_C, https.ca) == 200
    assert leaks(https.received, KEY)
    assert not caplog.records


@each_client
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_receives_no_key(name: str, scheme: str, http: RecordingServer, https: TlsRecordingServer) -> None:
    """A tunnel has TLS inside; without one, the request's whole URL names its host."""
    with ConnectProxy() as proxy:
        if scheme == "https":
            assert client(name)(https.url + PATH, SSE_C, https.ca, proxy.url) == 200
            assert leaks(https.received, KEY)
        else:
            with pytest.raises(SSETransportError) as caught:
                client(name)(http.url + PATH, SSE_C, proxy=proxy.url)
            refused(caught.value, name)
            assert caught.value.endpoint == http.url
            assert_nothing_sent(http)
        assert_no_key(proxy, KEY)


@each_client
def test_plaintext_through_a_proxy_is_trusted_if_both_hosts_are(
    name: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"http://obs.test:{http.port}{PATH}"
    with ConnectProxy() as proxy:
        for trusted in ("obs.test", "127.0.0.1", "obs.test.example"):
            monkeypatch.setenv(TRUSTED, trusted)
            with pytest.raises(SSETransportError):
                client(name)(url, SSE_C, proxy=proxy.url)
        assert_no_key(proxy, KEY)
        monkeypatch.setenv(TRUSTED, "obs.test,127.0.0.1")
        assert client(name)(url, SSE_C, proxy=proxy.url) == 200
        assert leaks(proxy.wire, KEY)
        assert rules(caplog) == ["trusted-host"]


@each_client
def test_a_trusted_host(name: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    monkeypatch.setenv(TRUSTED, "127.0.0.1")
    assert client(name)(http.url + PATH, SSE_C) == 200
    assert leaks(http.wire, KEY)
    assert rules(caplog) == ["trusted-host"]


@each_client
@pytest.mark.parametrize("mode", ["warn", "off"])
def test_a_mode_that_does_not_refuse(
    name: str, mode: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(MODE, mode)
    assert client(name)(http.url + PATH, SSE_C) == 200
    assert rules(caplog) == (["key-in-clear"] if mode == "warn" else [])


REDIRECTED = ["requests", "urllib3", "httpx", "aiohttp"]


@pytest.mark.parametrize("name", REDIRECTED)
@each_redirect_status
@pytest.mark.parametrize("start", ["http", "https"])
def test_a_redirect_to_plaintext_is_refused(
    name: str,
    status: int,
    start: str,
    http: RecordingServer,
    https: TlsRecordingServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The client sends the application's headers to wherever a redirect leads."""
    send = client(name)
    options = {"follow_redirects": True} if name == "httpx" else {}
    with RecordingServer() as trusted:
        redirect_everything(https if start == "https" else trusted, status, f"http://127.0.0.1:{http.port}{PATH}")
        first = https.url if start == "https" else f"http://obs.test:{trusted.port}"
        monkeypatch.setenv(TRUSTED, "obs.test")
        with pytest.raises(SSETransportError) as caught:
            send(first + PATH, SSE_C, https.ca, **options)
        refused(caught.value, name)
        assert leaks((https if start == "https" else trusted).received, KEY)
    assert_nothing_sent(http)


HEADERS: dict[str, Any] = {
    "upper case": {S3_KEY_HEADER.upper(): ENCODED},
    "OBS": {OBS_KEY_HEADER: ENCODED},
    "of a copy's source": {"x-amz-copy-source-server-side-encryption-customer-key": ENCODED},
    "bytes": {S3_KEY_HEADER.encode(): ENCODED.encode()},
    "in metadata": {f"x-amz-meta-{S3_KEY_HEADER}": ENCODED},
    "in metadata, encoded": {f"x-amz-meta-{S3_KEY_HEADER.replace('e', '%65')}": ENCODED},
}


class _Lying(str):
    """Text that claims to be other text."""

    __slots__ = ()

    def lower(self) -> str:
        return "accept"

    def __eq__(self, other: object) -> bool:
        return other == "accept"

    def __hash__(self) -> int:
        return hash("accept")

    def __contains__(self, _: object) -> bool:
        return False


@pytest.mark.thinned(strength=1)
@each_client
@pytest.mark.parametrize("kind", HEADERS)
def test_any_spelling_of_a_header(name: str, kind: str, http: RecordingServer) -> None:
    if kind == "bytes" and name in ("urllib", "botocore's session", "aiohttp", "aiobotocore's session"):
        pytest.skip("the client takes no such headers")
    with pytest.raises(SSETransportError) as caught:
        client(name)(http.url + PATH, HEADERS[kind])
    refused(caught.value, name, "key-misplaced" if "metadata" in kind else "key-in-clear")
    assert_nothing_sent(http)


@pytest.mark.parametrize("name", ["http.client", "http.client, low level", "urllib3", "requests"])
def test_a_header_of_a_lying_type(name: str, http: RecordingServer) -> None:
    with pytest.raises(SSETransportError):
        client(name)(http.url + PATH, {_Lying(S3_KEY_HEADER): ENCODED})
    assert_nothing_sent(http)


@each_client
def test_uninstall_and_install(name: str, http: RecordingServer) -> None:
    send = client(name)
    obs_sse_guard.uninstall()
    try:
        assert send(http.url + PATH, SSE_C) == 200
    finally:
        obs_sse_guard.install()
    with pytest.raises(SSETransportError):
        send(http.url + PATH, SSE_C)
    assert len(http.requests) == 1


@each_client
def test_only_threads_that_send_a_key_are_refused(name: str, http: RecordingServer) -> None:
    send = client(name)
    outcomes: list[Any] = []

    def put(headers: Any) -> None:
        try:
            outcomes.append(send(http.url + PATH, headers))
        except SSETransportError as error:
            outcomes.append(error.rule)

    threads = [threading.Thread(target=put, args=(headers,)) for headers in [SSE_C, {}] * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(map(str, outcomes)) == ["200"] * 4 + ["key-in-clear"] * 4
    assert_no_key(http, KEY)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@each_client
def test_a_forked_child_is_refused(name: str, http: RecordingServer) -> None:
    send = client(name)
    child = os.fork()
    if not child:
        status = 1
        try:
            send(http.url + PATH, SSE_C)
        except SSETransportError:
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert_nothing_sent(http)


def test_only_tasks_that_send_a_key_are_refused(http: RecordingServer) -> None:
    aiohttp = pytest.importorskip("aiohttp")
    httpx = pytest.importorskip("httpx")

    async def put(session: Any, headers: Any) -> Any:
        try:
            answer = await session.put(http.url + PATH, headers=headers)
            return getattr(answer, "status", None) or answer.status_code
        except SSETransportError as error:
            return error.rule

    async def run() -> list[Any]:
        async with aiohttp.ClientSession() as one, httpx.AsyncClient() as other:
            return await asyncio.gather(*(put(session, head) for session in (one, other) for head in [SSE_C, {}] * 20))

    assert asyncio.run(run()) == ["key-in-clear", 200] * 40
    assert_no_key(http, KEY)


def test_the_body_of_a_refused_request_is_not_read(http: RecordingServer) -> None:
    def read(_: object) -> bytes:
        raise AssertionError("read")

    body = map(read, [b""])
    with pytest.raises(SSETransportError):
        client("requests")(http.url + PATH, SSE_C, data=body)
    assert_nothing_sent(http)


@pytest.mark.parametrize("number", [1_000, 8_000])
def test_large_headers_take_linear_time(number: int, http: RecordingServer) -> None:
    """The number of Python calls per header does not grow with that of the headers."""
    import http.client as library

    def steps(count: int) -> int:
        seen = 0

        def count_calls(_frame: Any, event: str, _argument: Any) -> None:
            nonlocal seen
            seen += event == "call"

        connection = library.HTTPConnection("127.0.0.1", http.port)
        connection.putrequest("PUT", PATH)
        connection._buffer += [b"x-amz-meta-" * 3 + b"%" + b"meta-" * 20 + b": value"] * count  # type: ignore[attr-defined]
        connection._buffer += [b"%s: %s" % (S3_KEY_HEADER.encode(), ENCODED.encode())]  # type: ignore[attr-defined]
        sys.setprofile(count_calls)
        try:
            connection.endheaders()
        except SSETransportError:
            return seen
        finally:
            sys.setprofile(None)
        raise AssertionError("sent")

    assert steps(number) < 60 * number + 5_000


def test_the_policy_is_read_at_each_request(http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client("http.client")(http.url + PATH, KMS) == 200
    monkeypatch.setenv(POLICY, "strict")
    with pytest.raises(SSETransportError):
        client("http.client")(http.url + PATH, KMS)
