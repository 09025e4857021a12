"""Every parameter of the installed release that can carry encryption."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import minio
import pytest
from minio.commonconfig import ComposeSource, CopySource
from minio.select import CSVInputSerialization, CSVOutputSerialization, SelectRequest

from obs_sse_guard import SSETransportError
from tests.support.minio_calls import BUCKET, CONTENT, OBJECT, PART_SIZE, SOURCE, Body, client_for, raw_headers, sse_c
from tests.support.servers import RecordingServer, assert_silent, leaks
from tests.support.sse import KEY

CARRIERS: dict[str, Any] = {
    "sse": sse_c,
    "ssec": sse_c,
    "metadata": lambda: raw_headers("SSE-C"),
    "extra_headers": lambda: raw_headers("SSE-C"),
    "request_headers": lambda: raw_headers("SSE-C"),
    "extra_query_params": lambda: raw_headers("SSE-C"),
    "response_headers": lambda: raw_headers("SSE-C"),
}
"""The parameters that can carry encryption, each with what makes its value."""
HARMLESS = frozenset({
    "access_key", "fetch_owner", "include_user_meta", "metadata_directive", "secret_key", "use_url_encoding_type",
})  # fmt: skip
"""The parameters whose names suggest encryption, but that cannot carry it."""
ARGUMENTS: dict[str, Any] = {
    "bucket_name": BUCKET,
    "object_name": OBJECT,
    "data": Body(CONTENT),
    "length": len(CONTENT),
    "file_path": __file__,
    "source": CopySource(*SOURCE),
    "sources": [ComposeSource(*SOURCE, offset=0, length=PART_SIZE)],
    "method": "GET",
    "prompt": "what is it?",
    "request": SelectRequest("select 1", CSVInputSerialization(), CSVOutputSerialization()),
}
"""An argument for each parameter that is required."""


def _carriers() -> Iterator[Any]:
    for name, function in vars(minio.Minio).items():
        if inspect.isfunction(function) and not name.startswith("_"):
            for parameter in inspect.signature(function).parameters:
                if parameter in CARRIERS:
                    yield pytest.param(name, parameter, id=f"{name}({parameter}=)")


@pytest.mark.parametrize(("name", "parameter"), [*_carriers()])
def test_every_carrier_is_refused(name: str, parameter: str, http: RecordingServer, tmp_path: Any) -> None:
    client = client_for(http)
    method = getattr(client, name)
    needed = [
        one.name
        for one in inspect.signature(method).parameters.values()
        if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD
    ]
    given = {"object_list": [], "file_path": str(tmp_path / "file")} if "get" in name else {"object_list": []}
    arguments = {one: {**ARGUMENTS, **given}[one] for one in needed}
    with pytest.raises(SSETransportError) as caught:
        _consume(method(**arguments, **{parameter: CARRIERS[parameter]()}))
    assert_silent(http)
    assert not leaks(str(caught.value), KEY)


def _consume(result: Any) -> None:
    """Make a method that returns a generator send its request."""
    if inspect.isgenerator(result):
        next(result, None)


def test_every_parameter_is_known() -> None:
    """A parameter of a later release may carry encryption too, so check it."""
    names = {
        parameter
        for name, function in vars(minio.Minio).items()
        if inspect.isfunction(function) and not name.startswith("_")
        for parameter in inspect.signature(function).parameters
        if any(word in parameter for word in ("sse", "header", "query", "meta", "encrypt", "key", "fetch", "encod"))
    }
    assert names <= {*CARRIERS, *HARMLESS}
