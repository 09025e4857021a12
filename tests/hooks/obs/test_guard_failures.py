"""A failure inside the guard never breaks a call, and is logged."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import obs
import obs.client
from obs import convertor
from obs.ilog import NoneLogClient

from tests.support.obs_calls import BUCKET, CONTENT, OBJECT, open_client, put_sse_c
from tests.support.servers import RecordingServer, leaks
from tests.support.sse import KEY

if TYPE_CHECKING:
    import pytest


def test_a_failure_in_any_hook_lets_the_call_through(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr("obs_sse_guard._hooks.obs.methods.keys_as_values")
    with open_client("v2", http) as client:
        assert client.deleteObject(BUCKET, OBJECT, extensionHeaders={"a": "b"}).status == 204
    assert "could not judge a call of deleteObject (NameError" in caplog.text


def test_a_client_with_an_unknown_transport_is_let_through(caplog: pytest.LogCaptureFixture) -> None:
    """A test double that does not call ``ObsClient.__init__``."""

    class Double(obs.ObsClient):  # type: ignore[misc]  # the SDK ships no types
        def __init__(self) -> None:
            self.log_client, self.is_cname, self.is_signature_negotiation = NoneLogClient(), False, False
            self.ha = convertor.Adapter("obs")
            self.convertor = convertor.Convertor("obs", self.ha)

        def _make_put_request(self, *_: Any, **__: Any) -> str:
            return "recorded"

    assert Double().uploadPart(BUCKET, OBJECT, 1, "upload", content=CONTENT) == "recorded"
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_failure_is_logged_once_and_lets_the_call_through(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise LookupError(KEY)

    for name in ("methods.parse_headers", "wire.parse_headers", "wire.is_tls"):
        monkeypatch.setattr(f"obs_sse_guard._hooks.obs.{name}", broken)
    with open_client("v2", http) as client:
        for _ in range(2):
            assert put_sse_c(client).status == 200
    assert {record.levelno for record in caplog.records} == {logging.ERROR}
    assert len(caplog.records) == 3, "one for each failing hook"
    assert "LookupError in broken" in caplog.text
    assert not leaks(caplog.text, KEY)


def test_a_failure_in_reading_a_response_does_not_lose_it(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr("obs_sse_guard._hooks.obs.responses._report_read")
    with open_client("v2", http) as client:
        assert client.getObject(BUCKET, OBJECT, loadStreamInMemory=True).status == 200
    assert "could not read a response of ObsClient (NameError" in caplog.text
