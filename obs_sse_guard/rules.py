"""Which transport a request with server-side encryption may use.

The 32 rows of the Huawei OBS API reference, page ``obs_04_0108``, "API Operations Related to Server-Side Encryption".
This module knows no SDK and imports only the standard library. Everything else that mentions a rule derives from it.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "PAGE",
    "PAGE_TITLE",
    "RULES",
    "SSE_OBS_RULES",
    "Encryption",
    "Operation",
    "Rule",
    "Verdict",
    "check",
]

PAGE = "obs_04_0108"
PAGE_TITLE = "API Operations Related to Server-Side Encryption"


class _StrEnum(str, Enum):
    """A ``str`` enum that prints as its value (the standard one needs Python 3.11)."""

    def __str__(self) -> str:
        return str(self.value)


class Operation(_StrEnum):
    """The operations that the tables name, spelled as in the English edition."""

    PUT_OBJECT = "PutObject"
    POST_OBJECT = "PostObject"
    INITIATE_MULTIPART_UPLOAD = "InitiateMultipartUpload"
    HEAD_OBJECT = "HeadObject"
    GET_OBJECT = "GetObject"
    UPLOAD_PART = "UploadPart"
    COMPLETE_MULTIPART_UPLOAD = "CompleteMultipartUpload"
    COPY_OBJECT = "CopyObject"
    UPLOAD_PART_COPY = "UploadPartCopy"


class Encryption(_StrEnum):
    """How an object, or one side of a copy, is encrypted on the server."""

    NONE = "none"
    SSE_C = "SSE-C"
    SSE_KMS = "SSE-KMS"
    SSE_OBS = "SSE-OBS"


_NONE, _SSE_C, _SSE_KMS, _SSE_OBS = Encryption
_COPY, _COPY_PART = Operation.COPY_OBJECT, Operation.UPLOAD_PART_COPY
_HTTPS = frozenset({"https"})
_EITHER = frozenset({"http", "https"})


class Rule(NamedTuple):
    """One row of the page.

    Attributes:
        table: the number of its table, 1 to 4.
        operation: the operation.
        source: encryption of a copy's source; ``none`` where nothing is copied.
        target: encryption of the object (or part) that is written or read.
        transports: what the row allows, out of ``http`` and ``https``.
        page: the page in the OBS API reference.
        edition: empty for the 32 rows; else the later edition that added the row.
    """

    table: int
    operation: Operation
    source: Encryption
    target: Encryption
    transports: frozenset[str]
    page: str = PAGE
    edition: str = ""

    @property
    def is_copy(self) -> bool:
        """Whether the row has a source and a target."""
        return self.operation in (_COPY, _COPY_PART)

    @property
    def id(self) -> str:
        """The stable id, such as ``table-1/PutObject`` or ``table-3/SSE-C-to-none``."""
        key = f"{self.source}-to-{self.target}" if self.is_copy else str(self.operation)
        return f"table-{self.table}/{key}"

    @property
    def subject(self) -> str:
        """The request that the row is about, in words."""
        if self.is_copy:
            return f"{self.operation} from {self.source} to {self.target}"
        return f"{self.operation} with {self.target}"

    @property
    def demand(self) -> str:
        """The transports that the row allows, as the page writes them."""
        return "HTTP or HTTPS" if "http" in self.transports else "HTTPS"

    @property
    def text(self) -> str:
        """The row as a sentence, with the page that it comes from."""
        verb = "allows" if "http" in self.transports else "requires"
        edition = f", edition {self.edition}" if self.edition else ""
        return f"OBS {verb} {self.demand} for {self.subject} ({self.page}, table {self.table}{edition})"

    def __str__(self) -> str:
        return self.id


RULES: tuple[Rule, ...] = (
    Rule(1, Operation.PUT_OBJECT, _NONE, _SSE_C, _HTTPS),
    Rule(1, Operation.POST_OBJECT, _NONE, _SSE_C, _HTTPS),
    Rule(1, Operation.INITIATE_MULTIPART_UPLOAD, _NONE, _SSE_C, _HTTPS),
    Rule(1, Operation.HEAD_OBJECT, _NONE, _SSE_C, _HTTPS),
    Rule(1, Operation.GET_OBJECT, _NONE, _SSE_C, _HTTPS),
    Rule(1, Operation.UPLOAD_PART, _NONE, _SSE_C, _HTTPS),
    Rule(1, Operation.COMPLETE_MULTIPART_UPLOAD, _NONE, _SSE_C, _EITHER),
    Rule(2, Operation.PUT_OBJECT, _NONE, _SSE_KMS, _HTTPS),
    Rule(2, Operation.POST_OBJECT, _NONE, _SSE_KMS, _HTTPS),
    Rule(2, Operation.INITIATE_MULTIPART_UPLOAD, _NONE, _SSE_KMS, _HTTPS),
    Rule(2, Operation.HEAD_OBJECT, _NONE, _SSE_KMS, _EITHER),
    Rule(2, Operation.GET_OBJECT, _NONE, _SSE_KMS, _HTTPS),
    Rule(2, Operation.UPLOAD_PART, _NONE, _SSE_KMS, _HTTPS),
    Rule(2, Operation.COMPLETE_MULTIPART_UPLOAD, _NONE, _SSE_KMS, _EITHER),
    Rule(3, _COPY, _NONE, _SSE_KMS, _HTTPS),
    Rule(3, _COPY, _SSE_KMS, _SSE_KMS, _HTTPS),
    Rule(3, _COPY, _SSE_C, _SSE_KMS, _HTTPS),
    Rule(3, _COPY, _NONE, _SSE_C, _HTTPS),
    Rule(3, _COPY, _SSE_KMS, _SSE_C, _HTTPS),
    Rule(3, _COPY, _SSE_C, _SSE_C, _HTTPS),
    Rule(3, _COPY, _NONE, _NONE, _EITHER),
    Rule(3, _COPY, _SSE_KMS, _NONE, _EITHER),
    Rule(3, _COPY, _SSE_C, _NONE, _EITHER),
    Rule(4, _COPY_PART, _NONE, _SSE_KMS, _EITHER),
    Rule(4, _COPY_PART, _SSE_KMS, _SSE_KMS, _EITHER),
    Rule(4, _COPY_PART, _SSE_C, _SSE_KMS, _EITHER),
    Rule(4, _COPY_PART, _NONE, _SSE_C, _HTTPS),
    Rule(4, _COPY_PART, _SSE_KMS, _SSE_C, _HTTPS),
    Rule(4, _COPY_PART, _SSE_C, _SSE_C, _HTTPS),
    Rule(4, _COPY_PART, _NONE, _NONE, _EITHER),
    Rule(4, _COPY_PART, _SSE_KMS, _NONE, _EITHER),
    Rule(4, _COPY_PART, _SSE_C, _NONE, _EITHER),
)
"""The 32 rows, in the order of the page."""


def _later(
    table: int,
    operation: Operation,
    source: Encryption,
    target: Encryption,
    transports: frozenset[str],
) -> Rule:
    return Rule(table, operation, source, target, transports, edition="2025-04")


SSE_OBS_RULES: tuple[Rule, ...] = (
    _later(3, _COPY, _NONE, _SSE_OBS, _HTTPS),
    _later(3, _COPY, _SSE_KMS, _SSE_OBS, _HTTPS),
    _later(3, _COPY, _SSE_C, _SSE_OBS, _HTTPS),
    _later(3, _COPY, _SSE_OBS, _SSE_OBS, _HTTPS),
    _later(3, _COPY, _SSE_OBS, _SSE_KMS, _HTTPS),
    _later(3, _COPY, _SSE_OBS, _SSE_C, _HTTPS),
    _later(3, _COPY, _SSE_OBS, _NONE, _EITHER),
    _later(4, _COPY_PART, _NONE, _SSE_OBS, _EITHER),
    _later(4, _COPY_PART, _SSE_KMS, _SSE_OBS, _EITHER),
    _later(4, _COPY_PART, _SSE_C, _SSE_OBS, _EITHER),
    _later(4, _COPY_PART, _SSE_OBS, _SSE_OBS, _EITHER),
    _later(4, _COPY_PART, _SSE_OBS, _SSE_KMS, _EITHER),
    _later(4, _COPY_PART, _SSE_OBS, _SSE_C, _HTTPS),
    _later(4, _COPY_PART, _SSE_OBS, _NONE, _EITHER),
)
"""The rows for SSE-OBS that the 2025-04 edition of the page adds.

Only the ``strict`` policy refuses what they forbid.
"""


class Verdict(NamedTuple):
    """The result of checking one request.

    Attributes:
        allowed: whether the transport is allowed; also true if no row covers the request.
        rule: the row that decided, or ``None`` if no row covers the request.
        reason: the row, or its absence, in words.
    """

    allowed: bool
    rule: Rule | None
    reason: str


_RowKey = tuple[str, str, str]


def _index(rows: Iterable[Rule]) -> Mapping[_RowKey, Rule]:
    return {(row.operation.lower(), row.source, row.target): row for row in rows}


_ROWS = _index(RULES)
_SSE_OBS_ROWS = _index(SSE_OBS_RULES)

# Appending and modifying upload data too; the page names only the upload.
_UPLOADS_BY_ANOTHER_NAME = frozenset({"appendobject", "modifyobject", "modifyfile"})


def _encryption(value: str, side: str) -> Encryption:
    try:
        return Encryption(value)
    except ValueError:
        valid = ", ".join(Encryption)
        msg = f"unknown encryption of the {side}: {value!r}; valid values: {valid}"
        raise ValueError(msg) from None


def _transport(scheme: str) -> str:
    transport = str(scheme).lower()
    if transport not in _EITHER:
        msg = f"unknown scheme: {scheme!r}; valid values: http, https"
        raise ValueError(msg)
    return transport


def check(
    operation: str,
    scheme: str,
    *,
    target: str,
    source: str = "none",
    sse_obs_edition: bool = False,
) -> Verdict:
    """Check one request against the tables of page ``obs_04_0108``.

    Args:
        operation: an `Operation` or the name of one, in any letter case. ``AppendObject``,
            ``ModifyObject`` and ``ModifyFile`` count as ``PutObject``.
        scheme: ``http`` or ``https``, in any letter case.
        target: an `Encryption` or its value, of the object that is written or read.
        source: the same, of the source of a copy.
        sse_obs_edition: whether to read the SSE-OBS rows of the 2025-04 edition too.

    Returns:
        The verdict. Its ``rule`` is ``None`` if no row covers the request.

    Raises:
        ValueError: the scheme or an encryption is unknown.
    """
    transport = _transport(scheme)
    name = str(operation).lower()
    if name in _UPLOADS_BY_ANOTHER_NAME:
        name = Operation.PUT_OBJECT.lower()
    key = (name, _encryption(source, "source"), _encryption(target, "target"))
    rule = _ROWS.get(key) or (_SSE_OBS_ROWS.get(key) if sse_obs_edition else None)
    if rule is None:
        reason = f"no row of {PAGE} covers {operation} from {key[1]} to {key[2]}"
        return Verdict(allowed=True, rule=None, reason=reason)
    return Verdict(allowed=transport in rule.transports, rule=rule, reason=rule.text)
