"""The facts of one request: what any SDK module tells, and all that the verdict needs.

Header names come in two dialects (``x-obs-``, ``x-amz-``), any letter case, as ``str`` or
``bytes``; one and the same ObsClient switches dialect with its signature. They are read
here, once, for every SDK. Values are looked at only to tell one encryption from another
and whether a key is there at all; no value is ever kept.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from obs_sse_guard.rules import Encryption

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "NOTHING_NAMED",
    "SDK",
    "Facts",
    "KeyPlace",
    "Named",
    "encryption_of",
    "header_names",
    "named_by",
    "text",
]


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


class Named(NamedTuple):
    """What a set of headers (or parameters of the same names) says of encryption."""

    target: Encryption
    source: Encryption
    key: bool
    metadata_key: bool
    headers: tuple[str, ...]


NOTHING_NAMED = Named(Encryption.NONE, Encryption.NONE, key=False, metadata_key=False, headers=())

_SSE_NAME = re.compile(
    r"x-(?:obs|amz)-(?P<copy>copy-source-)?server-side-encryption"
    r"(?P<customer>-customer-(?:algorithm|key|key-md5))?(?P<kms>-(?:aws-)?kms-key-id|-context)?"
)
# A name like "x-obs-meta-x-amz-server-side-encryption-customer-key": the SDK put its metadata
# prefix before a header of the other dialect, and percent-encodes what is odd about it.
_METADATA_KEY = re.compile(
    r"(?:x-(?:obs|amz)-meta-\s*)+x-(?:obs|amz)-(?:copy-source-)?server-side-encryption-customer-key\s*"
)


def text(name: object) -> str:
    """A header's name or value as text; SDKs hand over ``str``, ``bytes`` and anything else."""
    return name.decode("latin-1") if isinstance(name, bytes) else str(name)


def encryption_of(value: object) -> Encryption:
    """Which encryption the value of ``x-…-server-side-encryption`` names.

    ``kms``, ``aws:kms`` and ``aws:kms:dsse`` are SSE-KMS. Everything else, ``AES256`` first,
    leaves the keys to the service (SSE-OBS, SSE-S3) and is never judged as SSE-KMS.
    """
    return Encryption.SSE_KMS if "kms" in text(value).lower() else Encryption.SSE_OBS


def named_by(headers: Iterable[tuple[object, object]]) -> Named:
    """Read which encryption a request's headers name, on either side of a copy.

    Where several kinds are named at once (the service refuses that), the most demanding counts.
    """
    target, source = Encryption.NONE, Encryption.NONE
    key = metadata_key = key_id = False
    names = []
    for raw_name, value in headers:
        name = text(raw_name).strip().lower()
        match = _SSE_NAME.fullmatch(name)
        if match is None:
            if _METADATA_KEY.fullmatch(unquote(name)):
                metadata_key = True
                names.append(name)
            continue
        names.append(name)
        if match["customer"]:
            key = key or (match["customer"] == "-customer-key" and _filled(value))
            if match["copy"]:
                source = Encryption.SSE_C
            else:
                target = Encryption.SSE_C
        elif match["kms"]:
            key_id = True
        elif target in (Encryption.NONE, Encryption.SSE_OBS):
            target = encryption_of(value)
    if key_id and target is Encryption.NONE:  # the algorithm decides, where there is one
        target = Encryption.SSE_KMS
    return Named(target, source, key, metadata_key, tuple(sorted(names)))


def _filled(value: object) -> bool:
    # An SDK may hold a header's value as a list, one line each.
    values: Iterable[Any] = value if isinstance(value, (list, tuple)) else (value,)
    return any(item is not None and text(item).strip() for item in values)


def header_names(target: Encryption, source: Encryption, prefix: str) -> tuple[str, ...]:
    """The headers that an SDK would send for these encryptions, in one dialect."""
    customer = ("-customer-algorithm", "-customer-key", "-customer-key-MD5")
    suffixes = {Encryption.SSE_C: customer, Encryption.SSE_KMS: ("",), Encryption.SSE_OBS: ("",)}
    own = [f"{prefix}server-side-encryption{end}" for end in suffixes.get(target, ())]
    # Only SSE-C asks anything of a copy's source.
    of_source = customer if source is Encryption.SSE_C else ()
    return (*own, *(f"{prefix}copy-source-server-side-encryption{end}" for end in of_source))
