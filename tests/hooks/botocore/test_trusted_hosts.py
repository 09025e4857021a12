"""A trusted endpoint covers the hosts of its buckets, in any spelling."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.guard import TRUSTED
from tests.support.records import rules
from tests.support.s3_calls import (
    BUCKET,
    OBJECT,
    PUT_SSE_C,
    Call,
    asking,
    customer,
    each_sdk,
    outcome,
    posting,
    raw_headers,
    refused,
    succeeded,
)
from tests.support.servers import ConnectProxy, RecordingServer, assert_silent

each_style = pytest.mark.parametrize("style", ["path", "virtual"])


def _presigned(method: str, **params: Any) -> Call:
    return lambda client: client.generate_presigned_url(method, Params={"Bucket": BUCKET, "Key": OBJECT, **params})


@each_sdk
@each_style
@pytest.mark.parametrize("host", ["obs.test", "OBS.Test"])
def test_a_request_to_a_trusted_endpoint(
    host: str, style: str, sdk: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"style": style, "endpoint_url": f"http://{host}:{http.port}"}
    refused(outcome(sdk, http, PUT_SSE_C, **options), "table-1/PutObject")
    assert_silent(http)
    monkeypatch.setenv(TRUSTED, "obs.test")
    assert succeeded(outcome(sdk, http, PUT_SSE_C, **options))


@each_sdk
@each_style
@pytest.mark.parametrize("bucket", [BUCKET, "obs", "a.b"])
def test_a_url_signed_for_a_trusted_endpoint(
    bucket: str, style: str, sdk: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign = _presigned("put_object", Bucket=bucket, **customer())
    error = refused(outcome(sdk, http, sign, style=style, endpoint_url=http.named_url), "table-1/PutObject")
    assert error.endpoint == http.named_url
    monkeypatch.setenv(TRUSTED, "obs.test")
    assert outcome(sdk, http, sign, style=style, endpoint_url=http.named_url).startswith("http://")
    monkeypatch.setenv(TRUSTED, "*.obs.test")
    refused(outcome(sdk, http, sign, style=style, endpoint_url=http.named_url), "table-1/PutObject")


@each_sdk
@each_style
def test_a_form_signed_for_a_trusted_endpoint(
    style: str, sdk: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign = posting(raw_headers("SSE-C"))
    error = refused(outcome(sdk, http, sign, style=style, endpoint_url=http.named_url), "table-1/PostObject")
    assert error.endpoint == http.named_url
    monkeypatch.setenv(TRUSTED, "obs.test")
    assert set(outcome(sdk, http, sign, style=style, endpoint_url=http.named_url)) == {"url", "fields"}


@each_sdk
@each_style
def test_no_proxy_counts_as_botocore_reads_it(
    style: str, sdk: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The endpoint alone selects the proxy: a bucket's host in NO_PROXY is ignored."""
    monkeypatch.setenv(TRUSTED, "obs.test")
    options = {"style": style, "endpoint_url": http.named_url}
    with ConnectProxy() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "bucket.obs.test")
        refused(outcome(sdk, http, PUT_SSE_C, **options), "table-1/PutObject")
        assert_silent(proxy)
        assert succeeded(outcome(sdk, http, asking("PutObject"), **options))
        assert proxy.requests, "it goes through the proxy"
        monkeypatch.setenv("no_proxy", "obs.test")
        connections = proxy.connections
        assert succeeded(outcome(sdk, http, PUT_SSE_C, **options))
        assert proxy.connections == connections
    assert rules(caplog) == ["trusted-host"]
