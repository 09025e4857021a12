"""An oracle: the outcome of a request, from the tables, without package code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from tests.support.expected_rules import ROWS, ROWS_OF_2025, Row

if TYPE_CHECKING:
    from tests.support.servers import Request

REFUSED = "refused"
LOGGED = "logged"
SILENT = "silent"


def outcome(row: Row, scheme: str, policy: str = "documented") -> str:
    """Return the outcome of a request of this row in ``enforce`` mode."""
    if scheme == "https":
        return SILENT
    if scheme not in row.allowed:
        return REFUSED
    named = {row.source, row.target} != {"none"}
    if policy == "strict":
        return REFUSED if named else SILENT
    return LOGGED if carries_key(row) else SILENT


def carries_key(row: Row) -> bool:
    """Return whether a header of the request contains a customer key."""
    return "SSE-C" in (row.source, row.target)


def row_of(operation: str, source: str, target: str) -> Row | None:
    """Return the row for a request; None if the tables have none."""
    return next((row for row in ROWS if row[1:4] == (operation, source, target)), None)


# -------------------------------------------------------------- the encryption of a request


class RequestSSE(NamedTuple):
    """The encryption of a request.

    Attributes:
        operation: the operation by its name in the tables; empty if they have none.
        source: the encryption of a copy's source.
        target: the encryption of the object.
        key: the place of a customer key: ``header``, ``url``, ``policy``, ``metadata``, or empty.
    """

    operation: str
    source: str = "none"
    target: str = "none"
    key: str = ""


# From the API reference, operation by operation. Other parameters do not change the operation.
_OTHER_OPERATIONS = frozenset({
    "acl", "append", "attributes", "callback", "legal-hold", "metadata", "modify", "object-lock", "partNumber",
    "rename", "renameObject", "restore", "retention", "select", "select-type", "storageClass", "storagePolicy",
    "tagging", "torrent", "truncate", "uploadId", "uploads", "x-obs-accesslabel",
})  # fmt: skip
_OF_AN_OBJECT = {
    "PUT": "PutObject",
    "PUT modify": "PutObject",
    "POST append": "PutObject",
    "PUT partNumber uploadId": "UploadPart",
    "POST uploads": "InitiateMultipartUpload",
    "POST uploadId": "CompleteMultipartUpload",
    "GET": "GetObject",
    "GET partNumber": "GetObject",
    "HEAD": "HeadObject",
    "HEAD partNumber": "HeadObject",
}
_OF_A_COPY = {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}


def operation_of(method: str, key: str, parameters: Iterable[str], headers: Iterable[str]) -> str:
    """Return the operation of a request; empty if no table has it."""
    if not key:
        return "PostObject" if method == "POST" and not [*parameters] else ""
    choice = sorted(name for name in parameters if name in _OTHER_OPERATIONS)
    operation = _OF_AN_OBJECT.get(" ".join([method, *choice]), "")
    copies = any(name.lower() in ("x-obs-copy-source", "x-amz-copy-source") for name in headers)
    return _OF_A_COPY.get(operation, operation) if copies else operation


_WEAKEST_FIRST = ("none", "SSE-OBS", "SSE-KMS", "SSE-C")


def sides(headers: Iterable[tuple[str, str]]) -> tuple[str, str, bool]:
    """Return the encryption of source and target, and whether a header has a key."""
    target, source, key, key_id = ["none"], "none", False, False
    for given, value in headers:
        name = given.lower()
        if name[:6] not in ("x-obs-", "x-amz-"):
            continue
        name = name[6:]
        copied = name.startswith("copy-source-")
        name = name[len("copy-source-") :] if copied else name
        if name in (f"server-side-encryption-customer-{last}" for last in ("algorithm", "key", "key-md5")):
            key = key or (name.endswith("-key") and bool(value.strip()))
            if copied:
                source = "SSE-C"
            else:
                target.append("SSE-C")
        elif name == "server-side-encryption":
            target.append("SSE-KMS" if "kms" in value.lower() else "SSE-OBS")
        elif name in (f"server-side-encryption-{last}" for last in ("kms-key-id", "aws-kms-key-id", "context")):
            key_id = True
    if key_id and target == ["none"]:
        target = ["SSE-KMS"]
    return source, max(target, key=_WEAKEST_FIRST.index), key


def sse_of(request: Request) -> RequestSSE:
    """Return the encryption of a received request."""
    query = list(request.query.items())
    operation = operation_of(request.method, request.key, request.query, [name for name, _ in request.headers])
    source, target, key = sides([*request.headers, *query])
    place = "url" if sides(query)[2] else "header"
    return RequestSSE(operation, source, target, place if key else "")


def may_carry_key(request: Request) -> bool:
    """Return whether a row allows this request over plaintext despite its key."""
    return set(evaluate(sse_of(request), secure=False, policy="documented").values()) == {LOGGED}


def evaluate(
    sse: RequestSSE,
    *,
    secure: bool,
    policy: str,
    tls_gap: str = "",
    dropped: bool = False,
    redirected: bool = False,
    other_host: bool = False,
    kms_part: bool = False,
    read_kms: bool = False,
) -> dict[str, str]:
    """Return every finding about a request, with its outcome.

    Args:
        sse: the request.
        secure: whether its transport is TLS, or a plaintext hop that is trusted.
        policy: ``documented`` or ``strict``.
        tls_gap: the name of the finding about its TLS, if there is one.
        dropped: whether an SSE argument was ignored.
        redirected: whether the application asked for https, and a redirect led here.
        other_host: whether a redirect leads to another host.
        kms_part: whether it is a part of an upload begun with SSE-KMS.
        read_kms: whether the response names SSE-KMS.
    """
    strict = policy == "strict"
    usual = REFUSED if strict else LOGGED
    found: dict[str, str] = {} if secure else _in_clear(sse, strict=strict, kms_part=kms_part)
    named = sse.key or not {sse.source, sse.target}.isdisjoint({"SSE-C", "SSE-KMS"})
    if redirected and not secure and named and REFUSED not in _in_clear(sse, strict=False, kms_part=kms_part).values():
        found = {"downgraded-redirect": REFUSED}
    if sse.key == "metadata":
        found["key-misplaced"] = REFUSED
    if secure and sse.key in ("url", "policy"):
        found["key-in-url"] = usual
    if secure and sse.key and tls_gap:
        found[tls_gap] = LOGGED if tls_gap == "unverified-host" else usual
    if secure and sse.key and other_host:
        found["cross-host-redirect"] = usual
    if dropped:
        found["sse-dropped"] = usual
    if read_kms and not secure:
        found["read-in-clear"] = LOGGED
    return found


def _in_clear(  # noqa: PLR0911  # one for each line of the table of findings
    sse: RequestSSE, *, strict: bool, kms_part: bool
) -> dict[str, str]:
    row = row_of(sse.operation, "none" if sse.source == "SSE-OBS" else sse.source, sse.target)
    later = next((row for row in ROWS_OF_2025 if row[1:4] == (sse.operation, sse.source, sse.target)), None)
    if row and "http" not in row.allowed:
        return {row.id: REFUSED}
    if kms_part:
        return {"inferred-kms": REFUSED}
    if row and sse.key:
        return {row.id: REFUSED if strict else LOGGED}
    if sse.key and sse.key != "metadata":
        return {"key-in-clear": REFUSED}
    if row and {row.source, row.target} != {"none"}:
        return {row.id: REFUSED} if strict else {}
    if sse.target == "SSE-KMS":
        return {"kms-in-clear": REFUSED if strict else LOGGED}
    return {later.id: REFUSED} if strict and later and "http" not in later.allowed else {}
