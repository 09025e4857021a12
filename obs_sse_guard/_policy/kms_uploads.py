"""Uploads that were begun with SSE-KMS, which no header of their parts shows.

Only uploads that this process saw begin are known; any other upload may be of any kind.
"""

from __future__ import annotations

from collections import OrderedDict

from obs_sse_guard._util.fork import Lockable

__all__ = ["KmsUploads", "kms_uploads"]


class KmsUploads(Lockable):
    """Remembers the latest uploads begun with SSE-KMS. Bounded and thread-safe.

    An upload is known by endpoint host, bucket and upload id, without scheme and port: it is reached over both.
    """

    def __init__(self, limit: int = 10_000) -> None:
        super().__init__()
        self._limit = limit
        self._uploads: OrderedDict[tuple[str, ...], None] = OrderedDict()

    def add(self, endpoint: str, bucket: str, upload_id: str) -> None:
        """Remember an upload; beyond the limit the oldest is forgotten."""
        with self._lock:
            self._uploads[endpoint, bucket, upload_id] = None
            while len(self._uploads) > self._limit:
                self._uploads.popitem(last=False)

    def forget(self, endpoint: str, bucket: str, upload_id: str) -> None:
        """Forget an upload that was completed or aborted."""
        with self._lock:
            self._uploads.pop((endpoint, bucket, upload_id), None)

    def clear(self) -> None:
        """Forget all uploads."""
        with self._lock:
            self._uploads.clear()

    def __contains__(self, upload: object) -> bool:
        return upload in self._uploads  # one dict look-up: atomic

    def __len__(self) -> int:
        return len(self._uploads)


kms_uploads = KmsUploads()
"""The uploads of this process, whichever SDK began them."""
