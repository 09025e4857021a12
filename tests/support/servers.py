"""Loopback servers that record every byte they receive.

A leak is only visible on the wire, so the tests check sockets, never mocks: the number of connections,
the bytes, the requests. One thread runs one server. It responds as an object store would, and a test
can script other responses.

Nothing here sleeps. Before a record is read, `settle` lets the server process everything that clients
have sent. "No bytes" therefore means that none were sent, not that they were late.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import functools
import hashlib
import re
import selectors
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union
from urllib.parse import parse_qs, unquote_to_bytes, urlsplit

import pytest
import trustme

if TYPE_CHECKING:
    from typing_extensions import Self

LOOPBACK = "127.0.0.1"
DOMAIN = "obs.test"
"""Host names under this domain resolve to the loopback: see `loopback_names`."""

OBJECT = b"what the server keeps under every name"
ETAG = '"0cc175b9c0f1b6a831c399e269772661"'
LAST_MODIFIED = "Mon, 06 Jan 2025 10:00:00 GMT"

each_redirect_status = pytest.mark.parametrize("status", [301, 302, 303, 307, 308])

_READ = 1 << 16
_MAX_BYTES = 1 << 28
_MAX_CONNECTIONS = 1 << 12
_SETTLE_SECONDS = 10.0


# ------------------------------------------------------------------------------------ records


@dataclass(frozen=True)
class Request:
    """A request as received, with the original order and letter case of its headers."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        """Return the target without query, scheme and host."""
        return urlsplit(self.target).path or "/"

    @property
    def query(self) -> dict[str, str]:
        """Return the query parameters; a bare ``?uploads`` has the value ``""``."""
        pairs = parse_qs(urlsplit(self.target).query, keep_blank_values=True)
        return {name: values[-1] for name, values in pairs.items()}

    def header(self, name: str, default: str = "") -> str:
        """Return the last value of a header; the name is case-insensitive."""
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return found[-1] if found else default

    @property
    def host(self) -> str:
        """Return the Host header without its port."""
        return self.header("Host").rpartition(":")[0] or self.header("Host")

    @property
    def key(self) -> str:
        """Return the object key, in virtual-hosted or path style; empty for a bucket."""
        path = self.path.lstrip("/")
        if self.host.lower().endswith("." + DOMAIN):
            return path
        return path.partition("/")[2]


@dataclass(frozen=True)
class Answer:
    """A response. With ``status`` 0 there is none, and the connection is dropped."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def plus(self, headers: Iterable[tuple[str, str]]) -> Answer:
        """Return the same response with more headers."""
        return Answer(self.status, (*self.headers, *headers), self.body)

    def encode(self, method: str, *, close: bool) -> bytes:
        """Return the response as bytes: HEAD and 204 lack a body, HEAD keeps its length."""
        lines = [f"HTTP/1.1 {self.status} Scripted"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.status != 204 and not any(n.lower() == "content-length" for n, _ in self.headers):
            lines.append(f"Content-Length: {len(self.body)}")
        lines.append(f"Connection: {'close' if close else 'keep-alive'}")
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        return head if method == "HEAD" or self.status == 204 else head + self.body


DROPPED = Answer(0)

Match = Union[str, Callable[[Request], bool]]
Headers = Union[Mapping[str, str], Iterable[tuple[str, str]]]


def _pairs(headers: Headers) -> tuple[tuple[str, str], ...]:
    return tuple(headers.items() if isinstance(headers, Mapping) else headers)


def _predicate(match: Match) -> Callable[[Request], bool]:
    """Return a predicate for ``"PUT /bucket/key"``, for either part, or as given."""
    if callable(match):
        return match
    method, _, path = match.partition(" ") if match[:1] != "/" else ("", "", match)

    def matches(request: Request) -> bool:
        return method in ("", request.method) and path in ("", request.path, request.target)

    return matches


@dataclass
class _Script:
    """One scripted response, and how often it is still to be sent (``None``: always)."""

    matches: Callable[[Request], bool]
    answer: Answer | None
    extra: tuple[tuple[str, str], ...]
    left: int | None

    def take(self, request: Request) -> bool:
        if self.left == 0 or not self.matches(request):
            return False
        if self.left is not None:
            self.left -= 1
        return True


# ------------------------------------------------------------------------------- HTTP parsing


@dataclass(frozen=True)
class _Head:
    """The request line and headers, and the offset of the body."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    size: int

    def header(self, name: str) -> str:
        return next((v for k, v in reversed(self.headers) if k.lower() == name), "")


def _parse_head(data: bytearray) -> _Head | None:
    """Return the head of a request; None while it is incomplete."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    first, *lines = bytes(data[:end]).decode("latin-1").split("\r\n")
    method, target, _ = (*first.split(" "), "", "", "")[:3]
    pairs = (line.partition(":") for line in lines)
    headers = tuple((name, value.strip(" \t")) for name, _, value in pairs)
    return _Head(method, target, headers, end + 4)


def _parse_chunks(data: bytearray, start: int) -> tuple[bytes, int] | None:
    """Return a chunked body and its end; None while it is incomplete."""
    parts: list[bytes] = []
    at = start
    while (line_end := data.find(b"\r\n", at)) >= 0:
        size = int(bytes(data[at:line_end]).split(b";")[0], 16)
        begin, end = line_end + 2, line_end + 2 + size
        if size == 0:
            trailer_end = data.find(b"\r\n\r\n", line_end)
            return (b"".join(parts), trailer_end + 4) if trailer_end >= 0 else None
        if len(data) < end + 2:
            return None
        parts.append(bytes(data[begin:end]))
        at = end + 2
    return None


def _parse_body(head: _Head, data: bytearray) -> tuple[bytes, int] | None:
    """Return the body and its end; None while it is incomplete."""
    if head.header("transfer-encoding").lower() == "chunked":
        return _parse_chunks(data, head.size)
    end = head.size + int(head.header("content-length") or 0)
    return (bytes(data[head.size : end]), end) if len(data) >= end else None


# ------------------------------------------------------------------------------------- certs


class Authority:
    """A certificate authority for the loopback: its file, and contexts for servers."""

    def __init__(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="loopback-ca-")
        atexit.register(folder.cleanup)
        self.ca = Path(folder.name) / "ca.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca))
        names = (DOMAIN, "example.com", "obs.example.com")
        self.context = self._context(authority, LOOPBACK, "localhost", *names, *(f"*.{name}" for name in names))
        self.other_name = self._context(authority, "elsewhere.test")

    @staticmethod
    def _context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names).configure_cert(context)
        return context


@functools.lru_cache(maxsize=1)
def authority() -> Authority:
    """Return the authority of this process, whose keys are generated once."""
    return Authority()


# --------------------------------------------------------------------------------- transports


class _Clear:
    """Plaintext: the bytes on the wire are the content."""

    def open(self, wire: bytes) -> tuple[bytes, bytes]:
        """Return the received content, and the bytes to send back first."""
        return wire, b""

    def seal(self, data: bytes) -> bytes:
        return data

    def goodbye(self) -> bytes:
        return b""


class _Tls(_Clear):
    """TLS in memory, so that one thread can serve every connection."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._established = False

    def open(self, wire: bytes) -> tuple[bytes, bytes]:
        self._in.write(wire)
        content = bytearray()
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            if not self._established:
                self._tls.do_handshake()
                self._established = True
            while chunk := self._tls.read(_READ):
                content += chunk
        return bytes(content), self._out.read()

    def seal(self, data: bytes) -> bytes:
        self._tls.write(data)
        return self._out.read()

    def goodbye(self) -> bytes:
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        return self._out.read()


# --------------------------------------------------------------------------------- the engine


class _Channel:
    """One connection: a non-blocking socket, and the bytes still to write."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        self.out = bytearray()
        self.last = False
        """Close once `out` is written."""
        self.closed = False

    def receive(self, wire: bytes) -> None:
        """Process received bytes."""

    def ended(self) -> None:
        """Process the end of the connection."""
        self.last = True


class _Listener:
    """Accept, read, write and record, in one thread that ends by itself.

    A server ends after ``lifetime`` seconds, even if a test does not close it.
    """

    def __init__(self, *, lifetime: float = 120.0) -> None:
        self._socket = socket.create_server((LOOPBACK, 0), backlog=128)
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._waker, wake_up = socket.socketpair()
        self._selector.register(wake_up, selectors.EVENT_READ)
        self._deadline = time.monotonic() + lifetime
        self._stopping = False
        self._markers: set[int] = set()
        self._marked: list[socket.socket] = []
        self._wire: list[bytearray] = []
        self._thread = threading.Thread(target=self._run, name=repr(self), daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {LOOPBACK}:{self.port}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server. Its records stay readable. Closing again does nothing."""
        self.settle()
        self._stopping = True
        # Not with a marker: one that connects while the thread closes its socket may wait forever.
        with contextlib.suppress(OSError):  # the thread has ended already
            self._waker.send(b".")
        self._thread.join(_SETTLE_SECONDS)

    def settle(self) -> None:
        """Return when the server has processed everything that was sent before this call.

        A marker connection queues up behind the connections of the clients. The server closes it when
        none of its sockets has anything left to read.
        """
        if threading.current_thread() is self._thread or not self._thread.is_alive():
            return
        with socket.socket() as marker:
            marker.settimeout(_SETTLE_SECONDS)
            marker.bind((LOOPBACK, 0))
            self._markers.add(marker.getsockname()[1])
            with contextlib.suppress(ConnectionError):  # the server has stopped
                marker.connect((LOOPBACK, self.port))
                marker.recv(1)

    @property
    def connections(self) -> int:
        """Return the number of accepted TCP connections."""
        self.settle()
        return len(self._wire)

    @property
    def wire(self) -> bytes:
        """Return every byte that clients sent, as on the wire, connection by connection."""
        self.settle()
        return b"".join(bytes(data) for data in self._wire)

    # -- the thread

    def _channel(self, sock: socket.socket, number: int) -> _Channel:
        raise NotImplementedError

    def _run(self) -> None:
        try:
            while not self._stopping and time.monotonic() < self._deadline:
                self._turn()
        finally:
            for key in list(self._selector.get_map().values()):
                self._shut(key.fileobj)  # type: ignore[arg-type]
            self._selector.close()
            self._waker.close()
            self._release_markers()

    def _turn(self) -> None:
        """Serve the ready sockets. If there are none, release the markers."""
        ready = self._selector.select(0 if self._marked else 1.0)
        for key, events in ready:
            if key.data is None:
                self._accept()
            else:
                self._serve(key.data, events)
        if not ready:
            self._release_markers()

    def _release_markers(self) -> None:
        while self._marked:
            self._marked.pop().close()

    def _accept(self) -> None:
        # A wake-up also leads here, without a connection to accept.
        with contextlib.suppress(BlockingIOError, ConnectionError):
            sock, (_, port) = self._socket.accept()
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # otherwise a second small write waits 40 ms
            if port in self._markers:
                self._markers.remove(port)
                self._marked.append(sock)
            elif len(self._wire) >= _MAX_CONNECTIONS:
                sock.close()
            else:
                self._wire.append(bytearray())
                channel = self._channel(sock, len(self._wire) - 1)
                self._selector.register(sock, selectors.EVENT_READ, channel)

    def _serve(self, channel: _Channel, events: int) -> None:
        if channel.closed:  # by another event of this iteration
            return
        try:
            if events & selectors.EVENT_READ:
                self._read(channel)
            self._write(channel)
        except OSError:  # the peer reset the connection, or the TLS handshake failed
            self._close(channel)
            channel.ended()

    def _read(self, channel: _Channel) -> None:
        data = channel.sock.recv(_READ)
        if not data:
            channel.ended()
        elif sum(map(len, self._wire)) > _MAX_BYTES:
            channel.last = True
        else:
            self._record(channel, data)
            channel.receive(data)

    def _record(self, channel: _Channel, data: bytes) -> None:
        self._wire[channel.number] += data

    def _write(self, channel: _Channel) -> None:
        """Write as much as possible, and register for the rest."""
        with contextlib.suppress(BlockingIOError):
            while channel.out:
                del channel.out[: channel.sock.send(channel.out)]
        if channel.last and not channel.out:
            self._close(channel)
            return
        events = selectors.EVENT_READ if not channel.last else 0
        events |= selectors.EVENT_WRITE if channel.out else 0
        self._selector.modify(channel.sock, events, channel)

    def _close(self, channel: _Channel) -> None:
        channel.closed = True
        self._shut(channel.sock)

    def _shut(self, sock: socket.socket) -> None:
        self._selector.unregister(sock)
        sock.close()


# ------------------------------------------------------------------------ the recording server


class RecordingServer(_Listener):
    """An object store on plain HTTP that accepts and records every request.

    ``signature`` is the result of ObsClient's negotiation: ``"obs"`` or ``"v2"``.
    """

    scheme = "http"
    ca: str | None = None

    def __init__(self, *, signature: str = "obs", lifetime: float = 120.0) -> None:
        self.signature = signature
        self.object = OBJECT
        self._requests: list[Request] = []
        self._received: list[bytearray] = []
        self._scripts: list[_Script] = []
        self._uploads = 0
        super().__init__(lifetime=lifetime)

    @property
    def url(self) -> str:
        """Return the endpoint by address, with which ObsClient uses path style."""
        return f"{self.scheme}://{LOOPBACK}:{self.port}"

    @property
    def named_url(self) -> str:
        """Return the endpoint by name, for virtual hosting; see `loopback_names`."""
        return f"{self.scheme}://{DOMAIN}:{self.port}"

    @property
    def received(self) -> bytes:
        """Return every byte that clients sent, decrypted for TLS."""
        self.settle()
        return b"".join(bytes(data) for data in self._received)

    @property
    def requests(self) -> tuple[Request, ...]:
        """Return every complete request, in order, including signature negotiations."""
        self.settle()
        return tuple(self._requests)

    @property
    def calls(self) -> tuple[Request, ...]:
        """Return the requests without those of the signature negotiation."""
        return tuple(r for r in self.requests if "apiversion" not in r.query)

    # -- scripting

    def answer(
        self,
        match: Match,
        status: int | None = None,
        headers: Headers = (),
        body: bytes | str = b"",
        *,
        times: int | None = None,
    ) -> None:
        """Script the response to all matching requests, or to the next ``times`` of them.

        ``match`` is a predicate or ``"PUT"``, ``"/bucket/key"``, ``"PUT /bucket/key"``. Without a
        status the usual response is sent, with ``headers`` added. Among several matching scripts,
        the first that is not used up applies.
        """
        pairs = _pairs(headers)
        data = body.encode() if isinstance(body, str) else body
        answer = None if status is None else Answer(status, pairs, data)
        self._scripts.append(_Script(_predicate(match), answer, pairs, times))

    def drop(self, match: Match, *, times: int | None = None) -> None:
        """Read matching requests fully, then close the connection without a response."""
        self._scripts.append(_Script(_predicate(match), DROPPED, (), times))

    def _answer_to(self, request: Request) -> Answer:
        for script in self._scripts:
            if script.take(request):
                return script.answer or self._usual(request).plus(script.extra)
        return self._usual(request)

    # -- the usual responses

    def _usual(self, request: Request) -> Answer:
        usual: dict[str, Callable[[Request], Answer]] = {
            "HEAD": self._head,
            "GET": self._get,
            "PUT": self._put,
            "POST": self._post,
        }
        if request.method in usual:
            answer = usual[request.method](request)
        else:
            answer = Answer(204 if request.method == "DELETE" else 200)
        return answer.plus((("x-obs-request-id", f"{len(self._requests):08}"),))

    def _head(self, request: Request) -> Answer:
        if "apiversion" in request.query:
            return Answer(200, (("x-obs-api", "3.0"),) if self.signature == "obs" else ())
        return Answer(200, self._object_headers(), self.object)

    def _get(self, request: Request) -> Answer:
        if not request.key:
            return _xml(_BUCKET_ANSWERS.get(next(iter(request.query), ""), _listing(self.object)))
        if "uploadId" in request.query:
            return _xml("<ListPartsResult><Part><PartNumber>1</PartNumber></Part></ListPartsResult>")
        parsed = re.fullmatch(r"bytes=(\d+)-(\d+)", request.header("Range"))
        if not parsed:
            return Answer(200, self._object_headers(), self.object)
        first, last = int(parsed[1]), min(int(parsed[2]), len(self.object) - 1)
        span = ("Content-Range", f"bytes {first}-{last}/{len(self.object)}")
        return Answer(206, (*self._object_headers(), span), self.object[first : last + 1])

    def _put(self, request: Request) -> Answer:
        if not any(name.lower().endswith("-copy-source") for name, _ in request.headers):
            return Answer(200, (("ETag", ETAG),))
        result = "CopyPartResult" if "partNumber" in request.query else "CopyObjectResult"
        when = "<LastModified>2025-01-06T10:00:00.000Z</LastModified>"
        return _xml(f"<{result}>{when}<ETag>{ETAG}</ETag></{result}>")

    def _post(self, request: Request) -> Answer:
        name = f"<Bucket>bucket</Bucket><Key>{request.key}</Key>"
        if "uploads" in request.query:
            self._uploads += 1
            upload = f"{name}<UploadId>upload-{self._uploads}</UploadId>"
            return _xml(f"<InitiateMultipartUploadResult>{upload}</InitiateMultipartUploadResult>")
        if "uploadId" in request.query:
            done = f"{name}<ETag>{ETAG}</ETag>"
            return _xml(f"<CompleteMultipartUploadResult>{done}</CompleteMultipartUploadResult>")
        if "delete" in request.query:
            return _xml("<DeleteResult/>")
        if "async-fetch" in request.path:
            return Answer(200, (("Content-Type", "application/json"),), b'{"id": "1", "Wait": 0}')
        position = (("x-obs-next-append-position", "1"), ("x-amz-next-append-position", "1"))
        return Answer(200, (("ETag", ETAG), *position))

    @staticmethod
    def _object_headers() -> tuple[tuple[str, str], ...]:
        return (("ETag", ETAG), ("Last-Modified", LAST_MODIFIED), ("Content-Type", "text/plain"))

    # -- the thread

    def _channel(self, sock: socket.socket, number: int) -> _Channel:
        self._received.append(bytearray())
        return _Exchange(sock, number, self, self._transport())

    def _transport(self) -> _Clear:
        return _Clear()

    def _record_content(self, number: int, data: bytes) -> None:
        self._received[number] += data

    def _reply(self, request: Request) -> Answer:
        self._requests.append(request)
        return self._answer_to(request)


class TlsRecordingServer(RecordingServer):
    """The same over TLS. ``ca`` is the PEM file for ``ssl_verify``.

    With ``other_name`` its certificate is valid, but issued for another host.
    """

    scheme = "https"

    def __init__(self, *, signature: str = "obs", lifetime: float = 120.0, other_name: bool = False) -> None:
        self.ca = str(authority().ca)
        self._context = authority().other_name if other_name else authority().context
        super().__init__(signature=signature, lifetime=lifetime)

    def _transport(self) -> _Clear:
        return _Tls(self._context)


class _Exchange(_Channel):
    """A connection of a `RecordingServer`, kept alive for any number of requests."""

    def __init__(self, sock: socket.socket, number: int, server: RecordingServer, transport: _Clear) -> None:
        super().__init__(sock, number)
        self._server = server
        self._transport = transport
        self._data = bytearray()
        self._continued = False

    def receive(self, wire: bytes) -> None:
        content, back = self._transport.open(wire)
        self.out += back
        self._server._record_content(self.number, content)
        self._data += content
        while not self.last and self._step():
            pass

    def _step(self) -> bool:
        """Respond to one request, if it is complete."""
        head = _parse_head(self._data)
        if head is None:
            self.last = not (self._data[:1] or b"A").isalpha()  # a TLS hello would wait forever
            return False
        try:
            parsed = _parse_body(head, self._data)
        except ValueError:  # an invalid length
            self.last = True
            return False
        if parsed is None:
            self._go_on(head)
            return False
        body, end = parsed
        del self._data[:end]
        self._continued = False
        self._finish(Request(head.method, head.target, head.headers, body, self.number))
        return True

    def _go_on(self, head: _Head) -> None:
        """Send 100 Continue to a client that expects it."""
        if not self._continued and head.header("expect").lower() == "100-continue":
            self._continued = True
            self.out += self._transport.seal(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _finish(self, request: Request) -> None:
        answer = self._server._reply(request)
        close = request.header("Connection").lower() == "close"
        if answer is not DROPPED:
            self.out += self._transport.seal(answer.encode(request.method, close=close))
        if close or answer is DROPPED:
            self.out += self._transport.goodbye()
            self.last = True


def _xml(text: str) -> Answer:
    declared = '<?xml version="1.0" encoding="UTF-8"?>' + text
    return Answer(200, (("Content-Type", "application/xml"),), declared.encode())


def _listing(content: bytes) -> str:
    """Return the smallest listing of a bucket with one object."""
    entry = (
        "<Contents><Key>folder/object</Key><LastModified>2025-01-06T10:00:00.000Z</LastModified>"
        f"<ETag>{ETAG}</ETag><Size>{len(content)}</Size></Contents>"
    )
    whole = f"<Name>bucket</Name><IsTruncated>false</IsTruncated>{entry}"
    return f"<ListBucketResult>{whole}</ListBucketResult>"


_BUCKET_ANSWERS = {
    "location": "<Location>region</Location>",
    "versioning": "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>",
    "encryption": (
        "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>"
        "<SSEAlgorithm>kms</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>"
        "</ServerSideEncryptionConfiguration>"
    ),
    "uploads": "<ListMultipartUploadsResult><Bucket>bucket</Bucket></ListMultipartUploadsResult>",
}


# -------------------------------------------------------------------------------------- proxy


class ConnectProxy(_Listener):
    """A forward proxy for CONNECT and absolute URLs, which records all traffic.

    It connects to the loopback for any host.
    """

    def __init__(self, *, lifetime: float = 120.0) -> None:
        self._requests: list[Request] = []
        super().__init__(lifetime=lifetime)

    @property
    def requests(self) -> tuple[Request, ...]:
        """Return the heads: ``CONNECT host:port``, ``GET http://host:port/path``."""
        self.settle()
        return tuple(self._requests)

    @property
    def received(self) -> bytes:
        """Return every byte from the clients; inside a tunnel, as on the wire."""
        return self.wire

    @property
    def url(self) -> str:
        """Return the URL of the proxy for the settings of a client."""
        return f"http://{LOOPBACK}:{self.port}"

    def _channel(self, sock: socket.socket, number: int) -> _Channel:
        return _Relay(sock, number, self)

    def _record(self, channel: _Channel, data: bytes) -> None:
        if isinstance(channel, _Relay):
            super()._record(channel, data)

    def _dial(self, channel: _Relay, port: int) -> _Far:
        """Connect to the origin; the same thread serves both ends."""
        sock = socket.create_connection((LOOPBACK, port), timeout=_SETTLE_SECONDS)
        sock.setblocking(False)
        far = _Far(sock, channel.number, channel, self)
        self._selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, far)
        return far


class _Relay(_Channel):
    """The client's side of a proxied connection."""

    def __init__(self, sock: socket.socket, number: int, proxy: ConnectProxy) -> None:
        super().__init__(sock, number)
        self._proxy = proxy
        self._data = bytearray()
        self._far: _Far | None = None

    def receive(self, wire: bytes) -> None:
        self._data += wire
        if self._far is None:
            self._begin()
        if self._far is not None and self._data:
            self._far.push(bytes(self._data))
            self._data.clear()

    def _begin(self) -> None:
        head = _parse_head(self._data)
        if head is None:
            return
        self._proxy._requests.append(Request(head.method, head.target, head.headers, b"", self.number))
        del self._data[: head.size]
        try:
            self._open(head)
        except OSError:
            self.out += b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            self.last = True

    def _open(self, head: _Head) -> None:
        """Connect to the origin, then confirm the tunnel or forward the request."""
        if head.method == "CONNECT":
            self._far = self._proxy._dial(self, int(head.target.rpartition(":")[2]))
            self.out += b"HTTP/1.1 200 Connection established\r\n\r\n"
            return
        url = urlsplit(head.target)
        self._far = self._proxy._dial(self, url.port or 80)
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        kept = [(k, v) for k, v in head.headers if "connection" not in k.lower()]
        lines = [f"{head.method} {target} HTTP/1.1", *(f"{k}: {v}" for k, v in kept)]
        text = "\r\n".join([*lines, "Connection: close", "", ""])
        self._far.push(text.encode("latin-1"))

    def ended(self) -> None:
        super().ended()
        if self._far is not None:
            self._far.hang_up()


class _Far(_Channel):
    """The origin's side of a proxied connection."""

    def __init__(self, sock: socket.socket, number: int, near: _Relay, proxy: ConnectProxy) -> None:
        super().__init__(sock, number)
        self._near = near
        self._proxy = proxy

    def push(self, data: bytes) -> None:
        self.out += data
        self._proxy._serve(self, 0)

    def hang_up(self) -> None:
        self.last = True
        self._proxy._serve(self, 0)

    def receive(self, wire: bytes) -> None:
        self._near.out += wire
        self._proxy._serve(self._near, 0)

    def ended(self) -> None:
        super().ended()
        self._near.last = True
        self._proxy._serve(self._near, 0)


# ------------------------------------------------------------------------------------- names


@contextlib.contextmanager
def loopback_names() -> Iterator[None]:
    """Resolve every name under `DOMAIN` to the loopback, and no other name.

    ObsClient puts the bucket into the host name and negotiates its signature only if its
    endpoint is a name, not an address. A real lookup would leave the machine.
    """
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if f".{name}".lower().endswith("." + DOMAIN):
            return real(LOOPBACK, *args, **kwargs)
        if name in (None, LOOPBACK, "localhost"):
            return real(host, *args, **kwargs)
        raise socket.gaierror(socket.EAI_NONAME, f"no name is resolved in tests: {name}")

    socket.getaddrinfo = getaddrinfo
    try:
        yield
    finally:
        socket.getaddrinfo = real


# ---------------------------------------------------------------------------------- assertions


def _inside_base64(data: bytes) -> list[bytes]:
    """Return the parts that any base64 text has if its plaintext contains ``data``."""
    shown = []
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + data)
        first = (0, 2, 3)[shift]
        whole = (shift + len(data)) // 3 * 4
        shown.append(text[first:whole])
    return shown


def key_forms(key: str | bytes) -> dict[str, list[bytes]]:
    """Return the forms in which bytes can contain a customer key or its MD5, by name."""
    raw = key.encode() if isinstance(key, str) else key
    text = base64.b64encode(raw)
    digest = hashlib.md5(raw).digest()  # noqa: S324  # required by the protocol
    return {
        "the key": [raw],
        "the key in base64": [text, *_inside_base64(raw)],
        "the key in base64 twice": _inside_base64(text),
        "the key's MD5": [digest],
        "the key's MD5 in base64": [base64.b64encode(digest), *_inside_base64(digest)],
        "the key's MD5 in hex": [digest.hex().encode(), digest.hex().upper().encode()],
    }


def leaks(data: str | bytes, key: str | bytes) -> list[str]:
    """Return the names of the key's forms in ``data``, including URL-quoted ones."""
    plain = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    once = unquote_to_bytes(plain)
    views = (plain, once, unquote_to_bytes(plain.replace(b"+", b" ")), unquote_to_bytes(once))
    return [name for name, forms in key_forms(key).items() if any(form in view for form in forms for view in views)]


def redirect_everything(server: RecordingServer, status: int, url: str, times: int | None = None) -> None:
    """Respond to every request with a redirect to this URL."""
    server.answer(lambda request: True, status, {"Location": url}, times=times)


def assert_silent(server: RecordingServer | ConnectProxy) -> None:
    """Assert that there was no connection, and therefore no byte."""
    connections, data = server.connections, server.wire
    assert (connections, data) == (0, b""), f"{server} recorded {connections} connections: {data!r}"


def assert_no_key(server: RecordingServer | ConnectProxy, key: str | bytes) -> None:
    """Assert that the server received neither the key nor its MD5 in any form."""
    found = sorted({*leaks(server.received, key), *leaks(server.wire, key)})
    assert not found, f"{server} recorded {', '.join(found)}"
