"""s3fs, and aiobotocore with it, on the demo's server."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from obs_sse_guard._cli.demo.driver import TIMEOUT_SECONDS, Download
from obs_sse_guard._cli.demo.props import BUCKET, CONTENT, CustomerKey
from obs_sse_guard._cli.demo.s3_driver import CREDENTIALS, REGION, S3Driver, customer_key

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping

    from obs_sse_guard._cli.demo.servers import Servers

__all__ = ["S3fsDriver", "event_loop"]

_OBJECT = f"{BUCKET}/secret-s3fs.txt"
# Longer than the demo: the farewell of a TLS connection that goes idle would be seen as bytes of another call.
_KEEP_ALIVE_SECONDS = 600
_STOP_SECONDS = 10.0


class S3fsDriver(S3Driver):
    """Drives ``s3fs.S3FileSystem`` through its blocking methods.

    Args:
        servers: where to send.
        key: the customer key of the rows' calls.
        loop: a running event loop; s3fs would start one of its own and never end it.
    """

    name = "s3fs"

    def __init__(self, servers: Servers, key: CustomerKey, loop: asyncio.AbstractEventLoop) -> None:
        import s3fs  # noqa: PLC0415  # it reads its environment when it is imported
        from aiobotocore.session import get_session  # noqa: PLC0415  # s3fs brings it along

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
        answer: dict[str, Any] = self._system(scheme).call_s3(method, **parameters)
        if "Body" in answer:
            answer["Body"] = self._run(answer["Body"].read())
        return answer

    def sign_form(self, scheme: str, name: str, fields: Mapping[str, str]) -> Mapping[str, Any]:
        """See `S3Driver`."""
        # s3fs signs URLs only; its client is aiobotocore's.
        conditions = [{field: value} for field, value in fields.items()]
        form: dict[str, Any] = self._run(
            self._system(scheme).s3.generate_presigned_post(BUCKET, name, Fields=dict(fields), Conditions=conditions)
        )
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
            # s3fs makes errors of the operating system's kind of the service's answers.
            answer: Any = error.__cause__
            return Download(b"", answer.response["ResponseMetadata"]["HTTPStatusCode"])

    def _system(self, scheme: str, key: CustomerKey | None = None) -> Any:
        """The file system of one transport whose every call carries one key, or none."""
        if (scheme, key) not in self._systems:
            self._systems[scheme, key] = self._make(
                anon=False,
                key=CREDENTIALS[0],
                secret=CREDENTIALS[1],
                endpoint_url=self._servers.url(scheme),
                client_kwargs={"region_name": REGION, "verify": str(self._servers.ca)},
                config_kwargs={
                    "signature_version": "s3v4",
                    "s3": {"addressing_style": "path"},
                    "retries": {"total_max_attempts": 1},
                    "connect_timeout": TIMEOUT_SECONDS,
                    "read_timeout": TIMEOUT_SECONDS,
                    "connector_args": {"keepalive_timeout": _KEEP_ALIVE_SECONDS},
                },
                s3_additional_kwargs=customer_key(key),
                max_concurrency=1,  # else each download asks for the size first
                session=self._session,
                loop=self._loop,
                skip_instance_cache=True,
            )
        return self._systems[scheme, key]

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(TIMEOUT_SECONDS)


@contextmanager
def event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop in a thread until the block is left; what is still under way then is cancelled."""
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
