"""Arguments of any kind: mappings, keywords, other header objects, invalid ones."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import obs
import obs.client
import pytest

import obs_sse_guard
from obs_sse_guard import SSETransportError
from obs_sse_guard._policy.kms_uploads import kms_uploads
from tests.support import obs_calls
from tests.support.obs_calls import BUCKET, CONTENT, OBJECT, open_client, sse_c
from tests.support.servers import RecordingServer, assert_silent
from tests.support.sse import ENCODED, KEY


@pytest.mark.parametrize("method", ["putObject", "downloadFile"])
def test_self_can_be_passed_as_a_keyword(method: str, http: RecordingServer, tmp_path: Path) -> None:
    arguments = {"content": CONTENT} if method == "putObject" else {"downloadFile": str(tmp_path / "file")}
    call: Any = getattr(obs.ObsClient, method)
    with open_client("v2", http) as client:
        assert call(self=client, bucketName=BUCKET, objectKey=OBJECT, **arguments).status == 200


def test_sse_obs_with_a_key_id_is_sse_obs(http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    header = obs.PutObjectHeader(sseHeader=obs.SseKmsHeader.getInstance("an-id", "AES256"))
    with open_client("obs", http) as client:
        assert client.putContent(BUCKET, OBJECT, CONTENT, headers=header).status == 200
    assert not caplog.records


@pytest.mark.parametrize("argument", ["extensionHeaders", "metadata"])
def test_any_mapping_is_read(argument: str, http: RecordingServer) -> None:
    mapping = UserDict({"x-obs-server-side-encryption-customer-key": ENCODED})
    with open_client("obs", http) as client:
        with pytest.raises(SSETransportError):
            client.putContent(BUCKET, OBJECT, CONTENT, **{argument: mapping})
        with pytest.raises(SSETransportError):
            client.uploadFile(BUCKET, OBJECT, __file__, headers=UserDict(sseHeader=sse_c()))
    assert_silent(http)


def _same_error(client: Any, call: Callable[[Any], object]) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # the SDK raises plain Exception
        call(client)
    assert not isinstance(caught.value, SSETransportError)
    return f"{type(caught.value).__name__}: {caught.value}"


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.putContent(objectKey=OBJECT),
        lambda client: client.putContent(BUCKET),
        lambda client: client.putContent(BUCKET, OBJECT, surprise=1),
        lambda client: client.putContent(objectKey=OBJECT, surprise=1),
        lambda client: client.putContent("", OBJECT, surprise=1),
        lambda client: client.putContent(BUCKET, OBJECT, bucketName=BUCKET),
        lambda client: client.putContent(*[BUCKET] * 9),
    ],
    ids=["no bucket", "no object", "unknown", "no bucket, unknown", "empty bucket, unknown", "twice", "too many"],
)
def test_wrong_arguments_raise_the_sdks_own_error(call: Callable[[Any], object], http: RecordingServer) -> None:
    """This includes missing arguments, although the hook has the method's parameters."""
    with open_client("v2", http) as client:
        guarded = _same_error(client, call)
        obs_sse_guard.uninstall()
        assert _same_error(client, call) == guarded
    assert_silent(http)


class _Headers:
    """A header object of the application. uploadFile accepts any class."""

    def __init__(self, **values: Any) -> None:
        vars(self).update(dict.fromkeys(obs.UploadFileHeader.allowedAttr), **values)


@pytest.mark.parametrize("sse", ["SSE-C", "SSE-KMS", "none"])
def test_a_header_object_of_another_class_is_read(sse: str, http: RecordingServer, tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    headers = _Headers(sseHeader=obs_calls.sse(sse, KEY))
    with open_client("v2", http) as client:
        if sse == "none":
            assert client.uploadFile(BUCKET, OBJECT, str(path), headers=headers).status == 200
        else:
            with pytest.raises(SSETransportError, match=f"InitiateMultipartUpload with {sse}"):
                client.uploadFile(BUCKET, OBJECT, str(path), headers=headers)
            assert_silent(http)


def test_header_names_that_are_not_text_are_read(http: RecordingServer) -> None:
    headers = {b"x-amz-server-side-encryption-customer-key": "key", 1: "one"}
    with open_client("v2", http) as client:
        with pytest.raises(SSETransportError):
            client._make_put_request(BUCKET, OBJECT, headers=headers)
        with pytest.raises(SSETransportError):
            client.deleteObject(BUCKET, OBJECT, extensionHeaders=headers)
    assert_silent(http)


def test_an_upload_passed_by_keywords_is_recognized(http: RecordingServer) -> None:
    kms_uploads.add("127.0.0.1", BUCKET, "an-upload")
    with open_client("v2", http) as client, pytest.raises(SSETransportError) as caught:
        client.uploadPart(bucketName=BUCKET, objectKey=OBJECT, partNumber=1, uploadId="an-upload", content=CONTENT)
    assert caught.value.rule == "inferred-kms"
    assert_silent(http)


class _ItemsOnly:
    """Raw headers with nothing but the method that the SDK calls."""

    def items(self) -> list[tuple[str, str]]:
        return [("x-amz-note", "1")]


def test_headers_need_no_more_than_the_sdk_asks(http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    with open_client("v2", http) as client:
        assert client._make_put_request(BUCKET, OBJECT, headers=_ItemsOnly(), entity=CONTENT).status == 200
        if hasattr(client, "modifyFile"):
            assert client.modifyFile(BUCKET, OBJECT, 0, CONTENT, headers=_ItemsOnly()).status == 200
    assert not caplog.records
