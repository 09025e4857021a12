"""The uploads begun with SSE-KMS that the guard remembers."""

from __future__ import annotations

import threading

from obs_sse_guard._policy.kms_uploads import KmsUploads
from tests.support.obs_calls import (
    needs_https,
)

pytestmark = needs_https


def test_the_ledger_is_bounded_and_keeps_uploads_apart() -> None:
    ledger = KmsUploads(limit=2)
    for upload in ("one", "two", "three"):
        ledger.add("host", "bucket", upload)
    assert [("host", "bucket", upload) in ledger for upload in ("one", "two", "three")] == [False, True, True]
    assert ("other", "bucket", "two") not in ledger
    assert ("host", "other", "two") not in ledger
    ledger.forget("host", "bucket", "unknown")
    assert len(ledger) == 2


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
