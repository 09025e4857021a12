"""obstore: no SSE-C or SSE-KMS is sent in plaintext, and all else is unchanged."""

from __future__ import annotations

import contextlib
import copy
import functools
import importlib
import pickle
from typing import Any

import pytest

obstore: Any = pytest.importorskip("obstore", reason="obstore is not installed here")
stores: Any = importlib.import_module("obstore.store")

import obs_sse_guard  # noqa: E402  # after the check
from obs_sse_guard import SSETransportError  # noqa: E402
from tests.support.guard import TRUSTED, unguarded  # noqa: E402
from tests.support.records import rules  # noqa: E402
from tests.support.servers import (  # noqa: E402
    ConnectProxy,
    RecordingServer,
    TlsRecordingServer,
    assert_silent,
    leaks,
    redirect_everything,
)
from tests.support.sse import ENCODED, KEY  # noqa: E402

PLAIN = {"access_key_id": "access", "secret_access_key": "secret", "region": "here"}
CUSTOMER = {"server_side_encryption": "sse-c", "sse_customer_key_base64": ENCODED}
KMS = {"server_side_encryption": "aws:kms", "sse_kms_key_id": "an id"}
ALLOW: dict[str, Any] = {"client_options": {"allow_http": True}}
HEADER = "x-amz-server-side-encryption"
HEADERS: dict[str, dict[str, Any]] = {
    "SSE-C": {f"{HEADER}-customer-algorithm": "AES256", f"{HEADER}-customer-key": ENCODED},
    "in capitals": {f"{HEADER}-customer-key".upper(): ENCODED},
    "as bytes": {f"{HEADER}-customer-key": ENCODED.encode()},
    "SSE-KMS": {HEADER: "aws:kms"},
    "SSE-OBS": {HEADER: "AES256"},
    "other": {"x-amz-meta-color": "blue"},
}
S3Store: Any = stores.S3Store
HTTPStore: Any = stores.HTTPStore
from_url: Any = stores.from_url


class Own(S3Store):  # type: ignore[misc]  # Any here
    """A subclass created before any test places its hooks."""


MAKERS: dict[str, Any] = {
    "keywords": lambda options: S3Store("bucket", **options, **ALLOW),
    "config": lambda options: S3Store("bucket", config=options, **ALLOW),
    "upper case": lambda options: S3Store("bucket", config={f"AWS_{name}".upper(): options[name] for name in options}),
    "from_url of the class": lambda options: S3Store.from_url("s3://bucket", **options, **ALLOW),
    "from_url": lambda options: from_url("s3://bucket", **options, **ALLOW),
    "subclass": lambda options: Own("bucket", **options, **ALLOW),
    "subclass from a URL": lambda options: Own.from_url("s3://bucket", config=options, **ALLOW),
}
each_maker = pytest.mark.parametrize("maker", MAKERS)


def put(server: RecordingServer, maker: str = "keywords", **options: Any) -> None:
    """Store an object."""
    if maker == "upper case":
        options["allow_http"] = "true"
    obstore.put(MAKERS[maker]({**PLAIN, "endpoint": server.url, **options}), "object", b"content")


def refused(server: RecordingServer, *args: Any, **kwargs: Any) -> SSETransportError:
    with pytest.raises(SSETransportError) as caught:
        put(server, *args, **kwargs)
    assert_silent(server)
    assert not leaks(repr(vars(caught.value)) + str(caught.value), KEY)
    return caught.value


@each_maker
def test_without_the_guard_the_key_crosses_the_network(maker: str, http: RecordingServer) -> None:
    with unguarded():
        put(http, maker, **CUSTOMER)
    assert leaks(http.wire, KEY)


@each_maker
def test_plaintext_is_refused(maker: str, http: RecordingServer) -> None:
    error = refused(http, maker, **CUSTOMER)
    assert (error.rule, error.sdk, error.call) == ("table-1/PutObject", "obstore", "obstore.store.S3Store")
    assert error.endpoint == http.url
    assert error.call_site.startswith(__file__)
    assert refused(http, maker, **KMS).rule == "table-2/PutObject"


@each_maker
def test_plaintext_without_encryption_is_allowed(maker: str, http: RecordingServer) -> None:
    put(http, maker)
    put(http, maker, server_side_encryption="AES256")
    assert [request.method for request in http.requests] == ["PUT", "PUT"]


@pytest.mark.parametrize("options", [{}, CUSTOMER, KMS], ids=["none", "SSE-C", "SSE-KMS"])
def test_what_is_allowed_is_sent_as_without_the_guard(
    options: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def sent() -> list[Any]:
        with TlsRecordingServer() as server:
            monkeypatch.setenv("SSL_CERT_FILE", str(server.ca))
            put(server, **options)
            [request] = server.requests
            varying = ("authorization", "x-amz-date", "host")
            headers = [header for header in request.headers if header[0].lower() not in varying]
            return [request.method, request.target, headers, request.body, bool(leaks(server.received, KEY))]

    with unguarded():
        expected = sent()
    assert sent() == expected
    assert expected[-1] is (options is CUSTOMER)
    assert not caplog.records


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_the_endpoint_of_the_environment(variable: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, http.url)
    with pytest.raises(SSETransportError) as caught:
        S3Store("bucket", **PLAIN, **CUSTOMER, **ALLOW)
    assert f"the http comes from {variable}" in str(caught.value)
    S3Store("bucket", **PLAIN, **ALLOW)


def test_everything_in_the_environment(http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {**PLAIN, **CUSTOMER, "endpoint": http.url, "allow_http": "true"}
    for name, value in options.items():
        monkeypatch.setenv(f"AWS_{name.upper()}", value)
    with unguarded():
        obstore.put(S3Store("bucket"), "object", b"content")
    assert leaks(http.wire, KEY)
    with pytest.raises(SSETransportError):
        S3Store("bucket")


def sending(headers: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"client_options": {"allow_http": True, "default_headers": headers, **options}}


HEADER_MAKERS: dict[str, Any] = {
    "S3Store": lambda url, options: S3Store("bucket", endpoint=url, **PLAIN, **options),
    "S3Store.from_url": lambda url, options: S3Store.from_url("s3://bucket", endpoint=url, **PLAIN, **options),
    "from_url": lambda url, options: from_url("s3://bucket", endpoint=url, **PLAIN, **options),
    "HTTPStore": lambda url, options: HTTPStore(f"{url}/bucket", **options),
    "HTTPStore with a keyword": lambda url, options: HTTPStore(url=f"{url}/bucket", **options),
    "HTTPStore.from_url": lambda url, options: HTTPStore.from_url(f"{url}/bucket", **options),
    "from_url with http": lambda url, options: from_url(f"{url}/bucket", **options),
}
each_header_maker = pytest.mark.parametrize("maker", HEADER_MAKERS)


@each_header_maker
def test_without_the_guard_the_key_in_a_default_header_crosses_the_network(maker: str, http: RecordingServer) -> None:
    for number, headers in enumerate(("SSE-C", "in capitals", "as bytes"), 1):
        with unguarded():
            obstore.put(HEADER_MAKERS[maker](http.url, sending(HEADERS[headers])), "object", b"content")
        assert http.wire.count(ENCODED.encode()) == number


@each_header_maker
@pytest.mark.parametrize("headers", HEADERS)
def test_default_headers_over_plaintext(
    headers: str, maker: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    options = sending(HEADERS[headers])
    if headers in ("SSE-OBS", "other"):
        obstore.put(HEADER_MAKERS[maker](http.url, options), "object", b"content")
        assert http.requests
    else:
        with pytest.raises(SSETransportError) as caught:
            HEADER_MAKERS[maker](http.url, options)
        assert caught.value.rule == f"table-{2 if headers == 'SSE-KMS' else 1}/PutObject"
        assert caught.value.call == f"obstore.store.{'HTTP' if 'HTTP' in maker or 'http' in maker else 'S3'}Store"
        assert caught.value.headers == tuple(sorted(name.lower() for name in HEADERS[headers]))
        assert ("/..." in str(caught.value)) is (caught.value.call == "obstore.store.HTTPStore")
        assert not leaks(repr(vars(caught.value)) + str(caught.value), KEY)
        assert_silent(http)
        monkeypatch.setenv(TRUSTED, "127.0.0.1")
        obstore.put(HEADER_MAKERS[maker](http.url, options), "object", b"content")
        assert set(rules(caplog)) == {"trusted-host"}


@pytest.mark.parametrize("maker", ["S3Store", "HTTPStore"])
@pytest.mark.parametrize("headers", HEADERS)
def test_default_headers_over_tls_are_sent_as_without_the_guard(
    headers: str, maker: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def sent() -> list[Any]:
        with TlsRecordingServer() as server:
            monkeypatch.setenv("SSL_CERT_FILE", str(server.ca))
            obstore.put(HEADER_MAKERS[maker](server.url, sending(HEADERS[headers])), "object", b"content")
            [request] = server.requests
            varying = ("authorization", "x-amz-date", "host")
            return [request.target, [header for header in request.headers if header[0].lower() not in varying]]

    with unguarded():
        expected = sent()
    assert sent() == expected
    assert {name.lower() for name in HEADERS[headers]} < {name.lower() for name, _ in expected[1]}
    assert not caplog.records


@pytest.mark.parametrize("maker", ["S3Store", "HTTPStore"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_customer_key_that_would_become_metadata(maker: str, scheme: str) -> None:
    headers = {f"x-amz-meta-{HEADER}-customer-key": ENCODED}
    with pytest.raises(SSETransportError) as caught:
        HEADER_MAKERS[maker](f"{scheme}://obs.test", sending(headers))
    assert caught.value.rule == "key-misplaced"


def test_the_key_of_a_copys_source() -> None:
    headers = {f"{HEADER.replace('amz-', 'amz-copy-source-')}-customer-key": ENCODED}
    with pytest.raises(SSETransportError) as caught:
        HEADER_MAKERS["S3Store"]("http://obs.test", sending(headers))
    assert caught.value.source == "SSE-C"


@pytest.mark.parametrize("maker", ["S3Store", "HTTPStore"])
def test_a_key_in_a_default_header_over_unverified_tls(maker: str, caplog: pytest.LogCaptureFixture) -> None:
    options = sending(HEADERS["SSE-C"], allow_invalid_certificates=True)
    HEADER_MAKERS[maker]("https://obs.test", options)
    assert rules(caplog) == ["unverified-tls"]


@pytest.mark.parametrize("spelling", [" \x01http://{}", "ht\ttp://{}", "http:/{}", "HTTP:{}", "http:\\\\{}"])
def test_every_spelling_of_an_address(spelling: str, http: RecordingServer) -> None:
    url = spelling.format(http.url.partition("//")[2])
    with unguarded():
        obstore.put(HTTPStore(url, **sending(HEADERS["SSE-C"])), "object", b"content")
    assert leaks(http.wire, KEY)
    with pytest.raises(SSETransportError) as caught:
        HTTPStore(url, **sending(HEADERS["SSE-C"]))
    assert caught.value.endpoint == http.url


def test_an_http_store_reads_no_variables(http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"server_side_encryption": "aws:kms", "endpoint": "https://tls.test"}.items():
        monkeypatch.setenv(f"AWS_{name.upper()}", value)
    obstore.put(HTTPStore(http.url, **sending({})), "object", b"content")
    assert not any(name.lower().startswith(HEADER) for name, _ in http.requests[0].headers)
    with pytest.raises(SSETransportError):
        HTTPStore(http.url, **sending(HEADERS["SSE-KMS"]))


@pytest.mark.parametrize("headers", [None, 7, [(f"{HEADER}-customer-key", ENCODED)], {f"{HEADER}-customer-key": 7.5}])
def test_default_headers_that_the_client_judges_itself(headers: Any) -> None:
    def message() -> str:
        try:
            return repr(HTTPStore("https://obs.test", **sending(headers)))
        except Exception as error:  # noqa: BLE001  # whatever the client raises
            return f"{type(error)}: {error}"

    with unguarded():
        expected = message()
    assert message() == expected


def test_pickles_of_default_headers(http: RecordingServer) -> None:
    with unguarded():
        pickled = pickle.dumps(HTTPStore(http.url, **sending(HEADERS["SSE-C"])))
    with pytest.raises(SSETransportError):
        pickle.loads(pickled)  # noqa: S301  # our own


def test_a_store_is_judged_again_when_unpickled_or_copied(http: RecordingServer) -> None:
    with unguarded():
        store = S3Store("bucket", **PLAIN, **CUSTOMER, endpoint=http.url, **ALLOW)
        pickled = pickle.dumps(store)
    assert pickle.dumps(store) == pickled
    with pytest.raises(SSETransportError):
        pickle.loads(pickled)  # noqa: S301  # our own
    with pytest.raises(SSETransportError):
        copy.deepcopy(store)
    harmless = S3Store("bucket", **PLAIN, endpoint=http.url, **ALLOW)
    assert pickle.loads(pickle.dumps(harmless)) == harmless  # noqa: S301  # our own


def test_a_trusted_host(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(TRUSTED, "127.0.0.1")
    put(http, **CUSTOMER)
    assert leaks(http.wire, KEY)
    assert rules(caplog) == ["trusted-host"]


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "AWS_PROXY_URL"])
def test_a_proxy_is_another_hop(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRUSTED, "obs.invalid")
    options = {**PLAIN, **CUSTOMER, "endpoint": "http://obs.invalid", "allow_http": "true"}
    with ConnectProxy() as proxy:
        monkeypatch.setenv(variable, proxy.url)
        with unguarded(), pytest.raises(Exception, match="502"):
            obstore.put(S3Store("bucket", **options, retry_config={"max_retries": 0}), "object", b"content")
        assert leaks(proxy.wire, KEY)
    monkeypatch.setenv(variable, "http://proxy.invalid")
    with pytest.raises(SSETransportError):
        S3Store("bucket", **options)


@pytest.mark.parametrize(
    "options",
    [
        {"bucket": 7},
        {"no_such_option": "x"},
        {"server_side_encryption": "sse-c"},
        {"server_side_encryption": "SSE-C", "sse_customer_key_base64": ENCODED},
        {"config": 7},
    ],
)
def test_bad_input_stays_the_clients_own_error(options: dict[str, Any], http: RecordingServer) -> None:
    def message() -> str:
        with pytest.raises(Exception) as caught:  # noqa: PT011  # whatever the client raises
            S3Store(**{"bucket": "bucket", **options}, endpoint=http.url)
        return f"{type(caught.value)}: {caught.value}"

    with unguarded():
        expected = message()
    assert message() == expected


@pytest.mark.parametrize("allow", [True, False])
def test_a_redirect_to_plaintext_is_followed_if_allowed(
    allow: bool,
    policy: str,
    http: RecordingServer,
    https: TlsRecordingServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As docs/threat-model.md states, the guard cannot see it; it is no finding."""
    monkeypatch.setenv("SSL_CERT_FILE", str(https.ca))
    redirect_everything(https, 307, f"{http.url}/bucket/object")
    options = {**PLAIN, **CUSTOMER, "endpoint": https.url, "client_options": {"allow_http": allow}}
    store = S3Store("bucket", **options, retry_config={"max_retries": 0})
    with contextlib.suppress(Exception):
        obstore.get(store, "object")
    assert bool(leaks(http.wire, KEY)) is allow
    assert https.requests
    assert rules(caplog) == [], policy


def test_other_stores_are_left_alone() -> None:
    store = from_url("memory:///")
    obstore.put(store, "object", b"content")
    assert obstore.get(store, "object").bytes() == b"content"


def test_the_hook_is_removed_without_a_trace(http: RecordingServer) -> None:
    assert "__new__" in vars(S3Store)
    assert obs_sse_guard.status()["obstore.store.S3Store.__new__"] == "active"
    with unguarded():
        assert "__new__" not in vars(S3Store)
        assert Own("bucket", **PLAIN).config["bucket"] == "bucket"
    assert "__new__" in vars(S3Store)


def test_another_wrapper_on_top(http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = S3Store.__new__

    @functools.wraps(hook)
    def wrapper(cls: Any, *args: Any, **kwargs: Any) -> Any:
        return hook(cls, *args, **kwargs)

    monkeypatch.setattr(S3Store, "__new__", wrapper)
    assert obs_sse_guard.status()["obstore.store.S3Store.__new__"] == "active"
    assert refused(http, **CUSTOMER).rule == "table-1/PutObject"


def test_a_store_of_fsspec_is_refused_over_plaintext(http: RecordingServer) -> None:
    pytest.importorskip("fsspec")
    files = importlib.import_module("obstore.fsspec").FsspecStore(
        "s3", config={**PLAIN, **CUSTOMER, "endpoint": http.url}, **ALLOW, skip_instance_cache=True
    )
    with pytest.raises(SSETransportError):
        files.pipe_file("s3://bucket/object", b"content")
    assert_silent(http)
