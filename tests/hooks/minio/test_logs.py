"""What minio-py and urllib3 print: no key, nor its MD5."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest

from obs_sse_guard._hooks.minio import logs
from tests.support.guard import unguarded
from tests.support.minio_calls import (
    BUCKET,
    CONTENT,
    OBJECT,
    SERVERS,
    asking,
    client_for,
    outcome,
    raw_headers,
    read,
    sse_c,
)
from tests.support.servers import RecordingServer, TlsRecordingServer, leaks
from tests.support.sse import ENCODED, KEY, MD5

ERROR = f"""<?xml version="1.0"?><Error><Code>SignatureDoesNotMatch</Code><CanonicalRequest>PUT
/bucket/object

x-amz-server-side-encryption-customer-key:{ENCODED}
x-amz-server-side-encryption-customer-key-md5:{MD5}
</CanonicalRequest></Error>"""


def _calls(client: Any) -> None:
    for sse in (sse_c(), None):
        client.put_object(BUCKET, OBJECT, io.BytesIO(CONTENT), len(CONTENT), sse=sse)
    read(client.get_object(BUCKET, OBJECT, extra_query_params=raw_headers("SSE-C")))
    client._http.clear()


def _trace(server: RecordingServer) -> str:
    client, stream = client_for(server), io.StringIO()
    client.trace_on(stream)
    _calls(client)
    outcome(client, asking("CopyObject", "SSE-C"))
    return stream.getvalue()


def test_a_trace_shows_no_key(https: TlsRecordingServer) -> None:
    https.answer(
        lambda request: request.header("x-amz-copy-source") != "", 403, {"Content-Type": "application/xml"}, ERROR
    )
    with unguarded():
        plain = _trace(https)
    assert leaks(plain, KEY)
    assert "SignatureDoesNotMatch" in plain
    traced = _trace(https)
    assert not leaks(traced, KEY)
    assert "X-Amz-Server-Side-Encryption-Customer-Key: ******" in traced
    assert traced.partition("<?xml")[0].count("\n") == plain.partition("<?xml")[0].count("\n")
    assert "PUT /bucket/folder/object HTTP/1.1" in traced


def test_a_trace_without_a_key_is_unchanged(http: RecordingServer) -> None:
    def traced() -> list[str]:
        client, stream = client_for(http), io.StringIO()
        client.trace_on(stream)
        asking("PutObject")(client)
        return [
            line
            for line in stream.getvalue().splitlines()
            if "Date" not in line and "Authorization" not in line and "request-id" not in line
        ]

    with unguarded():
        expected = traced()
    assert traced() == expected


def test_a_trace_that_was_turned_on_before(https: TlsRecordingServer) -> None:
    client, stream = client_for(https), io.StringIO()
    with unguarded():
        client.trace_on(stream)
    asking("PutObject", "SSE-C")(client)
    assert not leaks(stream.getvalue(), KEY)
    assert "Customer-Key: ******" in stream.getvalue()


def test_a_trace_after_the_guard_is_removed(https: TlsRecordingServer) -> None:
    client, stream = client_for(https), io.StringIO()
    client.trace_on(stream)
    with unguarded():
        asking("PutObject", "SSE-C")(client)
    assert leaks(stream.getvalue(), KEY)


def test_the_stream_of_a_trace(http: RecordingServer) -> None:
    client, stream = client_for(http), io.StringIO()
    client.trace_on(stream)
    assert client._trace_stream.getvalue() == ""
    assert client._trace_stream.write("text") == 4
    client.trace_off()
    assert client._trace_stream is None
    with pytest.raises(ValueError, match="trace output"):
        client.trace_on(None)


def test_a_failure_to_redact_is_logged(
    https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logs, "mentions_key", lambda _: 1 / 0)
    client, stream = client_for(https), io.StringIO()
    client.trace_on(stream)
    asking("PutObject")(client)
    assert stream.getvalue()
    assert "redact the trace of Minio" in caplog.text


@pytest.mark.parametrize("scheme", SERVERS)
def test_the_log_of_urllib3(scheme: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")
    caplog.set_level(logging.DEBUG)
    with SERVERS[scheme]() as server:
        with unguarded():
            _calls(client_for(server))
        assert leaks(caplog.text, KEY)
        caplog.clear()
        _calls(client_for(server))
        assert not leaks(caplog.text, KEY)
        assert "urllib3.connectionpool" in {record.name for record in caplog.records}
