"""SDK requests: what bypasses their hooks is refused; what they allow is sent."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import http.client
import io
import threading
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest

import obs_sse_guard
from obs_sse_guard import SSETransportError
from obs_sse_guard._enforcement.enforce import enforcing, in_worker, is_judged
from obs_sse_guard._hooks.http.advice import HTTP_CLIENT
from obs_sse_guard._hooks.sending import Sending, sending
from obs_sse_guard._policy.request import KeyLocation, RequestContext
from obs_sse_guard.rules import Encryption
from tests.support.guard import MODE, POLICY, TRUSTED
from tests.support.http_calls import SSE_C, client
from tests.support.records import rules
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_no_key, assert_silent, leaks
from tests.support.sse import KEY, S3_KEY_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATH = "/bucket/object"

KEY_IN_CLEAR = RequestContext(
    HTTP_CLIENT,
    "",
    "PUT object",
    secure=False,
    host="b.obs.test",
    target=Encryption.SSE_C,
    key=KeyLocation.HEADER,
    key_ids=frozenset({1}),
)
KMS_IN_CLEAR = KEY_IN_CLEAR._replace(target=Encryption.SSE_KMS, key=KeyLocation.NOWHERE, key_ids=frozenset())


@pytest.mark.parametrize(
    ("judged", "request_", "covered"),
    [
        (KEY_IN_CLEAR, KEY_IN_CLEAR, True),
        (KEY_IN_CLEAR._replace(host="obs.test"), KEY_IN_CLEAR, True),
        (KEY_IN_CLEAR._replace(host="bs.test"), KEY_IN_CLEAR, False),
        (KEY_IN_CLEAR._replace(host=""), KEY_IN_CLEAR, True),
        (KEY_IN_CLEAR._replace(secure=True), KEY_IN_CLEAR, False),
        (KEY_IN_CLEAR._replace(key_ids=frozenset({2})), KEY_IN_CLEAR, False),
        (KMS_IN_CLEAR, KEY_IN_CLEAR, False),
        (KEY_IN_CLEAR, KMS_IN_CLEAR, False),
        (KMS_IN_CLEAR, KMS_IN_CLEAR, True),
        (KMS_IN_CLEAR._replace(failure="something"), KEY_IN_CLEAR, True),
    ],
)
def test_what_answers_for_what(judged: RequestContext, request_: RequestContext, covered: bool) -> None:
    assert judged.covers(request_) is covered
    assert is_judged(request_, [judged]) is covered


@pytest.mark.parametrize(
    ("trusted", "proxy", "is_covered"),
    [("b.obs.test", "", True), ("b.obs.test,proxy", "Proxy", True), ("b.obs.test", "evil", False), ("", "evil", True)],
)
def test_trust_in_one_proxy_is_none_in_another(
    trusted: str, proxy: str, is_covered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRUSTED, trusted)
    judged = KEY_IN_CLEAR._replace(proxy=proxy if is_covered and trusted else "")
    assert is_judged(KEY_IN_CLEAR._replace(proxy=proxy.lower()), [judged]) is is_covered


def test_a_task_that_outlives_a_call_inherits_no_judgement(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODE, "warn")
    judged = KEY_IN_CLEAR._replace(host="127.0.0.1")
    current: Any = Sending()
    current.hops = (judged,)

    async def run() -> list[bool]:
        go_on = asyncio.Event()

        async def late() -> bool:
            before = is_judged(judged)
            await go_on.wait()
            return before and is_judged(judged)

        with enforcing(judged):
            token = sending.set(current)
            task = asyncio.create_task(late())
            await asyncio.sleep(0)
            sending.reset(token)
        current.end()
        go_on.set()
        return [await task]

    assert asyncio.run(run()) == [False]
    assert current.is_over


def test_what_outlives_a_worker_inherits_no_judgement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODE, "warn")
    judged = KEY_IN_CLEAR._replace(host="127.0.0.1")
    seen: list[bool] = []
    inherited: list[contextvars.Context] = []

    def work() -> None:
        seen.append(is_judged(judged))
        inherited.append(contextvars.copy_context())

    with enforcing(judged):
        worker = threading.Thread(target=in_worker(work))
        worker.start()
        worker.join(10)
    [context] = inherited
    seen.append(context.run(is_judged, judged))
    assert seen == [True, False]


def test_a_session_by_hand_in_what_outlives_a_call_is_judged(
    http: RecordingServer, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The request is judged by itself, without `Abort`, which nothing would unpack."""
    inherited: list[contextvars.Context] = []

    class Body(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            inherited.append(contextvars.copy_context())
            return super().read(size)

    made, send = _botocore(https), client("botocore's session")
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": KEY}
    made.put_object(Bucket="bucket", Key="object", Body=Body(b"content"), **key)
    with pytest.raises(SSETransportError):
        inherited[-1].run(send, http.url + PATH, SSE_C)
    assert_silent(http)
    made.put_object(Bucket="bucket", Key="object", Body=Body(b"content"), ServerSideEncryption="aws:kms")
    inherited[-1].run(send, http.url + PATH, {"x-amz-server-side-encryption": "aws:kms"})
    assert rules(caplog) == ["kms-in-clear"]
    made.close()


def test_what_outlives_a_call_inherits_no_judgement_of_a_hop(http: RecordingServer) -> None:
    current, send = Sending(), client("http.client")
    current.hops = (KEY_IN_CLEAR._replace(host="127.0.0.1", failure="something"),)
    token = sending.set(current)
    try:
        send(http.url + PATH, SSE_C)
        current.end()
        with pytest.raises(SSETransportError):
            send(http.url + PATH, SSE_C)
    finally:
        sending.reset(token)
    assert len(http.requests) == 1


# --------------------------------------------------------------------------------- ObsClient


def _obs_class(**methods: Any) -> Any:
    obs = pytest.importorskip("obs")
    return type("Own", (obs.ObsClient,), methods)


def _make_obs(kind: Any, server: RecordingServer) -> Any:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        options = {"signature": "v2", "ssl_verify": server.ca or False, "path_style": True, "timeout": 5}
        return kind(access_key_id="a", secret_access_key="b", server=server.url, **options)


def _plaintext(port: int) -> Any:
    def choose(self: Any, server: Any, _: Any, scheme: Any, connection_key: Any, redirect: Any, header: Any) -> Any:
        return http.client.HTTPConnection("127.0.0.1", port), header

    return choose


def _put_obs(made: Any) -> Any:
    import obs

    key = obs.PutObjectHeader(sseHeader=obs.SseCHeader.getInstance(KEY))
    return made.putContent("bucket", "object", "text", headers=key)


def test_an_obs_client_with_a_choice_of_connections_of_its_own(
    http: RecordingServer, https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The override sends TLS requests over plaintext, and never calls ``super()``."""
    sleeps: list[float] = []
    monkeypatch.setattr("time.sleep", sleeps.append)
    made = _make_obs(_obs_class(_parse_request_connection=_plaintext(http.port)), https)
    with pytest.raises(SSETransportError) as caught:
        _put_obs(made)
    assert (caught.value.rule, caught.value.sdk) == ("key-in-clear", "http.client")
    assert caught.value.__cause__ is None
    assert not sleeps, "it is not retried"
    assert_no_key(http, KEY)
    assert made.putContent("bucket", "object", "text").status == 200
    made.close()


def test_an_obs_client_with_requests_of_its_own(http: RecordingServer, https: TlsRecordingServer) -> None:
    def make(self: Any, method: Any, bucket: Any, key: Any = None, **_: Any) -> Any:
        connection, header = self._parse_request_connection("h", 80, "http", "Connection", None, dict(SSE_C))
        connection.request("PUT", PATH, headers=header)
        return connection.getresponse()

    methods = {"_parse_request_connection": _plaintext(http.port), "_make_request_with_retry": make}
    made = _make_obs(_obs_class(**methods), https)
    with pytest.raises(SSETransportError) as caught:
        made._make_request_with_retry("PUT", "bucket", "object")
    assert caught.value.rule == "key-in-clear"
    assert_silent(http)
    made.close()


def test_a_connection_in_what_outlives_a_call_of_an_obs_client(http: RecordingServer) -> None:
    inherited: list[contextvars.Context] = []

    def choose(self: Any, *args: Any, **kwargs: Any) -> Any:
        inherited.append(contextvars.copy_context())
        return kind.__base__._parse_request_connection(self, *args, **kwargs)

    kind = _obs_class(_parse_request_connection=choose)
    made = _make_obs(kind, http)
    made.headBucket("bucket")
    arguments = ("127.0.0.1", http.port, "http", "Connection", None, dict(SSE_C))
    with pytest.raises(SSETransportError):  # and no `Abort`, which nobody would unpack
        inherited[0].run(lambda: made._parse_request_connection(*arguments))
    assert_no_key(http, KEY)
    made.close()


# --------------------------------------------------------------------------------- botocore


def _botocore(server: RecordingServer, **options: Any) -> Any:
    session = pytest.importorskip("botocore.session").get_session()
    return session.create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=server.url,
        aws_access_key_id="a",
        aws_secret_access_key="b",
        verify=server.ca or None,
        **options,
    )


def _raw(params: Any, **_: Any) -> None:
    params["headers"].update(SSE_C)


@pytest.mark.parametrize("mode", ["standard", "legacy"])
def test_an_endpoint_with_a_send_of_its_own(mode: str, http: RecordingServer) -> None:
    made = _botocore(http, config=_config(retries={"mode": mode, "total_max_attempts": 3}))

    class Own(type(made._endpoint)):  # type: ignore[misc]
        def _send(self, request: Any) -> Any:
            sent.append(request)
            return self.http_session.send(request)

    sent: list[Any] = []
    made._endpoint.__class__ = Own
    made.meta.events.register("before-call.s3.PutObject", _raw)
    with pytest.raises(SSETransportError) as caught:
        made.put_object(Bucket="bucket", Key="object", Body=b"text")
    assert (caught.value.rule, caught.value.sdk) == ("key-in-clear", "http.client")
    assert len(sent) == 1
    assert_silent(http)
    # What the hook on the operation has allowed stays allowed.
    _complete(made)
    assert leaks(http.wire, KEY)
    made.close()


def _config(**options: Any) -> Any:
    return pytest.importorskip("botocore.config").Config(**options)


def test_a_transport_of_its_own_that_leaves_tls(http: RecordingServer, https: TlsRecordingServer) -> None:
    """The hook on the attempt has seen https."""
    made = _botocore(https)

    class Transport:
        def send(self, request: Any) -> Any:
            for _ in range(3):
                try:
                    return client("urllib3")(http.url + PATH, dict(request.headers))
                except Exception:  # noqa: BLE001, PERF203  # as careless transports do
                    attempts.append(request)
            raise AssertionError("nobody unpacks the refusal")

    attempts: list[Any] = []
    made._endpoint.http_session = Transport()
    with pytest.raises(SSETransportError) as caught:
        made.put_object(Bucket="bucket", Key="object", SSECustomerAlgorithm="AES256", SSECustomerKey=KEY)
    assert caught.value.rule == "key-in-clear"
    assert not attempts
    assert_silent(http)


def test_another_error_of_a_session_stays_what_it_is(http: RecordingServer) -> None:
    pytest.importorskip("botocore")
    from botocore.exceptions import EndpointConnectionError

    for name in ("botocore's session", "aiobotocore's session"):
        send = client(name)
        with pytest.raises(EndpointConnectionError):
            send("http://127.0.0.1:9/", {})
        with pytest.raises(SSETransportError):
            send(http.url + PATH, SSE_C)


def test_a_call_that_began_before_the_hooks_is_left_alone(http: RecordingServer) -> None:
    """A row may allow the call, but the hook that judges it is not on the stack."""
    made = _botocore(http, config=_config(retries={"total_max_attempts": 1}))
    begun, go_on = threading.Event(), threading.Event()

    session = made._endpoint.http_session

    class Pausing:
        def send(self, request: Any) -> Any:
            begun.set()
            go_on.wait(10)
            return session.send(request)

    made._endpoint.http_session = Pausing()
    made.meta.events.register("before-call.s3.PutObject", _raw)
    results: list[Any] = []
    obs_sse_guard.uninstall()
    thread = threading.Thread(target=lambda: results.append(made.put_object(Bucket="bucket", Key="object")))
    thread.start()
    begun.wait(10)
    obs_sse_guard.install()
    go_on.set()
    thread.join(10)
    assert len(results) == 1
    assert leaks(http.wire, KEY)
    session.close()


@pytest.mark.parametrize("event", ["provide-client-params", "before-parameter-build", "before-sign"])
def test_a_function_with_the_name_of_one_with_a_hook(event: str, http: RecordingServer) -> None:
    """No hook called the function, although it began after the hooks were placed."""
    made = _botocore(http)
    made.meta.events.register(f"{event}.s3.GetObject", lambda **_: client("urllib3")(http.url + PATH, SSE_C) and None)
    with pytest.raises(SSETransportError) as caught:
        made.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "object"})
    assert caught.value.rule == "key-in-clear"
    assert_silent(http)
    made.close()


OTHER_KEY = b64encode(bytes(range(32))).decode()
OTHER_SSE_C = {**SSE_C, S3_KEY_HEADER: OTHER_KEY}


def _meanwhile(act: Callable[[], object], seen: list[BaseException]) -> Any:
    """Return a body that acts when first read, and records the error of the action."""

    class Body(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if not acted:
                acted.append(True)
                try:
                    act()
                except BaseException as error:  # noqa: BLE001  # not even this may be an `Abort`
                    seen.append(error)
            return super().read(size)

    acted: list[bool] = []
    return Body(b"content")


def _put_by_obs(server: RecordingServer, body: Any, sse: str) -> None:
    obs = pytest.importorskip("obs")
    header = obs.PutObjectHeader(sseHeader=obs.SseCHeader(encryption="AES256", key=KEY) if sse == "SSE-C" else None)
    with contextlib.closing(_make_obs(obs.ObsClient, server)) as made:
        made.putContent("bucket", "object", body, headers=header)


def _put_by_boto3(server: RecordingServer, body: Any, sse: str) -> None:
    options = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": KEY} if sse == "SSE-C" else {}
    made = _botocore(server)
    made.put_object(Bucket="bucket", Key="object", Body=body, **options)
    made.close()


@pytest.mark.parametrize("name", ["botocore's session", "http.client", "requests"])
@pytest.mark.parametrize("sse", ["SSE-C", "none"])
@pytest.mark.parametrize("put", [_put_by_boto3, _put_by_obs])
def test_a_request_by_hand_within_a_call_is_judged(
    put: Any, sse: str, name: str, http: RecordingServer, https: TlsRecordingServer
) -> None:
    """The request is judged whatever the call names, even over the SDK's own session."""
    seen: list[BaseException] = []
    send = client(name)
    put(https, _meanwhile(lambda: send(http.url + PATH, OTHER_SSE_C), seen), sse)
    assert [type(error) for error in seen] == [SSETransportError]
    assert https.requests, "the call itself is permitted"
    assert_no_key(http, bytes(range(32)))


@pytest.mark.parametrize("name", ["botocore's session", "http.client", "requests"])
def test_the_same_key_by_hand_within_a_call_is_judged(
    name: str, http: RecordingServer, https: TlsRecordingServer
) -> None:
    made, send = _botocore(https), client(name)
    made.meta.events.register("before-send.s3.PutObject", lambda **_: send(http.url + PATH, SSE_C))
    with pytest.raises(SSETransportError):
        made.put_object(Bucket="bucket", Key="object", SSECustomerAlgorithm="AES256", SSECustomerKey=KEY)
    assert_no_key(http, KEY)
    made.close()


# An error while a body is read leaves the connection of ObsClient open.
@pytest.mark.leaves_open
def test_the_same_key_by_hand_within_a_call_of_another_sdk_is_judged(
    http: RecordingServer, https: TlsRecordingServer
) -> None:
    """Botocore's hook on its connections judges only what botocore's clients send."""
    send = client("botocore's session")

    class Body(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            send(http.url + PATH, SSE_C)
            return super().read(size)

    with pytest.raises(SSETransportError):
        _put_by_obs(https, Body(b"content"), "SSE-C")
    assert_no_key(http, KEY)


@pytest.mark.parametrize("query", ["", "?x-id=1"])
@pytest.mark.parametrize("path", [PATH, "/bucket/another"])
def test_kms_by_hand_within_a_call_with_kms_is_judged(
    path: str, query: str, http: RecordingServer, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    made, send = _botocore(https), client("botocore's session")
    seen: list[BaseException] = []
    place = http.url + path + query
    body = _meanwhile(lambda: send(place, {"x-amz-server-side-encryption": "aws:kms"}), seen)
    if (path, query) == (PATH, ""):  # this one cannot be distinguished from the SDK's own
        made.put_object(Bucket="bucket", Key="object", Body=body, ServerSideEncryption="aws:kms")
        assert [type(error).__name__ for error in seen] == ["Abort"]
        assert_silent(http)
    else:
        made.put_object(Bucket="bucket", Key="object", Body=body, ServerSideEncryption="aws:kms")
        assert rules(caplog) == ["kms-in-clear"]
        assert not seen
    made.close()


def test_kms_by_hand_within_a_call_without_encryption_is_judged(
    http: RecordingServer, https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POLICY, "strict")
    seen: list[BaseException] = []
    send = client("http.client")
    headers = {"x-amz-server-side-encryption": "aws:kms"}
    _put_by_obs(https, _meanwhile(lambda: send(http.url + PATH, headers), seen), "none")
    assert [type(error) for error in seen] == [SSETransportError]
    assert_silent(http)


def test_the_same_key_to_another_host_within_a_call_is_judged(http: RecordingServer) -> None:
    """A row allows the call itself over plaintext, to its own host."""
    made, send = _botocore(http), client("botocore's session")
    away = http.url.replace("127.0.0.1", "localhost") + PATH
    made.meta.events.register("before-send.s3.CompleteMultipartUpload", lambda **_: send(away, SSE_C))
    with pytest.raises(SSETransportError) as caught:
        _complete(made)
    assert caught.value.endpoint == away[: -len(PATH)]
    assert_no_key(http, KEY)
    made.close()


def test_the_same_key_to_an_untrusted_host_within_a_call_to_a_trusted_one(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRUSTED, "127.0.0.1")
    seen: set[str] = set()
    send, away = client("botocore's session"), http.url.replace("127.0.0.1", "localhost") + PATH

    class Body(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            try:  # while it is signed, and while it is sent
                send(away, SSE_C)
            except BaseException as error:  # noqa: BLE001  # an `Abort` is no Exception
                seen.add(type(error).__name__)
            return super().read(size)

    _put_by_boto3(http, Body(b"content"), "SSE-C")
    assert seen == {"SSETransportError", "Abort"}
    assert {request.host for request in http.requests} == {"127.0.0.1"}


def test_what_a_row_allows_allows_no_other_request(http: RecordingServer) -> None:
    made, seen = _botocore(http), []
    for name in ("botocore's session", "http.client"):
        send = client(name)

        def by_hand(send: Any = send, **_: Any) -> None:
            with pytest.raises(SSETransportError) as caught:
                send(http.url + PATH, OTHER_SSE_C)
            seen.append(caught.value.rule)

        made.meta.events.register("before-send.s3.CompleteMultipartUpload", by_hand)
    _complete(made)
    assert seen == ["key-in-clear"] * 2
    assert leaks(http.wire, KEY)
    assert_no_key(http, bytes(range(32)))
    made.close()


def _complete(made: Any) -> None:
    parts = {"Parts": [{"ETag": "e", "PartNumber": 1}]}
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": KEY}
    made.complete_multipart_upload(Bucket="bucket", Key="object", UploadId="1", MultipartUpload=parts, **key)


# --------------------------------------------------------------------------------- vcrpy


def test_a_class_of_vcrpy_stands_for_the_one_that_is_hooked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    vcr = pytest.importorskip("vcr", reason="vcrpy is not installed here")
    with vcr.use_cassette(str(tmp_path / "cassette.yaml")):
        obs_sse_guard.install()
        assert obs_sse_guard.status()["http.client.HTTPConnection.endheaders"] == "active"
    assert not caplog.records


@pytest.mark.parametrize("name", ["http.client", "urllib3", "requests", "aiohttp", "httpx"])
def test_vcrpy_records_no_refused_request(
    name: str, http: RecordingServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    vcr = pytest.importorskip("vcr", reason="vcrpy is not installed here")
    send = client(name)
    cassette = tmp_path / "cassette.yaml"
    with vcr.use_cassette(str(cassette), record_mode="all"):
        with pytest.raises(SSETransportError):
            send(http.url + PATH, SSE_C)
        assert send(http.url + PATH, {}) == 200
    assert_no_key(http, KEY)
    assert not leaks(cassette.read_bytes(), KEY)
    assert rules(caplog) == []
