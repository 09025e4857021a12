"""What header names say of encryption, for every SDK.

Header names come in two dialects (``x-obs-``, ``x-amz-``), any letter case, as ``str`` or ``bytes``; one ObsClient
switches dialect with its signature. Values are read only to tell one encryption from another and whether a key is
there at all; no value is ever kept.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from obs_sse_guard.rules import Encryption

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["NOTHING_NAMED", "Named", "encryption_of", "header_names", "named_by", "text"]


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
