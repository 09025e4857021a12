"""The S3 API: one real call for every rule that it can express, by any SDK."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from botocore.exceptions import ClientError

from obs_sse_guard._cli.demo.drivers import TIMEOUT_SECONDS, Call, SetupError
from obs_sse_guard._cli.demo.drivers.forms import submit
from obs_sse_guard._cli.demo.fixtures import BUCKET, CONTENT, KMS_KEY_ID, SOURCES, CustomerKey, form_fields, new_name
from obs_sse_guard.rules import Encryption, Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from obs_sse_guard._cli.demo.servers import Servers
    from obs_sse_guard.rules import Rule

__all__ = ["CLIENT_CONFIG", "CREDENTIALS", "INEXPRESSIBLE", "REGION", "S3Driver", "customer_key", "form_arguments"]

CREDENTIALS = ("demo", "demo")  # MiniStack accepts any
REGION = "us-east-1"
CLIENT_CONFIG: dict[str, Any] = {
    "signature_version": "s3v4",
    "s3": {"addressing_style": "path"},
    "retries": {"total_max_attempts": 1},
    "connect_timeout": TIMEOUT_SECONDS,
    "read_timeout": TIMEOUT_SECONDS,
}
INEXPRESSIBLE = frozenset({
    "table-2/HeadObject",
    "table-2/GetObject",
    "table-2/CompleteMultipartUpload",
    "table-4/none-to-SSE-KMS",
    "table-4/SSE-KMS-to-SSE-KMS",
    "table-4/SSE-C-to-SSE-KMS",
})  # fmt: skip
"""Rules that no S3 request can show: the operation has no parameter for SSE-KMS.

UploadPart has none either, but its rule is enforced: the guard remembers how the upload was started.
"""


class S3Driver(ABC):
    """Drive an SDK by the operations and parameters of the S3 API."""

    def __init__(self, servers: Servers, key: CustomerKey) -> None:
        self._servers = servers
        self._key = key

    @abstractmethod
    def send(self, scheme: str, method: str, **parameters: Any) -> Mapping[str, Any]:
        """Make one call, and return the response with its body read."""

    @abstractmethod
    def sign_form(self, scheme: str, name: str, fields: Mapping[str, str]) -> Mapping[str, Any]:
        """Sign a form that uploads an object, and return its ``url`` and ``fields``."""

    def prepare(self, rule: Rule) -> Call | None:
        """See `Driver`."""
        if rule.id in INEXPRESSIBLE:
            return None
        try:
            return self._calls[rule.operation](self, rule)
        except (ClientError, OSError) as error:  # botocore's own, and what s3fs turns it into
            raise SetupError(str(error)) from error

    def _call(self, method: str, **parameters: Any) -> Call:
        def call(scheme: str) -> int:
            response = self.send(scheme, method, Bucket=BUCKET, **parameters)
            return int(response["ResponseMetadata"]["HTTPStatusCode"])

        return call

    def _target(self, rule: Rule) -> dict[str, str]:
        kms = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KMS_KEY_ID}
        none: dict[str, str] = {}
        return {
            Encryption.NONE: none,
            Encryption.SSE_C: customer_key(self._key),
            Encryption.SSE_KMS: kms,
        }[rule.target]

    def _target_key(self, rule: Rule) -> dict[str, str]:
        # For the parts of an upload, S3 has parameters for the customer key only.
        return self._target(rule) if rule.target is Encryption.SSE_C else {}

    def _source(self, rule: Rule) -> dict[str, Any]:
        key = customer_key(self._key, "CopySource") if rule.source is Encryption.SSE_C else {}
        return {"CopySource": {"Bucket": BUCKET, "Key": SOURCES[rule.source]}, **key}

    def _start_upload(self, rule: Rule) -> dict[str, str]:
        name = new_name()
        response = self.send("https", "create_multipart_upload", Bucket=BUCKET, Key=name, **self._target(rule))
        return {"Key": name, "UploadId": response["UploadId"]}

    def _put(self, rule: Rule) -> Call:
        return self._call("put_object", Key=new_name(), Body=CONTENT, **self._target(rule))

    def _post(self, rule: Rule) -> Call:
        def post(scheme: str) -> int:
            form = self.sign_form(scheme, new_name(), form_fields(rule.target, self._key))
            return submit(form["url"], form["fields"], self._servers.ca)

        return post

    def _head(self, rule: Rule) -> Call:
        return self._call("head_object", Key=SOURCES[rule.target], **self._target(rule))

    def _get(self, rule: Rule) -> Call:
        return self._call("get_object", Key=SOURCES[rule.target], **self._target(rule))

    def _initiate(self, rule: Rule) -> Call:
        return self._call("create_multipart_upload", Key=new_name(), **self._target(rule))

    def _upload_part(self, rule: Rule) -> Call:
        return self._call(
            "upload_part", PartNumber=1, Body=CONTENT, **self._start_upload(rule), **self._target_key(rule)
        )

    def _complete(self, rule: Rule) -> Call:
        upload = {**self._start_upload(rule), **self._target_key(rule)}
        part = self.send("https", "upload_part", Bucket=BUCKET, PartNumber=1, Body=CONTENT, **upload)
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        return self._call("complete_multipart_upload", MultipartUpload=parts, **upload)

    def _copy(self, rule: Rule) -> Call:
        return self._call("copy_object", Key=new_name(), **self._source(rule), **self._target(rule))

    def _copy_part(self, rule: Rule) -> Call:
        return self._call(
            "upload_part_copy", PartNumber=1, **self._start_upload(rule), **self._source(rule), **self._target_key(rule)
        )

    _calls: ClassVar[Mapping[Operation, Callable[[Any, Rule], Call]]] = {
        Operation.PUT_OBJECT: _put,
        Operation.POST_OBJECT: _post,
        Operation.HEAD_OBJECT: _head,
        Operation.GET_OBJECT: _get,
        Operation.INITIATE_MULTIPART_UPLOAD: _initiate,
        Operation.UPLOAD_PART: _upload_part,
        Operation.COMPLETE_MULTIPART_UPLOAD: _complete,
        Operation.COPY_OBJECT: _copy,
        Operation.UPLOAD_PART_COPY: _copy_part,
    }


def customer_key(key: CustomerKey | None, prefix: str = "") -> dict[str, str]:
    """Return the parameters for a key, if any; ``prefix`` is that of a copy's source."""
    return {f"{prefix}SSECustomerAlgorithm": "AES256", f"{prefix}SSECustomerKey": key.text} if key else {}


def form_arguments(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments of ``generate_presigned_post`` that sign these fields."""
    return {"Fields": dict(fields), "Conditions": [{name: value} for name, value in fields.items()]}
