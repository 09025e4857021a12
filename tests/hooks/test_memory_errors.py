"""A call proceeds, with a logged error, if memory for an upload record runs out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import obs
import pytest

from obs_sse_guard import SSETransportError
from obs_sse_guard._policy import kms_uploads
from tests.support.mixed_calls import CUSTOMER, put_object, s3_client
from tests.support.obs_calls import BUCKET, CONTENT, OBJECT, needs_https, open_client

if TYPE_CHECKING:
    from tests.support.servers import RecordingServer


class _Full(dict[Any, Any]):
    """A dict that cannot grow."""

    def _refuse(self, *_: object, **__: object) -> Any:
        raise MemoryError

    __setitem__ = __contains__ = __len__ = __bool__ = pop = popitem = _refuse


@pytest.fixture
def out_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the record of uploads raise MemoryError."""
    monkeypatch.setattr(kms_uploads.kms_uploads, "_uploads", _Full())
    monkeypatch.setattr(kms_uploads.kms_uploads, "clear", lambda: None)


@needs_https
def test_no_memory_for_an_upload_breaks_no_call(
    out_of_memory: None, https: RecordingServer, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    with open_client("v2", https) as client, open_client("v2", http) as plain:
        begun = client.initiateMultipartUpload(BUCKET, OBJECT, sseHeader=obs.SseKmsHeader.getInstance())
        assert begun.status == 200
        upload = begun.body.uploadId
        assert client.uploadPart(BUCKET, OBJECT, 1, upload, content=CONTENT).status == 200
        assert plain.uploadPart(BUCKET, OBJECT, 1, upload, content=CONTENT).status == 200
        assert client.abortMultipartUpload(BUCKET, OBJECT, upload).status == 204
        with pytest.raises(SSETransportError):
            put_object(plain, OBJECT)
    assert "MemoryError" in caplog.text, "the error is logged"


@needs_https
def test_no_memory_for_an_upload_breaks_no_call_of_botocore(
    out_of_memory: None, https: RecordingServer, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    with s3_client(https) as client, s3_client(http) as plain:
        known = {"Bucket": BUCKET, "Key": OBJECT}
        upload = client.create_multipart_upload(**known, ServerSideEncryption="aws:kms")["UploadId"]
        part = {**known, "UploadId": upload, "PartNumber": 1, "Body": b"x"}
        assert client.upload_part(**part)["ETag"]
        assert plain.upload_part(**part)["ETag"]
        client.abort_multipart_upload(**known, UploadId=upload)
        with pytest.raises(SSETransportError):
            plain.put_object(**known, Body=b"x", **CUSTOMER)
    assert "MemoryError" in caplog.text
