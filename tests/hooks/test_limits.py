"""What the guard cannot see, as docs/threat-model.md states.

If a limit no longer holds, its test fails, and the page must change.
"""

from __future__ import annotations

import ctypes
import http.client
import os
import socket
import ssl
from collections.abc import Callable

import pytest

from tests.support.http_calls import SSE_C
from tests.support.obs_calls import BUCKET, CONTENT, OBJECT, UPLOAD_ID, open_client
from tests.support.servers import LOOPBACK, RecordingServer, TlsRecordingServer, authority, leaks
from tests.support.sse import KEY

_REQUEST = "\r\n".join(
    (
        f"PUT /{BUCKET}/{OBJECT} HTTP/1.1",
        "Host: obs.test",
        "Content-Length: 0",
        "Connection: close",
        *(f"{name}: {value}" for name, value in SSE_C.items()),
        "",
        "",
    )
).encode()


def _by_the_c_library(descriptor: int, data: bytes) -> None:
    ctypes.CDLL(None).send(descriptor, data, len(data), 0)


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(lambda descriptor, data: socket.socket(fileno=os.dup(descriptor)).sendall(data), id="socket"),
        pytest.param(os.write, id="os.write"),
        pytest.param(_by_the_c_library, id="ctypes"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="there a socket is no file descriptor")
@pytest.mark.leaves_open
def test_a_request_without_an_http_client_is_not_seen(
    send: Callable[[int, bytes], object], http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection((LOOPBACK, http.port)) as connection:
        send(connection.fileno(), _REQUEST)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    assert leaks(http.wire, KEY)
    assert caplog.records == []


def test_a_part_of_an_upload_that_another_process_began_is_not_known(
    http: RecordingServer, caplog: pytest.LogCaptureFixture, policy: str
) -> None:
    with open_client("v2", http) as client:
        assert client.uploadPart(BUCKET, OBJECT, 1, UPLOAD_ID, content=CONTENT).status == 200
    assert caplog.records == []


def test_a_bare_key_in_a_name_or_a_body_is_the_data_of_the_application(
    http: RecordingServer, caplog: pytest.LogCaptureFixture, policy: str
) -> None:
    with open_client("v2", http) as client:
        assert client.putContent(BUCKET, KEY, KEY, metadata={"note": KEY}).status == 200
    assert leaks(http.wire, KEY)
    assert caplog.records == []


def test_what_is_printed_is_not_redacted(https: TlsRecordingServer, capsys: pytest.CaptureFixture[str]) -> None:
    context = ssl.create_default_context(cafile=authority().ca)
    connection = http.client.HTTPSConnection(LOOPBACK, https.port, context=context)
    connection.set_debuglevel(1)
    connection.request("PUT", f"/{BUCKET}/{OBJECT}", CONTENT, SSE_C)
    assert connection.getresponse().status == 200
    connection.close()
    assert leaks(capsys.readouterr().out.encode(), KEY)
