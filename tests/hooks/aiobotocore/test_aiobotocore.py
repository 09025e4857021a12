"""aiobotocore and s3fs beyond what they share with botocore: redirects, many calls at once, files.

aiohttp follows redirects, and sends a customer key again to wherever they lead. botocore does not.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("aiobotocore", reason="aiobotocore is not installed here")

from botocore.exceptions import HTTPClientError

from obs_sse_guard import SSETransportError
from tests.support.guard import POLICY, unguarded
from tests.support.records import rules
from tests.support.s3_calls import (
    ACCESS_KEY,
    BUCKET,
    KEY,
    METHODS,
    OBJECT,
    REGION,
    SECRET_KEY,
    UPLOAD_ID,
    Call,
    aio_client,
    aio_outcome,
    asking,
    customer,
    normal,
    outcome,
    raw_headers,
    refused,
    succeeded,
)
from tests.support.servers import OBJECT as STORED
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_no_key, assert_silent, leaks

RESENDS: dict[str, Any] = {"request_checksum_calculation": "when_required"}
"""Without a checksum the body is sent as it is, and aiohttp is able to send it again."""


def _redirected(server: RecordingServer, status: int, url: str, times: int | None = None) -> None:
    server.answer(lambda request: True, status, {"Location": url}, times=times)


def _supported(options: dict[str, Any]) -> dict[str, Any]:
    from botocore.config import Config

    return {name: value for name, value in options.items() if name in Config.OPTION_DEFAULTS}


def _ask(server: RecordingServer, call: Call, **options: Any) -> Any:
    return outcome("aiobotocore", server, call, **_supported(RESENDS), **options)


# -------------------------------------------------------------------------------- redirects

STATUSES = (301, 302, 303, 307, 308)
each_status = pytest.mark.parametrize("status", STATUSES)
HOSTS = {"the same host": "http://127.0.0.1:{}", "another host": "http://other.obs.test:{}"}
QUERIES = {
    "InitiateMultipartUpload": "?uploads",
    "CompleteMultipartUpload": f"?uploadId={UPLOAD_ID}",
    "UploadPart": f"?uploadId={UPLOAD_ID}&partNumber=1",
    "UploadPartCopy": f"?uploadId={UPLOAD_ID}&partNumber=1",
}
to_each_host = pytest.mark.parametrize(
    ("operation", "host"),
    [*((operation, "the same host") for operation in METHODS), ("GetObject", "another host")],
)


def _location(host: str, operation: str, server: RecordingServer) -> str:
    """Where else the same request would be understood: a service that redirects keeps path and query."""
    return f"{HOSTS[host].format(server.port)}/{BUCKET}/{OBJECT}{QUERIES.get(operation, '')}"


@to_each_host
@pytest.mark.parametrize("status", [302, 307])
def test_without_the_guard_a_redirect_takes_the_key_to_plaintext(
    operation: str, status: int, host: str, https: TlsRecordingServer, http: RecordingServer
) -> None:
    _redirected(https, status, _location(host, operation, http))
    with unguarded():
        _ask(https, asking(operation, "SSE-C"))  # what comes back may be no answer to what was asked for
    assert leaks(http.wire, KEY)


@to_each_host
@each_status
def test_no_key_is_redirected_to_plaintext(
    operation: str,
    status: int,
    host: str,
    https: TlsRecordingServer,
    http: RecordingServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    _redirected(https, status, _location(host, operation, http))
    error = _ask(https, asking(operation, "SSE-C"))
    assert isinstance(error, SSETransportError), repr(error)
    assert not isinstance(error, HTTPClientError)
    assert error.__cause__ is None
    assert (error.sdk, error.scheme) == ("aiobotocore", "http")
    assert error.endpoint == HOSTS[host].format(http.port)
    assert not leaks(repr(vars(error)) + str(error), KEY)
    assert len(https.requests) == 1, "not tried again"
    assert_silent(http)
    assert not caplog.records


@each_status
def test_kms_is_not_redirected_to_plaintext(status: int, https: TlsRecordingServer, http: RecordingServer) -> None:
    _redirected(https, status, f"{http.url}/away/object")
    error = _ask(https, asking("PutObject", "SSE-KMS"))
    assert isinstance(error, SSETransportError), repr(error)
    assert_silent(http)


@pytest.mark.parametrize("query", ["?partNumber=1&uploadId={}", ""])
@pytest.mark.parametrize("host", HOSTS)
def test_a_part_of_a_kms_upload_is_not_redirected_to_plaintext(
    host: str, query: str, https: TlsRecordingServer, http: RecordingServer
) -> None:
    begun = _ask(https, asking("InitiateMultipartUpload", "SSE-KMS"))
    upload_id = begun["UploadId"]
    _redirected(https, 307, f"{HOSTS[host].format(http.port)}/{BUCKET}/{OBJECT}{query.format(upload_id)}")
    error = _ask(
        https,
        lambda client: client.upload_part(Bucket=BUCKET, Key=OBJECT, UploadId=upload_id, PartNumber=1, Body=b"text"),
    )
    refused(error, "inferred-kms")
    assert_silent(http)


def test_the_key_of_a_copys_source_is_not_redirected_to_plaintext(
    https: TlsRecordingServer, http: RecordingServer
) -> None:
    """Though table 3 lets a client that is plaintext from the start send it."""
    _redirected(https, 307, f"{http.url}/away/object")
    error = _ask(https, asking("CopyObject", "none", "SSE-C"))
    assert isinstance(error, SSETransportError), repr(error)
    assert_silent(http)


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
def test_a_refused_redirect_is_not_retried(mode: str, https: TlsRecordingServer, http: RecordingServer) -> None:
    _redirected(https, 307, f"{http.url}/away/object")
    error = _ask(https, asking("GetObject", "SSE-C"), retries={"mode": mode, "max_attempts": 5})
    refused(error, "table-1/GetObject")
    assert len(https.requests) == 1


def test_a_second_hop_is_judged(https: TlsRecordingServer, http: RecordingServer) -> None:
    _redirected(https, 307, f"{https.url}/{BUCKET}/second", times=1)
    _redirected(https, 307, f"{http.url}/away/object")
    refused(_ask(https, asking("GetObject", "SSE-C")), "table-1/GetObject")
    assert [request.path for request in https.requests] == [f"/{BUCKET}/{OBJECT}", f"/{BUCKET}/second"]
    assert_silent(http)


def test_a_key_that_a_handler_adds_is_not_redirected_to_plaintext(
    https: TlsRecordingServer, http: RecordingServer
) -> None:
    def get(client: Any) -> Any:
        def add(request: Any, **_: Any) -> None:
            for name, value in raw_headers("SSE-C").items():
                request.headers[name] = value

        client.meta.events.register("before-send.s3", add)
        return asking("GetObject")(client)

    _redirected(https, 302, f"{http.url}/away/object")
    refused(_ask(https, get), "table-1/GetObject")
    assert_silent(http)


@each_status
@pytest.mark.parametrize("operation", ["GetObject", "HeadObject", "InitiateMultipartUpload", "CopyObject"])
def test_a_redirect_on_the_same_host_is_followed_as_before(
    operation: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    def sent() -> tuple[list[str], str]:
        with TlsRecordingServer() as server:
            _redirected(server, status, f"{server.url}/{BUCKET}/elsewhere", times=1)
            result = _ask(server, asking(operation, "SSE-C"))
            assert len(server.requests) == 2
            return normal(server), type(result).__name__

    with unguarded():
        expected = sent()
    assert sent() == expected
    assert not caplog.records


@pytest.mark.parametrize("policy", ["documented", "strict"])
def test_a_redirect_to_another_host_is_a_finding(
    policy: str, https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(POLICY, policy)
    with TlsRecordingServer() as other:
        _redirected(https, 307, f"https://other.obs.test:{other.port}/away/object")
        result = _ask(https, asking("GetObject", "SSE-C"))
        if policy == "strict":
            refused(result, "cross-host-redirect")
            assert_silent(other)
        else:
            assert succeeded(result)
            assert rules(caplog) == ["cross-host-redirect"]
            assert leaks(other.received, KEY)


@each_status
@pytest.mark.parametrize("encryption", ["none", "SSE-OBS"])
def test_other_requests_are_redirected_as_before(
    encryption: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    def sent() -> tuple[list[str], list[str], str]:
        with TlsRecordingServer() as server, RecordingServer() as plain:
            _redirected(server, status, f"{plain.url}/away/object")
            result = _ask(server, asking("PutObject", encryption))
            # The second host gets the first one's Host header.
            redirected = [request.replace(str(server.port), "PORT") for request in normal(plain)]
            return normal(server), redirected, type(result).__name__

    with unguarded():
        expected = sent()
    assert sent() == expected
    assert len(expected[1]) == 1
    assert not caplog.records


def test_a_plaintext_client_may_be_redirected_to_tls(https: TlsRecordingServer, http: RecordingServer) -> None:
    """The first hop decides: it is plaintext, and nothing is sent."""
    _redirected(http, 307, f"{https.url}/{BUCKET}/{OBJECT}")
    refused(_ask(http, asking("GetObject", "SSE-C")), "table-1/GetObject")
    assert_silent(http)
    assert_silent(https)


def test_an_applications_own_aiohttp_is_none_of_ours(https: TlsRecordingServer, http: RecordingServer) -> None:
    """Even while a call of aiobotocore is under variant in the same task's children."""
    import aiohttp

    async def own() -> int:
        async with (
            aiohttp.ClientSession() as session,
            session.put(f"{http.url}/{BUCKET}/own", headers=raw_headers("SSE-C"), data=b"own") as answer,
        ):
            return answer.status

    assert asyncio.run(own()) == 200
    assert leaks(http.wire, KEY)


# --------------------------------------------------------------------------- many at once


async def _gathered(https: RecordingServer, http: RecordingServer, count: int) -> list[tuple[str, Any]]:
    """Calls of every kind on two clients, all under way together."""
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


def test_many_calls_at_once_are_each_judged_by_themselves(
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


def test_many_redirects_at_once_are_each_judged_by_themselves(https: TlsRecordingServer, http: RecordingServer) -> None:
    """One task's key must not make another's redirect a finding, nor the other way round."""
    _redirected(https, 307, f"{http.url}/away/object")

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


def test_a_cancelled_call_is_cancelled(https: TlsRecordingServer, http: RecordingServer) -> None:
    """And leaves nothing behind: the next calls of the same client are judged as ever."""

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


def test_a_deadline_that_passes_is_a_deadline(https: TlsRecordingServer) -> None:
    async def main() -> None:
        async with aio_client(https) as client:
            await asyncio.wait_for(asking("PutObject", "SSE-C")(client), timeout=0)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(main())


def test_the_methods_still_are_coroutines(http: RecordingServer) -> None:
    """A refusal comes when the call is awaited, not when it is made, as every error of aiobotocore's."""

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


# ------------------------------------------------------------------------------------ s3fs

MEGABYTE = 1024 * 1024
LARGE = b"0123456789abcdef" * (6 * MEGABYTE // 16)


@contextlib.contextmanager
def _file_system(server: RecordingServer, sse: dict[str, str], **options: Any) -> Iterator[Any]:
    s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed here")
    system = s3fs.S3FileSystem(
        key=ACCESS_KEY,
        secret=SECRET_KEY,
        endpoint_url=server.url,
        client_kwargs={"region_name": REGION, "verify": server.ca},
        config_kwargs={"retries": {"max_attempts": 0}, **_supported(RESENDS), **options},
        s3_additional_kwargs=sse,
        skip_instance_cache=True,
        use_listings_cache=False,
    )
    try:
        yield system
    finally:
        import fsspec.asyn

        if system._s3 is not None:
            fsspec.asyn.sync(system.loop, system._s3.close)
            system._s3 = None


def _read(system: Any, path: str) -> bytes:
    with system.open(path, "rb") as file:
        return bytes(file.read())


def _write(system: Any, path: str, content: bytes) -> None:
    with system.open(path, "wb", block_size=5 * MEGABYTE) as file:
        file.write(content)


PATH = f"{BUCKET}/{OBJECT}"
FILE_CALLS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "pipe": (lambda system: system.pipe(PATH, b"content"), ("table-1/PutObject",)),
    "pipe in parts": (
        lambda system: system.pipe_file(PATH, LARGE, chunksize=2 * MEGABYTE, max_concurrency=2),
        ("table-1/InitiateMultipartUpload",),
    ),
    "cat": (lambda system: system.cat(PATH), ("table-1/HeadObject", "table-1/GetObject")),
    "info": (lambda system: system.info(PATH), ("table-1/HeadObject",)),
    "open to read": (lambda system: _read(system, PATH), ("table-1/HeadObject",)),
    "open to write": (lambda system: _write(system, PATH, b"content"), ("table-1/PutObject",)),
    "open to write in parts": (lambda system: _write(system, PATH, LARGE), ("table-1/InitiateMultipartUpload",)),
}
each_file_call = pytest.mark.parametrize("name", FILE_CALLS)


def _file_call(name: str, server: RecordingServer, sse: dict[str, str]) -> Any:
    with _file_system(server, sse) as system:
        try:
            FILE_CALLS[name][0](system)
        except Exception as error:  # noqa: BLE001  # what it is, is for the test to say
            return error
    return None


@each_file_call
def test_without_the_guard_s3fs_sends_the_key_in_clear(name: str, http: RecordingServer) -> None:
    with unguarded():
        assert _file_call(name, http, customer()) is None
    assert leaks(http.received, KEY)


@each_file_call
def test_s3fs_hands_on_the_refusal(name: str, http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    error = _file_call(name, http, customer())
    assert isinstance(error, SSETransportError), repr(error)
    assert error.rule in FILE_CALLS[name][1]
    assert error.sdk == "aiobotocore"
    assert_no_key(http, KEY)
    assert not {"PUT", "POST"}.intersection(call.method for call in http.requests)
    assert not caplog.records


@pytest.mark.parametrize("encryption", ["none", "SSE-C", "SSE-KMS"])
@each_file_call
def test_s3fs_over_https_is_as_before(name: str, encryption: str, caplog: pytest.LogCaptureFixture) -> None:
    def sent() -> list[str]:
        with TlsRecordingServer() as server:
            assert _file_call(name, server, customer(encryption)) is None
            return normal(server)

    with unguarded():
        expected = sent()
    assert sent() == expected
    assert expected
    assert not caplog.records


@pytest.mark.parametrize("name", ["pipe", "pipe in parts", "open to write", "open to write in parts"])
def test_s3fs_and_kms(name: str, http: RecordingServer) -> None:
    rule = "table-2/InitiateMultipartUpload" if name.endswith("parts") else "table-2/PutObject"
    refused(_file_call(name, http, customer("SSE-KMS")), rule)
    assert not {"PUT", "POST"}.intersection(call.method for call in http.requests)


@each_status
@pytest.mark.parametrize("name", ["cat", "pipe"])
def test_s3fs_is_not_redirected_to_plaintext(
    name: str, status: int, https: TlsRecordingServer, http: RecordingServer
) -> None:
    _redirected(https, status, f"{http.url}/away/object")
    error = _file_call(name, https, customer())
    assert isinstance(error, SSETransportError), repr(error)
    assert len(https.requests) == 1
    assert_silent(http)


def test_s3fs_stays_usable(http: RecordingServer, https: TlsRecordingServer) -> None:
    with _file_system(http, {}) as system:
        with pytest.raises(SSETransportError):
            system.pipe(PATH, b"content", **customer())
        assert system.cat(PATH) == STORED
        system.pipe(PATH, b"content")
    assert_no_key(http, KEY)
    with _file_system(https, customer()) as system:
        assert system.cat(PATH) == STORED
