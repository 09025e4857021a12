"""aiohttp follows redirects by itself: each hop is checked by its destination."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("aiobotocore", reason="aiobotocore is not installed here")
from botocore.exceptions import HTTPClientError

from obs_sse_guard import SSETransportError
from tests.support.guard import POLICY, TRUSTED, unguarded
from tests.support.records import fields_of, rules
from tests.support.s3_calls import (
    BUCKET,
    KMS_ANSWER,
    METHODS,
    OBJECT,
    RESENDS,
    UPLOAD_ID,
    Call,
    asking,
    normal,
    outcome,
    raw_headers,
    refused,
    succeeded,
)
from tests.support.servers import (
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


def _request(server: RecordingServer, call: Call, **options: Any) -> Any:
    return outcome("aiobotocore", server, call, **RESENDS, **options)


HOSTS = {"the same host": "http://127.0.0.1:{}", "another host": "http://other.obs.test:{}"}


QUERIES = {
    "InitiateMultipartUpload": "?uploads",
    "CompleteMultipartUpload": f"?uploadId={UPLOAD_ID}",
    "UploadPart": f"?uploadId={UPLOAD_ID}&partNumber=1",
    "UploadPartCopy": f"?uploadId={UPLOAD_ID}&partNumber=1",
}


to_each_host = pytest.mark.parametrize(
    ("operation", "host"),
    [*((operation, "the same host") for operation in METHODS), ("GetObject", "another host")],
)


def _location(host: str, operation: str, server: RecordingServer) -> str:
    """Return a redirect's target: the same path and query on the given host."""
    return f"{HOSTS[host].format(server.port)}/{BUCKET}/{OBJECT}{QUERIES.get(operation, '')}"


@pytest.mark.thinned(strength=1)
@to_each_host
@pytest.mark.parametrize("status", [302, 307])
def test_without_the_guard_a_redirect_takes_the_key_to_plaintext(
    operation: str, status: int, host: str, https: TlsRecordingServer, http: RecordingServer
) -> None:
    redirect_everything(https, status, _location(host, operation, http))
    with unguarded():
        _request(https, asking(operation, "SSE-C"))  # the response may not match the operation
    assert leaks(http.wire, KEY)


@pytest.mark.thinned
@to_each_host
@each_redirect_status
def test_no_key_is_redirected_to_plaintext(
    operation: str,
    status: int,
    host: str,
    https: TlsRecordingServer,
    http: RecordingServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    redirect_everything(https, status, _location(host, operation, http))
    error = _request(https, asking(operation, "SSE-C"))
    assert isinstance(error, SSETransportError), repr(error)
    assert not isinstance(error, HTTPClientError)
    assert error.__cause__ is None
    assert (error.sdk, error.scheme) == ("aiobotocore", "http")
    assert error.endpoint == HOSTS[host].format(http.port)
    assert not leaks(repr(vars(error)) + str(error), KEY)
    assert len(https.requests) == 1, "not retried"
    assert_silent(http)
    assert not caplog.records


@each_redirect_status
def test_kms_is_not_redirected_to_plaintext(status: int, https: TlsRecordingServer, http: RecordingServer) -> None:
    redirect_everything(https, status, f"{http.url}/away/object")
    error = _request(https, asking("PutObject", "SSE-KMS"))
    assert isinstance(error, SSETransportError), repr(error)
    assert_silent(http)


@pytest.mark.parametrize("query", ["?partNumber=1&uploadId={}", ""])
@pytest.mark.parametrize("host", HOSTS)
def test_a_part_of_a_kms_upload_is_not_redirected_to_plaintext(
    host: str, query: str, https: TlsRecordingServer, http: RecordingServer
) -> None:
    begun = _request(https, asking("InitiateMultipartUpload", "SSE-KMS"))
    upload_id = begun["UploadId"]
    redirect_everything(https, 307, f"{HOSTS[host].format(http.port)}/{BUCKET}/{OBJECT}{query.format(upload_id)}")
    error = _request(
        https,
        lambda client: client.upload_part(Bucket=BUCKET, Key=OBJECT, UploadId=upload_id, PartNumber=1, Body=b"text"),
    )
    refused(error, "inferred-kms")
    assert_silent(http)


def test_the_key_of_a_copys_source_is_not_redirected_to_plaintext(
    https: TlsRecordingServer, http: RecordingServer
) -> None:
    """It is refused although table 3 lets a client with an http endpoint send it."""
    redirect_everything(https, 307, f"{http.url}/away/object")
    error = _request(https, asking("CopyObject", "none", "SSE-C"))
    assert isinstance(error, SSETransportError), repr(error)
    assert_silent(http)


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
def test_a_refused_redirect_is_not_retried(mode: str, https: TlsRecordingServer, http: RecordingServer) -> None:
    redirect_everything(https, 307, f"{http.url}/away/object")
    error = _request(https, asking("GetObject", "SSE-C"), retries={"mode": mode, "max_attempts": 5})
    refused(error, "table-1/GetObject")
    assert len(https.requests) == 1


def test_a_second_hop_is_checked(https: TlsRecordingServer, http: RecordingServer) -> None:
    redirect_everything(https, 307, f"{https.url}/{BUCKET}/second", times=1)
    redirect_everything(https, 307, f"{http.url}/away/object")
    refused(_request(https, asking("GetObject", "SSE-C")), "table-1/GetObject")
    assert [request.path for request in https.requests] == [f"/{BUCKET}/{OBJECT}", f"/{BUCKET}/second"]
    assert_silent(http)


def test_a_key_that_a_handler_adds_is_not_redirected_to_plaintext(
    https: TlsRecordingServer, http: RecordingServer
) -> None:
    def get(client: Any) -> Any:
        def add(request: Any, **_: Any) -> None:
            for name, value in raw_headers("SSE-C").items():
                request.headers[name] = value

        client.meta.events.register("before-send.s3", add)
        return asking("GetObject")(client)

    redirect_everything(https, 302, f"{http.url}/away/object")
    refused(_request(https, get), "table-1/GetObject")
    assert_silent(http)


@pytest.mark.thinned
@each_redirect_status
@pytest.mark.parametrize("operation", ["GetObject", "HeadObject", "InitiateMultipartUpload", "CopyObject"])
def test_a_redirect_on_the_same_host_is_followed_as_before(
    operation: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    def sent() -> tuple[list[str], str]:
        with TlsRecordingServer() as server:
            redirect_everything(server, status, f"{server.url}/{BUCKET}/elsewhere", times=1)
            result = _request(server, asking(operation, "SSE-C"))
            assert len(server.requests) == 2
            return normal(server), type(result).__name__

    with unguarded():
        expected = sent()
    assert sent() == expected
    assert not caplog.records


@pytest.mark.parametrize("policy", ["documented", "strict"])
def test_a_redirect_to_another_host_is_a_finding(
    policy: str, https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(POLICY, policy)
    with TlsRecordingServer() as other:
        redirect_everything(https, 307, f"https://other.obs.test:{other.port}/away/object")
        result = _request(https, asking("GetObject", "SSE-C"))
        if policy == "strict":
            refused(result, "cross-host-redirect")
            assert_silent(other)
        else:
            assert succeeded(result)
            assert rules(caplog) == ["cross-host-redirect"]
            assert leaks(other.received, KEY)


@each_redirect_status
@pytest.mark.parametrize("encryption", ["none", "SSE-OBS"])
def test_other_requests_are_redirected_as_before(
    encryption: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    def sent() -> tuple[list[str], list[str], str]:
        with TlsRecordingServer() as server, RecordingServer() as plain:
            redirect_everything(server, status, f"{plain.url}/away/object")
            result = _request(server, asking("PutObject", encryption))
            # aiohttp sends the Host header of the first host to the second.
            redirected = [request.replace(str(server.port), "PORT") for request in normal(plain)]
            return normal(server), redirected, type(result).__name__

    with unguarded():
        expected = sent()
    assert sent() == expected
    assert len(expected[1]) == 1
    assert not caplog.records


def test_a_plaintext_client_may_be_redirected_to_tls(https: TlsRecordingServer, http: RecordingServer) -> None:
    """The first hop is plaintext, so the call is refused and nothing is sent."""
    redirect_everything(http, 307, f"{https.url}/{BUCKET}/{OBJECT}")
    refused(_request(http, asking("GetObject", "SSE-C")), "table-1/GetObject")
    assert_silent(http)
    assert_silent(https)


def test_an_applications_own_aiohttp_session_is_left_to_the_hook_on_aiohttp(
    https: TlsRecordingServer, http: RecordingServer
) -> None:
    import aiohttp

    async def own() -> int:
        async with (
            aiohttp.ClientSession() as session,
            session.put(f"{http.url}/{BUCKET}/own", headers=raw_headers("SSE-C"), data=b"own") as answer,
        ):
            return answer.status

    with pytest.raises(SSETransportError) as caught:
        asyncio.run(own())
    assert (caught.value.sdk, caught.value.rule) == ("aiohttp", "key-in-clear")
    assert http.wire == b""


class _Meanwhile:
    """An HTTP session that lets the application send a request before each one."""

    def __init__(self, session: Any, url: str, headers: dict[str, str]) -> None:
        self._session, self._own = session, (url, headers)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    async def send(self, request: Any) -> Any:
        import aiohttp

        url, headers = self._own
        async with aiohttp.ClientSession() as session, session.put(url, headers=headers):
            return await self._session.send(request)


def _while_sending(client: Any, server: RecordingServer, headers: dict[str, str]) -> None:
    endpoint = client._endpoint
    endpoint.http_session = _Meanwhile(endpoint.http_session, f"{server.url}/ingest", headers)


def test_a_request_that_is_sent_meanwhile_is_no_hop(
    https: TlsRecordingServer, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    upload_id = _request(https, asking("InitiateMultipartUpload", "SSE-KMS"))["UploadId"]

    def upload(client: Any) -> Any:
        _while_sending(client, http, {})
        return client.upload_part(Bucket=BUCKET, Key=OBJECT, UploadId=upload_id, PartNumber=1, Body=b"text")

    def put(client: Any) -> Any:
        _while_sending(client, http, {})
        return asking("PutObject", "SSE-C")(client)

    for call in (upload, put):
        assert succeeded(_request(https, call))
    assert [request.path for request in http.requests] == ["/ingest"] * 2
    assert not caplog.records


def test_a_key_that_is_sent_meanwhile_is_refused(https: TlsRecordingServer, http: RecordingServer) -> None:
    def put(client: Any) -> Any:
        _while_sending(client, http, raw_headers("SSE-C"))
        return asking("PutObject", "SSE-C")(client)

    error = _request(https, put)
    assert isinstance(error, SSETransportError), repr(error)
    assert (error.sdk, error.rule) == ("aiohttp", "key-in-clear")
    assert_no_key(http, KEY)


def test_a_call_in_what_outlives_another_is_no_hop_of_that(
    https: TlsRecordingServer, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A task started during an SSE-KMS part upload is later redirected to plaintext."""
    upload_id = _request(https, asking("InitiateMultipartUpload", "SSE-KMS"))["UploadId"]

    async def upload(client: Any) -> Any:
        ended = asyncio.Event()
        tasks: list[asyncio.Task[Any]] = []

        async def later() -> Any:
            await ended.wait()
            return await client.put_object(Bucket=BUCKET, Key="later", Body=b"text")

        class Starting(_Meanwhile):
            async def send(self, request: Any) -> Any:
                if not tasks:
                    tasks.append(asyncio.create_task(later()))
                return await self._session.send(request)

        endpoint = client._endpoint
        endpoint.http_session = Starting(endpoint.http_session, "", {})
        await client.upload_part(Bucket=BUCKET, Key=OBJECT, UploadId=upload_id, PartNumber=1, Body=b"text")
        redirect_everything(https, 307, f"{http.url}/{BUCKET}/later")
        ended.set()
        return await tasks[0]

    assert succeeded(_request(https, upload))
    assert len(http.requests) == 1
    assert not caplog.records


# -------------------------------------------------------------------------- trusted hosts


def test_trust_in_the_endpoint_covers_no_other_host_below_it(
    https: TlsRecordingServer, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRUSTED, "obs.test")
    redirect_everything(https, 307, f"http://other.obs.test:{http.port}/{BUCKET}/{OBJECT}")
    error = _request(https, asking("GetObject", "SSE-C"), endpoint_url=f"https://obs.test:{https.port}")
    assert refused(error, "table-1/GetObject").endpoint == f"http://other.obs.test:{http.port}"
    assert_silent(http)


def test_another_host_below_the_endpoint_is_another_host(
    https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    with TlsRecordingServer() as other:
        redirect_everything(https, 307, f"https://other.obs.test:{other.port}/{BUCKET}/{OBJECT}")
        options = {"endpoint_url": f"https://obs.test:{https.port}"}
        assert succeeded(_request(https, asking("GetObject", "SSE-C"), **options))
    assert rules(caplog) == ["cross-host-redirect"]


def test_a_redirect_goes_through_the_proxy_of_the_first_request(
    https: TlsRecordingServer, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy that the settings name for the redirect's scheme is not used."""
    location = f"http://trusted.obs.test:{http.port}/{BUCKET}/{OBJECT}"
    redirect_everything(https, 307, location)
    with ConnectProxy() as proxy, ConnectProxy() as unused:
        options = {"proxies": {"https": proxy.url.replace("127.0.0.1", "proxy.obs.test"), "http": unused.url}}
        with unguarded():
            if not isinstance(_request(https, asking("GetObject", "SSE-C"), **options), dict):
                pytest.skip("this aiobotocore ignores the client's CA through a proxy")
        assert leaks(proxy.wire, KEY)
        assert_silent(unused)
    monkeypatch.setenv(TRUSTED, "trusted.obs.test,127.0.0.1")
    with RecordingServer() as away, TlsRecordingServer() as server, ConnectProxy() as proxy:
        redirect_everything(server, 307, location.replace(str(http.port), str(away.port)))
        options = {"proxies": {"https": proxy.url.replace("127.0.0.1", "proxy.obs.test"), "http": proxy.url}}
        refused(_request(server, asking("GetObject", "SSE-C"), **options), "table-1/GetObject")
        assert_no_key(proxy, KEY)
        monkeypatch.setenv(TRUSTED, "trusted.obs.test,proxy.obs.test")
        assert succeeded(_request(server, asking("GetObject", "SSE-C"), **options))


@pytest.mark.parametrize("location", ["http://bucket.obs.test:{}", "http://obs.test:{}/bucket", "/away"])
@pytest.mark.parametrize("endpoint", ["http://obs.test:{}", "http://OBS.Test:{}"])
@pytest.mark.parametrize("style", ["path", "virtual"])
def test_a_redirect_within_a_trusted_endpoint_is_followed(
    style: str, endpoint: str, location: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRUSTED, "obs.test")
    redirect_everything(http, 307, f"{location.format(http.port)}/{OBJECT}", times=1)
    result = _request(http, asking("GetObject", "SSE-C"), style=style, endpoint_url=endpoint.format(http.port))
    assert succeeded(result)
    assert len(http.requests) == 2


@each_redirect_status
def test_read_in_clear_after_a_redirect(
    status: int, https: TlsRecordingServer, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    redirect_everything(https, status, f"{http.url}/away/object")
    http.answer("GET", headers=KMS_ANSWER)
    assert succeeded(_request(https, asking("GetObject")))
    assert [(fields["rule"], fields["endpoint"]) for fields in fields_of(caplog)] == [("read-in-clear", http.url)]


def test_read_in_clear_from_another_host_below_a_trusted_endpoint(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(TRUSTED, "obs.test")
    with RecordingServer() as other:
        place = f"http://other.obs.test:{other.port}"
        redirect_everything(http, 307, f"{place}/{BUCKET}/{OBJECT}")
        other.answer("GET", headers=KMS_ANSWER)
        assert succeeded(_request(http, asking("GetObject"), endpoint_url=f"http://obs.test:{http.port}"))
    assert [(fields["rule"], fields["endpoint"]) for fields in fields_of(caplog)] == [("read-in-clear", place)]
