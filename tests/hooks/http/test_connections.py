"""The connection decides: TLS, Unix sockets, tunnels, and unknown transports."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import BaseServer, ThreadingMixIn, UnixStreamServer
from typing import Any

import pytest

from obs_sse_guard import SSETransportError
from obs_sse_guard._hooks.http.request import is_private
from tests.support.guard import POLICY, TRUSTED
from tests.support.http_calls import CONTENT, SSE_C, client
from tests.support.records import rules
from tests.support.servers import (
    ConnectProxy,
    RecordingServer,
    TlsRecordingServer,
    assert_no_key,
    assert_silent,
    authority,
    leaks,
)
from tests.support.sse import KEY

PATH = "/bucket/object"


def _put(connection: http.client.HTTPConnection, headers: Any = SSE_C, target: str = PATH) -> int:
    connection.request("PUT", target, CONTENT, headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def test_a_refused_connection_takes_another_request(http_: RecordingServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", http_.port)
    for _ in range(2):
        with pytest.raises(SSETransportError):
            _put(connection)
        assert _put(connection, {}) == 200
    connection.close()
    assert [dict(request.headers).keys() & SSE_C.keys() for request in http_.requests] == [set(), set()]
    assert_no_key(http_, KEY)


@pytest.fixture(name="http_")
def _http(http: RecordingServer) -> RecordingServer:
    """Return the server under a name that hides no module."""
    return http


class _OwnOutput(http.client.HTTPConnection):
    """A connection that sends its buffer itself, as botocore's does."""

    def _send_output(self, message_body: Any = None, encode_chunked: bool = False) -> None:  # noqa: FBT002
        message = b"\r\n".join([*self._buffer, b"", b""])  # type: ignore[attr-defined]
        del self._buffer[:]  # type: ignore[attr-defined]
        self.send(message + (message_body or b""))


def test_a_class_that_sends_by_itself(http_: RecordingServer) -> None:
    connection = _OwnOutput("127.0.0.1", http_.port)
    assert _put(connection, {}) == 200
    with pytest.raises(SSETransportError):
        _put(connection)
    connection.close()
    assert_no_key(http_, KEY)


class _Wrapped(http.client.HTTPConnection):
    """A connection that wraps its socket by itself."""

    def connect(self) -> None:
        super().connect()
        context = ssl.create_default_context(cafile=str(authority().ca))
        self.sock: Any = context.wrap_socket(self.sock, server_hostname=self.host)


def test_a_socket_that_the_connection_wraps_itself_is_tls(https: TlsRecordingServer) -> None:
    connection = _Wrapped("127.0.0.1", https.port)
    assert (_put(connection), _put(connection)) == (200, 200)
    connection.close()
    assert leaks(https.received, KEY)


class _NotWrapped(http.client.HTTPSConnection):
    """A connection that only looks like TLS."""

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)


def test_a_connection_that_only_looks_like_tls_is_not(http_: RecordingServer) -> None:
    connection = _NotWrapped("127.0.0.1", http_.port)
    with pytest.raises(SSETransportError):
        _put(connection)
    assert _put(connection, {}) == 200  # and once it is open
    with pytest.raises(SSETransportError):
        _put(connection)
    assert_no_key(http_, KEY)


class _PortOfTls(http.client.HTTPConnection):
    """A plaintext connection whose default port is that of HTTPS."""

    default_port = 443


def test_a_port_is_not_tls(http_: RecordingServer) -> None:
    with pytest.raises(SSETransportError):
        _put(_PortOfTls("127.0.0.1", http_.port))
    assert_silent(http_)


class _Custom(http.client.HTTPConnection):
    """A connection whose socket is an object of another kind."""

    def connect(self) -> None:
        super().connect()
        self.sock: Any = _Stream(self.sock)


class _Stream:
    """A socket-like object that is no socket."""

    def __init__(self, sock: Any) -> None:
        self.makefile, self.sendall, self.close = sock.makefile, sock.sendall, sock.close


@pytest.mark.parametrize("policy", ["documented", "strict"])
def test_an_unknown_transport_cannot_be_judged(
    policy: str, http_: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(POLICY, policy)
    connection = _Custom("127.0.0.1", http_.port)
    if policy == "strict":
        with pytest.raises(SSETransportError, match="cannot-judge") as caught:
            _put(connection)
        assert "use an https:// URL" in str(caught.value)
        assert http_.wire == b""
    else:
        assert _put(connection) == 200
        assert rules(caplog) == ["cannot-judge"]
        assert "socket of its own kind" in caplog.text
    connection.close()


def test_errors_stay_those_of_the_library() -> None:
    class Failing(http.client.HTTPConnection):
        def connect(self) -> None:
            raise ConnectionRefusedError("refused by the test")

    connection: Any = Failing("127.0.0.1", 9)
    with pytest.raises(ConnectionRefusedError, match="by the test"):
        _put(connection)
    connection.close()
    assert connection._buffer == []
    with pytest.raises(http.client.CannotSendHeader):
        connection.endheaders()
    closed: Any = _Wrapped("127.0.0.1", 9)
    closed.auto_open = 0
    with pytest.raises(http.client.NotConnected):
        _put(closed)
    with pytest.raises(ValueError, match="Invalid header"):
        connection.request("PUT", PATH, headers={"x-amz-server-side-encryption-customer-key": "a\r\nb"})


def test_a_connection_that_cannot_be_read_is_left_to_the_library() -> None:
    class Half(http.client.HTTPConnection):
        def __init__(self) -> None:  # without a buffer
            pass

    with pytest.raises(AttributeError):
        Half().endheaders()


def test_a_failure_of_the_guard_is_reported(
    http_: RecordingServer, policy: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("obs_sse_guard._hooks.http.request.parse_headers", None)
    connection = http.client.HTTPConnection("127.0.0.1", http_.port)
    if policy == "strict":
        with pytest.raises(SSETransportError, match="cannot-judge"):
            _put(connection)
        assert_silent(http_)
    else:
        assert _put(connection) == 200
        assert rules(caplog) == ["cannot-judge"]
    connection.close()


def test_plaintext_inside_a_tunnel(http_: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with ConnectProxy() as proxy:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port)
        connection.set_tunnel("obs.test", http_.port)
        monkeypatch.setenv(TRUSTED, "obs.test")
        with pytest.raises(SSETransportError) as caught:
            _put(connection)
        assert caught.value.endpoint == f"http://obs.test:{http_.port}"
        monkeypatch.setenv(TRUSTED, "obs.test,127.0.0.1")
        assert_silent(proxy)
        assert _put(connection) == 200
        connection.close()
    assert leaks(http_.wire, KEY)


def _tunnel(proxy: ConnectProxy, https: TlsRecordingServer, headers: Any) -> int:
    context = ssl.create_default_context(cafile=https.ca)
    connection = http.client.HTTPSConnection("127.0.0.1", proxy.port, context=context)
    connection.set_tunnel("127.0.0.1", https.port, headers)
    with contextlib.closing(connection):
        if headers is SSE_C:
            with pytest.raises(SSETransportError):
                _put(connection, {})
            assert getattr(connection, "sock", None) is None, "the next request would not pass the tunnel"
        return _put(connection, {})


def _tunnel_of_urllib3(proxy: ConnectProxy, https: TlsRecordingServer, headers: Any) -> int:
    urllib3 = pytest.importorskip("urllib3")
    with urllib3.ProxyManager(proxy.url, proxy_headers=headers, ca_certs=https.ca, retries=False) as pool:
        return int(pool.request("PUT", f"https://127.0.0.1:{https.port}{PATH}", body=CONTENT).status)


def _tunnel_of_httpx(proxy: ConnectProxy, https: TlsRecordingServer, headers: Any) -> int:
    httpx = pytest.importorskip("httpx")
    context = ssl.create_default_context(cafile=https.ca)
    with httpx.Client(proxy=httpx.Proxy(proxy.url, headers=headers), verify=context) as client:
        return int(client.put(f"https://127.0.0.1:{https.port}{PATH}", content=CONTENT).status_code)


def _tunnel_of_aiohttp(proxy: ConnectProxy, https: TlsRecordingServer, headers: Any) -> int:
    aiohttp = pytest.importorskip("aiohttp")
    options = {"proxy": proxy.url, "proxy_headers": headers, "ssl": ssl.create_default_context(cafile=https.ca)}

    async def put() -> int:
        url = f"https://127.0.0.1:{https.port}{PATH}"
        async with aiohttp.ClientSession() as session, session.put(url, data=CONTENT, **options) as response:
            return int(response.status)

    return asyncio.run(put())


@pytest.mark.parametrize("send", [_tunnel, _tunnel_of_urllib3, _tunnel_of_httpx, _tunnel_of_aiohttp])
def test_headers_for_the_proxy(send: Any, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    """The request for a tunnel is sent in plaintext."""
    with ConnectProxy() as proxy:
        with pytest.raises(SSETransportError) as caught:
            send(proxy, https, SSE_C)
        assert (caught.value.rule, caught.value.operation) == ("key-in-clear", "CONNECT object")
        assert caught.value.endpoint == proxy.url
        assert proxy.wire == b""
        assert send(proxy, https, {"Proxy-Authorization": "Basic secret"}) == 200
        assert b"Proxy-Authorization: Basic secret" in proxy.wire
    assert not caplog.records


@pytest.mark.parametrize("is_open", [False, True])
def test_tls_to_a_proxy_that_sends_on_in_plaintext(is_open: bool, https: TlsRecordingServer) -> None:
    connection = http.client.HTTPSConnection(
        "127.0.0.1", https.port, context=ssl.create_default_context(cafile=https.ca)
    )
    if is_open:
        assert _put(connection) == 200
    before = https.received
    with pytest.raises(SSETransportError) as caught:
        _put(connection, target=f"http://obs.example.com{PATH}")
    assert caught.value.endpoint == "http://obs.example.com"
    assert https.received == before
    assert _put(connection, target=f"https://obs.example.com{PATH}") == 200
    connection.close()


@pytest.mark.parametrize("target", ["http://obs.test:port/x", "*", "//obs.test/x"])
def test_unusual_targets_are_refused(target: str, http_: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", http_.port)
    if "port" in target:  # nobody can trust a host that cannot be read
        monkeypatch.setenv(TRUSTED, "127.0.0.1,obs.test")
    with pytest.raises(SSETransportError) as caught:
        _put(connection, target=target)
    assert caught.value.endpoint == ("http://" if "port" in target else http_.url)
    assert_silent(http_)


# --------------------------------------------------------------------------------- Unix sockets

needs_unix = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this platform has no Unix sockets")


@pytest.fixture
def unix(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """Start a server on a Unix socket; yield its path and the headers it receives."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:  # the library's name
            seen.extend(map(str.lower, self.headers))
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingMixIn, UnixStreamServer):
        daemon_threads = True

    path = str(tmp_path / "socket")
    server: BaseServer = Server(path, Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield path, seen
    server.shutdown()
    server.server_close()
    thread.join(10)


class _Unix(http.client.HTTPConnection):
    """A connection to a Unix socket, as Docker's client opens it."""

    path = ""

    def connect(self) -> None:
        self.sock: Any = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def _unix_http_client(path: str) -> int:
    connection = _Unix("localhost")
    connection.path = path
    with contextlib.closing(connection):
        return _put(connection) + _put(connection) - 200


def _unix_httpx(path: str) -> int:
    httpx = pytest.importorskip("httpx")
    with httpx.Client(transport=httpx.HTTPTransport(uds=path)) as session:
        return int(session.put(f"http://localhost{PATH}", headers=SSE_C, content=CONTENT).status_code)


def _unix_httpx_async(path: str) -> int:
    httpx = pytest.importorskip("httpx")

    async def run() -> int:
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=path)) as session:
            return int((await session.put(f"http://localhost{PATH}", headers=SSE_C, content=CONTENT)).status_code)

    return asyncio.run(run())


def _unix_aiohttp(path: str) -> int:
    aiohttp = pytest.importorskip("aiohttp")

    async def run() -> int:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as session,
            session.put(f"http://localhost{PATH}", headers=SSE_C, data=CONTENT) as answer,
        ):
            return int(answer.status)

    return asyncio.run(run())


@needs_unix
@pytest.mark.parametrize("send", [_unix_http_client, _unix_httpx, _unix_httpx_async, _unix_aiohttp])
def test_a_unix_socket_is_not_the_network(send: Any, unix: tuple[str, list[str]], caplog: Any) -> None:
    path, seen = unix
    assert send(path) == 200
    assert SSE_C.keys() <= set(seen)
    assert not caplog.records


def test_which_sockets_are_private() -> None:
    with socket.socket() as four, socket.socket(socket.AF_INET6) as six:
        assert [is_private(four), is_private(six), is_private(None), is_private(object())] == [False, False, None, None]


# --------------------------------------------------------------------------------- httpcore and aiohttp

H2 = {"http1": False, "http2": True}


@pytest.mark.parametrize("name", ["httpx", "httpx, async"])
def test_http2_over_plaintext(name: str, http_: RecordingServer) -> None:
    pytest.importorskip("h2")
    with pytest.raises(SSETransportError) as caught:
        client(name)(http_.url + PATH, SSE_C, **H2)
    assert (caught.value.sdk, caught.value.rule) == ("httpx", "key-in-clear")
    assert http_.wire == b""


@pytest.mark.parametrize("options", [{}, H2], ids=["1.1", "2"])
def test_a_client_of_httpx_stays_usable(options: Any, http_: RecordingServer) -> None:
    """A refusal loses no connection of the client's pool."""
    httpx = pytest.importorskip("httpx")
    pytest.importorskip("h2")
    limits = httpx.Limits(max_connections=1)
    with httpx.Client(limits=limits, timeout=2, **options) as session:
        for _ in range(3):
            with pytest.raises(SSETransportError):
                session.put(http_.url + PATH, headers=SSE_C, content=CONTENT)
        if not options:
            assert session.put(http_.url + PATH, content=CONTENT).status_code == 200
            assert_no_key(http_, KEY)


def test_a_client_of_aiohttp_stays_usable(http_: RecordingServer) -> None:
    aiohttp = pytest.importorskip("aiohttp")

    async def run() -> int:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
            for _ in range(3):
                with pytest.raises(SSETransportError):
                    await session.put(http_.url + PATH, headers=SSE_C, data=CONTENT)
            async with session.put(http_.url + PATH, data=CONTENT) as answer:
                return int(answer.status)

    assert asyncio.run(run()) == 200
    assert_no_key(http_, KEY)


@pytest.mark.parametrize("name", ["urllib3", "httpx", "httpx, async"])
def test_a_url_through_a_tls_proxy(name: str, https: TlsRecordingServer) -> None:
    """The proxy would send the request on in plaintext."""
    send = client(name)
    proxy: Any = https.url
    if name == "httpx, async":
        pytest.importorskip("httpcore", minversion="1.0.5")  # older ones do not take the proxy's context
    if name != "urllib3":
        httpx = pytest.importorskip("httpx")
        proxy = httpx.Proxy(https.url, ssl_context=ssl.create_default_context(cafile=https.ca))
    with pytest.raises(SSETransportError) as caught:
        send(f"http://obs.example.com{PATH}", SSE_C, https.ca, proxy)
    assert caught.value.endpoint == "http://obs.example.com"
    assert https.received == b""
    assert send(f"http://obs.example.com{PATH}", {}, https.ca, proxy) == 200


def test_a_custom_request_that_cannot_be_read(policy: str, caplog: pytest.LogCaptureFixture) -> None:
    from obs_sse_guard._hooks.http.aiohttp import _send_hook
    from obs_sse_guard._hooks.http.httpcore import _request_hook

    reached: list[str] = []
    made = [
        _send_hook("send", lambda self, conn: reached.append("aiohttp")),
        _request_hook("handle", lambda self, request: reached.append("httpcore")),
    ]
    for hook in made:
        if policy == "strict":
            with pytest.raises(SSETransportError, match="cannot-judge"):
                hook(object(), object())
        else:
            hook(object(), object())
    assert reached == ([] if policy == "strict" else ["aiohttp", "httpcore"])
    assert rules(caplog) == ["cannot-judge"] * len(reached)


@pytest.mark.parametrize("library", ["urllib3", "requests"])
def test_a_refusal_is_not_retried(library: str, http_: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    urllib3 = pytest.importorskip("urllib3")
    retries = urllib3.Retry(5, backoff_factor=0, allowed_methods=None)
    begun: list[object] = []
    begin = http.client.HTTPConnection.putrequest

    @functools.wraps(begin)
    def counted(*args: Any, **kwargs: Any) -> None:
        begun.append(args)
        begin(*args, **kwargs)

    monkeypatch.setattr(http.client.HTTPConnection, "putrequest", counted)
    with pytest.raises(SSETransportError):
        if library == "urllib3":
            urllib3.PoolManager(retries=retries).request("PUT", http_.url + PATH, headers=SSE_C, body=CONTENT)
        else:
            requests = pytest.importorskip("requests")
            session = requests.Session()
            session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retries))
            session.put(http_.url + PATH, headers=SSE_C, data=CONTENT)
    assert len(begun) == 1
    assert_silent(http_)
