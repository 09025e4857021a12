"""Clients in use: handlers, retries, endpoints, subclasses, and other services."""

from __future__ import annotations

import io
import pickle
from typing import Any

import pytest
import requests
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.client import Client, ClientBuilder
from huaweicloudsdkcore.exceptions.exceptions import SslHandShakeException
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkcore.http.http_handler import HttpHandler
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkobs import v1

from obs_sse_guard import SSETransportError
from tests.support.guard import unguarded
from tests.support.hook_groups import disable_hooks
from tests.support.huaweicloud_calls import (
    MODELS,
    OBJECT,
    PUT,
    PUT_SSE_C,
    Body,
    each_client,
    is_async,
    model_for,
    obs_client,
    outcome,
    raw_headers,
    refused,
)
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_no_key, assert_silent, leaks
from tests.support.sse import ENCODED, KEY, OBS_KEY_HEADER


class _Unreadable(Body):
    def read(self, *_: Any) -> bytes:
        raise AssertionError("the body of a refused call is not read")

    def tell(self) -> int:
        raise AssertionError("nor is its size looked up")


@each_client
def test_a_refused_body_is_not_read(kind: str, http: RecordingServer) -> None:
    request = model_for("PutObject", raw_headers("SSE-C"), stream=_Unreadable(b"content"))
    with obs_client(kind, http) as client:
        error = outcome(lambda it: getattr(it, f"put_object{'_async' if is_async(it) else ''}")(request), client)
    refused(error, "table-1/PutObject")
    assert_silent(http)


def test_a_refusal_is_not_retried(http: RecordingServer) -> None:
    backoff = pytest.importorskip("huaweicloudsdkcore.retry.backoff_strategy", reason="this release does not retry")
    asked: list[Any] = []

    def condition(response: Any, error: Any) -> bool:
        asked.append(error)
        return True

    with obs_client("sync", http, retry_times=3) as client:
        invoker = client.put_object_invoker(model_for("PutObject", raw_headers("SSE-C")))
        invoker.with_retry(condition, 3, backoff.BackoffStrategies.NONE)
        with pytest.raises(SSETransportError):
            invoker.invoke()
    assert not asked
    assert_silent(http)


@each_client
def test_the_next_endpoint_is_judged_too(kind: str, https: TlsRecordingServer, http: RecordingServer) -> None:
    """If TLS to the first endpoint fails, the synchronous client tries the next one."""
    with TlsRecordingServer(other_name=True) as broken, obs_client(kind, broken, http) as client:
        error = outcome(PUT_SSE_C, client)
        assert isinstance(error, Exception)
        if isinstance(error, SSETransportError):
            refused(error, "table-1/PutObject")
            assert error.endpoint == http.named_url
        assert_no_key(broken, KEY)
    assert_silent(http)


def test_the_synchronous_client_goes_on_with_the_next_endpoint(
    http: RecordingServer, https: TlsRecordingServer
) -> None:
    with TlsRecordingServer(other_name=True) as broken, obs_client("sync", broken, http) as client:
        with unguarded():
            if isinstance(outcome(PUT, client), Exception):
                pytest.skip("this release does not")
        client._endpoint_index = 0
        error = refused(outcome(PUT_SSE_C, client), "table-1/PutObject")
        assert error.endpoint == http.named_url
    assert_no_key(http, KEY)
    assert len(http.requests) == 1


def test_another_endpoint_is_no_redirect(https: TlsRecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    with TlsRecordingServer(other_name=True) as broken, obs_client("sync", broken, https) as client:
        client._endpoints[1] = f"https://elsewhere.obs.test:{https.port}"
        request = model_for("PutObject", raw_headers("SSE-C"), bucket_name=None)
        try:
            client.put_object(request)
        except SslHandShakeException:
            pytest.skip("this release does not go on with the next endpoint")
    assert leaks(https.received, KEY)
    assert not caplog.records


def test_a_handler_that_rewrites_the_scheme(http: RecordingServer, https: TlsRecordingServer) -> None:
    def downgrade(request: Any, logger: Any) -> None:
        request.schema, request.host = "http", f"bucket.obs.test:{http.port}"

    handler = HttpHandler().add_request_handler(downgrade)
    with obs_client("sync", https) as client:
        client.get_http_client()._http_handler = handler
        error = refused(outcome(PUT_SSE_C, client), "table-1/PutObject")
    assert "was written into the URL by a handler" in str(error)
    assert "huaweicloud_calls.py" in error.call_site
    assert_silent(http)


def test_a_handler_that_adds_the_key(http: RecordingServer) -> None:
    def add(request: Any, logger: Any) -> None:
        request.header_params.update(raw_headers("SSE-C"))

    with obs_client("sync", http) as client:
        client.get_http_client()._http_handler = HttpHandler().add_request_handler(add)
        refused(outcome(PUT, client), "table-1/PutObject")
    assert_silent(http)


def test_a_handler_that_sends_requests_of_its_own(
    http: RecordingServer, https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only hops of the client's session are part of its call."""
    disable_hooks(monkeypatch, "HTTP clients")
    with RecordingServer() as own:

        def send(request: Any, logger: Any) -> None:
            requests.put(own.url, headers={OBS_KEY_HEADER: "a key of another service"}, timeout=10)

        with obs_client("sync", https) as client:
            client.get_http_client()._http_handler = HttpHandler().add_request_handler(send)
            PUT_SSE_C(client)
        assert len(own.requests) == 1
    assert leaks(https.received, KEY)


class Own(v1.ObsClient):  # type: ignore[misc]  # the SDK ships no types
    """A client of the application."""


@pytest.mark.parametrize("kind", ["sync"])
def test_a_subclass(kind: str, http: RecordingServer) -> None:
    with obs_client(kind, http, made=Own) as client:
        error = refused(outcome(PUT_SSE_C, client), "table-1/PutObject")
    assert error.call == "Own.put_object"
    assert_silent(http)


@each_client
def test_a_client_from_before_the_hooks(kind: str, http: RecordingServer) -> None:
    with unguarded():
        opened = obs_client(kind, http)
        client = opened.__enter__()
        PUT(client)
    try:
        refused(outcome(PUT_SSE_C, client), "table-1/PutObject")
    finally:
        opened.__exit__(None, None, None)
    assert_no_key(http, KEY)


@each_client
def test_the_http_client_of_a_client_used_directly(kind: str, http: RecordingServer, https: TlsRecordingServer) -> None:
    def send(client: Any, server: RecordingServer) -> Any:
        request = SdkRequest("PUT", server.scheme, f"bucket.obs.test:{server.port}", f"/{OBJECT}", f"/{OBJECT}")
        request.header_params, request.query_params = raw_headers("SSE-C"), []
        if kind == "sync":
            return client.get_http_client().do_request_sync(request)
        return client.get_http_client().do_request_async(request, []).result()

    with obs_client(kind, https) as client:
        error = refused(outcome(lambda it: send(it, http), client), "table-1/PutObject")
        assert error.call == f"HttpClient.do_request_{kind}"
        assert send(client, https).status_code == 200
    assert_silent(http)
    assert leaks(https.received, KEY)


# ------------------------------------------------------------------------ what is not of OBS


class OtherClient(Client):  # type: ignore[misc]  # the SDK ships no types
    """A client of another service, over the same core."""


@pytest.mark.parametrize("asynchronous", [False, True])
def test_other_services_are_left_to_the_hooks_on_http_clients(
    asynchronous: bool, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disable_hooks(monkeypatch, "HTTP clients")
    builder = ClientBuilder(OtherClient).with_http_config(HttpConfig()).with_endpoints([http.url])
    client = builder.with_credentials(BasicCredentials("AK", "SK", "project")).build()
    client.model_package = v1
    result = client.do_http_request(
        "PUT",
        "/anything",
        query_params=[],
        header_params=raw_headers("SSE-C"),
        async_request=asynchronous,
        response_type="PutObjectResponse",
    )
    if asynchronous:
        result.result()
    client.get_http_client().executor.shutdown()
    client.get_http_client()._session.close()
    [request] = http.requests
    assert request.header(OBS_KEY_HEADER) == ENCODED
    assert not [record for record in caplog.records if record.name == "obs_sse_guard"]


def test_requests_of_the_application_are_left_alone(http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    with requests.Session() as session:
        assert session.put(http.url, headers={"x-obs-meta": "value"}, timeout=10).status_code == 200
    assert not caplog.records


# ---------------------------------------------------------------------- bad input, and pickles


@each_client
@pytest.mark.parametrize("request_model", [None, "text", 1, {}, v1.PutObjectRequest])
def test_what_the_sdk_does_not_take_raises_its_own_error(
    request_model: Any, kind: str, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    def message(*arguments: Any) -> str:
        with obs_client(kind, http) as client:
            method = client.put_object_async if is_async(client) else client.put_object
            error = outcome(lambda _: method(*arguments), client)
        return f"{type(error)} {error}"

    with unguarded():
        expected = message(request_model), message(), message(1, 2)
    assert (message(request_model), message(), message(1, 2)) == expected
    assert not caplog.records


@pytest.mark.parametrize("options", [{"header_params": "text"}, {"query_params": 1}, {"method": None}])
def test_low_level_calls_that_the_core_does_not_take(
    options: dict[str, Any], http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    def message() -> str:
        arguments = {"method": "PUT", "resource_path": "/object", "query_params": [], **options}
        with obs_client("sync", http) as client:
            error = outcome(lambda it: it.do_http_request(**arguments), client)
        return f"{type(error)} {error}"

    with unguarded():
        expected = message()
    assert message() == expected


@pytest.mark.parametrize("operation", MODELS)
def test_pickles_of_request_models_are_as_without_the_guard(operation: str) -> None:
    def pickled() -> bytes:
        model = model_for(operation, raw_headers("SSE-C"), **({"stream": None} if operation == "PutObject" else {}))
        return pickle.dumps(model)

    with unguarded():
        expected = pickled()
    assert pickled() == expected
    assert pickle.loads(expected).attribute_map  # noqa: S301  # our own


def test_the_methods_can_be_pickled(http: RecordingServer) -> None:
    assert pickle.loads(pickle.dumps(v1.ObsClient.put_object)) is v1.ObsClient.put_object  # noqa: S301  # our own


def test_a_file_like_the_sdk_takes_it(http: RecordingServer, tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"of a file")
    with obs_client("sync", http) as client, path.open("rb") as stream:
        client.put_object(model_for("PutObject", {}, stream=stream))
        assert isinstance(stream, io.BufferedReader)
    assert [request.body for request in http.requests] == [b"of a file"]
