"""Which operation the service sees in a request's method and sub-resource."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obs_sse_guard._util.text import to_text
from obs_sse_guard.rules import Operation

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["bucket_operation", "object_operation", "request_in_words"]

# Query parameters that turn a request for an object into another operation. The service ignores unknown ones.
_SUBRESOURCES = frozenset({
    "acl", "append", "attributes", "callback", "legal-hold", "metadata", "modify", "object-lock", "partNumber",
    "rename", "renameObject", "restore", "retention", "select", "select-type", "storageClass", "storagePolicy",
    "tagging", "torrent", "truncate", "uploadId", "uploads", "x-obs-accesslabel",
})  # fmt: skip
_OPERATIONS: dict[tuple[str, frozenset[str]], Operation] = {
    ("PUT", frozenset()): Operation.PUT_OBJECT,
    ("PUT", frozenset({"modify"})): Operation.PUT_OBJECT,
    ("POST", frozenset({"append"})): Operation.PUT_OBJECT,
    ("POST", frozenset({"uploads"})): Operation.INITIATE_MULTIPART_UPLOAD,
    ("HEAD", frozenset()): Operation.HEAD_OBJECT,
    ("GET", frozenset()): Operation.GET_OBJECT,
    ("PUT", frozenset({"partNumber", "uploadId"})): Operation.UPLOAD_PART,
    ("GET", frozenset({"partNumber"})): Operation.GET_OBJECT,
    ("HEAD", frozenset({"partNumber"})): Operation.HEAD_OBJECT,
    ("POST", frozenset({"uploadId"})): Operation.COMPLETE_MULTIPART_UPLOAD,
}
_COPIES = {Operation.PUT_OBJECT: Operation.COPY_OBJECT, Operation.UPLOAD_PART: Operation.UPLOAD_PART_COPY}


def object_operation(method: str, parameters: Iterable[Any], headers: Iterable[tuple[Any, Any]]) -> str:
    """Return the operation of a request for an object.

    One that no table names is described, such as ``PUT object?acl``.
    """
    choice = frozenset(to_text(name) for name in parameters if name) & _SUBRESOURCES
    operation = _OPERATIONS.get((method, choice))
    if operation is None:
        return _in_words(method, choice)
    copies = any(to_text(name).strip().lower() in ("x-obs-copy-source", "x-amz-copy-source") for name, _ in headers)
    return (_COPIES.get(operation, operation) if copies else operation).value


def request_in_words(method: str, path: str, parameters: Iterable[Any]) -> str:
    """Describe a request of a client that knows no operations, as ``PUT object``.

    Never uses the name of an operation.

    Args:
        method: the HTTP method.
        path: the path of its URL. A bucket's that has no host of its own counts as an object's.
        parameters: the names of its query parameters.
    """
    choice = frozenset(to_text(name) for name in parameters) & _SUBRESOURCES
    return _in_words(method, choice) if path.strip("/") else f"{method} bucket"


def _in_words(method: str, choice: frozenset[str]) -> str:
    return f"{method} object" + ("?" + "&".join(sorted(choice)) if choice else "")


def bucket_operation(method: str, *, has_parameters: bool) -> str:
    """Return the operation of a request for a bucket.

    That is ``PostObject`` for an upload form; any other is described, such as ``GET bucket``.
    """
    return Operation.POST_OBJECT.value if method == "POST" and not has_parameters else f"{method} bucket"
