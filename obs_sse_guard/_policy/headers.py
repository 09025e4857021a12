"""Parse the encryption that header names request, for every SDK.

Header names come in two dialects (``x-obs-``, ``x-amz-``), any letter case, as ``str`` or ``bytes``; one ObsClient
switches dialect with its signature. Values are read only to distinguish encryptions and customer keys; of a key
nothing is kept but a hash that holds within this process.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from obs_sse_guard._policy.request import KeyLocation
from obs_sse_guard._util.text import to_text
from obs_sse_guard.rules import Encryption

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["NO_SSE_HEADERS", "SSEHeaders", "encryption_of", "header_names", "names_kms", "names_sse", "parse_headers"]


class SSEHeaders(NamedTuple):
    """The encryption that the headers and query parameters of a request name.

    Attributes:
        target: encryption of the object that is written or read.
        source: encryption of a copy's source.
        names: the names that are about encryption, in lower case.
        key: whether a customer key is among them.
        key_in_query: whether a customer key is among the query parameters.
        key_in_metadata: whether a customer key would be stored as user metadata.
        key_ids: identify the customer keys; see `RequestContext.key_ids`.
    """

    target: Encryption = Encryption.NONE
    source: Encryption = Encryption.NONE
    names: tuple[str, ...] = ()
    key: bool = False
    key_in_query: bool = False
    key_in_metadata: bool = False
    key_ids: frozenset[int] = frozenset()

    def key_location(self, place: KeyLocation = KeyLocation.HEADER) -> KeyLocation:
        """Return where the customer key stands.

        Args:
            place: where it stands if neither in the query nor in metadata.
        """
        if self.key_in_metadata:
            return KeyLocation.METADATA
        if self.key_in_query:
            return KeyLocation.URL
        return place if self.key else KeyLocation.NOWHERE


NO_SSE_HEADERS = SSEHeaders()

_SSE_NAME = re.compile(
    r"x-(?:obs|amz)-(?P<copy>copy-source-)?server-side-encryption"
    r"(?P<customer>-customer-(?:algorithm|key|key-md5))?(?P<kms>-(?:aws-)?kms-key-id|-context)?"
)
# A name like "x-obs-meta-x-amz-server-side-encryption-customer-key": the SDK put its metadata prefix before a header of
# the other dialect, and percent-encodes unusual characters in it.
_METADATA_KEY = re.compile(
    r"(?:x-(?:obs|amz)-meta-\s*)+x-(?:obs|amz)-(?:copy-source-)?server-side-encryption-customer-key\s*"
)


def encryption_of(value: object) -> Encryption:
    """Return the encryption that the value of ``x-...-server-side-encryption`` names.

    ``kms``, ``aws:kms`` and ``aws:kms:dsse`` are SSE-KMS. Everything else, such as ``AES256``, leaves the keys to the
    service (SSE-OBS, SSE-S3) and is never judged as SSE-KMS.
    """
    return Encryption.SSE_KMS if "kms" in to_text(value).lower() else Encryption.SSE_OBS


def names_sse(names: Iterable[Any]) -> bool:
    """Return quickly whether any of the names may be about encryption.

    It errs only on the side of a closer look.
    """
    try:
        joined = "\n".join(names)
    except TypeError:  # names that are not str
        return True
    return "ncryption" in joined.lower() or "%" in joined  # "%": it may be encoded


def parse_headers(headers: Iterable[tuple[object, object]], query: Iterable[tuple[object, object]] = ()) -> SSEHeaders:
    """Read which encryption a request names, on either side of a copy.

    Where several kinds are named at once, which the service refuses, the most demanding counts.

    Args:
        headers: names and values of headers, or of form fields or parameters with the names of headers.
        query: names and values of query parameters.
    """
    parser = _Parser()
    for name, value in headers:
        parser.add(name, value)
    key_in_headers, parser.key = parser.key, False
    for name, value in query:
        parser.add(name, value)
    if parser.names_kms_key and parser.target is Encryption.NONE:  # the algorithm decides, where there is one
        parser.target = Encryption.SSE_KMS
    return SSEHeaders(
        parser.target,
        parser.source,
        tuple(sorted(parser.names)),
        key=key_in_headers or parser.key,
        key_in_query=parser.key,
        key_in_metadata=parser.key_in_metadata,
        key_ids=frozenset(parser.key_ids),
    )


def names_kms(headers: Iterable[tuple[object, object]]) -> bool:
    """Return whether headers of a request or response name SSE-KMS, in any dialect."""
    named = [*headers]
    return names_sse(name for name, _ in named) and parse_headers(named).target is Encryption.SSE_KMS


class _Parser:
    """The encryption that the names read so far request."""

    def __init__(self) -> None:
        self.target = self.source = Encryption.NONE
        self.names: list[str] = []
        self.key = self.key_in_metadata = self.names_kms_key = False
        self.key_ids: list[int] = []

    def add(self, raw_name: object, value: object) -> None:
        name = (raw_name if isinstance(raw_name, str) else to_text(raw_name)).strip().lower()
        match = _SSE_NAME.fullmatch(name)
        if match is None:
            if not _METADATA_KEY.fullmatch(unquote(name)):
                return
            self.key_in_metadata = True
            self.key_ids += _key_ids(value)
        elif match["customer"]:
            if match["customer"] == "-customer-key" and (key_ids := _key_ids(value)):
                self.key = True
                self.key_ids += key_ids
            if match["copy"]:
                self.source = Encryption.SSE_C
            else:
                self.target = Encryption.SSE_C
        elif match["kms"]:
            self.names_kms_key = True
        elif self.target in (Encryption.NONE, Encryption.SSE_OBS):
            self.target = encryption_of(value)
        self.names.append(name)


def _key_ids(value: object) -> list[int]:
    if isinstance(value, (list, tuple)):  # an SDK may hold a header's value so, one line each
        return [key_id for item in value for key_id in _key_ids(item)]
    # Not the methods of a subclass, which may print as something else than the SDKs send.
    key = str.strip(value if isinstance(value, str) else to_text("" if value is None else value))
    return [hash(key)] if key else []


def header_names(target: Encryption, source: Encryption, prefix: str) -> tuple[str, ...]:
    """Return the headers that an SDK sends for these encryptions, in one dialect.

    Args:
        target: encryption of the object.
        source: encryption of a copy's source.
        prefix: ``x-obs-`` or ``x-amz-``.
    """
    customer = ("-customer-algorithm", "-customer-key", "-customer-key-MD5")
    suffixes = {Encryption.SSE_C: customer, Encryption.SSE_KMS: ("",), Encryption.SSE_OBS: ("",)}
    own = [f"{prefix}server-side-encryption{end}" for end in suffixes.get(target, ())]
    # Only SSE-C asks anything of a copy's source.
    of_source = customer if source is Encryption.SSE_C else ()
    return (*own, *(f"{prefix}copy-source-server-side-encryption{end}" for end in of_source))
