"""A failure inside the guard is ``cannot-judge``, and breaks no permitted call."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import obs
import obs.client
import pytest
from obs import convertor
from obs.ilog import NoneLogClient

from obs_sse_guard import SSETransportError
from obs_sse_guard._hooks.hook import never_raises
from obs_sse_guard._hooks.obs import wire
from tests.support.guard import AUDIT, POLICY, TRUSTED
from tests.support.obs_calls import (
    BUCKET,
    CONTENT,
    OBJECT,
    needs_https,
    needs_requests,
    open_client,
    passes_raw_headers,
    put_sse_c,
    refused_at_once,
)
from tests.support.records import audited, rules
from tests.support.servers import RecordingServer, assert_silent, leaks
from tests.support.sse import KEY

if TYPE_CHECKING:
    from pathlib import Path


def _broken(*_: object, **__: object) -> Any:
    raise LookupError(KEY)


@pytest.fixture
def broken_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every hook fail."""
    for name in ("methods.parse_headers", "wire.parse_headers", "wire.is_tls"):
        monkeypatch.setattr(f"obs_sse_guard._hooks.obs.{name}", _broken)


def _delete(client: Any) -> Any:
    return client.deleteObject(BUCKET, OBJECT, extensionHeaders={"a": "b"})


def test_a_failure_in_any_hook_lets_the_call_through(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr("obs_sse_guard._hooks.obs.methods.keys_as_values")
    with open_client("v2", http) as client:
        assert _delete(client).status == 204
    assert rules(caplog) == ["cannot-judge"]
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    headline, failure, call, _ = record.getMessage().split("; ")
    assert headline == f"obs_sse_guard noticed deleteObject over http to {http.url} [cannot-judge]"
    assert failure.startswith("failure: NameError in describe, ")
    assert call.startswith("call: ObsClient.deleteObject, ")


def test_the_strict_policy_refuses_what_cannot_be_judged_over_plaintext(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POLICY, "strict")
    monkeypatch.delattr("obs_sse_guard._hooks.obs.methods.keys_as_values")
    with open_client("v2", http) as client:
        error = refused_at_once(_delete, client)
    assert (error.rule, error.operation, error.scheme) == ("cannot-judge", "deleteObject", "http")
    assert "NameError in describe" in str(error)
    assert_silent(http)


@needs_https
def test_the_strict_policy_allows_what_cannot_be_judged_over_tls(
    https: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(POLICY, "strict")
    monkeypatch.delattr("obs_sse_guard._hooks.obs.methods.keys_as_values")
    with open_client("v2", https) as client:
        assert _delete(client).status == 204
    assert rules(caplog) == ["cannot-judge"]


class _Double(obs.ObsClient):  # type: ignore[misc]  # the SDK ships no types
    """A test double that does not call ``ObsClient.__init__``."""

    def __init__(self) -> None:
        self.log_client, self.is_cname, self.is_signature_negotiation = NoneLogClient(), False, False
        self.ha = convertor.Adapter("obs")
        self.convertor = convertor.Convertor("obs", self.ha)

    def _make_put_request(self, *_: Any, **__: Any) -> str:
        return "recorded"


def test_a_client_with_an_unknown_transport_is_let_through(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert _Double().uploadPart(BUCKET, OBJECT, 1, "upload", content=CONTENT) == "recorded"
    assert rules(caplog) == ["cannot-judge"]
    monkeypatch.setenv(POLICY, "strict")
    with pytest.raises(SSETransportError, match="cannot-judge"):
        _Double().uploadPart(BUCKET, OBJECT, 1, "upload", content=CONTENT)


def test_if_every_hook_fails_each_call_is_reported_and_goes_through(
    http: RecordingServer,
    broken_hooks: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(AUDIT, str(tmp_path / "audit"))
    with open_client("v2", http) as client:
        for _ in range(11):
            assert put_sse_c(client).status == 200
    assert [line["rule"] for line in audited(tmp_path / "audit")] == ["cannot-judge"] * 11, "one for each call"
    assert rules(caplog) == ["cannot-judge"] * 2, "the 1st and the 10th"
    assert "LookupError in _broken" in caplog.text
    assert not leaks(caplog.text + (tmp_path / "audit").read_text(), KEY)


@pytest.mark.parametrize("trusted", ["", "127.0.0.1"])
def test_if_every_hook_fails_the_strict_policy_refuses(
    trusted: str, http: RecordingServer, broken_hooks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POLICY, "strict")
    monkeypatch.setenv(TRUSTED, trusted)
    with open_client("v2", http) as client:
        assert refused_at_once(put_sse_c, client).rule == "cannot-judge"
    assert_silent(http)


def test_a_failure_in_the_wire_hooks_alone_is_reported(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("obs_sse_guard._hooks.obs.wire.destination", _broken)
    with open_client("v2", http) as client:
        if not passes_raw_headers(client):
            pytest.skip("this release of the SDK passes no raw headers")
        header = {"x-amz-server-side-encryption": "kms"}
        assert client.deleteObject(BUCKET, OBJECT, extensionHeaders=header).status == 204
    assert rules(caplog) == ["kms-in-clear", "cannot-judge"]


def test_a_failure_in_reading_a_response_does_not_lose_it(
    policy: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr("obs_sse_guard._hooks.obs.responses._read_in_clear")
    with open_client("v2", http) as client:
        assert client.getObject(BUCKET, OBJECT, loadStreamInMemory=True).status == 200
    assert rules(caplog) == ["cannot-judge"], "the request was sent, and there is nothing to refuse"


# ----------------------------------------------------------------------------- failed look-ups


class _OwnSession:
    """A session object of the application's own."""

    def __init__(self, session: Any) -> None:
        self.request, self.close, self.send = session.request, session.close, session.send


@needs_requests
@pytest.mark.parametrize("how", ["environment", "session"])
@pytest.mark.parametrize("trusted", ["", "127.0.0.1"])
def test_an_unknown_proxy_disables_no_rule(
    how: str, trusted: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(TRUSTED, trusted)
    with open_client("v2", http, transport="requests", trust_env=how == "environment") as client:
        if how == "environment":
            monkeypatch.setenv("http_proxy", "http://[::1")
        else:
            client.session.session = _OwnSession(client.session.session)
        for _ in range(2):
            error = refused_at_once(put_sse_c, client)
            assert error.rule == "table-1/PutObject"
            assert ("the host is trusted, but not the proxy" in str(error)) is bool(trusted)
            assert "trusts plaintext" not in str(error)
    assert_silent(http)
    assert not caplog.records


@needs_https
@needs_requests
def test_an_unknown_proxy_does_not_matter_to_tls(
    https: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(POLICY, "strict")
    with open_client("v2", https, transport="requests") as client:
        monkeypatch.setattr("obs_sse_guard._hooks.obs.client._proxy", _broken)
        assert put_sse_c(client).status == 200
    assert not caplog.records


def test_a_name_that_may_be_encoded_is_looked_at_closely() -> None:
    assert not wire._is_safe_transport(None, {"x-obs%2Dserver-side-encryption": "kms"}, None)


def test_a_failure_of_what_judges_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert never_raises("read it")(_broken)() is None
    assert "could not read it" in caplog.text
