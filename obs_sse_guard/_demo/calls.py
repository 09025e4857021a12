"""One live call for every operation of the tables."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

import obs
import requests

from obs_sse_guard._demo.stage import BUCKET, CONTENT, Side, Stage, done
from obs_sse_guard.rules import Encryption, Operation, Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["add_sources", "prepare"]

Call = Callable[[Side], int]
"""Makes the call on one side; returns the HTTP status of its answer."""


def prepare(stage: Stage, rule: Rule) -> Call:
    """Do over https what a row's call needs to make sense, such as to begin the upload of a part.

    Returns:
        The call, not yet made.
    """
    return _CALLS[rule.operation](stage, rule)


def add_sources(stage: Stage) -> None:
    """Store an object with each encryption, to be read and copied."""
    for encryption in (Encryption.NONE, Encryption.SSE_C, Encryption.SSE_KMS):
        headers = obs.PutObjectHeader(sseHeader=stage.sse(encryption))
        done(stage.secure.putContent(BUCKET, _source(encryption), CONTENT, headers=headers))


def _source(encryption: Encryption) -> str:
    return f"source-{encryption}"


def _new_key() -> str:
    return f"object-{uuid.uuid4().hex}"


def _put(stage: Stage, rule: Rule) -> Call:
    headers = obs.PutObjectHeader(sseHeader=stage.sse(rule.target))
    return lambda side: _status(side.client.putContent(BUCKET, _new_key(), CONTENT, headers=headers))


def _post(stage: Stage, rule: Rule) -> Call:
    def post(side: Side) -> int:
        # The SDK signs the form's policy but has no call to send it: browsers do.
        key, fields = _new_key(), stage.fields(rule.target)
        signed = side.client.createPostSignature(BUCKET, key, formParams=fields)
        form = {
            "key": key,
            **fields,
            "policy": signed.policy,
            "x-amz-algorithm": signed.algorithm,
            "x-amz-credential": signed.credential,
            "x-amz-date": signed.date,
            "x-amz-signature": signed.signature,
        }
        with requests.Session() as browser:
            browser.trust_env = False
            browser.verify = str(stage.servers.ca)
            return browser.post(f"{side.url}/{BUCKET}", data=form, files={"file": CONTENT}).status_code

    return post


def _head(stage: Stage, rule: Rule) -> Call:
    sse = stage.sse(rule.target)
    return lambda side: _status(side.client.getObjectMetadata(BUCKET, _source(rule.target), sseHeader=sse))


def _get(stage: Stage, rule: Rule) -> Call:
    headers = obs.GetObjectHeader(sseHeader=stage.sse(rule.target))
    return lambda side: _status(
        side.client.getObject(BUCKET, _source(rule.target), headers=headers, loadStreamInMemory=True)
    )


def _initiate(stage: Stage, rule: Rule) -> Call:
    sse = stage.sse(rule.target)
    return lambda side: _status(side.client.initiateMultipartUpload(BUCKET, _new_key(), sseHeader=sse))


class _Upload(NamedTuple):
    key: str
    id: str


def _begun(stage: Stage, target: Encryption) -> _Upload:
    key = _new_key()
    answer = done(stage.secure.initiateMultipartUpload(BUCKET, key, sseHeader=stage.sse(target)))
    return _Upload(key, answer.body.uploadId)


def _upload_part(stage: Stage, rule: Rule) -> Call:
    upload, sse = _begun(stage, rule.target), stage.sse(rule.target)
    return lambda side: _status(
        side.client.uploadPart(BUCKET, upload.key, 1, upload.id, content=CONTENT, sseHeader=sse)
    )


def _complete(stage: Stage, rule: Rule) -> Call:
    upload, sse = _begun(stage, rule.target), stage.sse(rule.target)
    part = done(stage.secure.uploadPart(BUCKET, upload.key, 1, upload.id, content=CONTENT, sseHeader=sse))
    parts = obs.CompleteMultipartUploadRequest([obs.CompletePart(1, part.body.etag)])
    # MiniStack wants the customer key once more, as S3 does, and the SDK's method has no argument for it.
    extension = stage.fields(rule.target) if rule.target is Encryption.SSE_C else {}
    return lambda side: _status(
        side.client.completeMultipartUpload(BUCKET, upload.key, upload.id, parts, extensionHeaders=extension)
    )


def _copy(stage: Stage, rule: Rule) -> Call:
    headers = obs.CopyObjectHeader(destSseHeader=stage.sse(rule.target), sourceSseHeader=stage.sse(rule.source))
    return lambda side: _status(
        side.client.copyObject(BUCKET, _source(rule.source), BUCKET, _new_key(), headers=headers)
    )


def _copy_part(stage: Stage, rule: Rule) -> Call:
    upload, source = _begun(stage, rule.target), f"{BUCKET}/{_source(rule.source)}"
    sse = {"destSseHeader": stage.sse(rule.target), "sourceSseHeader": stage.sse(rule.source)}
    return lambda side: _status(side.client.copyPart(BUCKET, upload.key, 1, upload.id, source, **sse))


def _status(answer: Any) -> int:
    return int(answer.status)


_CALLS: Mapping[Operation, Callable[[Stage, Rule], Call]] = {
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
