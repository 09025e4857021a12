"""Every row of the tables as calls of minio-py, and clients for the test servers.

Public methods express what they can. The private methods express the rest: applications that upload parts by
themselves call these, since minio-py has no public ones.
"""

from __future__ import annotations

import inspect
import io
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import minio
import urllib3
from minio.commonconfig import CopySource
from minio.datatypes import PostPolicy
from minio.sse import SseCustomerKey, SseKMS, SseS3

from obs_sse_guard import SSETransportError
from tests.support.expected_rules import Row
from tests.support.servers import RecordingServer, TlsRecordingServer, leaks
from tests.support.sse import ENCODED, KEY, MD5

BUCKET = "bucket"
OBJECT = "folder/object"
SOURCE = ("source", "folder/source")
UPLOAD_ID = "begun-elsewhere"
"""An upload that no test server began, so the guard remembers nothing about it."""
CONTENT = b"what is stored"
PART_SIZE = 5 * 1024 * 1024
SERVERS: dict[str, type[RecordingServer]] = {"http": RecordingServer, "https": TlsRecordingServer}

Call = Callable[[Any], Any]


class Body(io.BytesIO):
    """A body that counts how often it is read."""

    reads = 0

    def read(self, *size: Any) -> bytes:
        """Read and count."""
        self.reads += 1
        return super().read(*size)


def sse_of(encryption: str) -> Any:
    """Return the SDK's object for an encryption."""
    makers: dict[str, Callable[[], Any]] = {
        "SSE-C": lambda: SseCustomerKey(KEY.encode()),
        "SSE-KMS": lambda: SseKMS("a-key-id", {}),
        "SSE-OBS": SseS3,
    }
    return makers[encryption]() if encryption in makers else None


def sse_c() -> Any:
    """Return the SDK's object for SSE-C."""
    return sse_of("SSE-C")


def raw_headers(encryption: str, stem: str = "x-amz-") -> dict[str, str]:
    """Return the headers for an encryption, as an application would write them."""
    if encryption == "SSE-C":
        start = f"{stem}server-side-encryption-customer-"
        return {f"{start}algorithm": "AES256", f"{start}key": ENCODED, f"{start}key-MD5": MD5}
    values = {"SSE-KMS": "aws:kms", "SSE-OBS": "AES256"}
    return {f"{stem}server-side-encryption": values[encryption]} if encryption in values else {}


def _copy_headers(row: Row) -> dict[str, str]:
    source = {"x-amz-copy-source": "/source/folder/source"}
    return {**source, **raw_headers(row.target), **raw_headers(row.source, "x-amz-copy-source-")}


def _copy(row: Row) -> Call:
    """Return a copy; minio-py asks for the source's size first, which needs its key."""
    if row.source == "none":
        return lambda client: client.copy_object(BUCKET, OBJECT, CopySource(*SOURCE), sse=sse_of(row.target))
    return lambda client: client._execute("PUT", BUCKET, OBJECT, headers=_copy_headers(row))


def _post(row: Row) -> Call:
    def call(client: Any) -> Any:
        policy = new_policy()
        for name, value in raw_headers(row.target).items():
            policy.add_equals_condition(name, value)
        return client.presigned_post_policy(policy)

    return call


def new_policy() -> Any:
    """Return a POST policy for the test's object."""
    policy = PostPolicy(BUCKET, datetime.now(timezone.utc) + timedelta(hours=1))
    policy.add_equals_condition("key", OBJECT)
    return policy


_MAKERS: dict[str, Callable[[Row], Call]] = {
    "PutObject": lambda row: (
        lambda client: client.put_object(BUCKET, OBJECT, Body(CONTENT), len(CONTENT), sse=sse_of(row.target))
    ),
    "PostObject": _post,
    "InitiateMultipartUpload": lambda row: (
        lambda client: client._create_multipart_upload(BUCKET, OBJECT, raw_headers(row.target))
    ),
    "HeadObject": lambda row: lambda client: client._execute("HEAD", BUCKET, OBJECT, headers=raw_headers(row.target)),
    "GetObject": lambda row: (
        lambda client: read(client.get_object(BUCKET, OBJECT, request_headers=raw_headers(row.target)))
    ),
    "UploadPart": lambda row: (
        lambda client: client._upload_part(BUCKET, OBJECT, CONTENT, raw_headers(row.target), UPLOAD_ID, 1)
    ),
    "CompleteMultipartUpload": lambda row: (
        lambda client: client._execute(
            "POST", BUCKET, OBJECT, b"<x/>", raw_headers(row.target), {"uploadId": UPLOAD_ID}
        )
    ),
    "CopyObject": _copy,
    "UploadPartCopy": lambda row: (
        lambda client: client._upload_part_copy(BUCKET, OBJECT, UPLOAD_ID, 1, _copy_headers(row))
    ),
}


def can_express(row: Row) -> bool:
    """Return whether a call can express the row: of sources, only SSE-C has a header."""
    return row.source in ("none", "SSE-C")


def call_for(row: Row) -> Call:
    """Return the call for a row."""
    return _MAKERS[row.operation](row)


def asking(operation: str, target: str = "none", source: str = "none") -> Call:
    """Return the call for an operation with encryption."""
    return call_for(Row(0, operation, source, target, frozenset()))


PUT_SSE_C = asking("PutObject", "SSE-C")


def read(response: Any) -> bytes:
    """Return the content of a response, and give its connection back."""
    try:
        return bytes(response.read())
    finally:
        response.close()
        response.release_conn()


# ------------------------------------------------------------------------------------- clients


def pool_for(server: RecordingServer, **options: Any) -> urllib3.PoolManager:
    """Return a pool that verifies the server's certificate, without retries."""
    verified = {"cert_reqs": "CERT_REQUIRED", "ca_certs": server.ca} if server.ca else {}
    return urllib3.PoolManager(
        **{"timeout": 10, "maxsize": 10, "retries": urllib3.Retry(5, connect=0, read=0), **verified, **options}
    )


_PARAMETERS = inspect.signature(minio.Minio.__init__).parameters


def client_for(server: RecordingServer, *, name: str = "", **options: Any) -> Any:
    """Return a client for this server; ``name`` replaces its address."""
    settings = {
        "access_key": "ACCESSKEYOFTHETEST",
        "secret_key": "secret-key-of-the-test",
        "region": "us-east-1",
        "secure": server.scheme == "https",
        "http_client": pool_for(server),
    }
    if not options.get("cert_check", True) and "cert_check" not in _PARAMETERS:  # an older release
        options = {"http_client": pool_for(server, cert_reqs="CERT_NONE")}
    host = f"{name}:{server.port}" if name else server.url.partition("://")[2]
    return minio.Minio(host, **{**settings, **options})


def outcome(client: Any, call: Call) -> Any:
    """Make a call, and return its result or its exception."""
    try:
        return call(client)
    except Exception as error:  # noqa: BLE001  # the test checks it
        return error


def refused(error: Any, rule: str) -> SSETransportError:
    """Return the refusal after checking it: unwrapped, by this rule, without the key."""
    assert isinstance(error, SSETransportError), repr(error)
    assert (error.rule, error.sdk) == (rule, "minio")
    assert error.__cause__ is None
    assert not leaks(repr(vars(error)) + str(error), KEY)
    assert str(error).isascii()
    return error


# -------------------------------------------------------------------------- recorded requests

_VARIES = re.compile(r"(?i)authorization|date|x-amz-date")


def normal(server: RecordingServer) -> list[str]:
    """Return the requests without varying parts, sorted because workers race."""
    requests = []
    for call in server.requests:
        headers = [(name, value) for name, value in call.headers if not _VARIES.fullmatch(name)]
        request = repr((call.method, call.target, headers, call.body)).replace(str(server.port), "PORT")
        requests.append(re.sub(r"snowball\.[\d.e-]+\.tar", "snowball.tar", request))
    return sorted(requests)
