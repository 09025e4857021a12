"""One REST request per rule, for SDKs without methods for the parts of an upload."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from obs_sse_guard._cli.demo.drivers import Call, SetupError
from obs_sse_guard._cli.demo.fixtures import BUCKET, CONTENT, SOURCES, CustomerKey, form_fields, new_name
from obs_sse_guard.rules import Encryption, Operation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obs_sse_guard._cli.demo.servers import Servers
    from obs_sse_guard.rules import Rule

__all__ = ["INEXPRESSIBLE", "Answer", "Request", "RestDriver"]

_ETAG = hashlib.md5(CONTENT).hexdigest()  # noqa: S324  # the protocol's
_COMPLETE = (
    f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{_ETAG}</ETag></Part></CompleteMultipartUpload>"
)


class Request(NamedTuple):
    """A request for an object of the bucket, with header names of the S3 dialect."""

    operation: Operation
    name: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def method(self) -> str:
        """The HTTP method."""
        return _METHODS.get(self.operation, "PUT")


_METHODS = {
    Operation.HEAD_OBJECT: "HEAD",
    Operation.GET_OBJECT: "GET",
    Operation.INITIATE_MULTIPART_UPLOAD: "POST",
    Operation.COMPLETE_MULTIPART_UPLOAD: "POST",
}
INEXPRESSIBLE = frozenset({"table-2/HeadObject", "table-2/GetObject"})
"""Rules without a parameter in these SDKs; S3 refuses SSE-KMS headers on reads."""

_PARTS = (Operation.UPLOAD_PART, Operation.UPLOAD_PART_COPY)
_COPIES = (Operation.COPY_OBJECT, Operation.UPLOAD_PART_COPY)


class Answer(NamedTuple):
    """A response."""

    status: int
    body: bytes


class RestDriver(ABC):
    """Drive an SDK by the requests of the REST API.

    Attributes:
        error: what the SDK raises if the server answers with a failure.
    """

    error: ClassVar[type[Exception]]

    def __init__(self, servers: Servers, key: CustomerKey) -> None:
        self._servers = servers
        self._key = key

    @abstractmethod
    def send(self, scheme: str, request: Request) -> Answer:
        """Send one request, and return the response."""

    def sign_form(self, rule: Rule) -> Call | None:  # noqa: ARG002  # for SDKs that can
        """Return a call that signs and submits a form; ``None`` if the SDK signs none."""
        return None

    def prepare(self, rule: Rule) -> Call | None:
        """See `Driver`."""
        if rule.operation is Operation.POST_OBJECT:
            return self.sign_form(rule)
        if rule.id in INEXPRESSIBLE:
            return None
        try:
            request = self._request(rule)
        except self.error as error:
            raise SetupError(str(error)) from error
        return lambda scheme: self.send(scheme, request).status

    def _request(self, rule: Rule) -> Request:
        operation, headers = rule.operation, self._headers(rule)
        if operation in (Operation.HEAD_OBJECT, Operation.GET_OBJECT):
            return Request(operation, SOURCES[rule.target], {}, headers)
        if operation in (Operation.PUT_OBJECT, Operation.COPY_OBJECT):
            return Request(operation, new_name(), {}, headers, b"" if operation in _COPIES else CONTENT)
        start = Request(Operation.INITIATE_MULTIPART_UPLOAD, new_name(), {"uploads": ""}, self._sse(rule.target))
        if operation is start.operation:
            return start
        upload = {"uploadId": self._start(start)}
        part = Request(operation, start.name, {"partNumber": "1", **upload}, headers, CONTENT)
        if operation in _PARTS:
            return part._replace(body=b"") if operation in _COPIES else part
        self.send("https", part._replace(operation=Operation.UPLOAD_PART))
        return part._replace(query=upload, body=_COMPLETE.encode())

    def _start(self, request: Request) -> str:
        [upload] = re.findall(r"<UploadId>(.*?)</UploadId>", self.send("https", request).body.decode())
        return str(upload)

    def _headers(self, rule: Rule) -> dict[str, str]:
        if rule.operation not in _COPIES:
            return self._sse(rule.target)
        # No header names SSE-KMS for the source: the server knows it.
        key = self._sse(rule.source) if rule.source is Encryption.SSE_C else {}
        source = {name.replace("x-amz-", "x-amz-copy-source-"): value for name, value in key.items()}
        return {"x-amz-copy-source": f"/{BUCKET}/{SOURCES[rule.source]}", **source, **self._sse(rule.target)}

    def _sse(self, encryption: Encryption) -> dict[str, str]:
        return {} if encryption is Encryption.NONE else form_fields(encryption, self._key)
