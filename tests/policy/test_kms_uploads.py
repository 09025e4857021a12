"""The memory of uploads that were begun with SSE-KMS."""

from __future__ import annotations

import threading

from obs_sse_guard._policy.kms_uploads import KmsUploads
from tests.support.obs_calls import (
    needs_https,
)

pytestmark = needs_https


def test_kms_uploads_are_bounded_and_kept_apart() -> None:
    uploads = KmsUploads(limit=2)
    for upload in ("one", "two", "three"):
        uploads.add("host", "bucket", upload)
    assert [("host", "bucket", upload) in uploads for upload in ("one", "two", "three")] == [False, True, True]
    assert ("other", "bucket", "two") not in uploads
    assert ("host", "other", "two") not in uploads
    uploads.forget("host", "bucket", "unknown")
    assert len(uploads) == 2


def test_the_latest_kms_uploads_are_kept() -> None:
    uploads = KmsUploads()
    for number in range(10_001):
        uploads.add("host", "bucket", str(number))
    assert len(uploads) == 10_000
    assert ("host", "bucket", "0") not in uploads
    assert ("host", "bucket", "1") in uploads
    assert ("host", "bucket", "10000") in uploads


def test_an_upload_is_identified_by_all_fields() -> None:
    uploads = KmsUploads()
    uploads.add("host", "bucket", "upload")
    for other in (("else", "bucket", "upload"), ("host", "else", "upload"), ("host", "bucket", "else")):
        assert other not in uploads
        uploads.forget(*other)
    assert ("host", "bucket", "upload") in uploads
    uploads.forget("host", "bucket", "upload")
    assert not uploads
    uploads.add("host", "bucket", "upload")
    uploads.clear()
    assert len(uploads) == 0


def test_kms_uploads_are_thread_safe() -> None:
    uploads = KmsUploads(limit=10)

    def work(number: int) -> None:
        for upload in range(500):
            uploads.add("host", str(number), str(upload))
            uploads.forget("host", str(number), "unknown")

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert len(uploads) == 10
