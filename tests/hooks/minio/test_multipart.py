"""Multipart uploads: worker threads, and parts of uploads begun with SSE-KMS."""

from __future__ import annotations

import threading
from typing import Any

import minio
import pytest

from obs_sse_guard import SSETransportError
from obs_sse_guard._policy.kms_uploads import kms_uploads
from tests.support.guard import MODE, POLICY, unguarded
from tests.support.minio_calls import (
    BUCKET,
    CONTENT,
    OBJECT,
    PART_SIZE,
    Body,
    asking,
    client_for,
    normal,
    outcome,
    pool_for,
    refused,
    sse_c,
    sse_of,
)
from tests.support.records import fields_of, rules
from tests.support.servers import (
    RecordingServer,
    Request,
    TlsRecordingServer,
    assert_no_key,
    assert_silent,
    leaks,
)
from tests.support.sse import KEY

LARGE = b"0123456789abcdef" * (PART_SIZE // 16) * 3 + b"the rest"
KMS_ANSWER = {"x-amz-server-side-encryption": "aws:kms"}
each_number_of_workers = pytest.mark.parametrize("workers", [1, 3])


def _put(client: Any, sse: Any = None, *, workers: int = 3, body: Body | None = None) -> Any:
    return client.put_object(
        BUCKET, OBJECT, body or Body(LARGE), len(LARGE), sse=sse, part_size=PART_SIZE, num_parallel_uploads=workers
    )


def _is_part(request: Request) -> bool:
    return "partNumber" in request.query


def _threads() -> int:
    return len([thread for thread in threading.enumerate() if type(thread).__name__ == "Worker"])


@each_number_of_workers
@pytest.mark.parametrize(("encryption", "rule"), [("SSE-C", "table-1/PutObject"), ("SSE-KMS", "table-2/PutObject")])
def test_refused_before_the_body_is_read(encryption: str, rule: str, workers: int, http: RecordingServer) -> None:
    body = Body(LARGE)
    client = client_for(http)
    refused(outcome(client, lambda client: _put(client, sse_of(encryption), workers=workers, body=body)), rule)
    assert_silent(http)
    assert not body.reads


@pytest.mark.thinned(strength=1)
@each_number_of_workers
@pytest.mark.parametrize("encryption", ["SSE-C", "SSE-KMS", "none"])
def test_what_is_allowed_is_sent_as_without_the_guard(encryption: str, workers: int) -> None:
    def sent() -> list[str]:
        with TlsRecordingServer() as server:
            _put(client_for(server), sse_of(encryption), workers=workers)
            return normal(server)

    with unguarded():
        expected = sent()
    assert sent() == expected
    assert len(expected) == 6
    # Older releases complete an upload without the key.
    with_key = sum("customer-key" in request.lower() for request in expected)
    assert with_key in ((5, 6) if encryption == "SSE-C" else (0,))


# -------------------------------------------------------------------------------- SSE-KMS parts


@each_number_of_workers
def test_the_response_to_the_first_request_shows_sse_kms(workers: int, http: RecordingServer) -> None:
    """The encryption is the default of the bucket: no argument names it."""
    http.answer(lambda request: "uploads" in request.query, headers=KMS_ANSWER)
    body = Body(LARGE)
    error = refused(outcome(client_for(http), lambda client: _put(client, workers=workers, body=body)), "inferred-kms")
    assert (error.operation, error.endpoint) == ("UploadPart", http.url)
    assert "test_multipart.py" in error.call_site
    assert body.tell() == PART_SIZE, "no more than the first part is read"
    assert [request.method for request in http.requests] == ["POST", "DELETE"], "the SDK aborts the upload"
    assert _threads() == 0
    assert not kms_uploads, "the abort ends it"


def test_warn_mode_names_the_line_of_the_application(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(MODE, "warn")
    http.answer(lambda request: "uploads" in request.query, headers=KMS_ANSWER)
    _put(client_for(http))
    assert set(rules(caplog)) == {"inferred-kms"}
    assert [("test_multipart.py" in fields["call_site"]) for fields in fields_of(caplog)] == [True]
    assert not kms_uploads


def _begin(server: RecordingServer) -> str:
    return str(asking("InitiateMultipartUpload", "SSE-KMS")(client_for(server)))


def test_a_part_of_an_upload_that_was_begun_over_https(http: RecordingServer, https: TlsRecordingServer) -> None:
    upload_id = _begin(https)
    client = client_for(http)
    part = (BUCKET, OBJECT, CONTENT, None, upload_id, 1)
    error = refused(outcome(client, lambda client: client._upload_part(*part)), "inferred-kms")
    assert error.operation == "UploadPart"
    url = ("PUT", BUCKET, OBJECT)
    query = {"partNumber": "1", "uploadId": upload_id}
    refused(outcome(client, lambda client: client.get_presigned_url(*url, extra_query_params=query)), "inferred-kms")
    assert_silent(http)
    client_for(https)._upload_part(*part)
    client._upload_part(BUCKET, OBJECT, CONTENT, None, "another", 1)
    client._execute("GET", BUCKET, OBJECT, query_params=query)  # no part is written
    client_for(https)._abort_multipart_upload(BUCKET, OBJECT, upload_id)
    client._upload_part(*part)


def test_an_upload_that_is_completed_is_forgotten(https: TlsRecordingServer) -> None:
    upload_id = _begin(https)
    assert len(kms_uploads) == 1
    client = client_for(https)
    client._execute("POST", BUCKET, OBJECT, b"<x/>", {}, {"uploadId": upload_id})
    assert not kms_uploads


def test_a_response_without_an_id(https: TlsRecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    https.answer("POST", 200, {"Content-Type": "application/xml"}, "<Odd/>")
    client_for(https)._execute("POST", BUCKET, OBJECT, None, {**KMS_ANSWER}, {"uploads": ""})
    assert not caplog.records


# ------------------------------------------------------------------------------------- workers


def _redirect_parts(https: TlsRecordingServer, http: RecordingServer) -> None:
    https.answer(_is_part, 307, {"Location": f"{http.url}/{BUCKET}/{OBJECT}?partNumber=1&uploadId=upload-1"})


@each_number_of_workers
def test_a_refusal_in_a_worker_is_raised_to_the_caller(
    workers: int, http: RecordingServer, https: TlsRecordingServer
) -> None:
    _redirect_parts(https, http)
    error = refused(
        outcome(client_for(https), lambda client: _put(client, sse_c(), workers=workers)), "table-1/UploadPart"
    )
    assert (error.scheme, error.endpoint) == ("http", http.url)
    assert "test_multipart.py" in error.call_site
    assert "a redirect from https leads there" in str(error)
    assert_silent(http)
    assert _threads() == 0


def test_no_more_of_the_body_is_read_after_a_refusal(http: RecordingServer, https: TlsRecordingServer) -> None:
    _redirect_parts(https, http)
    first = threading.Event()

    class _Slow(Body):
        """A body whose second part becomes available once the first was refused."""

        def read(self, *size: Any) -> bytes:
            if self.tell() >= PART_SIZE:
                first.wait(10)
            return super().read(*size)

    body = _Slow(LARGE)
    client = client_for(https)
    task = client._upload_part_task

    def _upload_part_task(args: Any) -> Any:
        try:
            return task(args)
        finally:
            threading.Timer(0.2, first.set).start()  # the SDK notes the exception right after this

    client._upload_part_task = _upload_part_task
    with pytest.raises(SSETransportError):
        _put(client, sse_c(), body=body)
    assert body.tell() <= 2 * PART_SIZE
    assert _threads() == 0


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_unverified_tls_of_workers_is_reported_once(
    https: TlsRecordingServer, policy: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_for(https, http_client=pool_for(https, cert_reqs="CERT_NONE"))
    error = outcome(client, lambda client: _put(client, sse_c()))
    if policy == "strict":
        refused(error, "unverified-tls")
        assert_silent(https)
    else:
        assert not isinstance(error, Exception), repr(error)
        assert rules(caplog) == ["unverified-tls"]
    assert not leaks(caplog.text, KEY)


def test_other_tasks_of_the_pool(caplog: pytest.LogCaptureFixture) -> None:
    """An application may use the class for tasks of its own."""
    pools: Any = minio.helpers.ThreadPool

    def add(first: int, *, second: int) -> int:
        return first + second

    pool = pools(2)
    pool.start_parallel()
    pool.add_task(add, 1, second=2)
    assert pool.result().get() == 3

    pool = pools(1)
    pool.start_parallel()
    pool.add_task(_upload_part_task, "not a part")
    assert pool.result().get() == "not a part"
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "judge a part" in caplog.text


def _upload_part_task(args: Any) -> Any:
    """Do nothing, under the name of the SDK's task."""
    return args


def test_the_key_never_crosses(http: RecordingServer) -> None:
    for workers in (1, 3):
        with pytest.raises(SSETransportError):
            _put(client_for(http), sse_c(), workers=workers)
    assert_no_key(http, KEY)


def test_strict_refuses_before_the_body_is_read(https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POLICY, "strict")
    body = Body(LARGE)
    client = client_for(https, http_client=None, cert_check=False)
    refused(outcome(client, lambda client: _put(client, sse_c(), body=body)), "unverified-tls")
    assert not body.reads
    assert_silent(https)
