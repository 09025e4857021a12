"""Every variant in which encryption or plaintext gets into a request behind the parameters' back.

Event handlers that add headers or write the URL anew, endpoints that the environment or a
configuration file names, requests made below the client's methods, transports that are not botocore's.
Of each, a first test shows without the guard that the key does cross in clear.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3.session
import botocore.configprovider
import pytest
from botocore.exceptions import ClientError, ParamValidationError
from botocore.stub import Stubber

from obs_sse_guard import SSETransportError
from tests.support import s3_calls
from tests.support.guard import POLICY, unguarded
from tests.support.records import rules
from tests.support.s3_calls import (
    BUCKET,
    CONTENT,
    KEY,
    NAMES,
    OBJECT,
    SERVERS,
    OwnTransport,
    asking,
    boto3_client,
    customer,
    each_sdk,
    normal,
    outcome,
    outcomes,
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
    leaks,
)

PUT = asking("PutObject", "SSE-C")
PLAIN = asking("PutObject")

RULE = "table-1/PutObject"


# ----------------------------------------------------------------- handlers that add headers


def _params(params: dict[str, Any], **_: Any) -> dict[str, Any]:
    return {**params, **customer()}


def _params_in_place(params: dict[str, Any], **_: Any) -> None:
    params.update(customer())


def _request_dict(params: dict[str, Any], **_: Any) -> None:
    params["headers"].update(raw_headers("SSE-C"))


def _request(request: Any, **_: Any) -> None:
    for name, value in raw_headers("SSE-C").items():
        request.headers[name] = value


ADDERS: dict[str, Callable[..., Any]] = {
    "provide-client-params": _params,
    "before-parameter-build": _params_in_place,
    "before-call": _request_dict,
    "request-created": _request,
    "before-sign": _request,
    "before-send": _request,
}


def handled(event: str, handler: Callable[..., Any], call: s3_calls.Call = PLAIN) -> s3_calls.Call:
    """The call on a client that has this handler."""

    def with_handler(client: Any) -> Any:
        client.meta.events.register(event, handler)
        return call(client)

    return with_handler


@each_sdk
@pytest.mark.parametrize("event", ADDERS)
def test_a_handler_can_add_the_key(event: str, sdk: str, http: RecordingServer) -> None:
    with unguarded():
        assert succeeded(outcome(sdk, http, handled(f"{event}.s3.PutObject", ADDERS[event])))
    assert leaks(http.wire, KEY)


@each_sdk
@pytest.mark.parametrize("event", ADDERS)
def test_a_key_that_a_handler_adds_is_refused(event: str, sdk: str, http: RecordingServer) -> None:
    error = refused(outcome(sdk, http, handled(f"{event}.s3.PutObject", ADDERS[event])), RULE)
    assert (error.sdk, error.operation, error.scheme, error.endpoint) == (NAMES[sdk], "PutObject", "http", http.url)
    assert_silent(http)


@each_sdk
@pytest.mark.parametrize("event", ["before-call", "before-sign", "before-send"])
def test_names_and_values_may_be_spelled_in_any_way(event: str, sdk: str, http: RecordingServer) -> None:
    def add(**arguments: Any) -> None:
        headers = arguments["request"].headers if "request" in arguments else arguments["params"]["headers"]
        for name, value in raw_headers("SSE-C", "X-OBS-").items():
            headers[name.title()] = value.encode() if event == "before-send" else value

    refused(outcome(sdk, http, handled(f"{event}.s3.PutObject", add)), RULE)
    assert_silent(http)


@each_sdk
@pytest.mark.parametrize("event", ADDERS)
def test_over_https_a_handler_may_add_the_key(event: str, sdk: str) -> None:
    def sent() -> list[str]:
        with TlsRecordingServer() as server:
            assert succeeded(outcome(sdk, server, handled(f"{event}.s3.PutObject", ADDERS[event])))
            assert leaks(server.received, KEY)
            return normal(server)

    with unguarded():
        expected = sent()
    assert sent() == expected


_KMS_BY_HEADER = {
    "HeadObject": "allowed",
    "GetObject": "table-2/GetObject",
    "UploadPart": "table-2/UploadPart",
    "CompleteMultipartUpload": "allowed",
    "UploadPartCopy": "allowed",
}


@each_sdk
@pytest.mark.parametrize("operation", _KMS_BY_HEADER)
def test_rows_that_only_a_header_can_say(
    operation: str, sdk: str, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    def add(request: Any, **_: Any) -> None:
        request.headers["x-amz-server-side-encryption"] = "aws:kms"

    result = outcome(sdk, http, handled("before-sign.s3", add, asking(operation)))
    if _KMS_BY_HEADER[operation] == "allowed":
        assert succeeded(result)
        assert not caplog.records
    else:
        refused(result, _KMS_BY_HEADER[operation])
        assert_silent(http)


@each_sdk
def test_an_address_of_ipv6_is_told_as_a_url_has_it(sdk: str, http: RecordingServer) -> None:
    error = refused(
        outcome(sdk, http, asking("PutObject", "SSE-C"), endpoint_url="http://[::1]:8080"), "table-1/PutObject"
    )
    assert error.endpoint == "http://[::1]:8080"


@each_sdk
def test_the_dsse_variant_is_kms(sdk: str, http: RecordingServer) -> None:
    error = outcome(sdk, http, asking("PutObject", ServerSideEncryption="aws:kms:dsse"))
    refused(error, "table-2/PutObject")
    assert_silent(http)


@each_sdk
def test_a_key_id_alone_is_kms(sdk: str, http: RecordingServer) -> None:
    refused(outcome(sdk, http, asking("PutObject", SSEKMSKeyId="id")), "table-2/PutObject")
    assert_silent(http)


@each_sdk
def test_aes256_passes(sdk: str, http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    assert succeeded(outcome(sdk, http, asking("PutObject", "SSE-OBS")))
    assert not caplog.records


@each_sdk
def test_a_mention_is_no_finding(sdk: str, http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    mention = f"x-amz-server-side-encryption-customer-key: {s3_calls.ENCODED}"

    def put(client: Any) -> Any:
        metadata = {"note": "x-amz-server-side-encryption-customer-key", "sseHeader": "no"}
        return client.put_object(Bucket=BUCKET, Key=mention, Body=mention.encode(), Metadata=metadata)

    assert succeeded(outcome(sdk, http, put))
    assert not caplog.records


@each_sdk
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_metadata_that_is_a_key_is_misplaced(sdk: str, scheme: str) -> None:
    """``Metadata={"x-amz-server-side-encryption-customer-key": …}`` stores the key for all to read."""
    with SERVERS[scheme]() as server:
        error = outcome(sdk, server, asking("PutObject", Metadata=raw_headers("SSE-C")))
        refused(error, "key-misplaced")
        assert_silent(server)


# -------------------------------------------------------------- handlers that write the URL


def _rewrite(request: Any, url: str) -> None:
    request.url = url + request.url.partition("://")[2].partition("/")[2].join(("/", ""))


REWRITERS: dict[str, Callable[[str], Callable[..., Any]]] = {
    "before-endpoint-resolution": lambda url: lambda builtins, **_: builtins.update({"SDK::Endpoint": url}),
    "before-call": lambda url: lambda params, **_: params.update(url=url + params["url_path"]),
    "request-created": lambda url: lambda request, **_: _rewrite(request, url),
    "before-sign": lambda url: lambda request, **_: _rewrite(request, url),
    "before-send": lambda url: lambda request, **_: _rewrite(request, url),
}


@each_sdk
@pytest.mark.parametrize("event", REWRITERS)
def test_a_handler_can_turn_https_into_http(
    event: str, sdk: str, https: TlsRecordingServer, http: RecordingServer
) -> None:
    with unguarded():
        assert succeeded(outcome(sdk, https, handled(f"{event}.s3", REWRITERS[event](http.url), PUT)))
    assert leaks(http.wire, KEY)
    assert_silent(https)


@each_sdk
@pytest.mark.parametrize("event", REWRITERS)
def test_a_url_that_a_handler_writes_anew_is_judged(
    event: str, sdk: str, https: TlsRecordingServer, http: RecordingServer
) -> None:
    error = refused(outcome(sdk, https, handled(f"{event}.s3", REWRITERS[event](http.url), PUT)), RULE)
    assert (error.scheme, error.endpoint) == ("http", http.url)
    assert "event handler" in str(error)
    assert_silent(http)
    assert_silent(https)


@each_sdk
def test_plain_requests_may_be_led_anywhere(sdk: str, https: TlsRecordingServer, http: RecordingServer) -> None:
    assert succeeded(outcome(sdk, https, handled("before-sign.s3", REWRITERS["before-sign"](http.url))))
    assert len(http.requests) == 1


# ------------------------------------------------------------------------------- endpoints


def _session(sdk: str) -> Any:
    """A new session: one that has read its configuration keeps it."""
    if sdk == "aiobotocore":
        from aiobotocore.session import AioSession

        return AioSession()
    return boto3.session.Session()


@contextlib.contextmanager
def _own_session(sdk: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    session = _session(sdk)
    with monkeypatch.context() as patch:
        patch.setattr(s3_calls, "aio_session" if sdk == "aiobotocore" else "boto3_session", lambda: session)
        yield


names_endpoints_elsewhere = pytest.mark.skipif(
    not hasattr(botocore.configprovider, "ConfiguredEndpointProvider"),
    reason="this botocore reads no endpoint from the environment nor from a configuration file",
)

_FILES = {
    "services": "[default]\nservices = mine\n[services mine]\ns3 =\n  endpoint_url = {url}\n",
    "profile": "[default]\nendpoint_url = {url}\n",
}


@contextlib.contextmanager
def _named_by(
    source: str, sdk: str, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    """Name an endpoint somewhere, and give the options of a client that takes it from there."""
    with monkeypatch.context() as patch:
        if source in _FILES:
            file = folder / "config"
            file.write_text(_FILES[source].format(url=url))
            patch.setenv("AWS_CONFIG_FILE", str(file))
        elif source.startswith("AWS_"):
            patch.setenv(source, url)
        with _own_session(sdk, monkeypatch):
            yield {"endpoint_url": url} if source in ("endpoint_url", "HTTP://") else {"endpoint_url": None}


_SOURCES = [
    "endpoint_url",
    "HTTP://",
    *(
        pytest.param(name, marks=names_endpoints_elsewhere)
        for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", *_FILES)
    ),
]
_WORDS = {
    "endpoint_url": "endpoint_url=",
    "HTTP://": "endpoint_url=",
    "AWS_ENDPOINT_URL": "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3": "AWS_ENDPOINT_URL_S3",
    "services": "configuration file",
    "profile": "configuration file",
}


def _spelled(source: str, url: str) -> str:
    return url.replace("http://", "HTTP://") if source == "HTTP://" else url


@each_sdk
@pytest.mark.parametrize("source", _SOURCES)
def test_a_plaintext_endpoint_can_come_from(
    source: str, sdk: str, http: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with unguarded(), _named_by(source, sdk, _spelled(source, http.url), tmp_path, monkeypatch) as options:
        assert succeeded(outcome(sdk, http, PUT, **options))
    assert leaks(http.wire, KEY)


@each_sdk
@pytest.mark.parametrize("source", _SOURCES)
def test_a_plaintext_endpoint_is_refused_and_its_source_named(
    source: str, sdk: str, http: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _named_by(source, sdk, _spelled(source, http.url), tmp_path, monkeypatch) as options:
        error = refused(outcome(sdk, http, PUT, **options), RULE)
    assert _WORDS[source] in str(error).partition("Fix: ")[2].partition("Switch: ")[0]
    assert_silent(http)


@each_sdk
@pytest.mark.parametrize("source", [source for source in _SOURCES if source != "HTTP://"])
def test_an_https_endpoint_from_there_is_allowed(
    source: str, sdk: str, https: TlsRecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _named_by(source, sdk, https.url, tmp_path, monkeypatch) as options:
        assert succeeded(outcome(sdk, https, PUT, **options))


@each_sdk
def test_use_ssl_false_is_plaintext(sdk: str) -> None:
    """No endpoint: the service's own name, so a proxy stands in for the network."""
    with ConnectProxy() as proxy, RecordingServer() as server:
        options: dict[str, Any] = {"endpoint_url": None, "use_ssl": False, "proxies": {"http": proxy.url}}
        with unguarded():
            assert isinstance(outcome(sdk, server, PUT, **options), ClientError)
        assert leaks(proxy.wire, KEY)
    with ConnectProxy() as proxy, RecordingServer() as server:
        error = refused(outcome(sdk, server, PUT, **{**options, "proxies": {"http": proxy.url}}), RULE)
        assert error.endpoint.endswith(".amazonaws.com")
        assert "use_ssl" in str(error)
        assert_silent(proxy)


@each_sdk
def test_use_ssl_does_not_decide_where_the_endpoint_names_a_scheme(
    sdk: str, https: TlsRecordingServer, http: RecordingServer
) -> None:
    """It does in botocore 1.29: there it makes plaintext of an https endpoint. What is sent decides, either variant."""
    with unguarded(), TlsRecordingServer() as tried:
        outcome(sdk, tried, PUT, use_ssl=False)
        in_clear = bool(leaks(tried.wire, KEY))
    result = outcome(sdk, https, PUT, use_ssl=False)
    if in_clear:
        refused(result, RULE)
        assert_silent(https)
    else:
        assert succeeded(result)
    refused(outcome(sdk, http, PUT, use_ssl=True), RULE)
    assert_silent(http)


@each_sdk
def test_an_access_point_is_judged_by_where_it_leads(sdk: str, http: RecordingServer) -> None:
    def put(client: Any) -> Any:
        arn = "arn:aws:s3:us-east-1:123456789012:accesspoint/point"
        return client.put_object(Bucket=arn, Key=OBJECT, Body=CONTENT, **customer())

    options = {"style": "virtual", "signature_version": "s3v4"}
    with unguarded():
        assert succeeded(outcome(sdk, http, put, **options))
    assert leaks(http.wire, KEY)
    with RecordingServer() as server:
        refused(outcome(sdk, server, put, **options), RULE)
        assert_silent(server)


@each_sdk
def test_a_proxy_reads_plaintext_and_only_carries_tls(sdk: str, https: TlsRecordingServer) -> None:
    with RecordingServer() as http, ConnectProxy() as proxy:
        with unguarded():
            assert succeeded(outcome(sdk, http, PUT, proxies={"http": proxy.url}))
        assert leaks(proxy.wire, KEY)
    with RecordingServer() as http, ConnectProxy() as proxy:
        refused(outcome(sdk, http, PUT, proxies={"http": proxy.url}), RULE)
        assert_silent(http)
        assert_silent(proxy)
        with unguarded():
            works = isinstance(outcome(sdk, https, PLAIN, proxies={"https": proxy.url}), dict)
        if not works:
            pytest.skip("this aiobotocore does not verify by the client's own CA through a proxy")
        assert succeeded(outcome(sdk, https, PUT, proxies={"https": proxy.url}))
        assert_no_key(proxy, KEY)
        assert leaks(https.received, KEY)


@each_sdk
def test_through_a_proxy_both_hops_must_be_trusted(
    sdk: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD_TRUSTED_HOSTS", "obs.test,*.obs.test")
    with ConnectProxy() as proxy:
        options: dict[str, Any] = {"style": "virtual", "proxies": {"http": proxy.url}}
        refused(outcome(sdk, http, PUT, **options), RULE)
        assert_silent(proxy)
        monkeypatch.setenv("OBS_SSE_GUARD_TRUSTED_HOSTS", "*.obs.test,obs.test,127.0.0.1")
        assert succeeded(outcome(sdk, http, PUT, **options))


# ------------------------------------------------------------------------- below the methods


class _Captured(Exception):  # noqa: N818  # it carries something out, and is no error
    pass


def _make_request(client: Any) -> Any:
    """What ``put_object`` would send, handed to the endpoint by hand."""
    taken: list[Any] = []

    def take(model: Any, params: Any, **_: Any) -> Any:
        taken.extend((model, params))
        raise _Captured

    client.meta.events.register_first("before-call.s3.PutObject", take)
    with contextlib.suppress(_Captured):
        started = PLAIN(client)
        if hasattr(started, "__await__"):
            return _make_request_async(client, started, taken)
    return _send_taken(client, taken)


async def _make_request_async(client: Any, started: Any, taken: list[Any]) -> Any:
    with contextlib.suppress(_Captured):
        await started
    _, parsed = await _send_taken(client, taken, wait=True)
    return parsed


def _send_taken(client: Any, taken: list[Any], *, wait: bool = False) -> Any:
    model, request_dict = taken
    request_dict["headers"].update(raw_headers("SSE-C"))
    answer = client._endpoint.make_request(model, request_dict)
    return answer if wait else answer[1]


@each_sdk
def test_a_request_handed_to_the_endpoint_is_judged(sdk: str, http: RecordingServer) -> None:
    with unguarded():
        assert succeeded(outcome(sdk, http, _make_request))
    assert leaks(http.wire, KEY)
    with RecordingServer() as server:
        refused(outcome(sdk, server, _make_request), RULE)
        assert_silent(server)


def test_another_transport_is_behind_the_gates_as_well(http: RecordingServer) -> None:
    def transport_of(call: s3_calls.Call) -> tuple[OwnTransport, Any]:
        transport = OwnTransport()

        def calling(client: Any) -> Any:
            client._endpoint.http_session = transport
            return call(client)

        return transport, outcome("boto3", http, calling)

    with unguarded():
        transport, result = transport_of(PUT)
        assert succeeded(result)
        assert len(transport.sent) == 1
    for call in (PUT, handled("before-send.s3", _request)):
        transport, error = transport_of(call)
        refused(error, RULE)
        assert not transport.sent


def test_a_handler_that_sends_itself_comes_too_late(http: RecordingServer) -> None:
    """What it sends, no wire gate sees: the method gate is before it."""
    seen: list[Any] = []

    def answer(request: Any, **_: Any) -> Any:
        seen.append(request)
        return OwnTransport().send(request)

    with unguarded():
        assert succeeded(outcome("boto3", http, handled("before-send.s3", answer, PUT)))
    assert len(seen) == 1
    refused(outcome("boto3", http, handled("before-send.s3", answer, PUT)), RULE)
    assert len(seen) == 1


def test_a_stubbed_client_is_judged(http: RecordingServer) -> None:
    def stubbed(client: Any) -> Any:
        with Stubber(client) as stubber:
            stubber.add_response("put_object", {"ETag": "stubbed"})
            try:
                return PUT(client)
            except SSETransportError:
                with pytest.raises(AssertionError, match="remain"):
                    stubber.assert_no_pending_responses()
                raise

    with unguarded():
        assert outcome("boto3", http, stubbed)["ETag"] == "stubbed"
    refused(outcome("boto3", http, stubbed), RULE)
    assert_silent(http)


def test_a_mocked_service_is_judged(http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moto answers before anything is sent: only the method gate is in front of it."""
    moto = pytest.importorskip("moto", reason="moto is not installed here")

    def put(client: Any) -> Any:
        client.create_bucket(Bucket=BUCKET)
        assert succeeded(PLAIN(client))
        return PUT(client)

    options = {"endpoint_url": "http://s3.us-east-1.amazonaws.com"}
    with moto.mock_aws(), _own_session("boto3", monkeypatch):  # it reaches only sessions that are newer
        with unguarded():
            assert succeeded(outcome("boto3", http, put, **options))
        refused(outcome("boto3", http, put, **options), RULE)


# -------------------------------------------------------------- answers that lead elsewhere

_WRONG_REGION = (
    "<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message><Endpoint>e</Endpoint>"
    f"<Bucket>{BUCKET}</Bucket></Error>"
)


def _in_another_region(server: RecordingServer) -> None:
    headers = {"x-amz-bucket-region": "eu-west-1", "Content-Type": "application/xml"}
    server.answer(lambda request: True, 301, headers, _WRONG_REGION, times=1)


@each_sdk
def test_a_region_redirect_over_https_is_followed_as_before(sdk: str, caplog: pytest.LogCaptureFixture) -> None:
    def sent() -> list[str]:
        with TlsRecordingServer() as server:
            _in_another_region(server)
            assert succeeded(outcome(sdk, server, asking("GetObject", "SSE-C")))
            assert [call.header("Authorization").split("/")[2] for call in server.requests] == [
                "us-east-1",
                "eu-west-1",
            ]
            return normal(server)

    with unguarded():
        expected = sent()
    assert sent() == expected
    assert not caplog.records


@each_sdk
def test_a_region_redirect_that_ends_in_plaintext_is_judged(
    sdk: str, https: TlsRecordingServer, http: RecordingServer
) -> None:
    """The second attempt is led to plaintext: each attempt is judged by what it would send."""
    attempts: list[str] = []

    def lead_away(request: Any, **_: Any) -> None:
        attempts.append(request.url)
        if len(attempts) == 2:
            _rewrite(request, http.url)

    _in_another_region(https)
    error = outcome(sdk, https, handled("before-sign.s3", lead_away, asking("GetObject", "SSE-C")))
    refused(error, "table-1/GetObject")
    assert len(https.requests) == 1
    assert_silent(http)


def test_botocore_follows_no_location(https: TlsRecordingServer, http: RecordingServer) -> None:
    https.answer("PUT", 307, {"Location": http.url + "/away"})
    assert isinstance(outcome("boto3", https, PUT), ClientError)
    assert [call.method for call in https.requests] == ["PUT", "HEAD"], "it looks for the bucket's region"
    assert_silent(http)


_SESSION = (
    "<CreateSessionResult><Credentials><SessionToken>t</SessionToken><SecretAccessKey>s</SecretAccessKey>"
    "<AccessKeyId>a</AccessKeyId><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></CreateSessionResult>"
)
EXPRESS_BUCKET = "name--use1-az4--x-s3"


def _express(server: RecordingServer) -> dict[str, Any]:
    headers = {"Content-Type": "application/xml"}
    server.answer(lambda request: "session" in request.query, 200, headers, _SESSION)
    return {"style": "virtual", "signature_version": None}


def _put_express(encryption: str) -> s3_calls.Call:
    return lambda client: client.put_object(Bucket=EXPRESS_BUCKET, Key=OBJECT, Body=CONTENT, **customer(encryption))


has_express = pytest.mark.skipif(
    "CreateSession" not in s3_calls.service_model().operation_names, reason="this botocore has no S3 Express"
)


@has_express
@each_sdk
@pytest.mark.parametrize("encryption", ["SSE-C", "SSE-KMS"])
def test_an_express_bucket_begins_no_session_for_what_is_refused(
    encryption: str, sdk: str, http: RecordingServer
) -> None:
    with unguarded():
        assert succeeded(outcome(sdk, http, _put_express(encryption), **_express(http)))
    assert [call.method for call in http.requests] == ["GET", "PUT"]
    with RecordingServer() as server:
        error = outcome(sdk, server, _put_express(encryption), **_express(server))
        refused(error, "table-1/PutObject" if encryption == "SSE-C" else "table-2/PutObject")
        assert_silent(server)


@has_express
@each_sdk
@pytest.mark.parametrize("encryption", ["SSE-C", "SSE-KMS"])
def test_an_express_bucket_over_https_is_as_before(encryption: str, sdk: str, caplog: pytest.LogCaptureFixture) -> None:
    def sent() -> list[str]:
        with TlsRecordingServer() as server:
            assert succeeded(outcome(sdk, server, _put_express(encryption), **_express(server)))
            assert len(server.requests) == 2
            return normal(server)

    with unguarded():
        expected = sent()
    assert sent() == expected
    assert not caplog.records


@pytest.mark.skipif(
    "CreateSession" not in s3_calls.service_model().operation_names
    or "ServerSideEncryption" not in s3_calls.members("create_session"),
    reason="sessions of this botocore name no encryption",
)
@each_sdk
@pytest.mark.parametrize("policy", ["documented", "strict"])
def test_a_session_that_names_kms_has_no_row(
    policy: str,
    sdk: str,
    http: RecordingServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(POLICY, policy)

    def begin(client: Any) -> Any:
        return client.create_session(Bucket=EXPRESS_BUCKET, **customer("SSE-KMS"))

    result = outcome(sdk, http, begin, **_express(http))
    if policy == "strict":
        refused(result, "kms-in-clear")
        assert_silent(http)
    else:
        assert succeeded(result)
        assert rules(caplog) == ["kms-in-clear"]


# -------------------------------------------------------------------------- once and at once


@each_sdk
@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
@pytest.mark.parametrize("gate", ["method", "wire"])
def test_no_retry_mode_tries_again(gate: str, mode: str, sdk: str, http: RecordingServer) -> None:
    attempts: list[Any] = []

    def add(request: Any, **_: Any) -> None:
        attempts.append(request)
        if gate == "wire":
            _request(request)

    call = handled("before-send.s3", add, PUT if gate == "method" else PLAIN)
    refused(outcome(sdk, http, call, retries={"mode": mode, "max_attempts": 5}), RULE)
    assert len(attempts) == (0 if gate == "method" else 1)
    assert_silent(http)


@each_sdk
def test_every_attempt_is_judged(sdk: str, https: TlsRecordingServer, http: RecordingServer) -> None:
    """A retry goes where its own URL leads."""
    https.answer("PUT", 503)
    attempts: list[str] = []

    def lead_away(request: Any, **_: Any) -> None:
        attempts.append(request.url)
        if len(attempts) > 1:
            _rewrite(request, http.url)

    call = handled("before-sign.s3", lead_away, PUT)
    refused(outcome(sdk, https, call, retries={"mode": "standard", "max_attempts": 3}), RULE)
    assert len(attempts) == 2
    assert_silent(http)


class _Unreadable(io.BytesIO):
    def read(self, *_: Any) -> bytes:
        raise AssertionError("the body of a refused call is not read")


@each_sdk
def test_a_refused_body_is_not_read(sdk: str, http: RecordingServer) -> None:
    body = _Unreadable(CONTENT)
    refused(outcome(sdk, http, asking("PutObject", "SSE-C", Body=body)), RULE)
    assert body.tell() == 0


# ----------------------------------------------------------------- what botocore itself refuses

_MALFORMED: dict[str, s3_calls.Call] = {
    "no bucket": lambda client: client.put_object(Key=OBJECT, Body=CONTENT, **customer()),
    "an unknown parameter": lambda client: client.put_object(Bucket=BUCKET, Key=OBJECT, SSE="x", **customer()),
    "a value of another type": lambda client: client.put_object(
        Bucket=BUCKET, Key=OBJECT, Body=CONTENT, ServerSideEncryption=1
    ),
    "a malformed ARN": lambda client: client.put_object(
        Bucket="arn:aws:s3:us-east-1:123456789012:nothing", Key=OBJECT, Body=CONTENT, **customer()
    ),
    "a bucket that is none": lambda client: client.put_object(Bucket="no/ne", Key=OBJECT, Body=CONTENT, **customer()),
    "a key that is no text": lambda client: client.put_object(
        Bucket=BUCKET, Key=OBJECT, Body=CONTENT, SSECustomerAlgorithm="AES256", SSECustomerKey=5
    ),
    "no operation": lambda client: client.generate_presigned_url("no_such_method", {**customer()}),
}


@each_sdk
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("name", _MALFORMED)
def test_what_botocore_refuses_is_refused_in_its_own_words(name: str, scheme: str, sdk: str) -> None:
    def said() -> str:
        with SERVERS[scheme]() as server:
            error = outcome(sdk, server, _MALFORMED[name])
            assert isinstance(error, Exception)
            assert not isinstance(error, SSETransportError)
            assert_silent(server)
            return repr(error).replace(str(server.port), "PORT")

    with unguarded():
        expected = said()
    assert said() == expected


@each_sdk
@pytest.mark.parametrize("parameters", [{"SSECustomerAlgorithm": "AES256"}, {"ServerSideEncryption": "rot13"}])
def test_half_of_it_and_nonsense_over_https_is_for_the_service_to_refuse(
    parameters: dict[str, str], sdk: str, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    https.answer("PUT", 400, {"Content-Type": "application/xml"}, "<Error><Code>InvalidArgument</Code></Error>")
    error = outcome(sdk, https, asking("PutObject", **parameters))
    assert isinstance(error, ClientError)
    assert error.response["Error"]["Code"] == "InvalidArgument"
    assert not caplog.records


# ---------------------------------------------------------------------------- nothing else


_IDENTITY = "<GetCallerIdentityResponse><GetCallerIdentityResult/></GetCallerIdentityResponse>"


def test_other_services_are_none_of_ours(http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    """Another service may have parameters of the same names, and speak of encryption as it likes."""
    options = s3_calls.options_for(http)
    with contextlib.closing(s3_calls.boto3_session().client("sts", **options)) as client:
        http.answer("POST", 200, {"Content-Type": "text/xml"}, _IDENTITY)
        client.get_caller_identity()
    assert len(http.requests) == 1
    assert not caplog.records


@each_sdk
def test_parameters_are_validated_once_the_gate_is_passed(sdk: str, https: TlsRecordingServer) -> None:
    first, second = outcomes(sdk, https, lambda client: client.put_object(Key=OBJECT), PUT)
    assert isinstance(first, ParamValidationError)
    assert succeeded(second)


def test_names_bound_earlier_and_subclasses_are_guarded(http: RecordingServer) -> None:
    with boto3_client(http) as client:

        class Own(type(client)):  # type: ignore[misc]
            def put_object(self, **parameters: Any) -> Any:
                return super().put_object(**parameters)

        client.__class__ = Own
        for bound in (client.put_object, super(Own, client).put_object, client._make_api_call):
            arguments = {"Bucket": BUCKET, "Key": OBJECT, **customer()}
            with pytest.raises(SSETransportError):
                bound(**arguments) if bound.__name__ != "_make_api_call" else bound("PutObject", arguments)
    assert_silent(http)


def test_a_configuration_that_cannot_be_read_costs_a_guess_and_no_more(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "config"
    broken.write_text("no section\n")
    with boto3_client(http) as client:
        monkeypatch.setenv("AWS_CONFIG_FILE", str(broken))
        with pytest.raises(SSETransportError, match=r"the http comes from endpoint_url=\."):
            asking("PutObject", "SSE-C")(client)
    assert_silent(http)
