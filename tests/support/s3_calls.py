"""Every row of the tables as calls of the botocore family: boto3 and aiobotocore.

Both share one service model, so one table of parameters serves both. They differ in how a client is
created, and in that calls of aiobotocore are awaited. `outcomes` hides that: it opens a client, makes
the calls in order, and returns what each returned or raised.

Nothing leaves the loopback: the endpoints are test servers, the credentials are invented, and `session`
is created while the environment names no configuration (see conftest).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import inspect
import io
import re
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.util import find_spec
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.loaders import Loader
from botocore.model import ServiceModel

from obs_sse_guard import SSETransportError
from tests.support.expected_rules import Row
from tests.support.servers import RecordingServer, TlsRecordingServer, leaks
from tests.support.sse import ENCODED, KEY, MD5

BUCKET = "bucket"
OBJECT = "folder/object"
SOURCE = {"Bucket": "source", "Key": "folder/source"}
UPLOAD_ID = "begun-elsewhere"
"""An upload that no test server began, so the guard remembers nothing about it."""
CONTENT = b"what is stored"
KMS_KEY_ID = "0c6e1f1e-0000-4000-8000-000000000000"
ACCESS_KEY = "ACCESSKEYOFTHETEST"
SECRET_KEY = "secret-key-of-the-test"
REGION = "us-east-1"

Call = Callable[[Any], Any]
"""A call on a client. With aiobotocore it returns an awaitable."""

SDKS = tuple(name for name in ("boto3", "aiobotocore") if find_spec(name))
each_sdk = pytest.mark.parametrize(
    "sdk",
    [
        pytest.param(name, marks=pytest.mark.skipif(name not in SDKS, reason=f"{name} is not installed here"))
        for name in ("boto3", "aiobotocore")
    ],
)
NAMES = {"boto3": "botocore", "aiobotocore": "aiobotocore"}
"""The guard's name of the SDK, by test id."""
STYLES = {"path": "s3v4", "virtual": "s3"}
"""The addressing styles, each tested with one signature: they are independent."""


# ------------------------------------------------------------------------------------- calls


def customer(encryption: str = "SSE-C", key: str = KEY, *, prefix: str = "") -> dict[str, str]:
    """Return an encryption's parameters; ``prefix="CopySource"`` is for a source.

    No parameter names SSE-KMS for a source, because the service knows its encryption.
    """
    if encryption == "SSE-C":
        return {f"{prefix}SSECustomerAlgorithm": "AES256", f"{prefix}SSECustomerKey": key}
    if encryption == "SSE-KMS":
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KMS_KEY_ID}
    return {"ServerSideEncryption": "AES256"} if encryption == "SSE-OBS" else {}


def raw_headers(encryption: str, stem: str = "x-amz-") -> dict[str, str]:
    """Return the headers for an encryption, as an application would write them."""
    if encryption == "SSE-C":
        start = f"{stem}server-side-encryption-customer-"
        return {f"{start}algorithm": "AES256", f"{start}key": ENCODED, f"{start}key-MD5": MD5}
    return {f"{stem}server-side-encryption": "aws:kms"} if encryption == "SSE-KMS" else {}


_OBJECT = {"Bucket": BUCKET, "Key": OBJECT}
_PART = {**_OBJECT, "UploadId": UPLOAD_ID, "PartNumber": 1}

METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "PutObject": ("put_object", {**_OBJECT, "Body": CONTENT}),
    "InitiateMultipartUpload": ("create_multipart_upload", _OBJECT),
    "HeadObject": ("head_object", _OBJECT),
    "GetObject": ("get_object", _OBJECT),
    "UploadPart": ("upload_part", {**_PART, "Body": CONTENT}),
    "CompleteMultipartUpload": (
        "complete_multipart_upload",
        {**_OBJECT, "UploadId": UPLOAD_ID, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": "etag"}]}},
    ),
    "CopyObject": ("copy_object", {**_OBJECT, "CopySource": SOURCE}),
    "UploadPartCopy": ("upload_part_copy", {**_PART, "CopySource": SOURCE}),
}
"""By operation in the tables: the client's method and its other arguments."""


def parameters(row: Row) -> dict[str, str]:
    """Return the parameters for the encryptions of a row."""
    return {**customer(row.target), **(customer(row.source, prefix="CopySource") if row.source == "SSE-C" else {})}


def call_for(row: Row, **more: Any) -> Call:
    """Return the call for a row."""
    if row.operation == "PostObject":
        return posting(raw_headers(row.target))
    method, needed = METHODS[row.operation]
    return lambda client: getattr(client, method)(**{**needed, **parameters(row), **more})


def posting(fields: dict[str, str]) -> Call:
    """Return the call that signs a form with these fields."""
    conditions = [{name: value} for name, value in fields.items()]
    return lambda client: client.generate_presigned_post(BUCKET, OBJECT, Fields=fields, Conditions=conditions)


def asking(operation: str, target: str = "none", source: str = "none", **more: Any) -> Call:
    """Return the call for an operation with encryption, whether or not it has a row."""
    return call_for(Row(0, operation, source, target, frozenset()), **more)


PUT = asking("PutObject")
PUT_SSE_C = asking("PutObject", "SSE-C")
KMS_ANSWER = {"x-amz-server-side-encryption": "aws:kms"}
"""The header of a response about an object under SSE-KMS."""


def can_express(row: Row) -> bool:
    """Return whether the service model has parameters for both encryptions.

    Form fields can express any row. For a copy's source there is only the customer key.
    """
    if row.source in ("SSE-KMS", "SSE-OBS"):
        return False
    if row.operation == "PostObject":
        return True
    return parameters(row).keys() <= members(METHODS[row.operation][0])


@functools.lru_cache(maxsize=1)
def service_model() -> Any:
    """Return the S3 model of the installed botocore, read without any configuration."""
    return ServiceModel(Loader().load_service_model("s3", "service-2"), "s3")


def members(method: str) -> set[str]:
    """Return the parameters of a client's method."""
    operation = next(name for name in service_model().operation_names if xform_name(name) == method)
    return set(service_model().operation_model(operation).input_shape.members)


# ------------------------------------------------------------------------------------ clients

SERVERS: dict[str, type[RecordingServer]] = {"http": RecordingServer, "https": TlsRecordingServer}


@functools.lru_cache(maxsize=1)
def session() -> Any:
    """Return one session for all clients: reading the service model is slow."""
    return botocore.session.Session()


@functools.lru_cache(maxsize=1)
def boto3_session() -> Any:
    """Return the same as a session of boto3."""
    return _boto3().Session(botocore_session=session())


def _boto3() -> Any:
    return pytest.importorskip("boto3.session", reason="boto3 is not installed here")


@functools.lru_cache(maxsize=1)
def aio_session() -> Any:
    """Return the same for aiobotocore."""
    from aiobotocore.session import AioSession

    return AioSession()


def new_session(sdk: str) -> Any:
    """Return a new session: a used session caches its configuration."""
    if sdk == "aiobotocore":
        from aiobotocore.session import AioSession

        return AioSession()
    return _boto3().Session()


@contextlib.contextmanager
def own_session(sdk: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Create the clients from a new session, which reads its configuration now."""
    session = new_session(sdk)
    with monkeypatch.context() as patch:
        patch.setattr(__name__ + "." + ("aio_session" if sdk == "aiobotocore" else "boto3_session"), lambda: session)
        yield


class _Raw(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


class OwnTransport:
    """An application's transport for botocore, without certificate settings."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send(self, request: Any) -> AWSResponse:
        """Record a request, and return a successful response."""
        self.sent.append(request)
        return AWSResponse(request.url, 200, {"content-length": "0"}, _Raw())

    def close(self) -> None:
        """Do nothing: no connection is open."""


def options_for(server: RecordingServer, *, style: str = "path", **options: Any) -> dict[str, Any]:
    """Return a client's arguments for this server; also takes options of `Config`."""
    settings = {
        "signature_version": STYLES[style],
        "s3": {"addressing_style": style},
        "retries": {"max_attempts": 0},
        "connect_timeout": 5,
        "read_timeout": 10,
    }
    of_config = {name: options.pop(name) for name in list(options) if name in Config.OPTION_DEFAULTS}
    return {
        "region_name": REGION,
        "endpoint_url": server.url if style == "path" else server.named_url,
        "aws_access_key_id": ACCESS_KEY,
        "aws_secret_access_key": SECRET_KEY,
        "verify": server.ca,
        "config": Config(**{**settings, **of_config}),
        **options,
    }


@contextlib.contextmanager
def boto3_client(server: RecordingServer, **options: Any) -> Iterator[Any]:
    """Open a client of boto3 for this server."""
    with contextlib.closing(boto3_session().client("s3", **options_for(server, **options))) as client:
        yield client


@contextlib.contextmanager
def boto3_resource(server: RecordingServer, **options: Any) -> Iterator[Any]:
    """Open a resource of boto3 for this server."""
    resource = boto3_session().resource("s3", **options_for(server, **options))
    with contextlib.closing(resource.meta.client):
        yield resource


@contextlib.asynccontextmanager
async def aio_client(server: RecordingServer, **options: Any) -> AsyncIterator[Any]:
    """Open a client of aiobotocore for this server."""
    async with aio_session().create_client("s3", **options_for(server, **options)) as client:
        yield client


def supported(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that the `Config` of this release supports."""
    return {name: value for name, value in options.items() if name in Config.OPTION_DEFAULTS}


RESENDS = supported({"request_checksum_calculation": "when_required"})
"""Without a checksum the body is sent unchanged, and aiohttp can send it again."""


def refused(error: Any, rule: str) -> SSETransportError:
    """Return the refusal after checking it: unwrapped, by this rule, without the key."""
    assert isinstance(error, SSETransportError), repr(error)
    assert error.rule == rule
    assert error.__cause__ is None
    assert not leaks(repr(vars(error)) + str(error), KEY)
    return error


def succeeded(result: Any) -> bool:
    """Return whether a call succeeded."""
    assert isinstance(result, dict), repr(result)
    return bool(result["ResponseMetadata"]["HTTPStatusCode"] < 300)


def outcomes(sdk: str, server: RecordingServer, *calls: Call, **options: Any) -> list[Any]:
    """Make the calls with one client, and return the result or the exception of each.

    Bodies are read completely, so that the connection is free for the next call.
    """
    if sdk == "boto3":
        with boto3_client(server, **options) as client:
            return [_outcome(call, client) for call in calls]
    return asyncio.run(_outcomes(server, calls, options))


def outcome(sdk: str, server: RecordingServer, call: Call, **options: Any) -> Any:
    """Make one call with a new client, and return its result or its exception."""
    [result] = outcomes(sdk, server, call, **options)
    return result


def _outcome(call: Call, client: Any) -> Any:
    try:
        result = call(client)
        if isinstance(result, dict) and hasattr(result.get("Body"), "read"):
            result["Body"] = result["Body"].read()
        _close_events(result)
    except Exception as error:  # noqa: BLE001  # the test checks it
        return error
    return result


def _close_events(result: Any) -> None:
    """Close the event stream of SelectObjectContent, which no test reads."""
    if isinstance(result, dict) and "Payload" in result:
        result["Payload"].close()


async def _outcomes(server: RecordingServer, calls: tuple[Call, ...], options: dict[str, Any]) -> list[Any]:
    async with aio_client(server, **options) as client:
        return [await aio_outcome(call, client) for call in calls]


async def aio_outcome(call: Call, client: Any) -> Any:
    """Make a call of aiobotocore, and return its result or its exception."""
    try:
        result = call(client)
        if inspect.isawaitable(result):
            result = await result
        if isinstance(result, dict) and hasattr(result.get("Body"), "read"):
            async with result["Body"] as body:
                result["Body"] = await body.read()
        _close_events(result)
    except Exception as error:  # noqa: BLE001  # the test checks it
        return error
    return result


# -------------------------------------------------------------------------- recorded requests

_VARIES = re.compile(r"(?i)authorization|date|x-amz-date|amz-sdk-invocation-id|expires")
_IN_TARGET = re.compile(r"(?i)(?<=signature=)[^&]+|(?<=expires=)\d{9,}|(?<=date=)[^&]+|(?<=credential=)[^&]+")


def steady(url: str) -> str:
    """Return a signed URL without the parts that depend on time."""
    return _IN_TARGET.sub("", url)


def normal(server: RecordingServer) -> list[str]:
    """Return the requests without varying parts, sorted because workers race."""
    requests = []
    for call in server.requests:
        headers = [(name, value) for name, value in call.headers if not _VARIES.fullmatch(name)]
        body = call.body if len(call.body) < 1000 else hashlib.sha256(call.body).hexdigest()
        request = (call.method, steady(call.target), headers, body)
        requests.append(repr(request).replace(str(server.port), "PORT"))
    return sorted(requests)
