"""Redirects, if the application allows them: each hop is judged by its target."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.guard import POLICY, TRUSTED, unguarded
from tests.support.huaweicloud_calls import (
    GET_SSE_C,
    PUT,
    PUT_SSE_C,
    by_model,
    each_client,
    low_level,
    normal,
    obs_client,
    outcome,
    raw_headers,
    refused,
)
from tests.support.records import fields_of, rules
from tests.support.servers import (
    RecordingServer,
    TlsRecordingServer,
    assert_no_key,
    assert_silent,
    each_redirect_status,
    leaks,
    redirect_everything,
)
from tests.support.sse import KEY

CALLS = {
    "PUT": (PUT_SSE_C, "table-1/PutObject"),
    "GET": (GET_SSE_C, "table-1/GetObject"),
    "HEAD": (low_level("HeadObject", raw_headers("SSE-C")), "table-1/HeadObject"),
    "copy": (by_model("CopyObject", raw_headers("SSE-C")), "table-3/none-to-SSE-C"),
    "copy from SSE-C": (by_model("CopyObject", raw_headers(source="SSE-C")), "downgraded-redirect"),
    "KMS": (by_model("PutObject", raw_headers("SSE-KMS")), "table-2/PutObject"),
    "complete": (low_level("CompleteMultipartUpload", raw_headers("SSE-C")), "downgraded-redirect"),
}


def _bucket_url(server: RecordingServer, host: str = "bucket.obs.test") -> str:
    return f"{server.scheme}://{host}:{server.port}/object"


@pytest.mark.thinned
@each_redirect_status
@each_client
@pytest.mark.parametrize("name", CALLS)
def test_a_redirect_to_plaintext_is_refused(
    name: str, kind: str, status: int, https: TlsRecordingServer, http: RecordingServer
) -> None:
    call, rule = CALLS[name]
    redirect_everything(https, status, _bucket_url(http), times=1)
    with obs_client(kind, https, allow_redirects=True) as client:
        error = refused(outcome(call, client), rule)
        assert_silent(http)
        assert len(https.requests) == 1
        assert (error.scheme, error.endpoint) == ("http", http.named_url)
        assert "redirect" in str(error)
        assert "huaweicloud_calls.py" in error.call_site
        PUT(client)


@each_client
def test_without_the_guard_the_key_follows_the_redirect(
    kind: str, https: TlsRecordingServer, http: RecordingServer
) -> None:
    redirect_everything(https, 307, _bucket_url(http))
    with unguarded(), obs_client(kind, https, allow_redirects=True) as client:
        PUT_SSE_C(client)
    assert leaks(http.wire, KEY)


@each_client
def test_by_default_no_redirect_is_followed(kind: str, https: TlsRecordingServer, http: RecordingServer) -> None:
    redirect_everything(https, 307, _bucket_url(http))
    with obs_client(kind, https) as client:
        PUT_SSE_C(client)
    assert_silent(http)


@each_client
def test_a_redirect_without_encryption_is_followed(
    kind: str, https: TlsRecordingServer, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    redirect_everything(https, 307, _bucket_url(http))

    def sent() -> list[str]:
        before = len(http.requests)
        with obs_client(kind, https, allow_redirects=True) as client:
            PUT(client)
        return normal(http)[before:]

    with unguarded():
        expected = sent()
    assert sent() == expected
    assert len(expected) == 1
    assert not caplog.records


@each_client
def test_a_redirect_to_another_host(
    kind: str, policy: str, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    with TlsRecordingServer() as other:
        redirect_everything(https, 307, _bucket_url(other, "elsewhere.obs.test"))
        with obs_client(kind, https, allow_redirects=True) as client:
            result = outcome(PUT_SSE_C, client)
        if policy == "strict":
            error = refused(result, "cross-host-redirect")
            assert error.endpoint == f"https://elsewhere.obs.test:{other.port}"
            assert 'with_endpoint("https://elsewhere.obs.test")' in str(error)
            assert_silent(other)
        else:
            assert leaks(other.received, KEY)
            assert rules(caplog) == ["cross-host-redirect"]
            assert "huaweicloud_calls.py" in fields_of(caplog)[0]["call_site"]


@each_client
def test_a_redirect_within_the_endpoint_is_no_finding(
    kind: str, policy: str, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    with TlsRecordingServer() as other:
        redirect_everything(https, 307, _bucket_url(other), times=1)
        with obs_client(kind, https, allow_redirects=True) as client:
            PUT_SSE_C(client)
        assert leaks(other.received, KEY)
    assert not caplog.records


@each_client
def test_trust_ends_where_a_redirect_leaves_the_trusted_host(
    kind: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(TRUSTED, "obs.test")
    with RecordingServer() as other:
        redirect_everything(http, 307, _bucket_url(other, "elsewhere.obs.test"))
        with obs_client(kind, http, allow_redirects=True) as client:
            refused(outcome(PUT_SSE_C, client), "table-1/PutObject")
        assert_silent(other)
    assert rules(caplog) == ["trusted-host"]


@pytest.mark.parametrize("status", [301, 302, 303])
@each_client
def test_a_method_that_the_redirect_changes(
    kind: str, status: int, https: TlsRecordingServer, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The redirect is judged as the original operation, even if requests uses GET."""
    monkeypatch.setenv(POLICY, "strict")
    redirect_everything(https, status, _bucket_url(http))
    with obs_client(kind, https, allow_redirects=True) as client:
        error: Any = refused(outcome(PUT_SSE_C, client), "table-1/PutObject")
    assert error.operation == "PutObject"
    assert_no_key(http, KEY)
