"""Endpoints from arguments, variables, configuration, access points and proxies."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.configprovider
import pytest
from botocore.exceptions import ClientError

from tests.support.guard import unguarded
from tests.support.s3_calls import (
    CONTENT,
    OBJECT,
    PUT,
    PUT_SSE_C,
    asking,
    customer,
    each_sdk,
    outcome,
    own_session,
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
from tests.support.sse import KEY


@each_sdk
def test_an_ipv6_address_is_shown_as_in_a_url(sdk: str, http: RecordingServer) -> None:
    error = refused(
        outcome(sdk, http, asking("PutObject", "SSE-C"), endpoint_url="http://[::1]:8080"), "table-1/PutObject"
    )
    assert error.endpoint == "http://[::1]:8080"


needs_endpoint_variables = pytest.mark.skipif(
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
    """Set an endpoint in one of the sources, and yield the options of its client."""
    with monkeypatch.context() as patch:
        if source in _FILES:
            file = folder / "config"
            file.write_text(_FILES[source].format(url=url))
            patch.setenv("AWS_CONFIG_FILE", str(file))
        elif source.startswith("AWS_"):
            patch.setenv(source, url)
        with own_session(sdk, monkeypatch):
            yield {"endpoint_url": url} if source in ("endpoint_url", "HTTP://") else {"endpoint_url": None}


_SOURCES = [
    "endpoint_url",
    "HTTP://",
    *(
        pytest.param(name, marks=needs_endpoint_variables)
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


@pytest.mark.thinned(strength=1)
@each_sdk
@pytest.mark.parametrize("source", _SOURCES)
def test_a_plaintext_endpoint_can_come_from(
    source: str, sdk: str, http: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with unguarded(), _named_by(source, sdk, _spelled(source, http.url), tmp_path, monkeypatch) as options:
        assert succeeded(outcome(sdk, http, PUT_SSE_C, **options))
    assert leaks(http.wire, KEY)


@each_sdk
@pytest.mark.parametrize("source", _SOURCES)
def test_a_plaintext_endpoint_is_refused_and_its_source_named(
    source: str, sdk: str, http: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _named_by(source, sdk, _spelled(source, http.url), tmp_path, monkeypatch) as options:
        error = refused(outcome(sdk, http, PUT_SSE_C, **options), "table-1/PutObject")
    assert re.search(f"^  fix: .* the http comes from .*{re.escape(_WORDS[source])}$", str(error), re.MULTILINE)
    assert_silent(http)


@each_sdk
@pytest.mark.parametrize("source", [source for source in _SOURCES if source != "HTTP://"])
def test_an_https_endpoint_from_there_is_allowed(
    source: str, sdk: str, https: TlsRecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _named_by(source, sdk, https.url, tmp_path, monkeypatch) as options:
        assert succeeded(outcome(sdk, https, PUT_SSE_C, **options))


@each_sdk
def test_use_ssl_false_is_plaintext(sdk: str) -> None:
    """Without an endpoint, botocore uses the AWS host, so a proxy stands in for it."""
    with ConnectProxy() as proxy, RecordingServer() as server:
        options: dict[str, Any] = {"endpoint_url": None, "use_ssl": False, "proxies": {"http": proxy.url}}
        with unguarded():
            assert isinstance(outcome(sdk, server, PUT_SSE_C, **options), ClientError)
        assert leaks(proxy.wire, KEY)
    with ConnectProxy() as proxy, RecordingServer() as server:
        error = refused(
            outcome(sdk, server, PUT_SSE_C, **{**options, "proxies": {"http": proxy.url}}), "table-1/PutObject"
        )
        assert error.endpoint.endswith(".amazonaws.com")
        assert "use_ssl" in str(error)
        assert_silent(proxy)


@each_sdk
def test_the_endpoints_scheme_overrides_use_ssl(sdk: str, https: TlsRecordingServer, http: RecordingServer) -> None:
    """Botocore 1.29 lets use_ssl downgrade https: the sent request decides."""
    with unguarded(), TlsRecordingServer() as tried:
        outcome(sdk, tried, PUT_SSE_C, use_ssl=False)
        in_clear = bool(leaks(tried.wire, KEY))
    result = outcome(sdk, https, PUT_SSE_C, use_ssl=False)
    if in_clear:
        refused(result, "table-1/PutObject")
        assert_silent(https)
    else:
        assert succeeded(result)
    refused(outcome(sdk, http, PUT_SSE_C, use_ssl=True), "table-1/PutObject")
    assert_silent(http)


@each_sdk
def test_an_access_point_is_checked_by_its_destination(sdk: str, http: RecordingServer) -> None:
    def put(client: Any) -> Any:
        arn = "arn:aws:s3:us-east-1:123456789012:accesspoint/point"
        return client.put_object(Bucket=arn, Key=OBJECT, Body=CONTENT, **customer())

    options = {"style": "virtual", "signature_version": "s3v4"}
    with unguarded():
        assert succeeded(outcome(sdk, http, put, **options))
    assert leaks(http.wire, KEY)
    with RecordingServer() as server:
        refused(outcome(sdk, server, put, **options), "table-1/PutObject")
        assert_silent(server)


@each_sdk
def test_a_proxy_can_read_plaintext_but_not_tls(sdk: str, https: TlsRecordingServer) -> None:
    with RecordingServer() as http, ConnectProxy() as proxy:
        with unguarded():
            assert succeeded(outcome(sdk, http, PUT_SSE_C, proxies={"http": proxy.url}))
        assert leaks(proxy.wire, KEY)
    with RecordingServer() as http, ConnectProxy() as proxy:
        refused(outcome(sdk, http, PUT_SSE_C, proxies={"http": proxy.url}), "table-1/PutObject")
        assert_silent(http)
        assert_silent(proxy)
        with unguarded():
            works = isinstance(outcome(sdk, https, PUT, proxies={"https": proxy.url}), dict)
        if not works:
            pytest.skip("this aiobotocore ignores the client's CA through a proxy")
        assert succeeded(outcome(sdk, https, PUT_SSE_C, proxies={"https": proxy.url}))
        assert_no_key(proxy, KEY)
        assert leaks(https.received, KEY)


@each_sdk
def test_through_a_proxy_both_hops_must_be_trusted(
    sdk: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD_TRUSTED_HOSTS", "obs.test,*.obs.test")
    with ConnectProxy() as proxy:
        options: dict[str, Any] = {"style": "virtual", "proxies": {"http": proxy.url}}
        refused(outcome(sdk, http, PUT_SSE_C, **options), "table-1/PutObject")
        assert_silent(proxy)
        monkeypatch.setenv("OBS_SSE_GUARD_TRUSTED_HOSTS", "*.obs.test,obs.test,127.0.0.1")
        assert succeeded(outcome(sdk, http, PUT_SSE_C, **options))
