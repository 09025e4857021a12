"""The recording servers are tested before other tests rely on them.

A server that misses bytes would hide every leak. So these tests drive the unguarded SDK through every
variant that the other tests use, and the server must record the key each time.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import socket
import ssl
import threading
from http.client import HTTPConnection, HTTPSConnection, RemoteDisconnected
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pytest

import obs_sse_guard
from tests.support import expected_rules
from tests.support.obs_calls import (
    ALTERNATIVES,
    BUCKET,
    CONTENT,
    KINDS,
    OBJECT,
    PLAIN,
    ROWLESS,
    ROWLESS_ROW,
    TRANSPORTS,
    UPLOAD_ID,
    CallVariant,
    drive,
    has_transport,
    https_works,
    open_client,
    prefix_of,
    raw_headers,
    without_backoff,
)
from tests.support.servers import (
    DOMAIN,
    ETAG,
    LOOPBACK,
    ConnectProxy,
    RecordingServer,
    Request,
    TlsRecordingServer,
    assert_no_key,
    assert_silent,
    authority,
    leaks,
)
from tests.support.servers import (
    OBJECT as STORED,
)
from tests.support.sse import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


pytestmark = [  # warnings of SDK releases on newer Pythons
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Testing an element's truth value:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:key_file, cert_file and check_hostname:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def _guard_active() -> None:
    """Remove the guard: only without it does the SDK send the key."""
    obs_sse_guard.uninstall()


@pytest.fixture
def proxy() -> Iterator[ConnectProxy]:
    with ConnectProxy() as server:
        yield server


@contextlib.contextmanager
def talk(server: RecordingServer) -> Iterator[HTTPConnection]:
    """Open a plain HTTP connection, to test the server without an SDK."""
    if server.ca:
        context = ssl.create_default_context(cafile=server.ca)
        connection: HTTPConnection = HTTPSConnection(LOOPBACK, server.port, context=context, timeout=10)
    else:
        connection = HTTPConnection(LOOPBACK, server.port, timeout=10)
    with contextlib.closing(connection):
        yield connection


def send(connection: HTTPConnection, method: str, target: str, **rest: Any) -> tuple[int, bytes]:
    connection.request(method, target, **rest)
    response = connection.getresponse()
    return response.status, response.read()


# ------------------------------------------------------------------------------- the recorder


def test_without_a_client_nothing_is_recorded(http: RecordingServer) -> None:
    assert_silent(http)
    assert http.requests == ()


@pytest.mark.parametrize("content", [b"", b"P"])
def test_a_connection_is_not_silence(http: RecordingServer, content: bytes) -> None:
    with socket.create_connection((LOOPBACK, http.port)) as client:
        client.sendall(content)
        with pytest.raises(AssertionError, match="recorded 1 connections"):
            assert_silent(http)
        assert http.wire == content


def test_a_closed_connection_is_not_silence(http: RecordingServer) -> None:
    socket.create_connection((LOOPBACK, http.port)).close()
    with pytest.raises(AssertionError, match="recorded 1 connections"):
        assert_silent(http)


def test_records_are_complete_without_sleeping(http: RecordingServer) -> None:
    """Without a response or a sleep, every byte of every client is recorded."""
    data = b"x" * 300_000
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            client = stack.enter_context(socket.create_connection((LOOPBACK, http.port)))
            client.sendall(b"PUT /half HTTP/1.1\r\nContent-Length: 999999\r\n\r\n" + data)
        assert http.connections == 20
        assert http.wire.count(data) == 20
        assert http.requests == ()


def test_settling_leaves_no_trace(http: RecordingServer) -> None:
    for _ in range(5):
        http.settle()
    assert_silent(http)


@pytest.mark.parametrize("kind", [RecordingServer, TlsRecordingServer])
def test_a_request_is_recorded_as_it_was_sent(kind: type[RecordingServer]) -> None:
    headers = {"X-OBS-one": "1", "x-Two": "b", "Connection": "close"}
    with kind() as server, talk(server) as connection:
        assert send(connection, "PUT", "/b/k%2F?a=1&b", body=b"body", headers=headers)[0] == 200
        (request,) = server.requests
    assert (request.method, request.target, request.body) == ("PUT", "/b/k%2F?a=1&b", b"body")
    assert (request.path, request.query, request.key) == ("/b/k%2F", {"a": "1", "b": ""}, "k%2F")
    assert request.headers[-3:] == (("X-OBS-one", "1"), ("x-Two", "b"), ("Connection", "close"))
    assert (request.header("x-obs-ONE"), request.header("none")) == ("1", "")
    assert b"PUT /b/k%2F?a=1&b HTTP/1.1\r\n" in server.received
    assert server.received.endswith(b"\r\n\r\nbody")


def test_tls_records_the_plaintext_and_the_wire(https: TlsRecordingServer) -> None:
    with talk(https) as connection:
        send(connection, "PUT", "/b/k", headers={"secret": KEY})
    assert KEY.encode() in https.received
    assert KEY.encode() not in https.wire
    assert len(https.wire) > len(https.received)


def test_plaintext_to_tls_is_recorded_and_not_answered(https: TlsRecordingServer) -> None:
    with socket.create_connection((LOOPBACK, https.port), timeout=10) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert client.recv(1) == b""
    assert (https.wire, https.requests) == (b"GET / HTTP/1.1\r\n\r\n", ())


def test_tls_to_plaintext_fails_at_once(http: RecordingServer) -> None:
    context = ssl.create_default_context(cafile=str(authority().ca))
    client = socket.create_connection((LOOPBACK, http.port), timeout=10)
    with client, pytest.raises(OSError, match=r"EOF|reset"):
        context.wrap_socket(client, server_hostname=LOOPBACK)
    assert http.connections == 1


@pytest.mark.parametrize("kind", [RecordingServer, TlsRecordingServer])
def test_connections_are_kept_alive(kind: type[RecordingServer]) -> None:
    with kind() as server, talk(server) as connection:
        for number in range(3):
            assert send(connection, "GET", f"/b/{number}") == (200, STORED)
        assert server.connections == 1
        assert [r.connection for r in server.requests] == [0, 0, 0]


def test_clients_at_the_same_time(https: TlsRecordingServer) -> None:
    def work() -> None:
        with talk(https) as connection:
            for _ in range(5):
                send(connection, "PUT", "/b/k", body=b"x" * 100_000)

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(20)
    assert https.connections == 8
    assert [len(r.body) for r in https.requests] == [100_000] * 40


@pytest.mark.parametrize("kind", [RecordingServer, TlsRecordingServer])
def test_chunked_bodies(kind: type[RecordingServer]) -> None:
    chunks = [b"one", b"x" * 70_000, b"\r\n0\r\n\r\n"]
    with kind() as server, talk(server) as connection:
        assert send(connection, "PUT", "/b/k", body=iter(chunks))[0] == 200
        assert send(connection, "PUT", "/b/k", body=b"next")[0] == 200
        assert [r.body for r in server.requests] == [b"".join(chunks), b"next"]


@pytest.mark.parametrize("kind", [RecordingServer, TlsRecordingServer])
def test_a_client_that_expects_100_continue_gets_it(kind: type[RecordingServer]) -> None:
    with kind() as server, talk(server) as connection:
        connection.connect()
        head = b"PUT /b/k HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
        connection.sock.sendall(head)
        assert connection.sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sock.sendall(b"body")
        assert connection.sock.recv(100).startswith(b"HTTP/1.1 200 ")
        assert [r.body for r in server.requests] == [b"body"]


@pytest.mark.parametrize(("method", "length"), [("HEAD", len(STORED)), ("DELETE", None)])
def test_answers_without_a_body(method: str, length: int | None, http: RecordingServer) -> None:
    """Read from the socket, because http.client discards a forbidden body."""
    with socket.create_connection((LOOPBACK, http.port), timeout=10) as client:
        client.sendall(f"{method} /b/k HTTP/1.1\r\nConnection: close\r\n\r\n".encode())
        with client.makefile("rb") as stream:
            head, _, body = stream.read().partition(b"\r\n\r\n")
    assert body == b""
    assert re.findall(rb"Content-Length: (\d+)", head) == ([] if length is None else [b"%d" % length])
    assert (b"Last-Modified: " in head) == (method == "HEAD")


def test_parts_of_an_object(http: RecordingServer) -> None:
    with talk(http) as connection:
        assert send(connection, "GET", "/b/k", headers={"Range": "bytes=2-4"}) == (206, STORED[2:5])
        whole = {"Range": "bytes=0-999"}
        assert send(connection, "GET", "/b/k", headers=whole) == (206, STORED)


# ------------------------------------------------------------------------- scripted responses


def test_scripts_in_their_order_then_the_usual_answer(http: RecordingServer) -> None:
    http.answer("PUT /b/k", 500, times=2)
    http.answer("/b/k", 307, {"Location": "http://elsewhere/"}, "moved", times=1)
    http.answer(lambda r: r.body == b"tea", 418, [("A", "1"), ("A", "2")])
    with talk(http) as connection:
        assert send(connection, "GET", "/b/other") == (200, STORED)
        assert [send(connection, "PUT", "/b/k?x")[0] for _ in range(2)] == [500, 500]
        assert send(connection, "PUT", "/b/k") == (307, b"moved")
        assert send(connection, "PUT", "/b/k") == (200, b"")
        connection.request("PUT", "/b/k", body=b"tea")
        response = connection.getresponse()
        assert (response.status, response.msg.get_all("A")) == (418, ["1", "2"])
        response.read()


def test_headers_added_to_the_usual_answer(http: RecordingServer) -> None:
    http.answer("GET", headers={"x-obs-server-side-encryption": "kms"})
    with talk(http) as connection:
        connection.request("GET", "/b/k")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, STORED)
        assert response.getheader("x-obs-server-side-encryption") == "kms"
        assert response.getheader("ETag") == ETAG


@pytest.mark.parametrize("kind", [RecordingServer, TlsRecordingServer])
def test_a_dropped_request_is_recorded(kind: type[RecordingServer]) -> None:
    with kind() as server, talk(server) as connection:
        server.drop("/b/k", times=1)
        with pytest.raises(RemoteDisconnected):
            send(connection, "PUT", "/b/k", body=b"body")
        assert [r.body for r in server.requests] == [b"body"]
        assert send(connection, "GET", "/b/k")[0] == 200


def test_an_unreadable_request_ends_its_connection_only(http: RecordingServer) -> None:
    with socket.create_connection((LOOPBACK, http.port), timeout=10) as client:
        client.sendall(b"PUT / HTTP/1.1\r\nContent-Length: many\r\n\r\n")
        assert client.recv(1) == b""
    with talk(http) as connection:
        assert send(connection, "GET", "/b/k")[0] == 200


# ------------------------------------------------------------------------------------- ending


def test_records_outlive_the_server_and_closing_is_final() -> None:
    with RecordingServer() as server, talk(server) as connection:
        send(connection, "GET", "/b/k")
    server.close()
    assert (server.connections, len(server.requests)) == (1, 1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, server.port))


def test_a_forgotten_server_ends_by_itself() -> None:
    server = RecordingServer(lifetime=0)
    server._thread.join(10)
    assert not server._thread.is_alive()
    assert_silent(server)


def test_open_connections_end_with_the_server(http: RecordingServer) -> None:
    with socket.create_connection((LOOPBACK, http.port), timeout=10) as client:
        http.settle()
        http.close()
        assert client.recv(1) == b""


def test_no_thread_is_left_behind() -> None:
    before = {*threading.enumerate()}  # one of another test's may end meanwhile
    for _ in range(20):
        with RecordingServer(), TlsRecordingServer(), ConnectProxy():
            pass
    assert {*threading.enumerate()} <= before


# -------------------------------------------------------------------------------------- proxy


@pytest.mark.parametrize("kind", [RecordingServer, TlsRecordingServer])
def test_a_tunnel_carries_and_is_read(kind: type[RecordingServer], proxy: ConnectProxy) -> None:
    with kind() as server, talk(server) as connection:
        connection.set_tunnel(LOOPBACK, server.port)
        connection.host, connection.port = LOOPBACK, proxy.port
        assert send(connection, "PUT", "/b/k", body=KEY)[0] == 200
        assert send(connection, "GET", "/b/k") == (200, STORED)
        assert [r.method for r in server.requests] == ["PUT", "GET"]
        assert server.connections == 1
        assert [(r.method, r.target) for r in proxy.requests] == [("CONNECT", f"{LOOPBACK}:{server.port}")]
        assert (KEY.encode() in proxy.received) == (server.scheme == "http")


def test_absolute_form_is_forwarded_and_read(http: RecordingServer, proxy: ConnectProxy) -> None:
    url = f"http://b.{DOMAIN}:{http.port}/k?a=1"
    headers = {"secret": KEY, "Connection": "keep-alive", "Proxy-Connection": "keep-alive"}
    connection = HTTPConnection(LOOPBACK, proxy.port, timeout=10)
    with contextlib.closing(connection):
        assert send(connection, "POST", url, body=b"body", headers=headers)[0] == 200
    (proxied,), (request,) = proxy.requests, http.requests
    assert proxied.target == url
    assert (request.target, request.host, request.body) == ("/k?a=1", f"b.{DOMAIN}", b"body")
    hops = [value for name, value in request.headers if "connection" in name.lower()]
    assert hops == ["close"], "these headers are only for the proxy"
    assert KEY.encode() in proxy.received


def test_a_proxy_to_nowhere(proxy: ConnectProxy) -> None:
    with RecordingServer() as gone:
        pass
    connection = HTTPConnection(LOOPBACK, proxy.port, timeout=10)
    with contextlib.closing(connection):
        assert send(connection, "GET", f"http://{LOOPBACK}:{gone.port}/")[0] == 502


def test_an_unused_proxy_is_silent(proxy: ConnectProxy) -> None:
    assert_silent(proxy)


# ---------------------------------------------------------------------------- names and leaks


def test_only_test_names_are_resolved() -> None:
    assert socket.getaddrinfo(f"bucket.{DOMAIN}", 80)[0][4][0] == LOOPBACK
    with pytest.raises(socket.gaierror, match="no name is resolved in tests"):
        socket.getaddrinfo("obs.example.com", 80)


_DIGEST = hashlib.md5(KEY.encode()).digest()  # noqa: S324  # required by the protocol


def _policy() -> bytes:
    return base64.b64encode(b'{"conditions":[{"key":"' + base64.b64encode(KEY.encode()) + b'"}]}')


@pytest.mark.parametrize(
    "data",
    [
        KEY,
        quote(KEY),
        re.sub("%..", lambda found: found[0].lower(), quote(KEY, safe="")),
        quote_plus(KEY),
        quote(quote(KEY, safe=""), safe=""),
        base64.b64encode(KEY.encode()),
        quote_plus(base64.b64encode(KEY.encode())),
        base64.b64encode(b"?" + KEY.encode() + b"!"),
        base64.b64encode(b"??" + KEY.encode() + b"!"),
        base64.b64encode(_DIGEST),
        quote(base64.b64encode(_DIGEST), safe=""),
        _DIGEST.hex(),
        _policy(),
        quote(_policy(), safe=""),
    ],
)
def test_every_readable_shape_of_the_key_is_found(data: str | bytes) -> None:
    around = data.encode() if isinstance(data, str) else data
    assert leaks(data, KEY)
    assert leaks(b"before " + around + b" after", KEY.encode())


@pytest.mark.parametrize("data", ["", "AES256", KEY[1:], base64.b64encode(KEY[:24].encode())])
def test_other_data_is_not_a_leak(data: str | bytes) -> None:
    assert leaks(data, KEY) == []


def test_a_recorded_key_is_reported_but_not_printed(http: RecordingServer) -> None:
    with talk(http) as connection:
        send(connection, "PUT", "/b/k", headers={"a": base64.b64encode(KEY.encode()).decode()})
    with pytest.raises(AssertionError, match="recorded the key in base64") as caught:
        assert_no_key(http, KEY)
    assert leaks(str(caught.value), KEY) == []
    assert_no_key(http, KEY[::-1])


# ---------------------------------------------------------------------------- the transcription


def test_the_32_rows_have_unique_ids() -> None:
    assert len(expected_rules.ROWS) == 32
    ids = [row.id for row in (*expected_rules.ROWS, *expected_rules.ROWS_OF_2025)]
    assert len(set(ids)) == len(expected_rules.ROWS) + len(expected_rules.ROWS_OF_2025)
    assert {row.operation for row in expected_rules.ROWS} == set(expected_rules.OPERATIONS)
    assert [row.table for row in expected_rules.ROWS] == [1] * 7 + [2] * 7 + [3] * 9 + [4] * 9


# --------------------------------------------------------------------------- driving the SDK


def names_kms(request: Request) -> bool:
    return any(
        name.lower().endswith("server-side-encryption") and value in ("kms", "aws:kms")
        for name, value in request.headers
    )


def sends_key(row: expected_rules.Row) -> bool:
    return "SSE-C" in (row.source, row.target)


def cases() -> list[Any]:
    """Return every variant with every row that it can express."""
    every = [variant for name in expected_rules.OPERATIONS for variant in (PLAIN[name], *ALTERNATIVES[name])]
    return [
        pytest.param(variant, row, id=f"{variant.id}-{row.id}")
        for variant in every
        for row in expected_rules.ROWS
        if variant.can_express(row)
    ]


def perform(variant: CallVariant, client: Any, row: expected_rules.Row, folder: Path) -> Any:
    """Return the result of the SDK; skip if its release lacks the variant."""
    if not variant.available(client):
        pytest.skip(f"this release does not support {variant.id}")
    return variant.call(client, row, KEY, folder)


def assert_succeeded(result: Any) -> None:
    results = [answer for _, answer in result] if isinstance(result, list) else [result]
    assert all((getattr(answer, "status", None) or 200) < 300 for answer in results)


_NAMES = {
    ("PUT", "", ""): "PutObject",
    ("POST", "append", ""): "PutObject",
    ("PUT", "modify", ""): "PutObject",
    ("POST", "uploads", ""): "InitiateMultipartUpload",
    ("HEAD", "", ""): "HeadObject",
    ("GET", "", ""): "GetObject",
    ("PUT", "partNumber", ""): "UploadPart",
    ("POST", "uploadId", ""): "CompleteMultipartUpload",
    ("PUT", "", "copy"): "CopyObject",
    ("PUT", "partNumber", "copy"): "UploadPartCopy",
}


def operation_of(request: Request) -> str:
    """Return the operation of a request."""
    if not request.key:
        return ""
    copies = any(name.lower().endswith("-copy-source") for name, _ in request.headers)
    query = next(iter(request.query), "")
    return _NAMES.get((request.method, query, "copy" if copies else ""), "")


@pytest.mark.full
@pytest.mark.parametrize("kind", ["obs", "v2"])
@pytest.mark.parametrize(("variant", "row"), cases())
def test_every_call_variant_is_recorded(
    variant: CallVariant, row: expected_rules.Row, kind: str, http: RecordingServer, tmp_path: Path
) -> None:
    """The unguarded SDK sends every variant over HTTP, and its key is recorded."""
    with open_client(kind, http) as client:
        result = perform(variant, client, row, tmp_path)
        assert_succeeded(result)
    assert tuple(map(operation_of, http.calls)) == variant.requests
    if variant.only_signs:
        assert_silent(http)
    shown = str(result) if variant.only_signs else http.received
    assert bool(leaks(shown, KEY)) == sends_key(row)
    named = row.target == "SSE-KMS" and not variant.only_signs and "SSE-KMS" not in variant.drops
    assert any(map(names_kms, http.calls)) == named


@pytest.mark.thinned(strength=1)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("variant", ROWLESS, ids=lambda variant: variant.id)
def test_calls_without_a_row_are_recorded(
    variant: CallVariant, kind: str, http: RecordingServer, tmp_path: Path
) -> None:
    with open_client(kind, http) as client:
        perform(variant, client, ROWLESS_ROW, tmp_path)
    assert leaks(http.received, KEY)


@pytest.mark.thinned(strength=1)
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row", expected_rules.ROWS, ids=lambda row: row.id)
def test_every_row_over_tls(
    row: expected_rules.Row, kind: str, transport: str, https: TlsRecordingServer, tmp_path: Path
) -> None:
    """The certificate is verified, and the wire shows no key."""
    if not has_transport(transport) or not https_works():
        pytest.skip("this release has no such transport")
    with open_client(kind, https, transport=transport) as client:
        result = perform(PLAIN[row.operation], client, row, tmp_path)
        assert_succeeded(result)
    signed = row.operation == "PostObject"
    assert bool(leaks(str(result) if signed else https.received, KEY)) == sends_key(row)
    assert leaks(https.wire, KEY) == []


@pytest.mark.thinned(strength=1)
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("row", expected_rules.ROWS, ids=lambda row: row.id)
def test_every_row_by_every_transport(
    row: expected_rules.Row, transport: str, http: RecordingServer, tmp_path: Path
) -> None:
    if not has_transport(transport):
        pytest.skip("this release has no such transport")
    with open_client("obs", http, transport=transport) as client:
        for _ in range(2):
            assert_succeeded(perform(PLAIN[row.operation], client, row, tmp_path))
    if row.operation != "PostObject":
        assert [operation_of(r) for r in http.calls] == [row.operation] * 2
        assert bool(leaks(http.received, KEY)) == sends_key(row)
        # two calls and the negotiation; one kept connection serves all three
        assert http.connections == (1 if transport == "long" else 3)


def test_drive_uses_the_plain_variant(http: RecordingServer) -> None:
    with open_client("v2", http) as client:
        assert drive(client, expected_rules.ROWS[0]).status == 200
    assert leaks(http.received, KEY)


def test_a_certificate_is_verified(https: TlsRecordingServer, tmp_path: Path) -> None:
    """A client that trusts another authority sends nothing: the CA option works."""
    if not https_works():
        pytest.skip("this release has no TLS here")
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    strangers: dict[str, Any] = {"ssl_verify": True, "max_retry_count": 0}
    with open_client("v2", https, **strangers) as client, pytest.raises(ssl.SSLError):
        drive(client, expected_rules.ROWS[0])
    assert https.received == b""
    with open_client("v2", https, ssl_verify=False) as client:
        assert drive(client, expected_rules.ROWS[0]).status == 200


def test_a_certificate_for_another_host() -> None:
    """ObsClient does not check the name in the certificate."""
    if not https_works():
        pytest.skip("this release has no TLS here")
    with TlsRecordingServer(other_name=True) as server, open_client("v2", server) as client:
        assert drive(client, expected_rules.ROWS[0]).status == 200
        with talk(server) as connection, pytest.raises(ssl.SSLCertVerificationError):
            send(connection, "GET", "/b/k")


# ------------------------------------------------------------------- responses to the SDK


@pytest.mark.parametrize(("signature", "prefix"), [("obs", "x-obs-"), ("v2", "x-amz-")])
def test_the_signature_is_negotiated(signature: str, prefix: str) -> None:
    with RecordingServer(signature=signature) as server, open_client("obs", server) as client:
        drive(client, expected_rules.ROWS[0])
        negotiation, call = server.requests
    assert (negotiation.method, negotiation.target) == ("HEAD", "/?apiversion")
    assert call.host == f"{BUCKET}.{DOMAIN}"
    assert any(name.lower().startswith(f"{prefix}server-side-enc") for name, _ in call.headers)


@pytest.mark.parametrize(
    ("kind", "prefix", "authorization"),
    [("obs", "x-obs-", "OBS "), ("v2", "x-amz-", "AWS "), ("v4", "x-amz-", "AWS4-HMAC-SHA256 ")],
)
def test_the_kinds_differ(kind: str, prefix: str, authorization: str, http: RecordingServer) -> None:
    with open_client(kind, http) as client:
        assert prefix_of(client) == prefix
        drive(client, expected_rules.ROWS[0])
    (call,) = http.calls
    assert call.header("Authorization").startswith(authorization)
    assert call.key == OBJECT


def test_the_usual_answers_are_understood(http: RecordingServer, tmp_path: Path) -> None:
    with open_client("obs", http) as client:
        upload = client.initiateMultipartUpload(BUCKET, OBJECT).body.uploadId
        assert client.initiateMultipartUpload(BUCKET, OBJECT).body.uploadId != upload != UPLOAD_ID
        assert client.putContent(BUCKET, OBJECT, CONTENT).body.etag == ETAG
        assert client.getObjectMetadata(BUCKET, OBJECT).body.contentLength == len(STORED)
        assert client.getObject(BUCKET, OBJECT, loadStreamInMemory=True).body.buffer == STORED
        assert client.copyObject("s", "k", BUCKET, OBJECT).body.etag == ETAG
        assert client.copyPart(BUCKET, OBJECT, 1, upload, "s/k").body.etag == ETAG
        assert client.listParts(BUCKET, OBJECT, upload).body.parts[0].partNumber == 1
        assert [c.key for c in client.listObjects(BUCKET).body.contents] == [OBJECT]
        assert client.getBucketEncryption(BUCKET).body.encryption == "kms"
        assert client.deleteObject(BUCKET, OBJECT).status == 204
        client.downloadFile(BUCKET, OBJECT, str(tmp_path / "got"))
    assert (tmp_path / "got").read_bytes() == STORED


def test_kms_in_an_answer(http: RecordingServer) -> None:
    http.answer(lambda r: bool(r.key), headers={"x-obs-server-side-encryption": "kms"})
    with open_client("obs", http) as client:
        assert client.getObjectMetadata(BUCKET, OBJECT).body.sseKms == "kms"
        assert client.initiateMultipartUpload(BUCKET, OBJECT).body.sseKms == "kms"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("kind", KINDS)
def test_redirects_to_plaintext_are_followed(
    kind: str, status: int, https: TlsRecordingServer, http: RecordingServer
) -> None:
    """The client uses https, and a redirect sends the key in clear to another server."""
    if not https_works():
        pytest.skip("this release has no TLS here")
    https.answer(lambda r: bool(r.key), status, {"Location": f"{http.url}/{BUCKET}/{OBJECT}"})
    row = next(row for row in expected_rules.ROWS if row.id == "table-1/GetObject")
    with open_client(kind, https) as client, without_backoff() as sleeps:
        assert drive(client, row).status == 200
    assert len(sleeps) == 1
    assert [r.method for r in http.requests] == ["GET"]
    assert leaks(http.received, KEY)


@pytest.mark.parametrize("fault", ["500", "drop"])
def test_faults_are_retried_and_every_attempt_is_recorded(fault: str, http: RecordingServer) -> None:
    if fault == "drop":
        http.drop("PUT", times=2)
    else:
        http.answer("PUT", 500, times=2)
    with open_client("obs", http) as client, without_backoff() as sleeps:
        assert drive(client, expected_rules.ROWS[0]).status == 200
    assert (len(http.calls), len(sleeps)) == (3, 2)


@pytest.mark.parametrize("transport", ["http.client", "requests"])
def test_the_sdk_through_a_proxy(transport: str, http: RecordingServer, proxy: ConnectProxy) -> None:
    """One transport tunnels, the other sends absolute URLs. The proxy can read both."""
    if not has_transport(transport):
        pytest.skip("this release has no such transport")
    through: dict[str, Any] = {"proxy_host": LOOPBACK, "proxy_port": proxy.port}
    with open_client("v2", http, transport=transport, **through) as client:
        assert drive(client, expected_rules.ROWS[0]).status == 200
    assert leaks(http.received, KEY)
    assert leaks(proxy.received, KEY)
    assert [r.method for r in proxy.requests] == ["CONNECT" if transport != "requests" else "PUT"]


def test_the_sdk_through_a_tunnel_with_tls(https: TlsRecordingServer, proxy: ConnectProxy) -> None:
    if not https_works():
        pytest.skip("this release has no TLS here")
    with open_client("v2", https, proxy_host=LOOPBACK, proxy_port=proxy.port) as client:
        assert drive(client, expected_rules.ROWS[0]).status == 200
    assert leaks(https.received, KEY)
    assert_no_key(proxy, KEY)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row", [row for row in expected_rules.ROWS if row.table == 3], ids=lambda row: row.id)
def test_raw_headers_are_those_of_the_sdk(row: expected_rules.Row, kind: str, http: RecordingServer) -> None:
    with open_client(kind, http) as client:
        drive(client, row)
        expected = {name.lower(): value for name, value in raw_headers(row, KEY, prefix_of(client)).items()}
    (call,) = http.calls
    assert {n.lower(): v for n, v in call.headers if "server-side-enc" in n.lower()} == expected
