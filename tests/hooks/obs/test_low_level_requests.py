"""Requests below the public methods: private calls, and headers added late."""

from __future__ import annotations

import warnings
from typing import Any

import obs
import pytest

import obs_sse_guard
from obs_sse_guard import SSETransportError
from tests.support import obs_calls
from tests.support.obs_calls import (
    BUCKET,
    CONTENT,
    OBJECT,
    each_transport,
    needs_https,
    open_client,
    put_sse_c,
    refused_at_once,
)
from tests.support.records import rules
from tests.support.servers import RecordingServer, assert_silent, leaks
from tests.support.sse import ENCODED, KEY, S3_KEY_HEADER

pytestmark = needs_https


_SMUGGLED: dict[str, dict[str, Any]] = {
    "bytes": {S3_KEY_HEADER: ENCODED.encode()},
    "list": {S3_KEY_HEADER: [ENCODED]},
    "letter case": {S3_KEY_HEADER.upper(): ENCODED},
    "copy source": {"x-obs-copy-source-server-side-encryption-customer-key": ENCODED},
}


@pytest.mark.parametrize("shape", _SMUGGLED)
def test_private_requests_are_checked(shape: str, http: RecordingServer) -> None:
    with open_client("v2", http) as client:
        refused_at_once(lambda: client._make_put_request(BUCKET, OBJECT, headers=_SMUGGLED[shape]))
        refused_at_once(lambda: client._make_delete_request(BUCKET, OBJECT, extensionHeaders=_SMUGGLED[shape]))
        refused_at_once(lambda: client._make_get_request(BUCKET, OBJECT, pathArgs=_SMUGGLED[shape]))
        refused_at_once(lambda: client._send_request("127.0.0.1", "PUT", "/", dict(_SMUGGLED[shape]), port=http.port))
    assert_silent(http)


def test_a_private_request_to_a_trusted_host_is_sent(http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD_TRUSTED_HOSTS", "127.0.0.1")
    headers = {**_SMUGGLED["letter case"], "Content-Length": "0"}
    with open_client("v2", http) as client:
        connection = client._send_request("127.0.0.1", "PUT", "/", headers, port=http.port)
        assert connection.getresponse().status == 200
        connection.close()
    assert leaks(http.wire, KEY)


def test_a_key_in_the_query_of_a_request_is_a_key_in_its_url(
    https: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    with open_client("v2", https) as client:
        client._make_get_request(BUCKET, OBJECT, pathArgs={S3_KEY_HEADER: ENCODED})
    assert rules(caplog)[0] == "key-in-url"


class _LateHeaders(obs.ObsClient):  # type: ignore[misc,name-defined,unused-ignore]
    """A client that adds the key after the method hook, as another thread could."""

    def _add_auth_headers(self, headers: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        headers[S3_KEY_HEADER] = ENCODED
        return super()._add_auth_headers(headers, *args, **kwargs)


@each_transport
def test_headers_are_checked_as_they_are_sent(transport: str, http: RecordingServer) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client = _LateHeaders(
            access_key_id="a", secret_access_key="b", server=http.url, **obs_calls.TRANSPORTS[transport]
        )
    assert refused_at_once(client.putContent, BUCKET, OBJECT, CONTENT).rule == "table-1/PutObject"
    assert refused_at_once(client.deleteObject, BUCKET, OBJECT).rule == "key-in-clear"
    obs_calls.close_client(client)
    assert_silent(http)


def test_a_custom_domain_is_checked(http: RecordingServer) -> None:
    with open_client("v2", http, is_cname=True) as client:
        error = refused_at_once(lambda: client._make_put_request("", OBJECT, headers={S3_KEY_HEADER: ENCODED}))
        refused_at_once(put_sse_c, client)
    assert error.rule == "table-1/PutObject"
    assert_silent(http)


def test_the_workflow_client_is_checked(http: RecordingServer) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client = obs.WorkflowClient(access_key_id="a", secret_access_key="b", server=http.url)
    with pytest.raises(SSETransportError, match="key-in-clear"):
        client._make_put_request(None, "v2/x", headers={S3_KEY_HEADER: ENCODED})
    client.close()
    assert_silent(http)
    assert obs_sse_guard.status()["obs.client._BasicClient._make_request_with_retry"] == "active"
