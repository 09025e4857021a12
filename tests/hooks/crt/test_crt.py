"""Transfers through the AWS CRT: botocore builds a request, and the CRT sends it.

The CRT client connects to the host of the Host header, over the transport that it was created with. It ignores
the scheme of the URL. Its resolver is not Python's, so these tests use addresses.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

awscrt_s3 = pytest.importorskip("awscrt.s3", reason="awscrt is not installed here")
crt = pytest.importorskip("s3transfer.crt", reason="this s3transfer has no CRT transfers")

from botocore.credentials import Credentials  # noqa: E402  # after the check for the CRT

from obs_sse_guard import SSETransportError  # noqa: E402
from obs_sse_guard._hooks import crt as crt_hooks  # noqa: E402
from tests.support.guard import POLICY, TRUSTED, unguarded  # noqa: E402
from tests.support.records import rules  # noqa: E402
from tests.support.s3_calls import (  # noqa: E402
    ACCESS_KEY,
    BUCKET,
    CONTENT,
    KMS_ANSWER,
    OBJECT,
    REGION,
    SECRET_KEY,
    SERVERS,
    asking,
    boto3_client,
    customer,
    normal,
    outcome,
    raw_headers,
    refused,
    session,
)
from tests.support.servers import (  # noqa: E402
    ConnectProxy,
    RecordingServer,
    TlsRecordingServer,
    assert_silent,
    leaks,
)
from tests.support.sse import KEY  # noqa: E402

CREDENTIALS = Credentials(ACCESS_KEY, SECRET_KEY)
MEGABYTE = 1024 * 1024
LARGE = b"0123456789abcdef" * (11 * MEGABYTE // 16)

each_endpoint = pytest.mark.parametrize("scheme_of_the_url", ["http", "https"])


def _client(server: RecordingServer, *, use_ssl: bool, verify: Any = None) -> Any:
    provider = crt.BotocoreCRTCredentialsWrapper(CREDENTIALS).to_crt_credentials_provider()
    return crt.create_s3_crt_client(
        REGION, provider, num_threads=1, target_throughput=1_000_000, use_ssl=use_ssl, verify=verify
    )


def _serializer(url: str) -> Any:
    return crt.BotocoreCRTRequestSerializer(session(), {"region_name": REGION, "endpoint_url": url})


@contextlib.contextmanager
def _manager(server: RecordingServer, *, scheme_of_the_url: str = "https", verify: Any = None) -> Iterator[Any]:
    """Open a transfer manager; the server decides ``use_ssl``, not the URL's scheme."""
    use_ssl = server.ca is not None
    url = f"{scheme_of_the_url}://{server.url.partition('://')[2]}"
    client = _client(server, use_ssl=use_ssl, verify=server.ca if verify is None else verify)
    with crt.CRTTransferManager(client, _serializer(url)) as manager:
        yield manager


class _Unreadable(io.BytesIO):
    def read(self, *_: Any) -> bytes:
        raise AssertionError("the body of a refused call is not read")


Call = Callable[[Any, dict[str, str], Path], Any]


def _download_to_file(manager: Any, sse: dict[str, str], folder: Path) -> Any:
    return manager.download(BUCKET, OBJECT, str(folder / "down"), extra_args=sse).result()


def _upload_file(manager: Any, sse: dict[str, str], folder: Path) -> Any:
    path = folder / "upload.bin"
    path.write_bytes(CONTENT)
    return manager.upload(str(path), BUCKET, OBJECT, extra_args=sse).result()


CALLS: dict[str, tuple[Call, str]] = {
    "upload": (
        lambda manager, sse, _: manager.upload(io.BytesIO(CONTENT), BUCKET, OBJECT, extra_args=sse).result(),
        "table-1/PutObject",
    ),
    "upload of a file": (_upload_file, "table-1/PutObject"),
    "upload in parts": (
        lambda manager, sse, _: manager.upload(io.BytesIO(LARGE), BUCKET, OBJECT, extra_args=sse).result(),
        "table-1/PutObject",
    ),
    "download": (
        lambda manager, sse, _: manager.download(BUCKET, OBJECT, io.BytesIO(), extra_args=sse).result(),
        "table-1/GetObject",
    ),
    "download to a file": (_download_to_file, "table-1/GetObject"),
}
each_call = pytest.mark.parametrize("name", CALLS)


@each_endpoint
@each_call
def test_without_the_guard_use_ssl_false_sends_the_key_in_clear(
    name: str, scheme_of_the_url: str, http: RecordingServer, tmp_path: Path
) -> None:
    with unguarded(), _manager(http, scheme_of_the_url=scheme_of_the_url) as manager:
        CALLS[name][0](manager, customer(), tmp_path)
    assert leaks(http.wire, KEY)


@each_endpoint
@each_call
def test_use_ssl_false_is_refused_whatever_the_urls_scheme(
    name: str, scheme_of_the_url: str, http: RecordingServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    call, rule = CALLS[name]
    with _manager(http, scheme_of_the_url=scheme_of_the_url) as manager, pytest.raises(SSETransportError) as caught:
        call(manager, customer(), tmp_path)
    error = refused(caught.value, rule)
    assert (error.sdk, error.scheme, error.endpoint) == ("botocore", "http", http.url)
    assert "use_ssl" in str(error)
    assert_silent(http)
    assert not [path for path in tmp_path.iterdir() if path.name != "upload.bin"], "no partial download is left"
    assert not caplog.records


@each_endpoint
@each_call
def test_use_ssl_true_is_allowed_whatever_the_urls_scheme(
    name: str, scheme_of_the_url: str, https: TlsRecordingServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with _manager(https, scheme_of_the_url=scheme_of_the_url) as manager:
        CALLS[name][0](manager, customer(), tmp_path)
    assert leaks(https.received, KEY)
    assert not caplog.records


@pytest.mark.parametrize("scheme", SERVERS)
@pytest.mark.parametrize("name", ["upload", "download"])
def test_what_is_allowed_is_sent_as_without_the_guard(name: str, scheme: str, tmp_path: Path) -> None:
    def sent() -> list[str]:
        with SERVERS[scheme]() as server, _manager(server) as manager:
            CALLS[name][0](manager, customer() if scheme == "https" else {}, tmp_path)
            return normal(server)

    with unguarded():
        expected = sent()
    assert sent() == expected
    assert expected


def test_kms_is_refused_over_http_only(http: RecordingServer, https: TlsRecordingServer, tmp_path: Path) -> None:
    with _manager(http) as manager, pytest.raises(SSETransportError) as caught:
        CALLS["upload"][0](manager, customer("SSE-KMS"), tmp_path)
    refused(caught.value, "table-2/PutObject")
    assert_silent(http)
    with _manager(https) as manager:
        CALLS["upload"][0](manager, customer("SSE-KMS"), tmp_path)


def test_a_refused_body_is_not_read(http: RecordingServer) -> None:
    with _manager(http) as manager:
        future = manager.upload(_Unreadable(CONTENT), BUCKET, OBJECT, extra_args=customer())
        with pytest.raises(SSETransportError):
            future.result()
    assert_silent(http)


@pytest.mark.parametrize("policy", ["documented", "strict"])
def test_unverified_tls(
    policy: str,
    https: TlsRecordingServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(POLICY, policy)
    with _manager(https, verify=False) as manager:
        if policy == "strict":
            with pytest.raises(SSETransportError) as caught:
                CALLS["upload"][0](manager, customer(), tmp_path)
            refused(caught.value, "unverified-tls")
            assert_silent(https)
        else:
            CALLS["upload"][0](manager, customer(), tmp_path)
            CALLS["download"][0](manager, customer(), tmp_path)
            assert rules(caplog) == ["unverified-tls"]
            assert not leaks(caplog.text, KEY)


# -------------------------------------------------------------------------- without s3transfer


def _send(server: RecordingServer, method: str, target: str, headers: dict[str, str], **arguments: Any) -> Any:
    """Send a request that the application builds itself through a CRT client."""
    from awscrt.http import HttpHeaders, HttpRequest

    client = _client(server, use_ssl=server.ca is not None, verify=server.ca)
    fields = {"host": server.url.partition("://")[2], "content-length": "0", **headers}
    request = HttpRequest(method, target, HttpHeaders(list(fields.items())))
    defaults = {"type": awscrt_s3.S3RequestType.DEFAULT, "operation_name": "Anything"}
    return client.make_request(request=request, **{**defaults, **arguments}).finished_future.result(10)


@pytest.mark.parametrize("scheme", SERVERS)
def test_a_request_sent_by_the_crt_client_directly(scheme: str) -> None:
    with SERVERS[scheme]() as server:
        arguments = {"type": awscrt_s3.S3RequestType.GET_OBJECT, "operation_name": None}
        if scheme == "http":
            with pytest.raises(SSETransportError) as caught:
                _send(server, "GET", f"/{BUCKET}/{OBJECT}", raw_headers("SSE-C"), **arguments)
            refused(caught.value, "table-1/GetObject")
            assert_silent(server)
        else:
            _send(server, "GET", f"/{BUCKET}/{OBJECT}", raw_headers("SSE-C"), **arguments)
            assert leaks(server.received, KEY)


_SOURCE = {"x-amz-copy-source": "source/object"}


@pytest.mark.parametrize("name", ["HeadObject", "CompleteMultipartUpload", "CopyObject", "ListObjectsV2"])
@pytest.mark.parametrize(
    ("request_line", "headers", "operation"),
    [
        ("PUT ", {}, "PutObject"),
        ("GET ", {}, "GetObject"),
        ("POST ?uploads", {}, "InitiateMultipartUpload"),
        ("PUT ?partNumber=1&uploadId=id", {}, "UploadPart"),
        ("PUT ", _SOURCE, "CopyObject"),
    ],
)
def test_the_request_decides_about_the_row_and_not_a_name(
    request_line: str, headers: dict[str, str], operation: str, name: str, http: RecordingServer
) -> None:
    method, query = request_line.split(" ")
    with pytest.raises(SSETransportError) as caught:
        _send(http, method, f"/{BUCKET}/{OBJECT}{query}", {**headers, **raw_headers("SSE-C")}, operation_name=name)
    assert caught.value.operation == operation
    assert_silent(http)


@pytest.mark.parametrize("name", ["PutObject", "GetObject"])
def test_a_request_that_a_row_allows_is_sent_under_any_name(
    name: str, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    _send(http, "HEAD", f"/{BUCKET}/{OBJECT}", raw_headers("SSE-KMS"), operation_name=name)
    assert [request.method for request in http.requests] == ["HEAD"]
    assert not caplog.records


@pytest.mark.parametrize("scheme", SERVERS)
def test_a_key_in_the_wrong_place(scheme: str, policy: str) -> None:
    header, value = next(item for item in raw_headers("SSE-C").items() if item[0].endswith("key"))
    with SERVERS[scheme]() as server:
        with pytest.raises(SSETransportError) as caught:
            _send(server, "PUT", f"/{BUCKET}/{OBJECT}", {f"x-amz-meta-{header}": value})
        refused(caught.value, "key-misplaced")
        if policy == "strict" or scheme == "http":
            with pytest.raises(SSETransportError) as caught:
                _send(server, "GET", f"/{BUCKET}/{OBJECT}?{header}={value}", {})
            refused(caught.value, "table-1/GetObject" if scheme == "http" else "key-in-url")
        assert_silent(server)


def test_a_part_of_a_kms_upload(http: RecordingServer, https: TlsRecordingServer) -> None:
    upload_id = outcome("boto3", https, asking("InitiateMultipartUpload", "SSE-KMS"))["UploadId"]
    with pytest.raises(SSETransportError) as caught:
        _send(http, "PUT", f"/{BUCKET}/{OBJECT}?partNumber=1&uploadId={upload_id}", {})
    refused(caught.value, "inferred-kms")
    assert_silent(http)
    _send(http, "PUT", f"/{BUCKET}/{OBJECT}?partNumber=1&uploadId=another", {})


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY"])
def test_plaintext_to_a_trusted_host_through_a_proxy_of_the_environment(
    variable: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send() -> None:
        _send(http, "GET", f"/{BUCKET}/{OBJECT}", raw_headers("SSE-C"))

    monkeypatch.setenv(TRUSTED, "127.0.0.1")
    with ConnectProxy() as proxy:
        monkeypatch.setenv(variable, proxy.url)
        with unguarded():
            send()
        assert leaks(proxy.wire, KEY)
    monkeypatch.setenv(variable, "http://proxy.obs.test:1")
    with pytest.raises(SSETransportError):
        send()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    send()


@pytest.mark.parametrize("style", ["path", "virtual"])
def test_a_trusted_endpoint_covers_the_hosts_of_its_buckets(
    style: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The name does not resolve for the CRT, so nothing is sent."""
    from botocore.config import Config

    monkeypatch.setenv(TRUSTED, "obs.invalid")
    config = Config(s3={"addressing_style": style})
    options = {"region_name": REGION, "endpoint_url": "http://obs.invalid", "config": config}
    serializer = crt.BotocoreCRTRequestSerializer(session(), options)
    with RecordingServer() as server, crt.CRTTransferManager(_client(server, use_ssl=False), serializer) as manager:
        future = manager.upload(io.BytesIO(CONTENT), BUCKET, OBJECT, extra_args=customer())
        future.cancel()
        with contextlib.suppress(Exception):
            future.result()
    assert rules(caplog) == ["trusted-host"]


@pytest.mark.parametrize("callback", ["none", "own"])
def test_read_in_clear(callback: str, http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[int] = []

    def on_headers(status_code: int, headers: Any, **_: Any) -> None:
        seen.append(status_code)
        assert headers

    own = {"on_headers": on_headers} if callback == "own" else {}
    http.answer(lambda request: request.method in ("GET", "HEAD"), headers=KMS_ANSWER)
    _send(http, "HEAD", f"/{BUCKET}/{OBJECT}", {}, **own)
    assert not caplog.records
    _send(http, "GET", f"/{BUCKET}/{OBJECT}", {}, **own)
    assert rules(caplog) == ["read-in-clear"]
    assert seen == ([200, 200] if own else [])


@pytest.mark.parametrize("callback", [None, "own"])
def test_the_callback_for_headers(callback: str | None, caplog: pytest.LogCaptureFixture) -> None:
    """A thread of the CRT calls it; here the test does."""
    from awscrt.http import HttpHeaders, HttpRequest

    calls: list[tuple[int, Any]] = []
    own = None if callback is None else lambda status_code, headers: calls.append((status_code, headers))
    request = HttpRequest("GET", f"/{BUCKET}/{OBJECT}", HttpHeaders([("host", "obs.test")]))
    observe = crt_hooks._watch(request, own)
    seen = [(404, list(KMS_ANSWER.items())), (200, [("ETag", "etag")]), (200, list(KMS_ANSWER.items()))]
    for status_code, headers in seen:
        assert not caplog.records
        observe(status_code=status_code, headers=headers)
    assert rules(caplog) == ["read-in-clear"]
    observe(status_code=200, headers=None)
    assert rules(caplog) == ["read-in-clear", "cannot-judge"]
    assert calls == ([*seen, (200, None)] if own else [])


def test_an_object_read_over_tls_is_no_finding(
    https: TlsRecordingServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    https.answer("GET", headers=KMS_ANSWER)
    with _manager(https) as manager:
        CALLS["download"][0](manager, {}, tmp_path)
    assert not caplog.records


@pytest.mark.parametrize(
    "arguments",
    [{}, {"type": awscrt_s3.S3RequestType.GET_OBJECT}, {"type": awscrt_s3.S3RequestType.GET_OBJECT, "request": None}],
)
@pytest.mark.parametrize("positional", [(), ("PUT",)])
def test_a_call_that_the_crt_refuses_raises_its_own_error(
    positional: tuple[str, ...], arguments: dict[str, Any], http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = _client(http, use_ssl=False)

    def message() -> str:
        with pytest.raises((TypeError, AssertionError)) as caught:
            client.make_request(*positional, **arguments)
        return f"{type(caught.value)}: {caught.value}"

    with unguarded():
        expected = message()
    assert message() == expected
    assert not caplog.records


# -------------------------------------------------------------------------- through boto3


@pytest.fixture
def by_boto3(monkeypatch: pytest.MonkeyPatch) -> Callable[[RecordingServer], Any]:
    """Let boto3 create its CRT transfers, with a client for the test server, not AWS."""
    boto3_crt = pytest.importorskip("boto3.crt", reason="this boto3 has no CRT transfers")
    from boto3.s3.transfer import TransferConfig

    def prepare(server: RecordingServer) -> Any:
        client = _client(server, use_ssl=server.ca is not None, verify=server.ca)
        wrapper = crt.BotocoreCRTCredentialsWrapper(CREDENTIALS)
        held = boto3_crt.CRTS3Client(client, None, REGION, wrapper)
        monkeypatch.setattr(boto3_crt, "CRT_S3_CLIENT", held)
        monkeypatch.setattr(boto3_crt, "BOTOCORE_CRT_SERIALIZER", _serializer(server.url))
        return TransferConfig(preferred_transfer_client="crt")

    return prepare


def test_the_callers_client_does_not_decide_the_transport(
    by_boto3: Any, http: RecordingServer, https: TlsRecordingServer, tmp_path: Path
) -> None:
    path = tmp_path / "upload.bin"
    path.write_bytes(CONTENT)
    with boto3_client(https) as client:
        config = by_boto3(http)
        with unguarded():
            client.upload_file(str(path), BUCKET, OBJECT, ExtraArgs=customer(), Config=config)
        assert leaks(http.wire, KEY)
        assert_silent(https)
    with RecordingServer() as plain, boto3_client(https) as client:
        config = by_boto3(plain)
        with pytest.raises(SSETransportError) as caught:
            client.upload_file(str(path), BUCKET, OBJECT, ExtraArgs=customer(), Config=config)
        refused(caught.value, "table-1/PutObject")
        with pytest.raises(SSETransportError) as caught:
            client.download_file(BUCKET, OBJECT, str(tmp_path / "down"), ExtraArgs=customer(), Config=config)
        refused(caught.value, "table-1/GetObject")
        client.upload_file(str(path), BUCKET, OBJECT, Config=config)
        assert [call.method for call in plain.requests] == ["PUT"]
    with RecordingServer() as plain, boto3_client(plain) as client:
        config = by_boto3(https)
        client.upload_file(str(path), BUCKET, OBJECT, ExtraArgs=customer(), Config=config)
        assert leaks(https.received, KEY)
        assert_silent(plain)


def test_a_transfer_that_cannot_be_judged_is_reported(
    policy: str,
    http: RecordingServer,
    https: TlsRecordingServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.delattr("obs_sse_guard._hooks.crt.parse_headers")
    with _manager(https) as manager:
        manager.upload(io.BytesIO(CONTENT), BUCKET, OBJECT, extra_args=customer()).result()
    assert rules(caplog) == ["cannot-judge"]
    with _manager(http) as manager:
        future = manager.upload(io.BytesIO(CONTENT), BUCKET, OBJECT, extra_args=customer())
        if policy == "documented":
            future.result()
            assert rules(caplog) == ["cannot-judge"] * 2
        else:
            with pytest.raises(SSETransportError) as caught:
                future.result()
            refused(caught.value, "cannot-judge")
            assert_silent(http)


def test_a_response_that_cannot_be_judged_is_reported(
    policy: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr("obs_sse_guard._hooks.crt.names_kms")
    _send(http, "GET", f"/{BUCKET}/{OBJECT}", {})
    assert rules(caplog) == ["cannot-judge"], policy


@pytest.mark.parametrize("scheme", SERVERS)
def test_the_transport_of_a_client_from_before_the_guard_is_unknown(
    scheme: str, policy: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with SERVERS[scheme]() as server:
        with unguarded():
            client = _client(server, use_ssl=scheme == "https", verify=server.ca)
        with crt.CRTTransferManager(client, _serializer(server.url)) as manager:
            CALLS["upload"][0](manager, {}, tmp_path)
            assert not caplog.records
            if policy == "documented":
                CALLS["upload"][0](manager, customer(), tmp_path)
                assert rules(caplog) == ["cannot-judge"]
                assert "import obs_sse_guard before" in caplog.text
            else:
                with pytest.raises(SSETransportError) as caught:
                    CALLS["upload"][0](manager, customer(), tmp_path)
                refused(caught.value, "cannot-judge")
                assert "made before" in str(caught.value)
                assert len(server.requests) == 1
            misplaced: Any = {"Metadata": raw_headers("SSE-C")}
            with pytest.raises(SSETransportError) as caught:
                CALLS["upload"][0](manager, misplaced, tmp_path)
            refused(caught.value, "key-misplaced")
