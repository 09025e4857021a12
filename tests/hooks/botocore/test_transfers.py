"""boto3's transfers, threaded or not, copies, resources, waiters and paginators.

A refusal must reach the caller unwrapped, without a retry, and never as a success. The threads of
s3transfer pass on every `Exception`, but a `BaseException` ends them as if the transfer had succeeded.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import S3Transfer, TransferConfig
from botocore.exceptions import ClientError
from s3transfer.manager import TransferManager

from obs_sse_guard import SSETransportError
from obs_sse_guard._policy.kms_uploads import kms_uploads
from tests.support.guard import unguarded
from tests.support.records import rules
from tests.support.s3_calls import (
    BUCKET,
    CONTENT,
    KMS_KEY_ID,
    OBJECT,
    SERVERS,
    SOURCE,
    UPLOAD_ID,
    boto3_client,
    boto3_resource,
    customer,
    normal,
    refused,
)
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_no_key, assert_silent, leaks
from tests.support.sse import KEY

MEGABYTE = 1024 * 1024
LARGE = b"0123456789abcdef" * (6 * MEGABYTE // 16)
"""Two parts; the smallest part of s3transfer is 5 MiB."""

SOURCE_SSE = {"CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": KEY}

Call = Callable[[Any, Path, dict[str, str]], Any]


def _in_parts(*, threads: bool = True) -> TransferConfig:
    return TransferConfig(multipart_threshold=5 * MEGABYTE, multipart_chunksize=5 * MEGABYTE, use_threads=threads)


def _file(folder: Path, content: bytes = CONTENT) -> str:
    path = folder / "upload.bin"
    path.write_bytes(content)
    return str(path)


def _transfer_manager(resource: Any, folder: Path, sse: dict[str, str]) -> Any:
    with TransferManager(resource.meta.client) as manager:
        return manager.upload(io.BytesIO(CONTENT), BUCKET, OBJECT, extra_args=sse).result()


def _s3_transfer(resource: Any, folder: Path, sse: dict[str, str]) -> Any:
    return S3Transfer(resource.meta.client).upload_file(_file(folder), BUCKET, OBJECT, extra_args=sse)


def _multipart_by_hand(resource: Any, folder: Path, sse: dict[str, str]) -> Any:
    upload = resource.Object(BUCKET, OBJECT).initiate_multipart_upload(**sse)
    part = upload.Part(1).upload(Body=CONTENT, **sse)
    return upload.complete(MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}, **sse)


def _copied(resource: Any, _: Path, sse: dict[str, str], *, config: Any = None, source: Any = None) -> Any:
    return resource.meta.client.copy(SOURCE, BUCKET, OBJECT, ExtraArgs=sse, SourceClient=source, Config=config)


@dataclass(frozen=True)
class CallVariant:
    """One call of boto3.

    Attributes:
        call: makes the call, with a resource, an empty folder, and the parameters for SSE-C.
        rule: the rule of the refusal.
        content: the content of the object to read, if it needs several parts.
    """

    call: Call
    rule: str
    content: bytes = CONTENT


VARIANTS: dict[str, CallVariant] = {
    "upload_file": CallVariant(
        lambda r, folder, sse: r.meta.client.upload_file(_file(folder), BUCKET, OBJECT, ExtraArgs=sse),
        "table-1/PutObject",
    ),
    "upload_file without threads": CallVariant(
        lambda r, folder, sse: r.meta.client.upload_file(
            _file(folder), BUCKET, OBJECT, ExtraArgs=sse, Config=TransferConfig(use_threads=False)
        ),
        "table-1/PutObject",
    ),
    "upload_file in parts": CallVariant(
        lambda r, folder, sse: r.meta.client.upload_file(
            _file(folder, LARGE), BUCKET, OBJECT, ExtraArgs=sse, Config=_in_parts()
        ),
        "table-1/InitiateMultipartUpload",
    ),
    "upload_file in parts without threads": CallVariant(
        lambda r, folder, sse: r.meta.client.upload_file(
            _file(folder, LARGE), BUCKET, OBJECT, ExtraArgs=sse, Config=_in_parts(threads=False)
        ),
        "table-1/InitiateMultipartUpload",
    ),
    "upload_fileobj": CallVariant(
        lambda r, _, sse: r.meta.client.upload_fileobj(io.BytesIO(CONTENT), BUCKET, OBJECT, ExtraArgs=sse),
        "table-1/PutObject",
    ),
    "upload_fileobj in parts": CallVariant(
        lambda r, _, sse: r.Object(BUCKET, OBJECT).upload_fileobj(io.BytesIO(LARGE), ExtraArgs=sse, Config=_in_parts()),
        "table-1/InitiateMultipartUpload",
    ),
    "Bucket.upload_file": CallVariant(
        lambda r, folder, sse: r.Bucket(BUCKET).upload_file(_file(folder), OBJECT, ExtraArgs=sse),
        "table-1/PutObject",
    ),
    "Bucket.put_object": CallVariant(
        lambda r, _, sse: r.Bucket(BUCKET).put_object(Key=OBJECT, Body=CONTENT, **sse), "table-1/PutObject"
    ),
    "Object.put": CallVariant(lambda r, _, sse: r.Object(BUCKET, OBJECT).put(Body=CONTENT, **sse), "table-1/PutObject"),
    "Object.initiate_multipart_upload": CallVariant(_multipart_by_hand, "table-1/InitiateMultipartUpload"),
    "MultipartUploadPart.upload": CallVariant(
        lambda r, _, sse: r.MultipartUploadPart(BUCKET, OBJECT, UPLOAD_ID, 1).upload(Body=CONTENT, **sse),
        "table-1/UploadPart",
    ),
    "MultipartUploadPart.copy_from": CallVariant(
        lambda r, _, sse: r.MultipartUploadPart(BUCKET, OBJECT, UPLOAD_ID, 1).copy_from(CopySource=SOURCE, **sse),
        "table-4/none-to-SSE-C",
    ),
    "TransferManager": CallVariant(_transfer_manager, "table-1/PutObject"),
    "S3Transfer": CallVariant(_s3_transfer, "table-1/PutObject"),
    "download_file": CallVariant(
        lambda r, folder, sse: r.meta.client.download_file(BUCKET, OBJECT, str(folder / "down"), ExtraArgs=sse),
        "table-1/HeadObject",
    ),
    "download_file in parts": CallVariant(
        lambda r, folder, sse: r.meta.client.download_file(
            BUCKET, OBJECT, str(folder / "down"), ExtraArgs=sse, Config=_in_parts()
        ),
        "table-1/HeadObject",
        content=LARGE,
    ),
    "download_fileobj": CallVariant(
        lambda r, _, sse: r.Bucket(BUCKET).download_fileobj(OBJECT, io.BytesIO(), ExtraArgs=sse),
        "table-1/HeadObject",
    ),
    "Object.get": CallVariant(
        lambda r, _, sse: r.Object(BUCKET, OBJECT).get(**sse)["Body"].read(), "table-1/GetObject"
    ),
    "ObjectSummary.get": CallVariant(
        lambda r, _, sse: r.ObjectSummary(BUCKET, OBJECT).get(**sse)["Body"].read(), "table-1/GetObject"
    ),
    "ObjectVersion.head": CallVariant(
        lambda r, _, sse: r.ObjectVersion(BUCKET, OBJECT, "1").head(**sse), "table-1/HeadObject"
    ),
    "client.copy": CallVariant(_copied, "table-3/none-to-SSE-C"),
    "client.copy in parts": CallVariant(
        lambda r, folder, sse: _copied(r, folder, sse, config=_in_parts()),
        "table-1/InitiateMultipartUpload",
        content=LARGE,
    ),
    "Object.copy": CallVariant(
        lambda r, _, sse: r.Object(BUCKET, OBJECT).copy(SOURCE, ExtraArgs=sse), "table-3/none-to-SSE-C"
    ),
    "Object.copy_from": CallVariant(
        lambda r, _, sse: r.Object(BUCKET, OBJECT).copy_from(CopySource=SOURCE, **sse), "table-3/none-to-SSE-C"
    ),
    "a waiter": CallVariant(
        lambda r, _, sse: r.meta.client.get_waiter("object_exists").wait(Bucket=BUCKET, Key=OBJECT, **sse),
        "table-1/HeadObject",
    ),
    "Object.wait_until_exists": CallVariant(
        lambda r, _, sse: r.Object(BUCKET, OBJECT).wait_until_exists(**sse), "table-1/HeadObject"
    ),
    "a paginator": CallVariant(
        lambda r, _, sse: list(
            r.meta.client.get_paginator("list_parts").paginate(Bucket=BUCKET, Key=OBJECT, UploadId=UPLOAD_ID, **sse)
        ),
        "key-in-clear",
    ),
}
"""The variants with SSE-C; for copies, the target has it."""

# s3transfer first requests the size of the source, with a client like any other.
_ASKS_FIRST = ("client.copy", "client.copy in parts", "Object.copy")

each_variant = pytest.mark.parametrize("name", VARIANTS)


def _run(name: str, server: RecordingServer, folder: Path, sse: dict[str, str]) -> Any:
    folder.mkdir(exist_ok=True)
    server.object = VARIANTS[name].content
    with boto3_resource(server) as resource:
        try:
            VARIANTS[name].call(resource, folder, sse)
        except Exception as error:  # noqa: BLE001  # the test checks it
            return error
    return None


@pytest.mark.sampled
@each_variant
def test_without_the_guard_the_key_crosses(name: str, http: RecordingServer, tmp_path: Path) -> None:
    with unguarded():
        assert _run(name, http, tmp_path / "a", customer()) is None
    assert leaks(http.received, KEY)


@each_variant
def test_the_refusal_is_raised_to_the_caller(
    name: str, http: RecordingServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    refused(_run(name, http, tmp_path / "a", customer()), VARIANTS[name].rule)
    if name in _ASKS_FIRST:
        assert [call.method for call in http.requests] == ["HEAD"]
        assert_no_key(http, KEY)
    else:
        assert_silent(http)
    assert not [path for path in (tmp_path / "a").iterdir() if path.name != "upload.bin"], "no partial download is left"
    assert not caplog.records


@pytest.mark.thinned(strength=1)
@each_variant
def test_transfers_over_https_are_as_before(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def sent(folder: str) -> list[str]:
        with TlsRecordingServer() as server:
            assert _run(name, server, tmp_path / folder, customer()) is None
            assert leaks(server.received, KEY)
            return normal(server)

    with unguarded():
        expected = sent("unguarded")
    assert sent("guarded") == expected
    assert not caplog.records
    assert not kms_uploads


@pytest.mark.sampled
@pytest.mark.parametrize("scheme", SERVERS)
@each_variant
def test_transfers_without_encryption_are_as_before(
    name: str, scheme: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def sent(folder: str) -> list[str]:
        with SERVERS[scheme]() as server:
            assert _run(name, server, tmp_path / folder, {}) is None
            return normal(server)

    with unguarded():
        expected = sent("unguarded")
    assert sent("guarded") == expected
    assert not caplog.records


_KMS = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KMS_KEY_ID}


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("upload_file", "table-2/PutObject"),
        ("upload_file in parts", "table-2/InitiateMultipartUpload"),
        ("client.copy", "table-3/none-to-SSE-KMS"),
        ("client.copy in parts", "table-2/InitiateMultipartUpload"),
    ],
)
def test_kms_is_refused_over_http_only(name: str, rule: str, http: RecordingServer, tmp_path: Path) -> None:
    refused(_run(name, http, tmp_path / "http", _KMS), rule)
    assert "PUT" not in [call.method for call in http.requests]
    with TlsRecordingServer() as server:
        assert _run(name, server, tmp_path / "https", _KMS) is None
    assert not kms_uploads, "every upload is completed"


# -------------------------------------------------------------------------- the source of a copy


@contextlib.contextmanager
def _copying(target: RecordingServer, source: RecordingServer) -> Any:
    with boto3_resource(target) as resource, boto3_client(source) as source_client:
        yield lambda sse: _copied(resource, Path(), sse, source=source_client)


def test_a_source_read_over_another_scheme(http: RecordingServer, https: TlsRecordingServer) -> None:
    """The source's client requests the size of the source, with its key."""
    with unguarded(), _copying(https, http) as copy:
        copy(SOURCE_SSE)
    assert leaks(http.wire, KEY)
    with RecordingServer() as plain, TlsRecordingServer() as private:
        with _copying(private, plain) as copy, pytest.raises(SSETransportError) as caught:
            copy(SOURCE_SSE)
        refused(caught.value, "table-1/HeadObject")
        assert_silent(plain)
        assert_silent(private)


def test_a_target_written_over_another_scheme(http: RecordingServer, https: TlsRecordingServer) -> None:
    with unguarded(), _copying(http, https) as copy:
        copy(customer())
    assert leaks(http.wire, KEY)
    with RecordingServer() as plain, TlsRecordingServer() as private:
        with _copying(plain, private) as copy, pytest.raises(SSETransportError) as caught:
            copy(customer())
        refused(caught.value, "table-3/none-to-SSE-C")
        assert_silent(plain)
        assert [call.method for call in private.requests] == ["HEAD"]


def test_a_copy_from_a_source_with_a_key_is_logged(
    http: RecordingServer, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Table 3 allows the copy, although it sends the source's key in clear."""
    with _copying(http, https) as copy:
        copy(SOURCE_SSE)
    assert [call.method for call in http.requests] == ["PUT"]
    assert rules(caplog) == ["table-3/SSE-C-to-none"]


# ------------------------------------------------------------------ encryption in the response


@pytest.mark.parametrize("threads", [True, False])
def test_parts_of_an_upload_that_the_bucket_encrypts_with_kms(
    threads: bool, http: RecordingServer, tmp_path: Path
) -> None:
    """The request names no SSE-KMS but its response does, so the parts are refused."""
    http.answer("POST", headers={"x-amz-server-side-encryption": "aws:kms"})
    with boto3_client(http) as client, pytest.raises(SSETransportError) as caught:
        client.upload_file(_file(tmp_path, LARGE), BUCKET, OBJECT, Config=_in_parts(threads=threads))
    refused(caught.value, "inferred-kms")
    assert [call.method for call in http.requests] == ["POST", "DELETE"], "s3transfer aborts what it cannot finish"
    assert not kms_uploads


def test_the_client_stays_usable_and_other_errors_are_unchanged(http: RecordingServer, tmp_path: Path) -> None:
    with boto3_client(http) as client:
        with pytest.raises(SSETransportError):
            client.upload_file(_file(tmp_path), BUCKET, OBJECT, ExtraArgs=customer())
        client.upload_file(_file(tmp_path), BUCKET, OBJECT)
        http.answer("HEAD", 404)
        with pytest.raises(ClientError, match="404"):
            client.download_file(BUCKET, OBJECT, str(tmp_path / "down"))
        with pytest.raises(ValueError, match=r"ExtraArgs|extra_args"):
            client.upload_file(_file(tmp_path), BUCKET, OBJECT, ExtraArgs={"SSE": "x"})
    assert [call.method for call in http.requests] == ["PUT", "HEAD"]


def test_warn_mode_lets_a_transfer_through(
    http: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")
    assert _run("upload_file in parts", http, tmp_path, customer()) is None
    logged = rules(caplog)
    assert logged[0] == "table-1/InitiateMultipartUpload"
    # Repeats are throttled, and old releases complete an upload without its key.
    assert set(logged[1:]) - {"table-1/CompleteMultipartUpload"} == {"table-1/UploadPart"}
    assert not leaks(caplog.text, KEY)
