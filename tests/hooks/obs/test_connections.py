"""The connection decides the transport: pooled, injected and retried ones too."""

from __future__ import annotations

import gc
import http.client
import importlib.util
from types import SimpleNamespace
from typing import Any

import pytest

from obs_sse_guard import SSETransportError
from obs_sse_guard._hooks.obs.client import is_tls
from tests.support.guard import TRUSTED
from tests.support.obs_calls import (
    BUCKET,
    CONTENT,
    OBJECT,
    needs_https,
    open_client,
    plaintext_connection,
    put_sse_c,
    refused_at_once,
)
from tests.support.servers import RecordingServer, assert_no_key, assert_silent
from tests.support.sse import KEY

pytestmark = needs_https


def test_a_pooled_plaintext_connection_carries_no_key(http: RecordingServer) -> None:
    with open_client("v2", http, transport="long") as client:
        client.putContent(BUCKET, OBJECT, CONTENT)
        assert client.connHolder["connSet"].qsize() == 1
        client.is_secure = True
        assert refused_at_once(put_sse_c, client).rule == "table-1/PutObject"
        assert client.connHolder["connSet"].qsize() == 0
        gc.collect()  # a leaked socket would warn, which fails the test
    assert_no_key(http, KEY)


def test_an_injected_plaintext_connection_carries_no_key(http: RecordingServer, https: RecordingServer) -> None:
    with open_client("v2", https, transport="long") as client:
        client.connHolder["connSet"].put(plaintext_connection(http))
        assert refused_at_once(put_sse_c, client).scheme == "http"
    assert_no_key(http, KEY)


def test_every_attempt_is_checked_by_its_own_transport(https: RecordingServer, http: RecordingServer) -> None:
    with open_client("v2", https) as client:

        def flip(_: object) -> bool:
            client.is_secure, client.port = False, http.port
            return True

        https.drop(flip)
        assert refused_at_once(put_sse_c, client, redirects=1).scheme == "http"
    assert len(https.requests) == 1
    assert_silent(http)


def test_a_pooled_connection_leads_to_the_host_it_was_opened_for(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRUSTED, "obs.test")
    options = {"is_signature_negotiation": False, "server": f"http://far.obs.test:{http.port}", "path_style": True}
    with open_client("v2", http, transport="long", **options) as client:
        client.putContent(BUCKET, OBJECT, CONTENT)
        client.server = "obs.test"
        with pytest.raises(SSETransportError):
            put_sse_c(client)
    assert_no_key(http, KEY)


def _http_client_again() -> Any:
    """Return another copy of the module, as eventlet has one."""
    spec = importlib.util.find_spec("http.client")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("connection", "secure"),
    [
        (http.client.HTTPSConnection("a.test"), True),
        (http.client.HTTPConnection("a.test"), False),
        (SimpleNamespace(req=SimpleNamespace(scheme="https")), True),
        (SimpleNamespace(req=SimpleNamespace(scheme="http")), False),
        (SimpleNamespace(secure=True), True),
        (SimpleNamespace(secure=False), False),
        (SimpleNamespace(), False),
        (SimpleNamespace(real_connection=http.client.HTTPSConnection("a.test")), True),
        (SimpleNamespace(real_connection=http.client.HTTPConnection("a.test")), False),
        (_http_client_again().HTTPSConnection("a.test"), True),
        (_http_client_again().HTTPConnection("a.test"), False),
    ],
)
def test_the_transport_is_read_from_the_connection(connection: Any, secure: bool) -> None:
    """An unknown connection counts as plaintext.

    Stand-ins replace the classes of ``use_http2``, which import only on old Pythons, and those of vcrpy, which hold
    the real connection.
    """
    assert is_tls(connection) is secure
