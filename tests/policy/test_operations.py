"""The operation of a request, from its method, its parameters and its headers."""

from __future__ import annotations

import pytest

from obs_sse_guard._policy.operations import bucket_operation, object_operation, request_in_words
from tests.support import oracle


@pytest.mark.parametrize(
    ("method", "has_parameters", "expected"),
    [
        ("POST", False, "PostObject"),
        ("POST", True, "POST bucket"),
        ("PUT", False, "PUT bucket"),
        ("GET", True, "GET bucket"),
    ],
)
def test_the_operation_of_a_bucket_request(method: str, has_parameters: bool, expected: str) -> None:
    assert bucket_operation(method, has_parameters=has_parameters) == expected


_PARAMETERS = ["", "append", "modify", "uploads", "uploadId", "partNumber", "acl", "tagging", "versionId", "x"]


@pytest.mark.parametrize("copy", ["", "x-obs-copy-source", "X-Amz-Copy-Source", b" x-amz-copy-source", "copy-source"])
@pytest.mark.parametrize("method", ["PUT", "POST", "GET", "HEAD", "DELETE"])
def test_the_operation_of_an_object_request(method: str, copy: str | bytes) -> None:
    """The oracle, written independently from the API reference, agrees."""
    name = copy.decode().strip() if isinstance(copy, bytes) else copy
    for one in _PARAMETERS:
        for other in _PARAMETERS:
            parameters = {one, other} - {""}
            expected = oracle.operation_of(method, "key", parameters, [name])
            found = object_operation(method, [*parameters, None], [(copy, "value")])
            assert found == expected or (not expected and found.startswith(f"{method} object"))


def test_an_operation_outside_the_tables_is_described() -> None:
    assert object_operation("PUT", ["tagging", "acl", "x"], []) == "PUT object?acl&tagging"
    assert object_operation("DELETE", [b"x"], []) == "DELETE object"
    assert object_operation("PUT", [b"partNumber", "uploadId"], []) == "UploadPart"


@pytest.mark.parametrize(
    ("method", "path", "parameters", "expected"),
    [
        ("PUT", "/bucket/key", [], "PUT object"),
        ("PUT", "/key", ["partNumber", "uploadId", "x"], "PUT object?partNumber&uploadId"),
        ("GET", "/X", [b"acl"], "GET object?acl"),
        ("POST", "/", ["uploads"], "POST bucket"),
        ("GET", "", [], "GET bucket"),
    ],
)
def test_a_request_of_a_client_that_knows_no_operations_is_described(
    method: str, path: str, parameters: list[str | bytes], expected: str
) -> None:
    assert request_in_words(method, path, parameters) == expected
