"""ObsClient: one real call for every operation of the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import obs

from obs_sse_guard._cli.demo.drivers import TIMEOUT_SECONDS, Call, Download, SetupError
from obs_sse_guard._cli.demo.drivers.forms import submit
from obs_sse_guard._cli.demo.fixtures import BUCKET, CONTENT, KMS_KEY_ID, SOURCES, CustomerKey, form_fields, new_name
from obs_sse_guard._cli.demo.observation import FAILURE
from obs_sse_guard.rules import Encryption, Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from obs_sse_guard._cli.demo.servers import Servers
    from obs_sse_guard.rules import Rule

__all__ = ["ObsDriver", "open_client"]

_OBJECT = "secret-obs.txt"
_TEXT = CONTENT.decode()


class _Upload(NamedTuple):
    key: str
    id: str


class ObsDriver:
    """Drive ``obs.ObsClient``.

    Attributes:
        clients: the real clients, by scheme.
    """

    name = "ObsClient"

    def __init__(self, servers: Servers, key: CustomerKey) -> None:
        self._servers = servers
        self._key = key
        self.clients = {scheme: open_client(scheme, servers) for scheme in servers.proxies}
        self._secure = self.clients["https"]

    def set_up(self) -> None:
        """Create the bucket, and in it an object of each encryption to read and copy."""
        # MiniStack keeps its state between runs in one process, and accepts that the owner creates a bucket again.
        _checked(self._secure.createBucket(BUCKET))
        for encryption, name in SOURCES.items():
            headers = obs.PutObjectHeader(sseHeader=self._sse(encryption))
            _checked(self._secure.putContent(BUCKET, name, _TEXT, headers=headers))

    def upload(self, scheme: str, key: CustomerKey | None) -> int:
        """See `Driver`."""
        headers = obs.PutObjectHeader(sseHeader=_sse_c(key))
        return _status(self.clients[scheme].putContent(BUCKET, _OBJECT, _TEXT, headers=headers))

    def download(self, key: CustomerKey | None) -> Download:
        """See `Driver`."""
        headers = obs.GetObjectHeader(sseHeader=_sse_c(key))
        response = self._secure.getObject(BUCKET, _OBJECT, headers=headers, loadStreamInMemory=True)
        return Download(getattr(response.body, "buffer", b""), _status(response))

    def prepare(self, rule: Rule) -> Call | None:
        """See `Driver`."""
        return self._calls[rule.operation](self, rule)

    def _sse(self, encryption: Encryption) -> Any:
        kms = obs.SseKmsHeader.getInstance(KMS_KEY_ID)
        return {Encryption.NONE: None, Encryption.SSE_C: _sse_c(self._key), Encryption.SSE_KMS: kms}[encryption]

    def _start_upload(self, target: Encryption) -> _Upload:
        key = new_name()
        response = _checked(self._secure.initiateMultipartUpload(BUCKET, key, sseHeader=self._sse(target)))
        return _Upload(key, response.body.uploadId)

    def _put(self, rule: Rule) -> Call:
        headers = obs.PutObjectHeader(sseHeader=self._sse(rule.target))
        return lambda scheme: _status(self.clients[scheme].putContent(BUCKET, new_name(), _TEXT, headers=headers))

    def _post(self, rule: Rule) -> Call:
        def post(scheme: str) -> int:
            key, fields = new_name(), form_fields(rule.target, self._key)
            signed = self.clients[scheme].createPostSignature(BUCKET, key, formParams=fields)
            form = {
                "key": key,
                **fields,
                "policy": signed.policy,
                "x-amz-algorithm": signed.algorithm,
                "x-amz-credential": signed.credential,
                "x-amz-date": signed.date,
                "x-amz-signature": signed.signature,
            }
            return submit(f"{self._servers.url(scheme)}/{BUCKET}", form, self._servers.ca)

        return post

    def _head(self, rule: Rule) -> Call:
        name, sse = SOURCES[rule.target], self._sse(rule.target)
        return lambda scheme: _status(self.clients[scheme].getObjectMetadata(BUCKET, name, sseHeader=sse))

    def _get(self, rule: Rule) -> Call:
        name, headers = SOURCES[rule.target], obs.GetObjectHeader(sseHeader=self._sse(rule.target))
        return lambda scheme: _status(
            self.clients[scheme].getObject(BUCKET, name, headers=headers, loadStreamInMemory=True)
        )

    def _initiate(self, rule: Rule) -> Call:
        sse = self._sse(rule.target)
        return lambda scheme: _status(self.clients[scheme].initiateMultipartUpload(BUCKET, new_name(), sseHeader=sse))

    def _upload_part(self, rule: Rule) -> Call:
        upload, sse = self._start_upload(rule.target), self._sse(rule.target)
        return lambda scheme: _status(
            self.clients[scheme].uploadPart(BUCKET, upload.key, 1, upload.id, content=_TEXT, sseHeader=sse)
        )

    def _complete(self, rule: Rule) -> Call:
        upload, sse = self._start_upload(rule.target), self._sse(rule.target)
        part = _checked(self._secure.uploadPart(BUCKET, upload.key, 1, upload.id, content=_TEXT, sseHeader=sse))
        parts = obs.CompleteMultipartUploadRequest([obs.CompletePart(1, part.body.etag)])
        # MiniStack requires the customer key again, as S3 does, and the SDK's method has no argument for it.
        extension = form_fields(rule.target, self._key) if rule.target is Encryption.SSE_C else {}
        return lambda scheme: _status(
            self.clients[scheme].completeMultipartUpload(
                BUCKET, upload.key, upload.id, parts, extensionHeaders=extension
            )
        )

    def _copy(self, rule: Rule) -> Call:
        source, target = self._sse(rule.source), self._sse(rule.target)
        headers = obs.CopyObjectHeader(destSseHeader=target, sourceSseHeader=source)
        return lambda scheme: _status(
            self.clients[scheme].copyObject(BUCKET, SOURCES[rule.source], BUCKET, new_name(), headers=headers)
        )

    def _copy_part(self, rule: Rule) -> Call:
        upload, source = self._start_upload(rule.target), f"{BUCKET}/{SOURCES[rule.source]}"
        sse = {"destSseHeader": self._sse(rule.target), "sourceSseHeader": self._sse(rule.source)}
        return lambda scheme: _status(self.clients[scheme].copyPart(BUCKET, upload.key, 1, upload.id, source, **sse))

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


def open_client(scheme: str, servers: Servers) -> Any:
    """Open a client of one transport."""
    return obs.ObsClient(
        access_key_id="demo",
        secret_access_key="demo",  # noqa: S106  # MiniStack accepts any
        server=servers.url(scheme),
        path_style=True,
        # The S3 dialect, because MiniStack does not know the x-obs- headers.
        signature="v4",
        region="us-east-1",
        ssl_verify=str(servers.ca),
        max_retry_count=0,
        timeout=TIMEOUT_SECONDS,
    )


def _sse_c(key: CustomerKey | None) -> Any:
    return obs.SseCHeader.getInstance(key.text, "AES256") if key else None


def _status(response: Any) -> int:
    return int(response.status)


def _checked(response: Any) -> Any:
    if response.status >= FAILURE:
        msg = f"the server answered {response.status} {response.errorCode}: {response.errorMessage}"
        raise SetupError(msg)
    return response
