"""A recording tap: what a listener on the path would get to see."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import Callable

__all__ = ["HOST", "Tap", "listener"]

HOST = "127.0.0.1"
PATIENCE = 10.0
CHUNK = 65536


def listener() -> socket.socket:
    """Listen on a free port of 127.0.0.1; connections queue from now on, whoever accepts them later."""
    listening = socket.socket()
    listening.bind((HOST, 0))
    listening.listen()
    return listening


class Tap:
    """Forwards TCP connections, counts them, and keeps every byte that a client sends.

    Attributes:
        port: where clients connect.
        connections: how many have.
        recorded: what they sent, in the order of arrival.
    """

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._listener = listener()
        self._probes: set[int] = set()
        self._open: dict[asyncio.Future[None], StreamWriter] = {}
        self.port = int(self._listener.getsockname()[1])
        self.connections = 0
        self.recorded = bytearray()

    async def start(self) -> None:
        """Begin to forward, in the running event loop."""
        self._server = await asyncio.start_server(self._accepted, sock=self._listener)

    async def stop(self) -> None:
        """Close the port and every connection."""
        self._server.close()
        for writer in self._open.values():
            # Not the task: cancelled before its first step, it would not close what it was given.
            writer.transport.abort()
        await asyncio.gather(*self._open, return_exceptions=True)

    def settle(self) -> None:
        """Wait, in any thread but the tap's, until every connection made so far is counted.

        A connection exists for its client as soon as the kernel has queued it, so "no
        connection" is only proved once a later one has come through that same queue.
        """
        with socket.socket() as probe:
            probe.settimeout(PATIENCE)
            probe.bind((HOST, 0))
            self._probes.add(probe.getsockname()[1])
            probe.connect((HOST, self.port))
            probe.recv(1)

    def _accepted(self, reader: StreamReader, writer: StreamWriter) -> None:
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
                ways = {
                    asyncio.ensure_future(_pump(reader, server_writer, self.recorded.extend)),
                    asyncio.ensure_future(_pump(server_reader, writer, len)),
                }
                # HTTP leaves no connection half open: where one way ends, all has been said.
                _, unfinished = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in unfinished:
                    way.cancel()


async def _pump(reader: StreamReader, writer: StreamWriter, look: Callable[[bytes], object]) -> None:
    with contextlib.suppress(ConnectionError):
        while True:
            data = await reader.read(CHUNK)
            if not data:
                return
            look(data)
            writer.write(data)
            await writer.drain()
