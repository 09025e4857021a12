"""The props: what the calls of every SDK carry."""

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
    """A random customer key, which shows in no ``repr``.

    Attributes:
        text: 32 characters, for ObsClient encodes a copy source's key right only if it is text.
        header: the key as the request's header carries it.
        md5: its checksum, likewise.
    """

    def __init__(self) -> None:
        self.text = secrets.token_hex(16)
        self.header = base64.b64encode(self.text.encode()).decode()
        self.md5 = base64.b64encode(hashlib.md5(self.text.encode()).digest()).decode()  # noqa: S324  # the protocol's


def new_name() -> str:
    """A name that no object has yet."""
    return f"object-{uuid.uuid4().hex}"


def form_fields(encryption: Encryption, key: CustomerKey) -> dict[str, str]:
    """What names an encryption, by the S3 dialect's headers, for forms and extension headers."""
    name = "x-amz-server-side-encryption"
    return {
        Encryption.SSE_C: {
            f"{name}-customer-algorithm": "AES256",
            f"{name}-customer-key": key.header,
            f"{name}-customer-key-MD5": key.md5,
        },
        Encryption.SSE_KMS: {name: "aws:kms", f"{name}-aws-kms-key-id": KMS_KEY_ID},
    }[encryption]
