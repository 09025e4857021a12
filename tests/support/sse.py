"""The customer key that the tests send, and the headers that carry it."""

from __future__ import annotations

import base64
import hashlib

KEY = "k3y&for/SSE-C +32 bytes=of secret"[:32]
"""A customer key with the characters that quoting changes."""
ENCODED = base64.b64encode(KEY.encode()).decode()
MD5 = base64.b64encode(hashlib.md5(KEY.encode()).digest()).decode()  # noqa: S324  # required by the protocol
OBS_KEY_HEADER = "x-obs-server-side-encryption-customer-key"
S3_KEY_HEADER = "x-amz-server-side-encryption-customer-key"
