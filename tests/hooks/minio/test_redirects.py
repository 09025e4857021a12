"""Redirects and retries, which urllib3 follows by itself: each hop is judged."""

from __future__ import annotations

import contextvars
import io
import logging
from typing import Any

import pytest
import requests
import urllib3
from minio.credentials import credentials, providers

from obs_sse_guard import SSETransportError
from tests.support.guard import unguarded
from tests.support.minio_calls import (
    BUCKET,
    CONTENT,
    OBJECT,
    SERVERS,
    asking,
    client_for,
    outcome,
    pool_for,
    raw_headers,
    read,
    refused,
    sse_c,
)
from tests.support.records import rules
from tests.support.servers import (
    LOOPBACK,
    ConnectProxy,
    RecordingServer,
    TlsRecordingServer,
    assert_no_key,
    assert_silent,
    each_redirect_status,
    leaks,
    redirect_everything,
)
from tests.support.sse import KEY

PLACE = f"/{BUCKET}/{OBJECT}"


def _get(client: Any) -> Any:
    return read(client.get_object(BUCKET, OBJECT, ssec=sse_c()))


@each_redirect_status
def test_without_the_guard_the_key_follows(status: int, http: RecordingServer, https: TlsRecordingServer) -> None:
    redirect_everything(https, status, http.url + PLACE)
    with unguarded():
        _get(client_for(https))
    assert leaks(http.wire, KEY)


@each_redirect_status
def test_a_redirect_to_plaintext_with_a_key(status: int, http: RecordingServer, https: TlsRecordingServer) -> None:
    redirect_everything(https, status, http.url + PLACE)
    error = refused(outcome(client_for(https), _get), "table-1/GetObject")
    assert (error.scheme, error.endpoint, error.call) == ("http", http.url, "Minio.get_object")
    assert "(obs_04_0108, table 1); a redirect from https leads there\n" in str(error)
    assert f"  fix:  make the service redirect to https://{LOOPBACK}   it redirects to http://" in str(error)
    assert_silent(http)
    assert len(https.requests) == 1, "urllib3 retries no refusal"


def test_the_retries_of_the_sdks_own_pool(
    http: RecordingServer, https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(https.ca))
    redirect_everything(https, 307, http.url + PLACE)
    refused(outcome(client_for(https, http_client=None), _get), "table-1/GetObject")
    assert_silent(http)
    assert len(https.requests) == 1


def test_an_attempt_that_is_retried_is_judged_again(https: TlsRecordingServer, http: RecordingServer) -> None:
    https.answer("GET", 503, times=1)
    https.answer("GET", 307, {"Location": http.url + PLACE})
    retries = urllib3.Retry(total=5, status_forcelist=[503], backoff_factor=0)
    client = client_for(https, http_client=pool_for(https, retries=retries))
    refused(outcome(client, _get), "table-1/GetObject")
    assert_silent(http)
    assert len(https.requests) == 2


@pytest.mark.parametrize(
    ("operation", "encryption"),
    [("CompleteMultipartUpload", "SSE-C"), ("HeadObject", "SSE-KMS"), ("UploadPartCopy", "SSE-KMS")],
)
def test_what_a_row_allows_is_not_downgraded(
    operation: str, encryption: str, http: RecordingServer, https: TlsRecordingServer
) -> None:
    query = "?uploadId=1" if operation == "CompleteMultipartUpload" else ""
    redirect_everything(https, 307, http.url + PLACE + query)
    error = refused(outcome(client_for(https), asking(operation, encryption)), "downgraded-redirect")
    assert (error.operation, error.scheme) == (operation, "http")
    assert_silent(http)


def test_a_redirected_key_without_a_row_is_refused(http: RecordingServer, https: TlsRecordingServer) -> None:
    redirect_everything(https, 307, http.url + PLACE)
    error = outcome(
        client_for(https), lambda client: client._execute("DELETE", BUCKET, OBJECT, headers=raw_headers("SSE-C"))
    )
    refused(error, "key-in-clear")
    assert_silent(http)


def test_a_redirect_without_encryption(
    http: RecordingServer, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    redirect_everything(https, 307, http.url + PLACE)
    assert asking("GetObject")(client_for(https)) == http.object
    assert not caplog.records


@pytest.mark.parametrize("scheme", SERVERS)
def test_a_redirect_to_another_host(scheme: str, policy: str, caplog: pytest.LogCaptureFixture) -> None:
    with SERVERS[scheme]() as server, SERVERS[scheme]() as other:
        redirect_everything(server, 307, f"{scheme}://localhost:{other.port}{PLACE}")
        call = asking("CompleteMultipartUpload", "SSE-C") if scheme == "http" else _get
        result = outcome(client_for(server), call)
        if scheme == "http" and policy == "strict":
            refused(result, "table-1/CompleteMultipartUpload")
        elif scheme == "http":  # a row allows it, and each hop is logged
            assert rules(caplog) == ["table-1/CompleteMultipartUpload"] * 2
        elif policy == "strict":
            error = refused(result, "cross-host-redirect")
            assert (error.endpoint, other.requests) == (f"https://localhost:{other.port}", ())
        else:
            assert result == other.object
            assert rules(caplog) == ["cross-host-redirect"]
        assert not leaks(caplog.text, KEY)


@pytest.mark.parametrize("name", ["bucket.obs.test", "obs.test"])
def test_the_host_of_a_bucket_is_no_other_host(
    name: str, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_for(https, name="obs.test")
    with TlsRecordingServer() as other:
        redirect_everything(https, 307, f"https://{name}:{other.port}{PLACE}")
        assert _get(client) == other.object
    assert not caplog.records


def test_trust_in_the_endpoint_covers_no_other_host_below_it(
    https: TlsRecordingServer, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD_TRUSTED_HOSTS", "obs.test")
    redirect_everything(https, 307, f"http://other.obs.test:{http.port}{PLACE}")
    error = refused(outcome(client_for(https, name="obs.test"), _get), "table-1/GetObject")
    assert error.endpoint == f"http://other.obs.test:{http.port}"
    assert_silent(http)


def test_another_host_below_the_endpoint_is_another_host(
    policy: str, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    with TlsRecordingServer() as other:
        redirect_everything(https, 307, f"https://other.obs.test:{other.port}{PLACE}")
        result = outcome(client_for(https, name="obs.test"), _get)
        if policy == "strict":
            refused(result, "cross-host-redirect")
            assert_no_key(other, KEY)
        else:
            assert rules(caplog) == ["cross-host-redirect"]


@pytest.mark.parametrize("place", ["//bucket/object", "/", "//", "/a//b?c=d", "/%2F/a", ""])
def test_a_redirect_to_any_path_is_a_hop(place: str, http: RecordingServer, https: TlsRecordingServer) -> None:
    redirect_everything(https, 307, http.url + place)
    error = outcome(client_for(https), asking("PutObject", "SSE-KMS"))
    assert isinstance(error, SSETransportError), repr(error)
    assert error.sdk == "minio"
    assert_silent(http)


class _Handing(urllib3.PoolManager):
    """A pool that hands each request to another one, as a selector of proxies does."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def urlopen(self, *args: Any, **kwargs: Any) -> Any:
        return self.inner.urlopen(*args, **kwargs)


def test_a_pool_that_hands_requests_on(
    http: RecordingServer, https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    redirect_everything(https, 307, http.url + PLACE)
    client = client_for(https, http_client=_Handing(pool_for(https)))
    assert refused(outcome(client, asking("PutObject", "SSE-KMS")), "table-2/PutObject").sdk == "minio"
    assert_silent(http)
    monkeypatch.setenv("OBS_SSE_GUARD_TRUSTED_HOSTS", "obs.test")
    with ConnectProxy() as proxy:
        inner = urllib3.ProxyManager(proxy.url.replace("127.0.0.1", "proxy.obs.test"))
        error = outcome(client_for(http, name="obs.test", http_client=_Handing(inner)), _get)
        refused(error, "table-1/GetObject")
        assert_no_key(proxy, KEY)


@pytest.mark.parametrize("library", ["urllib3", "requests"])
def test_a_request_that_is_sent_meanwhile_is_no_hop(
    library: str, http: RecordingServer, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    """For instance, a handler ships urllib3's log records during an SSE-KMS upload."""

    class Handler(logging.Handler):
        is_busy = False

        def emit(self, _: logging.LogRecord) -> None:
            if not self.is_busy:
                self.is_busy = True
                send(f"{http.url}/ingest")
                self.is_busy = False

    def send(url: str) -> None:
        if library == "requests":
            requests.put(url, timeout=10)
        else:
            with urllib3.PoolManager() as pool:
                pool.request("PUT", url)

    http.answer("GET", headers={"x-amz-server-side-encryption": "aws:kms"})
    client = client_for(https)
    upload_id = client._create_multipart_upload(BUCKET, OBJECT, raw_headers("SSE-KMS"))
    logger, handler = logging.getLogger("urllib3.connectionpool"), Handler()
    caplog.set_level(logging.DEBUG, logger.name)
    logger.addHandler(handler)
    try:
        query = {"partNumber": "1", "uploadId": upload_id}
        client._execute("PUT", BUCKET, OBJECT, body=CONTENT, headers={}, query_params=query)
        client._execute("PUT", BUCKET, OBJECT, body=CONTENT, headers=raw_headers("SSE-C"))
        client._execute("GET", BUCKET, OBJECT)
    finally:
        logger.removeHandler(handler)
    assert {request.path for request in http.requests} == {"/ingest"}
    assert "obs_sse_guard" not in {record.name for record in caplog.records}


@pytest.mark.parametrize("key", ["a b/\u00fc~%41.txt", "a//b", "d?e&f=g"])
def test_a_hop_is_known_however_its_url_is_spelled(key: str, http: RecordingServer, https: TlsRecordingServer) -> None:
    redirect_everything(https, 307, http.url + PLACE)
    client = client_for(http, name="obs.test")
    client_ = client_for(https)
    for made in (client, client_):
        error = outcome(made, lambda it: it.get_object(BUCKET, key, ssec=sse_c()))
        refused(error, "table-1/GetObject")
    assert_silent(http)


def test_the_style_of_the_address(https: TlsRecordingServer, http: RecordingServer) -> None:
    for server in (https, http):
        client = client_for(server, name="obs.test")
        client.enable_virtual_style_endpoint()
        result = outcome(client, _get)
        if server is http:
            assert refused(result, "table-1/GetObject").endpoint == f"http://obs.test:{http.port}"
            assert_silent(http)
        else:
            assert [request.host for request in https.requests] == ["bucket.obs.test"]


def test_requests_of_a_provider_of_credentials_are_no_hops(
    https: TlsRecordingServer, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The SDK asks for credentials while it sends a request."""

    class _Provider(providers.Provider):
        def retrieve(self) -> Any:
            pool = urllib3.PoolManager()
            pool.request("GET", http.url.replace(LOOPBACK, "localhost") + "/credentials")
            pool.clear()
            return credentials.Credentials("access", "secret")

    client = client_for(https, access_key=None, secret_key=None, credentials=_Provider())
    assert _get(client) == https.object
    assert [request.path for request in http.requests] == ["/credentials"]
    assert not caplog.records


class _OwnPool(urllib3.PoolManager):
    """A pool of the application that sends https requests over plaintext."""

    def __init__(self) -> None:
        super().__init__()
        self.pool_classes_by_scheme = {
            "http": urllib3.HTTPConnectionPool,
            "https": urllib3.HTTPConnectionPool,
        }


def test_the_connection_decides_and_not_the_url(http: RecordingServer) -> None:
    client = client_for(http, secure=True, http_client=_OwnPool())
    with unguarded():
        _get(client)
    assert leaks(http.wire, KEY)
    with RecordingServer() as server:
        error = refused(outcome(client_for(server, secure=True, http_client=_OwnPool()), _get), "table-1/GetObject")
        assert (error.scheme, error.endpoint) == ("http", server.url)
        assert "http_client=" in str(error)
        assert_silent(server)


def test_a_request_in_what_outlives_a_call_is_no_hop_of_it(
    http: RecordingServer, https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    inherited: list[contextvars.Context] = []

    client = client_for(https)
    send = client._http.urlopen

    def sending(*args: Any, **kwargs: Any) -> Any:
        answer = send(*args, **kwargs)
        inherited.append(contextvars.copy_context())
        return answer

    monkeypatch.setattr(client._http, "urlopen", sending)
    client.put_object(BUCKET, OBJECT, io.BytesIO(CONTENT), len(CONTENT))
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")
    with urllib3.PoolManager() as pool:
        inherited[-1].run(pool.request, "PUT", http.url + PLACE, headers=raw_headers("SSE-C"))
    assert len(http.requests) == 1
    assert rules(caplog) == ["key-in-clear"]


def test_raw_requests_of_the_clients_pool_are_those_of_any_client(http: RecordingServer) -> None:
    client = client_for(http)
    with pytest.raises(SSETransportError) as caught:
        client._http.request("GET", http.url + PLACE, headers=raw_headers("SSE-C"))
    assert (caught.value.sdk, caught.value.rule) == ("http.client", "key-in-clear")
    assert_no_key(http, KEY)


def test_the_client_stays_usable(http: RecordingServer, https: TlsRecordingServer) -> None:
    https.answer("GET", 307, {"Location": http.url + PLACE}, times=1)
    client = client_for(https)
    with pytest.raises(SSETransportError):
        _get(client)
    assert _get(client) == https.object
    client.put_object(BUCKET, OBJECT, io.BytesIO(CONTENT), len(CONTENT), sse=sse_c())
