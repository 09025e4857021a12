"""No operation of either client sends a key in clear.

The operations, their request models and their headers are read from the installed SDK, so that an operation of a later
release is tried as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from huaweicloudsdkobs import v1

from obs_sse_guard import SSETransportError
from obs_sse_guard._hooks.huaweicloud.methods import operations
from tests.support import oracle
from tests.support.guard import unguarded
from tests.support.huaweicloud_calls import BUCKET, CLIENTS, OBJECT, Body, each_client, finish, obs_client, outcome
from tests.support.records import rules
from tests.support.servers import RecordingServer, assert_no_key, assert_silent
from tests.support.sse import ENCODED, KEY

METHODS = [name for name in operations(v1.ObsClient) if not name.endswith("_invoker")]


def _model(method: str) -> Any:
    named = re.search(r":type request: :class:`huaweicloudsdkobs\.v1\.(\w+)`", getattr(v1.ObsClient, method).__doc__)
    assert named is not None, method
    return getattr(v1, named[1])


def _encryption_fields(model: Any) -> dict[str, str]:
    return {name: header for name, header in model.attribute_map.items() if "encryption" in header}


ENCRYPTING = [method for method in METHODS if _encryption_fields(_model(method))]


def test_the_operations_that_name_encryption() -> None:
    """If a later release names it in another operation, check whether it has a row."""
    assert {method.replace("get_object_metadata", "head_object") for method in ENCRYPTING} <= {
        "copy_object",
        "create_bucket",
        "get_object",
        "head_object",
        "put_object",
    }
    assert {"copy_object", "get_object", "put_object"} <= {*ENCRYPTING}


def test_no_operation_uploads_parts() -> None:
    """If one did, the guard would have to record its multipart uploads."""
    for method in METHODS:
        assert {"partNumber", "uploadId", "uploads"}.isdisjoint(_model(method).attribute_map.values()), method


@each_client
def test_every_method_of_a_client_is_hooked(kind: str) -> None:
    public = {name for name in vars(CLIENTS[kind]) if name[:1] != "_"} - {"new_builder", "call_api"}
    assert {*operations(CLIENTS[kind])} == public
    end = "" if kind == "sync" else "_async"
    assert public == {f"{name}{end}{last}" for name in METHODS for last in ("", "_invoker")}


def _value(header: str) -> str:
    if header.endswith("-key"):
        return ENCODED
    return "kms" if header.endswith("server-side-encryption") else "AES256"


def _request(method: str) -> Any:
    model = _model(method)
    fields = {name: _value(header) for name, header in _encryption_fields(model).items()}
    needed = {"bucket_name": BUCKET, "object_key": OBJECT, "stream": Body(b"content"), "x_obs_copy_source": "/s/o"}
    accepted = {*model.attribute_map, *(("stream",) if method == "put_object" else ())}
    body = {"body": v1.CreateBucketRequestBody(location="region")} if "body" in model.attribute_map else {}
    return model(**fields, **body, **{name: value for name, value in needed.items() if name in accepted})


def _call(method: str, end: str) -> Callable[[Any], Any]:
    def call(client: Any) -> Any:
        made = getattr(client, f"{method}{'_async' if isinstance(client, v1.ObsAsyncClient) else ''}{end}")
        result = made(_request(method))
        return finish(result.invoke() if end else result)

    return call


@pytest.mark.parametrize("end", ["", "_invoker"])
@each_client
@pytest.mark.parametrize("method", ENCRYPTING)
def test_every_operation_that_names_encryption_is_judged(
    method: str, kind: str, end: str, http: RecordingServer, policy: str, caplog: pytest.LogCaptureFixture
) -> None:
    with unguarded(), RecordingServer() as server, obs_client(kind, server) as client:
        _call(method, end)(client)
        [sent] = server.requests
    named = [name.lower() for name, _ in sent.headers]
    assert {header.lower() for header in _encryption_fields(_model(method)).values()} <= {*named}, "none is dropped"
    [(rule, expected)] = oracle.evaluate(oracle.sse_of(sent), secure=False, policy=policy).items()
    with obs_client(kind, http) as client:
        error = outcome(_call(method, end), client)
        if expected == oracle.REFUSED:
            assert isinstance(error, SSETransportError), repr(error)
            assert (error.rule, error.call) == (
                rule,
                f"{CLIENTS[kind].__name__}.{method}{'' if kind == 'sync' else '_async'}",
            )
            assert_silent(http)
            assert not caplog.records
        else:
            assert rules(caplog) == [rule]
            assert len(http.requests) == 1
    assert_no_key(http, KEY)
