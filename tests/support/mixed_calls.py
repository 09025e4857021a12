"""Calls of both SDK families, some refused, for many threads or failing servers."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import obs
import pytest

from tests.support.obs_calls import BUCKET, CONTENT, open_client, sse_c
from tests.support.sse import KEY

if TYPE_CHECKING:
    from tests.support.servers import RecordingServer

PATIENCE = 30.0
"""Seconds after which a thread or a child counts as hanging."""


class MixedCall(NamedTuple):
    """A call, and whether the guard refuses it in ``enforce`` mode."""

    refused: bool
    secure: bool
    call: Callable[[Any, str], Any]


def put_object(client: Any, key: str) -> Any:
    return client.putContent(BUCKET, key, CONTENT, headers=obs.PutObjectHeader(sseHeader=sse_c()))


OBS_CALLS = (
    MixedCall(True, False, put_object),
    MixedCall(True, False, lambda client, key: client.getObjectMetadata(BUCKET, key, sseHeader=sse_c())),
    MixedCall(True, False, lambda client, key: client.uploadPart(BUCKET, key, 1, "u", content="x", sseHeader=sse_c())),
    MixedCall(False, False, lambda client, key: client.putContent(BUCKET, key, CONTENT)),
    MixedCall(False, False, lambda client, key: client.getObject(BUCKET, key, loadStreamInMemory=True)),
    MixedCall(False, True, put_object),
)
CUSTOMER = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": KEY}
S3_CALLS = (
    MixedCall(True, False, lambda client, key: client.put_object(Bucket=BUCKET, Key=key, Body=b"x", **CUSTOMER)),
    MixedCall(True, False, lambda client, key: client.head_object(Bucket=BUCKET, Key=key, **CUSTOMER)),
    MixedCall(True, False, lambda client, key: client.get_object(Bucket=BUCKET, Key=key, **CUSTOMER)),
    MixedCall(False, False, lambda client, key: client.put_object(Bucket=BUCKET, Key=key, Body=b"x")),
    MixedCall(False, False, lambda client, key: client.head_object(Bucket=BUCKET, Key=key)),
    MixedCall(False, True, lambda client, key: client.put_object(Bucket=BUCKET, Key=key, Body=b"x", **CUSTOMER)),
)


@contextlib.contextmanager
def s3_client(server: RecordingServer) -> Iterator[Any]:
    pytest.importorskip("boto3")
    from tests.support import s3_calls

    with s3_calls.boto3_client(server, max_pool_connections=40, read_timeout=2) as client:
        yield client


SDKS: dict[str, tuple[tuple[MixedCall, ...], Callable[[RecordingServer], contextlib.AbstractContextManager[Any]]]] = {
    "obs": (OBS_CALLS, functools.partial(open_client, "v2")),
    "botocore": (S3_CALLS, s3_client),
}
