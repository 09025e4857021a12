"""The ledger of uploads begun with SSE-KMS, and telling operations from requests."""

from __future__ import annotations

import threading

import pytest

from obs_sse_guard._policy.kms_uploads import KmsUploads
from obs_sse_guard._policy.operations import bucket_operation, object_operation
from tests.support import oracle


def test_the_ledger_keeps_the_latest() -> None:
    ledger = KmsUploads()
    for number in range(10_001):
        ledger.add("host", "bucket", str(number))
    assert len(ledger) == 10_000
    assert ("host", "bucket", "0") not in ledger
    assert ("host", "bucket", "1") in ledger
    assert ("host", "bucket", "10000") in ledger


def test_an_upload_is_known_by_all_its_parts() -> None:
    ledger = KmsUploads()
    ledger.add("host", "bucket", "upload")
    for other in (("else", "bucket", "upload"), ("host", "else", "upload"), ("host", "bucket", "else")):
        assert other not in ledger
        ledger.forget(*other)
    assert ("host", "bucket", "upload") in ledger
    ledger.forget("host", "bucket", "upload")
    assert not ledger
    ledger.add("host", "bucket", "upload")
    ledger.clear()
    assert len(ledger) == 0


def test_threads_may_share_it() -> None:
    ledger = KmsUploads(limit=10)

    def work(number: int) -> None:
        for upload in range(500):
            ledger.add("host", str(number), str(upload))
            ledger.forget("host", str(number), "unknown")

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert len(ledger) == 10


# ------------------------------------------------------------------------------- operations


@pytest.mark.parametrize(
    ("method", "has_parameters", "expected"),
    [
        ("POST", False, "PostObject"),
        ("POST", True, "POST bucket"),
        ("PUT", False, "PUT bucket"),
        ("GET", True, "GET bucket"),
    ],
)
def test_a_request_about_a_bucket(method: str, has_parameters: bool, expected: str) -> None:
    assert bucket_operation(method, has_parameters=has_parameters) == expected


_PARAMETERS = ["", "append", "modify", "uploads", "uploadId", "partNumber", "acl", "tagging", "versionId", "x"]


@pytest.mark.parametrize("copy", ["", "x-obs-copy-source", "X-Amz-Copy-Source", b" x-amz-copy-source", "copy-source"])
@pytest.mark.parametrize("method", ["PUT", "POST", "GET", "HEAD", "DELETE"])
def test_a_request_about_an_object(method: str, copy: str | bytes) -> None:
    """The same as the oracle says, which was written anew from the API reference."""
    name = copy.decode().strip() if isinstance(copy, bytes) else copy
    for one in _PARAMETERS:
        for other in _PARAMETERS:
            parameters = {one, other} - {""}
            expected = oracle.operation_of(method, "key", parameters, [name])
            found = object_operation(method, [*parameters, None], [(copy, "value")])
            assert found == expected or (not expected and found.startswith(f"{method} object"))


def test_an_operation_of_no_table_tells_what_it_is() -> None:
    assert object_operation("PUT", ["tagging", "acl", "x"], []) == "PUT object?acl&tagging"
    assert object_operation("DELETE", [b"x"], []) == "DELETE object"
    assert object_operation("PUT", [b"partNumber", "uploadId"], []) == "UploadPart"
