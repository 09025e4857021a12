"""A bug in the guard is reported as ``cannot-judge``, and refused only by strict."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.guard import POLICY
from tests.support.huaweicloud_calls import (
    KMS_ANSWER,
    PUT,
    PUT_SSE_C,
    SERVERS,
    by_model,
    each_client,
    obs_client,
    outcome,
    refused,
)
from tests.support.records import fields_of, rules
from tests.support.servers import RecordingServer, assert_silent, leaks
from tests.support.sse import KEY

_PACKAGE = "obs_sse_guard._hooks.huaweicloud"


@pytest.mark.parametrize("scheme", SERVERS)
@each_client
def test_a_request_that_cannot_be_judged(
    kind: str, scheme: str, policy: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(f"{_PACKAGE}.client.parse_headers")
    with SERVERS[scheme]() as server, obs_client(kind, server) as client:
        result = outcome(PUT_SSE_C, client)
        if policy == "strict" and scheme == "http":
            error = refused(result, "cannot-judge")
            assert "NameError in request_context" in str(error)
            assert error.endpoint == server.named_url
            assert_silent(server)
        else:
            assert leaks(server.received, KEY)
            assert rules(caplog) == ["cannot-judge"]
            [fields] = fields_of(caplog)
            assert (fields["operation"], fields["endpoint"]) == ("PUT request", server.named_url)
            assert not leaks(caplog.text, KEY)


@each_client
def test_a_hop_that_cannot_be_judged(
    kind: str, policy: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(f"{_PACKAGE}.wire._tls_gap")
    with obs_client(kind, http) as client:
        result = outcome(PUT, client)
    if policy == "strict":
        refused(result, "cannot-judge")
        assert_silent(http)
    else:
        assert rules(caplog) == ["cannot-judge"]


@each_client
def test_a_response_that_cannot_be_judged(
    kind: str, policy: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    http.answer(lambda request: True, headers=KMS_ANSWER)
    monkeypatch.delattr(f"{_PACKAGE}.responses.names_kms")
    with obs_client(kind, http) as client:
        by_model("GetObject", {})(client)
    assert rules(caplog) == ["cannot-judge"], policy


@each_client
def test_a_request_model_that_cannot_be_looked_at(
    kind: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(f"{_PACKAGE}.methods._dropped")
    with obs_client(kind, http) as client:
        PUT(client)
        refused(outcome(PUT_SSE_C, client), "table-1/PutObject")
    assert not caplog.records


@each_client
def test_a_proxy_that_cannot_be_determined(kind: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD_TRUSTED_HOSTS", "obs.test")
    monkeypatch.delattr(f"{_PACKAGE}.methods.proxy_of_session")
    with obs_client(kind, http) as client:
        error = refused(outcome(PUT_SSE_C, client), "table-1/PutObject")
    assert "the proxy, which could not be determined" in str(error)
    assert_silent(http)


def test_a_client_whose_transport_is_unknown(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Without an endpoint, the SDK raises its own error, except under strict."""
    from huaweicloudsdkobs import v1

    def call() -> Any:
        return PUT_SSE_C(v1.ObsClient())

    with pytest.raises((IndexError, AttributeError)):
        call()
    assert rules(caplog) == ["cannot-judge"]
    monkeypatch.setenv(POLICY, "strict")
    with pytest.raises(RuntimeError, match="cannot-judge"):
        call()
