"""A TLS server that answers every request with 200, as fast as Python can; in a process of its own."""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import ssl
import threading
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

_ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: "etag"\r\n\r\n'


@contextlib.contextmanager
def running(ca_path: str) -> Iterator[int]:
    """Run the server and give its port; its certificate's authority is written to ``ca_path``."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, ca_path), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _serve(pipe: Connection, ca_path: str) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(ca_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    listener = socket.create_server(("127.0.0.1", 0))
    pipe.send(listener.getsockname()[1])
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_answer, args=(tls, connection), daemon=True).start()


def _answer(tls: ssl.SSLContext, connection: socket.socket) -> None:
    with contextlib.suppress(OSError), tls.wrap_socket(connection, server_side=True) as wrapped:
        stream = wrapped.makefile("rb")
        while stream.readline():
            length = 0
            for line in iter(stream.readline, b"\r\n"):
                if not line:
                    return
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            stream.read(length)
            wrapped.sendall(_ANSWER)
