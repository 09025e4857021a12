"""s3fs, which creates its own clients."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("aiobotocore", reason="aiobotocore is not installed here")
from obs_sse_guard import SSETransportError
from tests.support.guard import unguarded
from tests.support.s3_calls import ACCESS_KEY, BUCKET, OBJECT, REGION, RESENDS, SECRET_KEY, customer, normal, refused
from tests.support.servers import OBJECT as STORED
from tests.support.servers import (
    RecordingServer,
    TlsRecordingServer,
    assert_no_key,
    assert_silent,
    each_redirect_status,
    leaks,
    redirect_everything,
)
from tests.support.sse import KEY

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
        config_kwargs={"retries": {"max_attempts": 0}, **RESENDS, **options},
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
        except Exception as error:  # noqa: BLE001  # the test checks it
            return error
    return None


@pytest.mark.thinned(strength=1)
@each_file_call
def test_without_the_guard_s3fs_sends_the_key_in_clear(name: str, http: RecordingServer) -> None:
    with unguarded():
        assert _file_call(name, http, customer()) is None
    assert leaks(http.received, KEY)


@each_file_call
def test_s3fs_raises_the_refusal(name: str, http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    error = _file_call(name, http, customer())
    assert isinstance(error, SSETransportError), repr(error)
    assert error.rule in FILE_CALLS[name][1]
    assert error.sdk == "aiobotocore"
    assert_no_key(http, KEY)
    assert not {"PUT", "POST"}.intersection(call.method for call in http.requests)
    assert not caplog.records


@pytest.mark.unmeasured
@pytest.mark.thinned(strength=1)
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


@pytest.mark.thinned(strength=1)
@each_redirect_status
@pytest.mark.parametrize("name", ["cat", "pipe"])
def test_s3fs_is_not_redirected_to_plaintext(
    name: str, status: int, https: TlsRecordingServer, http: RecordingServer
) -> None:
    redirect_everything(https, status, f"{http.url}/away/object")
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
