"""s3fs, and with it aiobotocore, on the demo's server."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from obs_sse_guard._cli.demo.drivers import TIMEOUT_SECONDS, Download
from obs_sse_guard._cli.demo.drivers.s3 import (
    CLIENT_CONFIG,
    CREDENTIALS,
    REGION,
    S3Driver,
    customer_key,
    form_arguments,
)
from obs_sse_guard._cli.demo.fixtures import BUCKET, CONTENT, CustomerKey

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping

    from obs_sse_guard._cli.demo.servers import Servers

__all__ = ["S3fsDriver", "event_loop"]

_OBJECT = f"{BUCKET}/secret-s3fs.txt"
# Longer than the demo: bytes of a TLS shutdown would count for another call.
_KEEP_ALIVE_SECONDS = 600
_STOP_SECONDS = 10.0


class S3fsDriver(S3Driver):
    """Drive ``s3fs.S3FileSystem`` through its blocking methods.

    Args:
        servers: where to send.
        key: the customer key of the rules' calls.
        loop: a running event loop; s3fs would start one of its own and never stop it.
    """

    name = "s3fs"

    def __init__(self, servers: Servers, key: CustomerKey, loop: asyncio.AbstractEventLoop) -> None:
        import s3fs  # noqa: PLC0415  # it reads its environment when it is imported
        from aiobotocore.session import get_session  # noqa: PLC0415  # s3fs depends on it

        super().__init__(servers, key)
        self._loop = loop
        self._make = s3fs.S3FileSystem
        self._session = get_session()
        self._systems: dict[tuple[str, CustomerKey | None], Any] = {}

    def close(self) -> None:
        """Close the connections."""
        for system in self._systems.values():
            self._run(system.s3.close())

    def send(self, scheme: str, method: str, **parameters: Any) -> Mapping[str, Any]:
        """See `S3Driver`."""
        response: dict[str, Any] = self._system(scheme).call_s3(method, **parameters)
        if "Body" in response:
            response["Body"] = self._run(response["Body"].read())
        return response

    def sign_form(self, scheme: str, name: str, fields: Mapping[str, str]) -> Mapping[str, Any]:
        """See `S3Driver`."""
        # s3fs signs only URLs; its client is aiobotocore's.
        client = self._system(scheme).s3
        form: dict[str, Any] = self._run(client.generate_presigned_post(BUCKET, name, **form_arguments(fields)))
        return form

    def upload(self, scheme: str, key: CustomerKey | None) -> int:
        """See `Driver`."""
        self._system(scheme, key).pipe_file(_OBJECT, CONTENT)
        return 0

    def download(self, key: CustomerKey | None) -> Download:
        """See `Driver`."""
        try:
            return Download(self._system("https", key).cat_file(_OBJECT), 0)
        except OSError as error:
            # s3fs turns the service's errors into OSError.
            response: Any = error.__cause__
            return Download(b"", response.response["ResponseMetadata"]["HTTPStatusCode"])

    def _system(self, scheme: str, key: CustomerKey | None = None) -> Any:
        """Return the file system of a transport whose calls all carry this key, or none."""
        if (scheme, key) not in self._systems:
            self._systems[scheme, key] = self._make(
                anon=False,
                key=CREDENTIALS[0],
                secret=CREDENTIALS[1],
                endpoint_url=self._servers.url(scheme),
                client_kwargs={"region_name": REGION, "verify": str(self._servers.ca)},
                config_kwargs={**CLIENT_CONFIG, "connector_args": {"keepalive_timeout": _KEEP_ALIVE_SECONDS}},
                s3_additional_kwargs=customer_key(key),
                max_concurrency=1,  # otherwise each download first asks for the size
                session=self._session,
                loop=self._loop,
                skip_instance_cache=True,
            )
        return self._systems[scheme, key]

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(TIMEOUT_SECONDS)


@contextmanager
def event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop in a thread during the block; then cancel what still runs."""
    running: Future[asyncio.AbstractEventLoop] = Future()
    stop: Future[None] = Future()

    async def run() -> None:
        running.set_result(asyncio.get_running_loop())
        await asyncio.wrap_future(stop)

    thread = threading.Thread(target=asyncio.run, args=(run(),), name="obs-sse-guard-demo-s3fs", daemon=True)
    thread.start()
    try:
        yield running.result()
    finally:
        stop.set_result(None)
        thread.join(_STOP_SECONDS)
