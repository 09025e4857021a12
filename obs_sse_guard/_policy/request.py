"""The facts of one request: what any SDK module tells, and all that the verdict needs.

Header names come in two dialects (``x-obs-``, ``x-amz-``), any letter case, as ``str`` or
``bytes``; one and the same ObsClient switches dialect with its signature. They are read
here, once, for every SDK. Values are looked at only to tell one encryption from another
and whether a key is there at all; no value is ever kept.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from obs_sse_guard.rules import Encryption

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SDK", "Facts", "KeyPlace"]


class KeyPlace(Enum):
    """Where a customer key stands in what would be sent or signed."""

    NOWHERE = "nowhere"
    HEADER = "a request header"
    BODY = "the request body"
    URL = "the URL's query"
    POLICY = "the POST policy"
    METADATA = "user metadata"


class SDK(NamedTuple):
    """An SDK: its distribution's name, and how to mend a finding (by its name) in its own words."""

    name: str
    advise: Callable[[Facts, str], str]


class Facts(NamedTuple):
    """What is known of one request before it is sent.

    Attributes:
        sdk: the SDK that makes the call.
        call: the method that the application called, for the message.
        operation: the operation by the OBS API's name.
        secure: whether the transport is TLS.
        host: the host that the application names as its endpoint.
        port: its port.
        proxy: the HTTP proxy in between, or nothing.
        target: encryption that the request names for the object.
        source: encryption that it names for a copy's source.
        key: where a customer key stands.
        headers: names of the headers that name encryption.
        dropped: SSE arguments that the SDK ignores.
        kms_upload: the upload of this part was begun with SSE-KMS.
        other_host: a redirect leads to another host than the client's.
        downgraded: a redirect leads from TLS to plaintext.
        read_kms: the answer shows that what was read is encrypted with SSE-KMS.
        tls_gap: what the TLS connection does not verify, or nothing.
        origin: where the plaintext came from, in words that follow "the http", where that is known.
    """

    sdk: SDK
    call: str
    operation: str
    secure: bool
    host: str
    port: int | None = None
    proxy: str = ""
    target: Encryption = Encryption.NONE
    source: Encryption = Encryption.NONE
    key: KeyPlace = KeyPlace.NOWHERE
    headers: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    kms_upload: bool = False
    other_host: bool = False
    downgraded: bool = False
    read_kms: bool = False
    tls_gap: str = ""
    origin: str = ""

    @property
    def scheme(self) -> str:
        """The transport as the law calls it."""
        return "https" if self.secure else "http"

    @property
    def endpoint(self) -> str:
        """Scheme, host and port, as a URL."""
        usual = 443 if self.secure else 80
        port = f":{self.port}" if self.port not in (None, usual) else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{port}"

    @property
    def hops(self) -> tuple[str, ...]:
        """The hosts that a plaintext request passes: through a proxy it is two."""
        return (self.host, self.proxy) if self.proxy else (self.host,)
