"""Request contexts without an SDK."""

from __future__ import annotations

from typing import Any

from obs_sse_guard._policy.request import SDK, KeyLocation, RequestContext
from obs_sse_guard.rules import Encryption

AN_SDK = SDK("an SDK", lambda *_: "use https")


def request(**known: Any) -> RequestContext:
    """Return a plaintext ``PutObject`` with nothing else about it but what is given."""
    fields = {"sdk": AN_SDK, "call": "call", "operation": "PutObject", "secure": False, "host": "obs.test"}
    return RequestContext(**{**fields, **known})


def put_with_key(**known: Any) -> RequestContext:
    """Return a plaintext ``PutObject`` with a customer key."""
    return request(target=Encryption.SSE_C, key=KeyLocation.HEADER, **known)
