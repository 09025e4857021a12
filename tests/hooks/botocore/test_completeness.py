"""No S3 operation sends a key in clear.

The operations, their parameters and their headers are read from the installed service model, so that an
operation of a later botocore is tried as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from obs_sse_guard import SSETransportError
from tests.support import oracle
from tests.support.guard import unguarded
from tests.support.servers import RecordingServer, leaks
from tests.support.sse import KEY

botocore_session = pytest.importorskip("botocore.session")
botocore_config = pytest.importorskip("botocore.config")

SSE_HEADER = re.compile("server-side-encryption", re.IGNORECASE)
_OPTIONS: dict[str, Any] = {
    "region_name": "us-east-1",
    "aws_access_key_id": "access",
    "aws_secret_access_key": "secret",
}


@functools.cache
def _session() -> Any:
    return botocore_session.Session()


@functools.cache
def _model() -> Any:
    return _session().get_service_model("s3")


def _config(made: Any = botocore_config.Config) -> Any:
    settings = {"addressing_style": "path", "us_east_1_regional_endpoint": "regional"}
    return made(s3=settings, retries={"max_attempts": 0}, read_timeout=5, connect_timeout=5)


# ------------------------------------------------------------------------ the arguments of a call

_MADE_UP: dict[str, Any] = {
    "string": "text",
    "character": "t",
    "integer": 1,
    "long": 1,
    "float": 1.0,
    "double": 1.0,
    "boolean": True,
    "blob": b"content",
    "timestamp": 1_700_000_000,
}
_KNOWN = {"Bucket": "bucket", "Key": "folder/object", "CopySource": "source/object", "PartNumber": 1}


def _value(shape: Any) -> Any:
    """Return a value that the model accepts."""
    if shape.type_name == "structure":
        one_of = [*shape.members][:1] if getattr(shape, "is_tagged_union", False) else []
        return {name: _value(shape.members[name]) for name in shape.required_members or one_of}
    if shape.type_name == "list":
        return [_value(shape.member)]
    if shape.type_name == "map":
        return {"name": _value(shape.value)}
    choices = getattr(shape, "enum", None)
    made = choices[0] if choices else _MADE_UP[shape.type_name]
    return made * max(1, shape.metadata.get("min", 1)) if made == "text" else made


def _needed(operation: str) -> dict[str, Any]:
    shape = _model().operation_model(operation).input_shape
    if shape is None:
        return {}
    values = {name: _value(shape.members[name]) for name in shape.required_members}
    return {**values, **{name: value for name, value in _KNOWN.items() if name in values}}


def _carriers(operation: str) -> dict[str, Any]:
    """Return the parameters that become encryption headers, each with a valid value."""
    shape = _model().operation_model(operation).input_shape
    found = {}
    for name, member in shape.members.items() if shape is not None else ():
        header = str(member.serialization.get("name", ""))
        if member.serialization.get("location") == "header" and SSE_HEADER.search(header):
            found[name] = _carried(header, member)
    return found


def _carried(header: str, member: Any) -> Any:
    if header.lower().endswith("customer-key"):
        return KEY
    if header.lower().endswith("customer-algorithm"):
        return "AES256"
    return "text" if header.lower().endswith("md5") else _value(member)


def _metadata(operation: str) -> dict[str, Any]:
    shape = _model().operation_model(operation).input_shape
    if shape is None or "Metadata" not in shape.members:
        return {}
    return {"Metadata": {"x-amz-server-side-encryption-customer-key": KEY}}


def _customers(operation: str, start: str) -> dict[str, Any]:
    return {name: value for name, value in _carriers(operation).items() if name.startswith(start)}


def _add_header(name: str) -> Callable[..., None]:
    def handler(params: Any, **_: Any) -> None:
        params["headers"][name] = KEY

    return handler


# Each returns the optional arguments of a call, and the name of a header that an event handler adds.
_MATERIAL: dict[str, Callable[[str], tuple[dict[str, Any], str]]] = {
    "the object's key": lambda operation: (_customers(operation, "SSECustomer"), ""),
    "the source's key": lambda operation: (_customers(operation, "CopySourceSSECustomer"), ""),
    "everything": lambda operation: (_carriers(operation), ""),
    "metadata": lambda operation: (_metadata(operation), ""),
    "a header of S3": lambda _: ({}, "X-Amz-Server-Side-Encryption-Customer-Key"),
    "a header of OBS": lambda _: ({}, "x-obs-server-side-encryption-customer-key"),
    "a header of a copy's source": lambda _: ({}, "x-amz-copy-source-server-side-encryption-customer-key"),
}


# --------------------------------------------------------------------------------- the clients

Try = tuple[str, dict[str, Any], str]


def _tries(operation: str) -> list[Try]:
    made = [(name, *make(operation)) for name, make in _MATERIAL.items()]
    return [
        (name, {**_needed(operation), **arguments}, header) for name, arguments, header in made if arguments or header
    ]


@functools.lru_cache(maxsize=1)
def _client(url: str) -> Any:
    return _session().create_client("s3", endpoint_url=url, config=_config(), **_OPTIONS)


@contextlib.contextmanager
def _adding(client: Any, header: str) -> Iterator[None]:
    handler = _add_header(header) if header else _nothing
    client.meta.events.register("before-call.s3", handler)
    try:
        yield
    finally:
        client.meta.events.unregister("before-call.s3", handler)


def _nothing(**_: Any) -> None:
    """Add no header."""


def _call(server: RecordingServer, operation: str, arguments: dict[str, Any], header: str) -> None:
    client = _client(server.url)
    with _adding(client, header):
        answer = client._make_api_call(operation, arguments)
    for stream in answer.values():
        if hasattr(stream, "close"):
            stream.close()


def _call_async(server: RecordingServer, operation: str, arguments: dict[str, Any], header: str) -> None:
    session = pytest.importorskip("aiobotocore.session").get_session()
    config = _config(pytest.importorskip("aiobotocore.config").AioConfig)

    async def call() -> None:
        async with session.create_client("s3", endpoint_url=server.url, config=config, **_OPTIONS) as client:
            with _adding(client, header):
                await client._make_api_call(operation, arguments)

    asyncio.run(call())


def _attempt(call: Callable[..., None], *arguments: Any) -> str:
    """Make the call, and return the text of a refusal; other errors do not matter."""
    try:
        call(*arguments)
    except SSETransportError as error:
        return str(error)
    except Exception:  # noqa: BLE001  # the server does not know the operation
        return ""
    return ""


def _passed(call: Callable[..., None], server: RecordingServer, operation: str, tries: list[Try]) -> set[str]:
    """Return the attempts that sent a key where no row allows it."""
    passed = set()
    for name, arguments, header in tries:
        before = len(server.requests)
        assert not leaks(_attempt(call, server, operation, arguments, header), KEY)
        arrived = [request for request in server.requests[before:] if leaks(repr(request), KEY)]
        if not all(oracle.may_carry_key(request) for request in arrived):
            passed.add(name)
    return passed


@pytest.fixture(scope="module")
def server() -> Iterator[RecordingServer]:
    """Share one server: creating a client takes longer than a hundred calls."""
    with RecordingServer(lifetime=600) as made:
        yield made


_OPERATIONS = _model().operation_names
# These operations use another host than the endpoint.
_SENT_ELSEWHERE = frozenset({"WriteGetObjectResponse"})


@pytest.mark.parametrize("operation", _OPERATIONS)
def test_no_operation_lets_a_key_pass(operation: str, server: RecordingServer) -> None:
    assert _passed(_call, server, operation, _tries(operation)) == set()


@pytest.mark.full
@pytest.mark.parametrize("operation", [name for name in _OPERATIONS if _carriers(name)])
def test_no_operation_of_aiobotocore_lets_a_key_pass(operation: str, server: RecordingServer) -> None:
    """Try all parameters but only one header: the others take the same code path."""
    tries = [tried for tried in _tries(operation) if not tried[2]] + _tries(operation)[-1:]
    assert _passed(_call_async, server, operation, tries) == set()


@pytest.mark.full
@pytest.mark.parametrize("operation", _OPERATIONS)
def test_without_the_guard_the_key_passes(operation: str, server: RecordingServer) -> None:
    """Without the guard, botocore sends the key: the tests above can detect it."""
    with unguarded():
        passed = _passed(_call, server, operation, _tries(operation))
    assert operation in _SENT_ELSEWHERE or {"a header of OBS", "a header of a copy's source"} & passed
    for name, parameter in (("the object's key", "SSECustomerKey"), ("the source's key", "CopySourceSSECustomerKey")):
        if parameter not in _carriers(operation):
            assert name not in passed
        elif name not in passed:
            assert (operation, name) in _ALLOWED_OVER_HTTP


_ALLOWED_OVER_HTTP = {
    ("CompleteMultipartUpload", "the object's key"),
    ("CopyObject", "the source's key"),
    ("UploadPartCopy", "the source's key"),
}
