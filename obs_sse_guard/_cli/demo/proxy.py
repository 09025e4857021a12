"""A recording proxy: what somebody on the network path would see."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import Callable

__all__ = ["DOMAIN", "HOST", "RecordingProxy", "listen"]

HOST = "127.0.0.1"
DOMAIN = "localhost"
"""The same by name, for SDKs that put the bucket in front of it."""
PROBE_SECONDS = 10.0
CHUNK = 65536


def listen() -> socket.socket:
    """Listen on a free port of 127.0.0.1; connections queue from now on."""
    listener = socket.socket()
    # Accepted sockets inherit this. asyncio does not set it on sockets that it did not open itself, and
    # without it every small TLS record would wait 40 ms for a delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind((HOST, 0))
    listener.listen()
    return listener


class RecordingProxy:
    """Forward TCP connections, count them, and keep every byte that a client sends.

    Attributes:
        port: where clients connect.
        connections: how many connections were made.
        recorded: what clients sent, in the order of arrival.
    """

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._listener = listen()
        self._probes: set[int] = set()
        self._open: dict[asyncio.Future[None], StreamWriter] = {}
        self.port = int(self._listener.getsockname()[1])
        self.connections = 0
        self.recorded = bytearray()

    async def start(self) -> None:
        """Start to forward, in the running event loop."""
        self._server = await asyncio.start_server(self._accept, sock=self._listener)

    async def stop(self) -> None:
        """Close the port and every connection."""
        self._server.close()
        for writer in self._open.values():
            # Not the task: cancelled before its first step, it would not close its connection.
            writer.transport.abort()
        await asyncio.gather(*self._open, return_exceptions=True)

    def wait_until_counted(self) -> None:
        """Wait until every connection made so far is counted.

        Call from any thread but the proxy's. A connection exists for its client as soon as the kernel has queued it, so
        "no connection" is proved only once a later connection has come through the same queue.
        """
        with socket.socket() as probe:
            probe.settimeout(PROBE_SECONDS)
            probe.bind((HOST, 0))
            self._probes.add(probe.getsockname()[1])
            probe.connect((HOST, self.port))
            probe.recv(1)

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        client = writer.get_extra_info("peername")[1]
        if client in self._probes or not self._server.is_serving():
            writer.close()
            return
        self.connections += 1
        task = asyncio.ensure_future(self._forward(reader, writer))
        self._open[task] = writer
        task.add_done_callback(self._open.pop)

    async def _forward(self, reader: StreamReader, writer: StreamWriter) -> None:
        with contextlib.closing(writer):
            server_reader, server_writer = await asyncio.open_connection(HOST, self._upstream)
            with contextlib.closing(server_writer):
                directions = {
                    asyncio.ensure_future(_copy(reader, server_writer, self.recorded.extend)),
                    asyncio.ensure_future(_copy(server_reader, writer, len)),
                }
                # HTTP leaves no connection half open: when one direction ends, the exchange is over.
                _, unfinished = await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
                for direction in unfinished:
                    direction.cancel()


async def _copy(reader: StreamReader, writer: StreamWriter, look: Callable[[bytes], object]) -> None:
    with contextlib.suppress(ConnectionError):
        while True:
            data = await reader.read(CHUNK)
            if not data:
                return
            look(data)
            writer.write(data)
            await writer.drain()
