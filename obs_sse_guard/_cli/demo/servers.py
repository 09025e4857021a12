"""MiniStack over http and https in one process, behind a tap each."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import trustme
from hypercorn.asyncio import serve
from hypercorn.config import Config

from obs_sse_guard._cli.demo.tap import HOST, Tap, listener

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from pathlib import Path

__all__ = ["Request", "Servers", "running"]

STOP_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 600.0


class Request(NamedTuple):
    """A request that reached the server."""

    scheme: str
    method: str
    path: str


class Servers(NamedTuple):
    """What runs.

    Attributes:
        taps: by scheme, what the clients connect to.
        requests: those that have reached the server; it grows.
        ca: the certificate to verify the https port with.
    """

    taps: Mapping[str, Tap]
    requests: list[Request]
    ca: Path

    def url(self, scheme: str) -> str:
        """Where clients send to."""
        return f"{scheme}://{HOST}:{self.taps[scheme].port}"

    def settle(self) -> None:
        """Wait until every connection made so far is counted."""
        for tap in self.taps.values():
            tap.settle()


class _Recorder:
    """An ASGI application that notes each request and hands it on."""

    def __init__(self, application: Callable[..., Awaitable[None]]) -> None:
        self._application = application
        self.requests: list[Request] = []

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        # MiniStack is told nothing of the server's start and end: it would open an SFTP and an
        # MQTT port, run the machine's init scripts and stop containers of other MiniStacks.
        if scope["type"] == "http":
            self.requests.append(Request(scope["scheme"], scope["method"], scope["path"]))
            await self._application(scope, receive, send)


@contextmanager
def running(directory: Path) -> Iterator[Servers]:
    """Serve from a thread with its own event loop until the block is left.

    Args:
        directory: where the certificates are kept.
    """
    from ministack.app import app  # noqa: PLC0415  # it reads its environment when it is imported

    recorder = _Recorder(app)
    plain, secure = listener(), listener()
    taps = {"http": Tap(plain.getsockname()[1]), "https": Tap(secure.getsockname()[1])}
    config = _certified(Config(), directory)
    # Hypercorn takes the sockets over by their numbers, so that the ports are known beforehand.
    config.insecure_bind = [f"fd://{plain.detach()}"]
    config.bind = [f"fd://{secure.detach()}"]
    config.errorlog = None
    config.graceful_timeout = 1
    # Idle connections outlast the demo: the farewell of one would be seen as bytes of another call.
    config.keep_alive_timeout = KEEP_ALIVE_SECONDS
    stop: Future[None] = Future()
    thread = threading.Thread(
        target=asyncio.run, args=(_serve(recorder, config, taps, stop),), name="obs-sse-guard-demo", daemon=True
    )
    thread.start()
    try:
        yield Servers(taps, recorder.requests, directory / "ca.pem")
    finally:
        with suppress(InvalidStateError):  # cancelled already, where the server could not start
            stop.set_result(None)
        thread.join(STOP_SECONDS)


def _certified(config: Config, directory: Path) -> Config:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    server = str(directory / "server.pem")
    authority.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(server)
    config.certfile = config.keyfile = server
    return config


async def _serve(application: _Recorder, config: Config, taps: Mapping[str, Tap], stop: Future[None]) -> None:
    for tap in taps.values():
        await tap.start()

    async def stopped() -> None:
        await asyncio.wrap_future(stop)
        # First the taps: since Python 3.12 a server waits for its connections, and they hold some open.
        for tap in taps.values():
            await tap.stop()

    await serve(application, config, shutdown_trigger=stopped)
