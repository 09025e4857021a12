"""MiniStack over http and https in one process, behind a recording proxy each."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import trustme
from hypercorn.asyncio import serve
from hypercorn.config import Config

from obs_sse_guard._cli.demo.fixtures import BUCKET
from obs_sse_guard._cli.demo.proxy import DOMAIN, HOST, RecordingProxy, listen

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
    """The running servers.

    Attributes:
        proxies: what clients connect to, by scheme.
        requests: requests that have reached the server; it grows.
        ca: the certificate that verifies the https port.
    """

    proxies: Mapping[str, RecordingProxy]
    requests: list[Request]
    ca: Path

    def url(self, scheme: str) -> str:
        """Return the endpoint of one transport."""
        return f"{scheme}://{HOST}:{self.proxies[scheme].port}"

    def wait_until_counted(self) -> None:
        """Wait until every connection made so far is counted."""
        for proxy in self.proxies.values():
            proxy.wait_until_counted()


class _RequestLog:
    """An ASGI application that records each request and passes it on."""

    def __init__(self, application: Callable[..., Awaitable[None]]) -> None:
        self._application = application
        self.requests: list[Request] = []

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        # MiniStack must not see the lifespan events: on them it opens an SFTP and an MQTT port,
        # runs the machine's init scripts, and stops the containers of other MiniStacks.
        if scope["type"] == "http":
            self.requests.append(Request(scope["scheme"], scope["method"], scope["path"]))
            headers = [_in_the_s3_dialect(*header) for header in scope["headers"]]
            await self._application({**scope, "headers": headers}, receive, send)


def _in_the_s3_dialect(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """Translate a header from the dialect of OBS, which MiniStack does not know."""
    if not name.startswith(b"x-obs-"):
        return name, value
    name = name.replace(b"x-obs-", b"x-amz-").replace(b"-kms-key-id", b"-aws-kms-key-id")
    return name, b"aws:kms" if value == b"kms" else value


@contextmanager
def running(directory: Path) -> Iterator[Servers]:
    """Serve from a thread with its own event loop until the block is left.

    Args:
        directory: where to keep the certificates.
    """
    from ministack.app import app  # noqa: PLC0415  # it reads its environment when it is imported

    application = _RequestLog(app)
    plain, secure = listen(), listen()
    proxies = {"http": RecordingProxy(plain.getsockname()[1]), "https": RecordingProxy(secure.getsockname()[1])}
    config = _config(directory)
    # Hypercorn takes the sockets over by number, so the ports are known beforehand.
    config.insecure_bind = [f"fd://{plain.detach()}"]
    config.bind = [f"fd://{secure.detach()}"]
    stop: Future[None] = Future()
    thread = threading.Thread(
        target=asyncio.run, args=(_serve(application, config, proxies, stop),), name="obs-sse-guard-demo", daemon=True
    )
    thread.start()
    try:
        yield Servers(proxies, application.requests, directory / "ca.pem")
    finally:
        with suppress(InvalidStateError):  # already cancelled if the server could not start
            stop.set_result(None)
        thread.join(STOP_SECONDS)


def _config(directory: Path) -> Config:
    config = Config()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    server = str(directory / "server.pem")
    authority.issue_cert(HOST, f"{BUCKET}.{DOMAIN}").private_key_and_cert_chain_pem.write_to_path(server)
    config.certfile = config.keyfile = server
    config.errorlog = None
    config.graceful_timeout = 1
    # Idle connections outlast the demo: bytes of a TLS shutdown would count for another call.
    config.keep_alive_timeout = KEEP_ALIVE_SECONDS
    return config


async def _serve(
    application: _RequestLog, config: Config, proxies: Mapping[str, RecordingProxy], stop: Future[None]
) -> None:
    for proxy in proxies.values():
        await proxy.start()

    async def stopped() -> None:
        await asyncio.wrap_future(stop)
        # Proxies first: since Python 3.12 a server waits for its connections, and the proxies hold some open.
        for proxy in proxies.values():
            await proxy.stop()

    await serve(application, config, shutdown_trigger=stopped)
