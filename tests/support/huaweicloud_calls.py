"""Every row as calls of both clients of huaweicloudsdkobs, over each road.

The roads are the methods with their request models, the invokers with headers of the application, and
``do_http_request``, which sends anything. Nothing leaves the loopback: the endpoints are test servers.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkobs import v1
from huaweicloudsdkobs.v1.obs_credentials import ObsCredentials

from obs_sse_guard import SSETransportError
from tests.support.servers import RecordingServer, TlsRecordingServer, leaks
from tests.support.sse import ENCODED, KEY, MD5

if TYPE_CHECKING:
    from tests.support.expected_rules import Row

BUCKET = "bucket"
OBJECT = "object"
CONTENT = b"what is stored"
KMS_KEY_ID = "0c6e1f1e-0000-4000-8000-000000000000"
SERVERS: dict[str, type[RecordingServer]] = {"http": RecordingServer, "https": TlsRecordingServer}
CLIENTS = {"sync": v1.ObsClient, "async": v1.ObsAsyncClient}

each_client = pytest.mark.parametrize("kind", CLIENTS)
Call = Callable[[Any], Any]
"""A call on a client, synchronous or not. It returns the response."""


# ------------------------------------------------------------------------------------- clients


@contextlib.contextmanager
def obs_client(kind: str, *servers: RecordingServer, made: Any = None, **config: Any) -> Iterator[Any]:
    """Open a client for these servers, by name; options are those of ``HttpConfig``."""
    client_class = made or CLIENTS[kind]
    settings = HttpConfig(**{"ssl_ca_cert": next((server.ca for server in servers if server.ca), None), **config})
    builder = client_class.new_builder().with_http_config(settings).with_credentials(ObsCredentials("AK", "SK"))
    client = builder.with_endpoints([server.named_url for server in servers]).build()
    try:
        yield client
    finally:
        client.get_http_client().executor.shutdown()
        client.get_http_client()._session.close()


def is_async(client: Any) -> bool:
    """Return whether a client returns futures."""
    return isinstance(client, v1.ObsAsyncClient)


# --------------------------------------------------------------------------------------- calls


def raw_headers(target: str = "none", source: str = "none", stem: str = "x-obs-") -> dict[str, str]:
    """Return the headers for the encryptions; a source under SSE-KMS has none."""
    return {**_headers(target, stem), **(_headers("SSE-C", f"{stem}copy-source-") if source == "SSE-C" else {})}


def _headers(encryption: str, stem: str) -> dict[str, str]:
    if encryption == "SSE-C":
        start = f"{stem}server-side-encryption-customer-"
        return {f"{start}algorithm": "AES256", f"{start}key": ENCODED, f"{start}key-MD5": MD5}
    value = {"SSE-KMS": "kms", "SSE-OBS": "AES256"}.get(encryption)
    return {f"{stem}server-side-encryption": value} if value else {}


MODELS: dict[str, tuple[str, Any]] = {
    "PutObject": ("put_object", v1.PutObjectRequest),
    # Older releases have another name for it.
    "HeadObject": ("head_object", v1.HeadObjectRequest)
    if hasattr(v1, "HeadObjectRequest")
    else ("get_object_metadata", getattr(v1, "GetObjectMetadataRequest", None)),
    "GetObject": ("get_object", v1.GetObjectRequest),
    "CopyObject": ("copy_object", v1.CopyObjectRequest),
}
"""By operation in the tables: the client's method and its request model."""

_COPY = {"x-obs-copy-source": "/source/object"}
_PART = [("partNumber", "1"), ("uploadId", "begun-elsewhere")]
LOW_LEVEL: dict[str, tuple[str, list[tuple[str, str]], dict[str, str]]] = {
    "PutObject": ("PUT", [], {}),
    "PostObject": ("POST", [], {}),
    "InitiateMultipartUpload": ("POST", [("uploads", "")], {}),
    "HeadObject": ("HEAD", [], {}),
    "GetObject": ("GET", [], {}),
    "UploadPart": ("PUT", _PART, {}),
    "CompleteMultipartUpload": ("POST", _PART[1:], {}),
    "CopyObject": ("PUT", [], _COPY),
    "UploadPartCopy": ("PUT", _PART, _COPY),
}
"""HTTP method, query and headers, by the operation's name in the tables."""


def model_for(operation: str, headers: dict[str, str], **more: Any) -> Any:
    """Return the request model of an operation with these headers as its fields."""
    _, model = MODELS[operation]
    fields = {header: attribute for attribute, header in model.attribute_map.items()}
    needed: dict[str, Any] = {"bucket_name": BUCKET, "object_key": OBJECT}
    if operation == "PutObject":
        needed["stream"] = Body(CONTENT)
    if operation == "CopyObject":
        needed["x_obs_copy_source"] = "/source/object"
    return model(**{**needed, **{fields[name]: value for name, value in headers.items()}, **more})


class Body(io.BytesIO):
    """Content as the SDK takes it: like a file that is open for reading."""

    mode = "rb"


def by_model(operation: str, headers: dict[str, str], **more: Any) -> Call:
    """Return the call of the operation's method, with the headers as model fields."""
    return lambda client: invoke(client, MODELS[operation][0], model_for(operation, headers, **more))


def invoke(client: Any, method: str, request: Any) -> Any:
    """Call a method of a client, and return the response."""
    if is_async(client):
        return finish(getattr(client, f"{method}_async")(request))
    return finish(getattr(client, method)(request))


def finish(result: Any) -> Any:
    """Wait for a future, and read the whole body to free the connection."""
    response = result.result() if hasattr(result, "result") else result
    if hasattr(response, "consume_download_stream"):
        response.consume_download_stream(lambda chunks: [*chunks])
    return response


def by_invoker(operation: str, headers: dict[str, str]) -> Call:
    """Return the call of the operation's invoker, with headers of the application."""

    def call(client: Any) -> Any:
        request = model_for(operation, {})
        name = f"{MODELS[operation][0]}{'_async' if is_async(client) else ''}_invoker"
        invoker = getattr(client, name)(request)
        for header, value in headers.items():
            invoker.add_header(header, value)
        return finish(invoker.invoke())

    return call


def low_level(operation: str, headers: dict[str, str]) -> Call:
    """Return the call of ``do_http_request``."""
    method, query, own = LOW_LEVEL[operation]
    return sending(method, query, {**own, **headers}, "/" if operation == "PostObject" else f"/{OBJECT}")


def sending(method: str, query: list[tuple[str, str]], headers: dict[str, str], path: str = f"/{OBJECT}") -> Call:
    """Return the call that sends a request as it is written here."""

    def call(client: Any) -> Any:
        # Copies: the SDK adds to them.
        sent: dict[str, Any] = {"query_params": [*query], "header_params": {**headers}, "cname": BUCKET}
        sent["response_type"] = "PutObjectResponse"
        return finish(client.do_http_request(method, path, async_request=is_async(client), **sent))

    return call


ROADS: dict[str, Callable[[str, dict[str, str]], Call]] = {
    "model": by_model,
    "invoker": by_invoker,
    "low level": low_level,
}


def can_express(row: Row, road: str) -> bool:
    """Return whether a road can send the encryptions of a row."""
    if row.source in ("SSE-KMS", "SSE-OBS"):
        return False
    if road == "low level":
        return True
    if row.operation not in MODELS:
        return False
    fields = MODELS[row.operation][1].attribute_map.values()
    return road == "invoker" or raw_headers(row.target, row.source).keys() <= {*fields}


def call_for(row: Row, road: str) -> Call:
    """Return the call for a row."""
    return ROADS[road](row.operation, raw_headers(row.target, row.source))


PUT = by_model("PutObject", {})
PUT_SSE_C = by_model("PutObject", raw_headers("SSE-C"))
GET_SSE_C = by_model("GetObject", raw_headers("SSE-C"))
KMS_ANSWER = {"x-obs-server-side-encryption": "kms"}
"""The header of a response about an object under SSE-KMS."""


# ------------------------------------------------------------------------------------ outcomes


def outcome(call: Call, client: Any) -> Any:
    """Return the result of a call, or its exception."""
    try:
        return call(client)
    except Exception as error:  # noqa: BLE001  # the test checks it
        return error


def refused(error: Any, rule: str) -> SSETransportError:
    """Return the refusal after checking it: unwrapped, by this rule, without the key."""
    assert isinstance(error, SSETransportError), repr(error)
    assert (error.rule, error.sdk) == (rule, "huaweicloudsdkobs")
    assert error.__cause__ is None
    assert not leaks(repr(vars(error)) + str(error), KEY)
    return error


def normal(server: RecordingServer) -> list[str]:
    """Return a server's requests without dates, signatures and ports."""
    kept = [
        (request.method, request.target, [h for h in request.headers if h[0] not in ("Date", "Authorization", "Host")])
        for request in server.requests
    ]
    return [re.sub(r":\d{5}\b", "", repr(each)) + repr(request.body) for each, request in zip(kept, server.requests)]
