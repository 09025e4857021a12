"""A refusal in a worker thread of a transfer reaches the caller, once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import obs
import pytest

from obs_sse_guard import SSETransportError
from tests.support import obs_calls
from tests.support.obs_calls import (
    BUCKET,
    OBJECT,
    each_transport,
    needs_https,
    open_client,
    put_sse_c,
    refused_at_once,
    sse_c,
)
from tests.support.servers import RecordingServer, assert_silent

pytestmark = needs_https


MEGABYTE = 1024 * 1024


def _file(folder: Path, size: int = 3 * MEGABYTE) -> str:
    path = folder / "upload.bin"
    path.write_bytes(b"x" * size)
    return str(path)


def _upload_header() -> Any:
    return obs.UploadFileHeader(sseHeader=sse_c())


def _redirect_parts(https: RecordingServer, http: RecordingServer) -> None:
    https.answer(
        lambda request: request.method == "PUT" and "partNumber" in request.query,
        307,
        {"Location": f"{http.url}/{BUCKET}/{OBJECT}"},
    )


@each_transport
@pytest.mark.parametrize("tasks", [1, 3])
def test_upload_file_raises_the_refusal_to_its_caller(
    tasks: int, transport: str, https: RecordingServer, http: RecordingServer, tmp_path: Path
) -> None:
    _redirect_parts(https, http)
    with open_client("v2", https, transport=transport) as client, obs_calls.without_backoff() as slept:
        arguments = {"partSize": MEGABYTE, "taskNum": tasks, "enableCheckpoint": True, "headers": _upload_header()}
        with pytest.raises(SSETransportError) as caught:
            client.uploadFile(BUCKET, OBJECT, _file(tmp_path), **arguments)
    assert len(slept) == sum("partNumber" in request.query for request in https.requests), "each part is sent once"
    assert caught.value.rule == "table-1/UploadPart"
    assert_silent(http)
    assert "DELETE" not in [request.method for request in https.requests]
    assert (tmp_path / "upload.bin.upload_record").exists()


def test_a_resumed_upload_is_checked(https: RecordingServer, http: RecordingServer, tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"partSize": MEGABYTE, "enableCheckpoint": True, "headers": _upload_header()}
    path = _file(tmp_path)
    https.answer(lambda request: "partNumber" in request.query, 503, times=1)
    with open_client("v2", https, max_retry_count=0) as client, pytest.raises(Exception, match="some parts"):
        client.uploadFile(BUCKET, OBJECT, path, **arguments)
    record = (tmp_path / "upload.bin.upload_record").read_bytes()
    with open_client("v2", http) as client:
        refused_at_once(lambda: client.uploadFile(BUCKET, OBJECT, path, **arguments))
    assert_silent(http)
    assert (tmp_path / "upload.bin.upload_record").read_bytes() == record
    with open_client("v2", https) as client:
        assert client.uploadFile(BUCKET, OBJECT, path, **arguments).status == 200


def test_upload_file_async_does_not_hang(https: RecordingServer, http: RecordingServer, tmp_path: Path) -> None:
    _redirect_parts(https, http)
    with open_client("v2", https) as client:
        if not hasattr(client, "uploadFileAsync"):
            pytest.skip("not in this release of the SDK")
        task = client.uploadFileAsync(BUCKET, OBJECT, _file(tmp_path), headers=_upload_header())
        with pytest.raises(SSETransportError, match="table-1/UploadPart"):
            task.wait_for_completion(5)
    assert_silent(http)


# Some releases read the parts of a download with _getObjectWithNotifier, which follows no redirect.
follows_in_downloads = pytest.mark.skipif(
    hasattr(obs.ObsClient, "_getObjectWithNotifier"), reason="this release of the SDK follows no redirect in downloads"
)


@follows_in_downloads
@pytest.mark.parametrize("tasks", [1, 3])
def test_download_file_raises_the_refusal_to_its_caller(
    tasks: int, https: RecordingServer, http: RecordingServer, tmp_path: Path
) -> None:
    https.answer("GET", 302, {"Location": f"{http.url}/{BUCKET}/{OBJECT}"})
    target = tmp_path / "down.bin"
    with open_client("v2", https) as client:
        error = refused_at_once(
            lambda: client.downloadFile(
                BUCKET,
                OBJECT,
                str(target),
                taskNum=tasks,
                partSize=MEGABYTE,
                enableCheckpoint=True,
                header=obs.GetObjectHeader(sseHeader=sse_c()),
            ),
            redirects=1,
        )
    assert error.rule == "table-1/GetObject"
    assert_silent(http)
    assert (tmp_path / "down.bin.download_record").exists()


@follows_in_downloads
def test_download_files_raises_the_refusal_to_its_caller(
    https: RecordingServer, http: RecordingServer, tmp_path: Path
) -> None:
    https.answer(
        lambda request: request.method == "GET" and bool(request.key),
        302,
        {"Location": f"{http.url}/{BUCKET}/{OBJECT}"},
    )
    seen: list[Any] = []
    with open_client("v2", https) as client, pytest.raises(SSETransportError, match="table-1/GetObject"):
        client.downloadFiles(
            BUCKET,
            "",
            str(tmp_path),
            headers=obs.GetObjectHeader(sseHeader=sse_c()),
            taskCallback=lambda key, result: seen.append(result),
        )
    assert seen
    assert {type(result) for result in seen} == {SSETransportError}
    assert_silent(http)


def test_download_files_without_a_refusal_returns_its_progress(https: RecordingServer, tmp_path: Path) -> None:
    with open_client("v2", https) as client:
        state = client.downloadFiles(BUCKET, "", str(tmp_path), headers=obs.GetObjectHeader(sseHeader=sse_c()))
    assert state.failed_tasks == 0
    assert state.successful_tasks > 0


@needs_https
def test_a_handled_refusal_breaks_no_transfer(https: RecordingServer, http: RecordingServer, tmp_path: Path) -> None:
    handled: list[str] = []

    class Own(obs.ObsClient):  # type: ignore[misc,name-defined,unused-ignore]
        def _uploadPartWithNotifier(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802  # the SDK's name
            with open_client("v2", http) as other:
                try:
                    put_sse_c(other)
                except SSETransportError as error:
                    handled.append(error.rule)
            return super()._uploadPartWithNotifier(*args, **kwargs)

    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    client = Own(access_key_id="a", secret_access_key="b", server=https.url, ssl_verify=https.ca)
    assert client.uploadFile(BUCKET, OBJECT, str(path)).status == 200

    def callback(_key: str, _result: object) -> None:
        with open_client("v2", http) as other, pytest.raises(SSETransportError):
            put_sse_c(other)
        handled.append("in the callback")

    state = client.downloadFiles(BUCKET, "", str(tmp_path), taskCallback=callback)
    assert state.failed_tasks == 0
    client.close()
    assert {"table-1/PutObject", "in the callback"} == set(handled)
