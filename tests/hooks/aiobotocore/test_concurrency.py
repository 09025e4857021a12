"""Many tasks share one client: each is checked and cancelled separately."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

pytest.importorskip("aiobotocore", reason="aiobotocore is not installed here")
from botocore.exceptions import ConnectionClosedError

from obs_sse_guard import SSETransportError
from tests.support.s3_calls import BUCKET, OBJECT, aio_client, aio_outcome, asking, customer, refused, succeeded
from tests.support.servers import (
    RecordingServer,
    TlsRecordingServer,
    assert_no_key,
    assert_silent,
    redirect_everything,
)
from tests.support.sse import KEY


async def _gathered(https: RecordingServer, http: RecordingServer, count: int) -> list[tuple[str, Any]]:
    """Make calls of every kind with two clients, all at once."""
    private = [("allowed", asking("PutObject", "SSE-C")), ("allowed", asking("GetObject", "SSE-C"))]
    plain = [
        ("allowed", asking("PutObject")),
        ("allowed", asking("GetObject")),
        ("table-1/PutObject", asking("PutObject", "SSE-C")),
        ("table-1/GetObject", asking("GetObject", "SSE-C")),
        ("table-2/PutObject", asking("PutObject", "SSE-KMS")),
        ("key-in-clear", lambda client: client.list_parts(Bucket=BUCKET, Key=OBJECT, UploadId="id", **customer())),
    ]
    async with aio_client(https) as first, aio_client(http) as second:
        kinds = [(expected, call, first) for expected, call in private]
        kinds += [(expected, call, second) for expected, call in plain]
        chosen = [kinds[number % len(kinds)] for number in range(count)]
        results = await asyncio.gather(*(aio_outcome(call, client) for _, call, client in chosen))
        return [(expected, result) for (expected, _, _), result in zip(chosen, results)]


def test_concurrent_calls_are_each_checked_separately(
    https: TlsRecordingServer, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    for expected, result in asyncio.run(_gathered(https, http, 200)):
        if expected == "allowed":
            assert succeeded(result)
        else:
            refused(result, expected)
    assert_no_key(http, KEY)
    assert len(http.requests) == 50
    assert len(https.requests) == 50
    assert not caplog.records


def test_concurrent_redirects_are_each_checked_separately(https: TlsRecordingServer, http: RecordingServer) -> None:
    """The key of one task does not affect the redirect of another."""
    redirect_everything(https, 307, f"{http.url}/away/object")

    async def main() -> list[Any]:
        async with aio_client(https) as client:
            calls = [asking("GetObject", "SSE-C" if number % 2 else "none") for number in range(100)]
            return await asyncio.gather(*(aio_outcome(call, client) for call in calls))

    results = asyncio.run(main())
    for number, result in enumerate(results):
        if number % 2:
            refused(result, "table-1/GetObject")
        else:
            assert succeeded(result)
    assert len(http.requests) == 50
    assert_no_key(http, KEY)


def test_a_cancelled_call_raises_cancelled_error(https: TlsRecordingServer, http: RecordingServer) -> None:
    """A cancelled call leaves no state behind: the next calls are checked as before."""

    async def main() -> tuple[Any, Any]:
        async with aio_client(https) as client:
            call = asyncio.ensure_future(asking("PutObject", "SSE-C")(client))
            await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            https.answer("GET", 307, {"Location": f"{http.url}/away/object"})
            return (
                await aio_outcome(asking("GetObject", "SSE-C"), client),
                await aio_outcome(asking("GetObject"), client),
            )

    first, second = asyncio.run(main())
    refused(first, "table-1/GetObject")
    assert succeeded(second)
    assert len(http.requests) == 1
    assert_no_key(http, KEY)


def test_a_timeout_raises_timeout_error(https: TlsRecordingServer) -> None:
    async def main() -> None:
        async with aio_client(https) as client:
            await asyncio.wait_for(asking("PutObject", "SSE-C")(client), timeout=0)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(main())


def test_hooked_methods_are_still_coroutines(http: RecordingServer) -> None:
    """A refusal is raised when the call is awaited, like every error of aiobotocore."""

    async def main() -> None:
        async with aio_client(http) as client:
            call = asking("PutObject", "SSE-C")(client)
            assert asyncio.iscoroutine(call)
            with pytest.raises(SSETransportError):
                await call
            pages = client.get_paginator("list_parts").paginate(Bucket=BUCKET, Key=OBJECT, UploadId="id", **customer())
            with pytest.raises(SSETransportError):
                [page async for page in pages]
            with pytest.raises(SSETransportError):
                await client.get_waiter("object_exists").wait(Bucket=BUCKET, Key=OBJECT, **customer())

    asyncio.run(main())
    assert_silent(http)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="its asyncio does not notice a TLS connection that is cut")
def test_a_refusal_that_was_handled_on_the_way_replaces_no_error(
    https: TlsRecordingServer, http: RecordingServer
) -> None:
    """An application's own session may try another store first and ignore a refusal."""
    put = asking("PutObject", "SSE-C")
    https.drop("PUT")

    async def main() -> list[Any]:
        async with aio_client(https) as client, aio_client(http) as other:
            results = []
            session = client._endpoint.http_session
            usual = session.send

            async def send(request: Any) -> Any:
                results.append(await aio_outcome(put, other))
                return await usual(request)

            session.send = send
            return [await aio_outcome(put, client), *results]

    result, inner = asyncio.run(main())
    refused(inner, "table-1/PutObject")
    assert isinstance(result, ConnectionClosedError)
