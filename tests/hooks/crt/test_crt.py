"""Transfers through the AWS CRT: botocore only builds the request, and the CRT client sends it.

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
from tests.support.guard import POLICY, unguarded  # noqa: E402
from tests.support.records import rules  # noqa: E402
from tests.support.s3_calls import (  # noqa: E402
    ACCESS_KEY,
    BUCKET,
    CONTENT,
    OBJECT,
    REGION,
    SECRET_KEY,
    SERVERS,
    boto3_client,
    customer,
    normal,
    raw_headers,
    refused,
    session,
)
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_silent, leaks  # noqa: E402
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
    """Open a transfer manager. The server decides ``use_ssl``; the URL can have either scheme."""
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


def test_kms(http: RecordingServer, https: TlsRecordingServer, tmp_path: Path) -> None:
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


@pytest.mark.parametrize("mode", ["DISABLED", "ENABLED"])
def test_a_request_sent_by_the_crt_client_directly(mode: str, http: RecordingServer, https: TlsRecordingServer) -> None:
    """The application builds the request itself, without s3transfer."""
    from awscrt.http import HttpHeaders, HttpRequest

    server = http if mode == "DISABLED" else https
    client = _client(server, use_ssl=mode == "ENABLED", verify=server.ca)
    headers = HttpHeaders([("host", server.url.partition("://")[2]), *raw_headers("SSE-C").items()])
    request = HttpRequest("GET", f"/{BUCKET}/{OBJECT}", headers)

    def send() -> None:
        client.make_request(type=awscrt_s3.S3RequestType.GET_OBJECT, request=request).finished_future.result(10)

    if mode == "DISABLED":
        with pytest.raises(SSETransportError) as caught:
            send()
        refused(caught.value, "table-1/GetObject")
        assert_silent(http)
    else:
        send()
        assert leaks(https.received, KEY)


# -------------------------------------------------------------------------- through boto3


@pytest.fixture
def by_boto3(monkeypatch: pytest.MonkeyPatch) -> Callable[[RecordingServer], Any]:
    """Let boto3 create its CRT transfers, with a client for the test server instead of AWS."""
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
