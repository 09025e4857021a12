"""Against a real S3 server, the guard does not change the calls that it allows.

ObsClient and boto3 go through uploads, downloads, copies, signed URLs and forms over HTTPS, with SSE-C,
with SSE-KMS and without, once with the guard and once without. A recorder terminates the TLS in front of
MiniStack. The requests must be equal byte by byte, except for dates, signatures and ids, and so must the results.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import http.client
import re
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import obs
import pytest

import obs_sse_guard
from tests.support import obs_calls
from tests.support.forwarder import Forwarder
from tests.support.servers import LOOPBACK, Answer, Request, TlsRecordingServer

pytestmark = [
    pytest.mark.skipif(sys.version_info < (3, 10), reason="MiniStack needs 3.10"),
    pytest.mark.skipif(not obs_calls.https_works(), reason="HTTPS of this release is broken on this Python"),
]

BUCKET = "end-to-end"
KEY = "a-customer-key-of-32-characters!"
KMS_KEY_ID = "end-to-end-key"
ENCRYPTIONS = ("none", "SSE-C", "SSE-KMS")
PART = 5 * 1024 * 1024
CONTENT = bytes(range(256)) * 16
LARGE = bytes(PART) + CONTENT  # two parts of the minimum size

# ---------------------------------------------------------------------------------- the servers

_OWN_KEY = re.compile("x-amz-server-side-encryption-customer-", re.IGNORECASE)


class Recorder(Forwarder, TlsRecordingServer):
    """Terminate the TLS, record every request, and forward it to another server.

    OBS knows the key of an upload from its parts. MiniStack wants it again to complete it, as S3 does, and
    ObsClient has no argument for that, so the recorder repeats the headers of a part.
    """

    def __init__(self, upstream: int) -> None:
        self._said_by_parts: dict[str, tuple[tuple[str, str], ...]] = {}
        super().__init__(upstream)

    def _usual(self, request: Request) -> Answer:
        customer = tuple(pair for pair in request.headers if _OWN_KEY.match(pair[0]))
        upload = request.query.get("uploadId", "")
        if request.method == "PUT" and upload:
            self._said_by_parts[upload] = customer
        elif request.method == "POST" and upload and not customer:
            customer = self._said_by_parts.get(upload, ())
            request = dataclasses.replace(request, headers=(*request.headers, *customer))
        return super()._usual(request)

    def begin_anew(self) -> int:
        """Empty the upstream server, and return the number of requests so far."""
        self._scripts.clear()
        connection = http.client.HTTPConnection(LOOPBACK, self._upstream, timeout=30)
        with contextlib.closing(connection):
            connection.request("POST", "/_ministack/reset")
            assert connection.getresponse().status == 200
        return len(self.requests)


@pytest.fixture(scope="module")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Start MiniStack, and return its port."""
    pytest.importorskip("ministack")
    from obs_sse_guard._cli.demo import isolation, servers

    folder = tmp_path_factory.mktemp("ministack")
    with isolation.own_environment(folder), isolation.quiet(), servers.running(folder) as running:
        yield running.proxies["http"].port


@pytest.fixture
def recorder(ministack: int) -> Iterator[Recorder]:
    """Start a recorder in front of MiniStack."""
    with Recorder(ministack) as made:
        yield made


# ------------------------------------------------------------------------------------ ObsClient


class Run(NamedTuple):
    """One run of a scenario: a client, its encryption, and an empty folder."""

    client: Any
    encryption: str
    folder: Path
    recorder: Recorder

    def file(self, name: str, content: bytes = b"") -> str:
        """Create a file to upload, or one to download to, and return its path."""
        path = self.folder / name
        if content:
            path.write_bytes(content)
        return str(path)


def _sse(encryption: str) -> Any:
    return {"SSE-C": obs.SseCHeader.getInstance(KEY), "SSE-KMS": obs.SseKmsHeader.getInstance(KMS_KEY_ID)}.get(
        encryption
    )


def _read_with(encryption: str) -> Any:
    return obs.GetObjectHeader(sseHeader=_sse("SSE-C") if encryption == "SSE-C" else None)


def _obs_put(run: Run, key: str, content: Any = CONTENT, encryption: str = "") -> Any:
    headers = obs.PutObjectHeader(sseHeader=_sse(encryption or run.encryption))
    return run.client.putContent(BUCKET, key, content, headers=headers)


def _obs_get(run: Run, key: str, encryption: str = "") -> Any:
    headers = _read_with(encryption or run.encryption)
    return run.client.getObject(BUCKET, key, headers=headers, loadStreamInMemory=True)


def _obs_objects(run: Run) -> Iterator[Any]:
    yield _obs_put(run, "object")
    headers = _read_with(run.encryption)
    headers.range = "10-99"
    yield run.client.getObject(BUCKET, "object", headers=headers, loadStreamInMemory=True)
    yield run.client.getObjectMetadata(BUCKET, "object", sseHeader=headers.sseHeader)
    yield _obs_get(run, "object")
    yield run.client.putFile(
        BUCKET, "file", run.file("up", CONTENT), headers=obs.PutObjectHeader(sseHeader=_sse(run.encryption))
    )
    yield run.client.getObject(BUCKET, "file", run.file("down"), headers=_read_with(run.encryption))
    yield Path(run.file("down")).read_bytes()
    yield run.client.getObjectMetadata(BUCKET, "gone")
    yield run.client.deleteObject(BUCKET, "object")


def _obs_multipart(run: Run) -> Iterator[Any]:
    own = _sse("SSE-C") if run.encryption == "SSE-C" else None
    begun = run.client.initiateMultipartUpload(BUCKET, "large", sseHeader=_sse(run.encryption))
    upload = begun.body.uploadId
    parts = []
    for number, content in enumerate((LARGE[:PART], LARGE[PART:]), start=1):
        part = run.client.uploadPart(BUCKET, "large", number, upload, content=content, sseHeader=own)
        yield part
        parts.append(obs.CompletePart(number, part.body.etag))
    yield run.client.listParts(BUCKET, "large", upload)
    yield run.client.completeMultipartUpload(BUCKET, "large", upload, obs.CompleteMultipartUploadRequest(parts))
    yield _obs_get(run, "large")
    again = run.client.initiateMultipartUpload(BUCKET, "large", sseHeader=_sse(run.encryption))
    yield run.client.abortMultipartUpload(BUCKET, "large", again.body.uploadId)


def _interrupt(run: Run, match: Callable[[Request], bool], call: Callable[[], Any]) -> Any:
    """Let one request fail, so that the transfer fails and keeps its checkpoint."""
    run.recorder.answer(match, 503, times=1)
    with pytest.raises(Exception, match="some parts"):
        call()
    return call()


def _obs_transfers(run: Run) -> Iterator[Any]:
    headers = obs.UploadFileHeader(sseHeader=_sse(run.encryption))
    path = run.file("up", LARGE)
    yield _interrupt(
        run,
        lambda request: request.query.get("partNumber") == "2",
        lambda: run.client.uploadFile(
            BUCKET, "sent", path, partSize=PART, taskNum=2, enableCheckpoint=True, headers=headers
        ),
    )
    target = run.file("down")
    yield _interrupt(
        run,
        lambda request: request.method == "GET" and request.header("Range").startswith(f"bytes={PART}"),
        lambda: run.client.downloadFile(
            BUCKET, "sent", target, partSize=PART, taskNum=2, enableCheckpoint=True, header=_read_with(run.encryption)
        ),
    )
    yield hashlib.sha256(Path(target).read_bytes()).hexdigest()


def _obs_copies(run: Run) -> Iterator[Any]:
    """Copy from this encryption to every other, as a whole and as a part."""
    yield _obs_put(run, "source")
    source = _sse("SSE-C") if run.encryption == "SSE-C" else None
    for target in ENCRYPTIONS:
        headers = obs.CopyObjectHeader(destSseHeader=_sse(target), sourceSseHeader=source)
        yield run.client.copyObject(BUCKET, "source", BUCKET, f"copy-{target}", headers=headers)
        yield _obs_get(run, f"copy-{target}", target)
        upload = run.client.initiateMultipartUpload(BUCKET, f"part-{target}", sseHeader=_sse(target)).body.uploadId
        own = _sse(target) if target == "SSE-C" else None
        part = run.client.copyPart(
            BUCKET, f"part-{target}", 1, upload, f"{BUCKET}/source", destSseHeader=own, sourceSseHeader=source
        )
        yield part
        parts = obs.CompleteMultipartUploadRequest([obs.CompletePart(1, part.body.etag)])
        yield run.client.completeMultipartUpload(BUCKET, f"part-{target}", upload, parts)
        yield _obs_get(run, f"part-{target}", target)


def _fields(encryption: str) -> dict[str, str]:
    """Return the headers of an encryption in the S3 dialect."""
    name = "x-amz-server-side-encryption"
    key, md5 = KEY.encode(), hashlib.md5(KEY.encode()).digest()  # noqa: S324  # what the protocol sends
    customer = {
        f"{name}-customer-algorithm": "AES256",
        f"{name}-customer-key": base64.b64encode(key).decode(),
        f"{name}-customer-key-MD5": base64.b64encode(md5).decode(),
    }
    kms = {name: "aws:kms", f"{name}-aws-kms-key-id": KMS_KEY_ID}
    return {"SSE-C": customer, "SSE-KMS": kms}.get(encryption, {})


def _obs_signed(run: Run) -> Iterator[Any]:
    named = _fields(run.encryption)
    put = run.client.createSignedUrl("PUT", BUCKET, "signed", headers=named, expires=300)
    yield _fetch(run, "PUT", put.signedUrl, put.actualSignedRequestHeaders, CONTENT)
    read = named if run.encryption == "SSE-C" else {}
    get = run.client.createSignedUrl("GET", BUCKET, "signed", headers=read, expires=300)
    yield _fetch(run, "GET", get.signedUrl, get.actualSignedRequestHeaders)
    form = run.client.createPostSignature(BUCKET, "posted", formParams=named)
    signature = {name: form[name] for name in ("algorithm", "credential", "date", "signature")}
    fields = {"key": "posted", **named, "policy": form.policy}
    fields.update((f"x-amz-{name}", value) for name, value in signature.items())
    yield _post(run, f"{run.recorder.url}/{BUCKET}", fields)
    yield _obs_get(run, "posted")


# ---------------------------------------------------------------------------------------- boto3


def _sse_arguments(encryption: str, prefix: str = "") -> dict[str, str]:
    if encryption == "SSE-C":
        return {f"{prefix}SSECustomerAlgorithm": "AES256", f"{prefix}SSECustomerKey": KEY}
    if encryption == "SSE-KMS" and not prefix:
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KMS_KEY_ID}
    return {}


def _customer(encryption: str, prefix: str = "") -> dict[str, str]:
    return _sse_arguments(encryption, prefix) if encryption == "SSE-C" else {}


def _boto_read(run: Run, key: str, encryption: str = "", **arguments: Any) -> Any:
    answer = run.client.get_object(Bucket=BUCKET, Key=key, **_customer(encryption or run.encryption), **arguments)
    return {**answer, "Body": hashlib.sha256(answer["Body"].read()).hexdigest()}


def _boto_objects(run: Run) -> Iterator[Any]:
    import botocore.exceptions

    yield run.client.put_object(Bucket=BUCKET, Key="object", Body=CONTENT, **_sse_arguments(run.encryption))
    yield _boto_read(run, "object", Range="bytes=10-99")
    yield _boto_read(run, "object")
    yield run.client.head_object(Bucket=BUCKET, Key="object", **_customer(run.encryption))
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        run.client.head_object(Bucket=BUCKET, Key="gone", **_customer(run.encryption))
    yield caught.value.response
    yield run.client.delete_object(Bucket=BUCKET, Key="object")


def _boto_multipart(run: Run) -> Iterator[Any]:
    begun = run.client.create_multipart_upload(Bucket=BUCKET, Key="large", **_sse_arguments(run.encryption))
    known = {"Bucket": BUCKET, "Key": "large", "UploadId": begun["UploadId"]}
    parts = []
    for number, content in enumerate((LARGE[:PART], LARGE[PART:]), start=1):
        part = run.client.upload_part(**known, PartNumber=number, Body=content, **_customer(run.encryption))
        yield part
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    yield run.client.list_parts(**known)
    whole = {"MultipartUpload": {"Parts": parts}, **_customer(run.encryption)}
    yield run.client.complete_multipart_upload(**known, **whole)
    yield _boto_read(run, "large")
    again = run.client.create_multipart_upload(Bucket=BUCKET, Key="large", **_sse_arguments(run.encryption))
    yield run.client.abort_multipart_upload(Bucket=BUCKET, Key="large", UploadId=again["UploadId"])


def _boto_transfers(run: Run) -> Iterator[Any]:
    from boto3.s3.transfer import TransferConfig

    settings = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=3)
    arguments = {"ExtraArgs": _sse_arguments(run.encryption), "Config": settings}
    reading = {"ExtraArgs": _customer(run.encryption), "Config": settings}
    yield run.client.upload_file(run.file("up", LARGE), BUCKET, "sent", **arguments)
    run.client.download_file(BUCKET, "sent", run.file("down"), **reading)
    yield hashlib.sha256(Path(run.file("down")).read_bytes()).hexdigest()
    with open(run.file("up"), "rb") as stream:  # noqa: PTH123  # as applications do
        yield run.client.upload_fileobj(stream, BUCKET, "streamed", **arguments)
    with open(run.file("down"), "wb") as stream:  # noqa: PTH123
        run.client.download_fileobj(BUCKET, "streamed", stream, **reading)
    yield hashlib.sha256(Path(run.file("down")).read_bytes()).hexdigest()
    if run.encryption != "SSE-C":  # the HEAD request for the source takes no CopySource argument
        yield run.client.copy({"Bucket": BUCKET, "Key": "sent"}, BUCKET, "copied", **arguments)
        yield _boto_read(run, "copied")


def _boto_copies(run: Run) -> Iterator[Any]:
    yield run.client.put_object(Bucket=BUCKET, Key="source", Body=CONTENT, **_sse_arguments(run.encryption))
    source = {"CopySource": {"Bucket": BUCKET, "Key": "source"}, **_customer(run.encryption, "CopySource")}
    for target in ENCRYPTIONS:
        yield run.client.copy_object(Bucket=BUCKET, Key=f"copy-{target}", **source, **_sse_arguments(target))
        yield _boto_read(run, f"copy-{target}", target)
        begun = run.client.create_multipart_upload(Bucket=BUCKET, Key=f"part-{target}", **_sse_arguments(target))
        known = {"Bucket": BUCKET, "Key": f"part-{target}", "UploadId": begun["UploadId"]}
        part = run.client.upload_part_copy(**known, PartNumber=1, **source, **_customer(target))
        yield part
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]}
        yield run.client.complete_multipart_upload(**known, MultipartUpload=parts, **_customer(target))
        yield _boto_read(run, f"part-{target}", target)


def _boto_signed(run: Run) -> Iterator[Any]:
    known = {"Bucket": BUCKET, "Key": "signed"}
    put = run.client.generate_presigned_url("put_object", {**known, **_sse_arguments(run.encryption)})
    yield _fetch(run, "PUT", put, _fields(run.encryption), CONTENT)
    get = run.client.generate_presigned_url("get_object", {**known, **_customer(run.encryption)})
    yield _fetch(run, "GET", get, _fields(run.encryption) if run.encryption == "SSE-C" else {})
    named = _fields(run.encryption)
    conditions = [{name: value} for name, value in named.items()]
    form = run.client.generate_presigned_post(BUCKET, "posted", Fields=dict(named), Conditions=conditions)
    yield _post(run, form["url"], form["fields"])
    yield _boto_read(run, "posted")


# -------------------------------------------------------------------- requests with a signed URL


def _fetch(run: Run, method: str, url: str, headers: Any, body: bytes = b"") -> Any:
    context = ssl.create_default_context(cafile=run.recorder.ca)
    connection = http.client.HTTPSConnection(LOOPBACK, run.recorder.port, timeout=30, context=context)
    with contextlib.closing(connection):
        connection.request(method, url[len(run.recorder.url) :], body=body, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()


def _post(run: Run, url: str, fields: dict[str, str]) -> Any:
    """Send a form, as a browser does."""
    boundary = "boundary-of-the-test"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    file = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    body = "".join([*parts, file]).encode() + CONTENT + f"\r\n--{boundary}--\r\n".encode()
    return _fetch(run, "POST", url, {"Content-Type": f"multipart/form-data; boundary={boundary}"}, body)


# ------------------------------------------------------------------------------- the comparison

_VARIES = re.compile(
    rb"(?i)(?:(?<=signature=)|(?<=signature:)|(?<=expires=)|(?<=date=)|(?<=credential=))[^&\s'\"]+"
    rb"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
)
_DATED = frozenset({
    "date", "x-amz-date", "authorization", "amz-sdk-invocation-id", "amz-sdk-request", "last-modified",
    "x-amz-request-id", "x-amz-id-2", "x-amzn-requestid", "request-id", "id-2", "x-amz-signature", "signature",
    "policy", "x-amz-credential",
})  # fmt: skip
_FORM_FIELD = re.compile(rb'(?i)(name="(?:x-amz-signature|x-amz-date|signature|policy)"\r\n\r\n)[^\r]*')
_TIME = re.compile(r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d[^'\",<)]*|datetime\.datetime\([^)]*\)+")


_UPLOAD_ID = re.compile(rb"(?i)(?<=uploadid=)[^&\s'\"]+")


def _normal_request(request: Request) -> tuple[Any, ...]:
    headers = [(name, value) for name, value in request.headers if name.lower() not in _DATED]
    target = _VARIES.sub(b"*", _UPLOAD_ID.sub(b"#", request.target.encode()))
    body = _FORM_FIELD.sub(rb"\1*", request.body) if b"form-data" in request.body[:1000] else request.body
    return request.method, target, tuple(headers), hashlib.sha256(body).hexdigest(), len(body)


def _normal_result(result: Any) -> str:
    shown = _plain(result)
    return _TIME.sub("TIME", _VARIES.sub(b"*", repr(shown).encode()).decode())


def _plain(result: Any) -> Any:
    """Return a result as plain data, without dates and ids."""
    if isinstance(result, dict):
        pairs = {str(name): _plain(value) for name, value in result.items()}
    elif isinstance(result, (list, tuple)):
        return [_plain(entry) for entry in result if not _is_dated(entry)]
    elif hasattr(result, "__dict__") and type(result).__module__.startswith("obs"):
        pairs = {str(name): _plain(value) for name, value in vars(result).items()}
    elif isinstance(result, bytes) and len(result) > len(CONTENT):
        return hashlib.sha256(result).hexdigest()  # a body does not vary
    else:
        return result
    return {name: value for name, value in sorted(pairs.items()) if name.lower() not in (*_DATED, *_OF_THE_RUN)}


# Fields that differ between two runs, and bodies that hold an open connection.
_OF_THE_RUN = ("uploadid", "requestid", "hostid", "lastmodified", "response", "url", "retryattempts")


def _is_dated(entry: Any) -> bool:
    return isinstance(entry, tuple) and len(entry) == 2 and str(entry[0]).lower() in _DATED


Scenario = Callable[[Run], Iterator[Any]]
_OBS: tuple[Scenario, ...] = (_obs_objects, _obs_multipart, _obs_transfers, _obs_copies, _obs_signed)
_BOTO: tuple[Scenario, ...] = (_boto_objects, _boto_multipart, _boto_transfers, _boto_copies, _boto_signed)


@contextlib.contextmanager
def _obs_client(recorder: Recorder) -> Iterator[Any]:
    options: dict[str, Any] = {"path_style": True, "region": "us-east-1", "max_retry_count": 0, "timeout": 30}
    options.update(access_key_id="test", secret_access_key="test")  # the credentials that MiniStack checks URLs with
    with obs_calls.open_client("v4", recorder, **options) as client:
        assert client.createBucket(BUCKET).status == 200
        yield client


@contextlib.contextmanager
def _boto_client(recorder: Recorder) -> Iterator[Any]:
    boto3 = pytest.importorskip("boto3")
    from botocore.config import Config

    settings = Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 0})
    client = boto3.session.Session().client(
        "s3",
        region_name="us-east-1",
        endpoint_url=recorder.url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        verify=recorder.ca,
        config=settings,
    )
    with contextlib.closing(client):
        client.create_bucket(Bucket=BUCKET)
        yield client


def _done(result: Any) -> Any:
    """Return a result after checking its status; a 404 is expected for "gone"."""
    status = result[0] if isinstance(result, tuple) else getattr(result, "status", 200)
    assert status < 300 or status == 404, vars(result) if hasattr(result, "__dict__") else result
    return result


def _play(scenario: Scenario, encryption: str, recorder: Recorder, folder: Path) -> tuple[list[Any], list[str]]:
    """Return the requests, sorted because workers race, and the results of one run."""
    folder.mkdir()
    before = recorder.begin_anew()
    with (_obs_client if scenario in _OBS else _boto_client)(recorder) as client:
        results = [_normal_result(_done(result)) for result in scenario(Run(client, encryption, folder, recorder))]
    requests = sorted(map(_normal_request, recorder.requests[before:]))
    return requests, [result.replace(str(folder), "FOLDER") for result in results]


@pytest.mark.unmeasured
@pytest.mark.thinned(strength=1)
@pytest.mark.parametrize("encryption", ENCRYPTIONS)
@pytest.mark.parametrize("scenario", [*_OBS, *_BOTO], ids=lambda scenario: scenario.__name__.strip("_"))
def test_guarded_and_unguarded_runs_are_the_same(
    scenario: Scenario, encryption: str, recorder: Recorder, tmp_path: Path
) -> None:
    obs_sse_guard.uninstall()
    unguarded = _play(scenario, encryption, recorder, tmp_path / "unguarded")
    obs_sse_guard.install()
    guarded = _play(scenario, encryption, recorder, tmp_path / "guarded")
    assert guarded[1] == unguarded[1]
    assert guarded[0] == unguarded[0]
    assert len(guarded[0]) > 3
