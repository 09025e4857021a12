"""Answer every request with 200, over TLS and plain HTTP, from its own process."""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import ssl
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import trustme

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

__all__ = ["Server", "running"]

_ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: "etag"\r\n\r\n'
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Server(NamedTuple):
    """The ports of a running server.

    Attributes:
        ports: by scheme, ``http`` and ``https``.
        ca: path of the certificate authority to trust, in PEM format.
    """

    ports: dict[str, int]
    ca: str


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """Run the server."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        ca = str(Path(folder) / "ca.pem")
        process = context.Process(target=_serve, args=(theirs, ca), daemon=True)
        process.start()
        try:
            yield Server(ours.recv(), ca)
        finally:
            process.terminate()
            process.join()


def _serve(pipe: Connection, ca: str) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(ca)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    plain, secure = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    pipe.send({"http": plain.getsockname()[1], "https": secure.getsockname()[1]})
    threading.Thread(target=_accept, args=(plain, None), daemon=True).start()
    _accept(secure, tls)


def _accept(listener: socket.socket, tls: ssl.SSLContext | None) -> None:
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_answer, args=(connection, tls), daemon=True).start()


def _answer(connection: socket.socket, tls: ssl.SSLContext | None) -> None:
    with contextlib.suppress(OSError), tls.wrap_socket(connection, server_side=True) if tls else connection as stream:
        reader = stream.makefile("rb")
        while reader.readline():
            length = 0
            for line in iter(reader.readline, b"\r\n"):
                if not line:
                    return
                name, _, value = line.lower().partition(b":")
                if name == b"content-length":
                    length = int(value)
                elif name == b"expect":
                    stream.sendall(_CONTINUE)
            reader.read(length)
            stream.sendall(_ANSWER)
