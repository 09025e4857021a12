"""Examples for explain: one statement per SDK that leads to a finding.

The names are those of docs/findings.md: ``obs_http`` and ``s3_http`` are clients with a plaintext endpoint,
``obs_https`` and ``s3_https`` have another, and ``key`` is a customer key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from obs_sse_guard.rules import Encryption, Operation

if TYPE_CHECKING:
    from obs_sse_guard.rules import Rule

__all__ = ["ESDK_CALLS", "FINDINGS", "S3_CALLS", "row_example"]

_KEY, _KMS = "server-side-encryption-customer-key", "server-side-encryption"

ESDK_CALLS = {
    Operation.PUT_OBJECT: 'putContent("bucket", "object", "text", headers=PutObjectHeader({sse}))',
    Operation.POST_OBJECT: 'createPostSignature("bucket", "object", formParams={raw})',
    Operation.INITIATE_MULTIPART_UPLOAD: 'initiateMultipartUpload("bucket", "object", {sse})',
    Operation.HEAD_OBJECT: 'getObjectMetadata("bucket", "object", {sse})',
    Operation.GET_OBJECT: 'getObject("bucket", "object", headers=GetObjectHeader({sse}))',
    Operation.UPLOAD_PART: 'uploadPart("bucket", "object", 1, "upload id", content="part", {sse})',
    Operation.COMPLETE_MULTIPART_UPLOAD: 'completeMultipartUpload("bucket", "object", "upload id", parts, '
    "extensionHeaders={raw})",
    Operation.COPY_OBJECT: 'copyObject("source", "object", "bucket", "copy", headers=CopyObjectHeader({sse}))',
    Operation.UPLOAD_PART_COPY: 'copyPart("bucket", "object", 1, "upload id", "source/object", {sse})',
}
"""The calls of ObsClient; ``{raw}`` is for headers that have no argument."""

_PLACE = 'Bucket="bucket", Key="object"'
S3_CALLS = {
    Operation.PUT_OBJECT: f'put_object({_PLACE}, Body=b"text", {{sse}})',
    Operation.POST_OBJECT: 'generate_presigned_post("bucket", "object", Fields={raw})',
    Operation.INITIATE_MULTIPART_UPLOAD: f"create_multipart_upload({_PLACE}, {{sse}})",
    Operation.HEAD_OBJECT: f"head_object({_PLACE}, {{sse}})",
    Operation.GET_OBJECT: f"get_object({_PLACE}, {{sse}})",
    Operation.UPLOAD_PART: f'upload_part({_PLACE}, UploadId="id", PartNumber=1, Body=b"part", {{sse}})',
    Operation.COMPLETE_MULTIPART_UPLOAD: f'complete_multipart_upload({_PLACE}, UploadId="id", {{sse}})',
    Operation.COPY_OBJECT: f'copy_object({_PLACE}, CopySource="source/object", {{sse}})',
    Operation.UPLOAD_PART_COPY: f'upload_part_copy({_PLACE}, CopySource="source/object", UploadId="id", PartNumber=1, '
    "{sse})",
}
_CUSTOMER = 'SSECustomerAlgorithm="AES256", SSECustomerKey=key'
_S3_TARGETS = {
    Encryption.SSE_C: _CUSTOMER,
    Encryption.SSE_KMS: 'ServerSideEncryption="aws:kms"',
    Encryption.SSE_OBS: 'ServerSideEncryption="AES256"',
}
_S3_SOURCE = 'CopySourceSSECustomerAlgorithm="AES256", CopySourceSSECustomerKey=key'
# Only these have a parameter for SSE-KMS.
_S3_KMS = (Operation.PUT_OBJECT, Operation.POST_OBJECT, Operation.INITIATE_MULTIPART_UPLOAD, Operation.COPY_OBJECT)

_URL = '"https://obs.example.com"'
FINDINGS = {
    "inferred-kms": (
        'obs_http.uploadPart("bucket", "object", 1, upload, content="part")',
        f's3_http.upload_part({_PLACE}, UploadId=upload, PartNumber=1, Body=b"part")',
    ),
    "downgraded-redirect": (
        (
            'obs_https.copyObject("source", "object", "bucket", "downgraded", '
            "headers=CopyObjectHeader(sourceSseHeader=sse_c))"
        ),
        "",
    ),
    "key-in-clear": (
        f'obs_http.deleteObject("bucket", "object", extensionHeaders={{"x-obs-{_KEY}": key}})',
        f's3_http.list_parts({_PLACE}, UploadId="id", {_CUSTOMER})',
    ),
    "key-misplaced": (
        'obs_https.modifyFile("bucket", "object", 0, "text", headers=PutObjectHeader(sseHeader=sse_c))',
        f's3_https.put_object({_PLACE}, Body=b"text", Metadata={{"x-amz-{_KEY}": key}})',
    ),
    "kms-in-clear": (f'obs_http.restoreObject("bucket", "object", 1, extensionHeaders={{"x-obs-{_KMS}": "kms"}})', ""),
    "key-in-url": (
        f'obs_https.createSignedUrl("GET", "bucket", "object", queryParams={{"x-obs-{_KEY}": key}})',
        f's3_https.generate_presigned_url("get_object", Params=dict({_PLACE}, {_CUSTOMER}))',
    ),
    "cross-host-redirect": ('obs_https.getObjectMetadata("bucket", "moved", sseHeader=sse_c)', ""),
    "unverified-tls": (
        f'ObsClient(server={_URL}).getObjectMetadata("bucket", "object", sseHeader=sse_c)',
        f'boto3.client("s3", endpoint_url={_URL}, verify=False).head_object({_PLACE}, {_CUSTOMER})',
    ),
    "unverified-host": (
        f'ObsClient(server={_URL}, ssl_verify="ca.pem").getObjectMetadata("bucket", "object", sseHeader=sse_c)',
        "",
    ),
    "sse-dropped": (
        'obs_https.putContent("bucket", "object", "text", headers={"sseHeader": {"encryption": "AES256", "key": key}})',
        "",
    ),
    "read-in-clear": ('obs_http.getObject("bucket", "kms")', 's3_http.get_object(Bucket="bucket", Key="kms")'),
}
"""By finding, a statement with ObsClient and one with boto3, where there is one."""


def row_example(rule: Rule, *, is_s3: bool) -> str:
    """Return an example of a rule's call; empty if the SDK has no parameter for it."""
    if is_s3:
        return _s3_example(rule)
    sides = (
        {"destSseHeader": rule.target, "sourceSseHeader": rule.source} if rule.is_copy else {"sseHeader": rule.target}
    )
    if Encryption.SSE_OBS in sides.values():
        return ""
    objects = {Encryption.SSE_C: "sse_c", Encryption.SSE_KMS: "sse_kms"}
    sse = ", ".join(f"{name}={objects[side]}" for name, side in sides.items() if side in objects)
    return _call("obs_http", ESDK_CALLS[rule.operation], sse, _raw(rule, "x-obs-", "kms"))


def _s3_example(rule: Rule) -> str:
    unnamed = rule.source in (Encryption.SSE_KMS, Encryption.SSE_OBS)
    if unnamed or (rule.target in (Encryption.SSE_KMS, Encryption.SSE_OBS) and rule.operation not in _S3_KMS):
        return ""
    source = _S3_SOURCE if rule.source is Encryption.SSE_C else ""
    sse = ", ".join(filter(None, (_S3_TARGETS.get(rule.target, ""), source)))
    return _call("s3_http", S3_CALLS[rule.operation], sse, _raw(rule, "x-amz-", "aws:kms"))


def _raw(rule: Rule, prefix: str, kms: str) -> str:
    if rule.target is Encryption.SSE_C:
        return f'{{"{prefix}{_KEY}": key}}'
    return f'{{"{prefix}{_KMS}": "{kms}"}}'


def _call(client: str, call: str, sse: str, raw: str) -> str:
    return f"{client}.{call.format(sse=sse, raw=raw)}".replace(", )", ")")
