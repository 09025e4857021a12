"""Names, content and keys that the calls of every SDK share."""

from __future__ import annotations

import base64
import hashlib
import secrets
import uuid

from obs_sse_guard.rules import Encryption

__all__ = ["BUCKET", "CONTENT", "KMS_KEY_ID", "SOURCES", "CustomerKey", "form_fields", "new_name"]

BUCKET = "sse-guard-demo"
CONTENT = b"Nobody on the path may read this."
KMS_KEY_ID = "sse-guard-demo-key"
SOURCES: dict[Encryption, str] = {
    encryption: f"source-{encryption}" for encryption in (Encryption.NONE, Encryption.SSE_C, Encryption.SSE_KMS)
}
"""The objects that are read and copied, by their encryption."""


class CustomerKey:
    """A random customer key. Its ``repr`` does not show it.

    Attributes:
        text: 32 characters, because ObsClient encodes a copy source's key correctly only if it is text.
        header: the key as a request header carries it.
        md5: its checksum, likewise.
    """

    def __init__(self) -> None:
        self.text = secrets.token_hex(16)
        self.header = base64.b64encode(self.text.encode()).decode()
        self.md5 = base64.b64encode(hashlib.md5(self.text.encode()).digest()).decode()  # noqa: S324  # the protocol's


def new_name() -> str:
    """Return an object name that is not in use."""
    return f"object-{uuid.uuid4().hex}"


def form_fields(encryption: Encryption, key: CustomerKey) -> dict[str, str]:
    """Return the S3 headers that request an encryption, also used as form fields."""
    name = "x-amz-server-side-encryption"
    return {
        Encryption.SSE_C: {
            f"{name}-customer-algorithm": "AES256",
            f"{name}-customer-key": key.header,
            f"{name}-customer-key-MD5": key.md5,
        },
        Encryption.SSE_KMS: {name: "aws:kms", f"{name}-aws-kms-key-id": KMS_KEY_ID},
    }[encryption]
