"""An SSE-KMS object that was read over plaintext shows only in the response."""

from __future__ import annotations

import pytest

from tests.support.guard import TRUSTED, unguarded
from tests.support.minio_calls import BUCKET, OBJECT, asking, client_for, read
from tests.support.records import fields_of, rules
from tests.support.servers import RecordingServer, TlsRecordingServer, redirect_everything

KMS_ANSWER = {"x-amz-server-side-encryption": "aws:kms"}


def test_read_in_clear(http: RecordingServer, policy: str, caplog: pytest.LogCaptureFixture) -> None:
    http.answer("GET", headers=KMS_ANSWER)
    client = client_for(http)
    assert asking("GetObject")(client) == http.object
    assert rules(caplog) == ["read-in-clear"]
    [fields] = fields_of(caplog)
    assert (fields["call"], fields["endpoint"]) == ("Minio.get_object", http.url)


@pytest.mark.parametrize("case", ["https", "head", "other", "trusted", "part listing", "unguarded"])
def test_not_read_in_clear(
    case: str,
    http: RecordingServer,
    https: TlsRecordingServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for server in (http, https):
        server.answer(lambda request: True, headers={} if case == "other" else KMS_ANSWER)
    client = client_for(https if case == "https" else http)
    if case == "trusted":
        monkeypatch.setenv(TRUSTED, "127.0.0.1")
    if case == "head":
        client.stat_object(BUCKET, OBJECT)
    elif case == "part listing":
        client._execute("GET", BUCKET, OBJECT, query_params={"uploadId": "1"})
    elif case == "unguarded":
        with unguarded():
            asking("GetObject")(client)
    else:
        asking("GetObject")(client)
    assert "read-in-clear" not in rules(caplog)


def test_the_last_hop_counts(
    http: RecordingServer, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    http.answer("GET", headers=KMS_ANSWER)
    redirect_everything(https, 307, f"{http.url}/{BUCKET}/{OBJECT}")
    assert read(client_for(https).get_object(BUCKET, OBJECT)) == http.object
    assert rules(caplog) == ["read-in-clear"]
    caplog.clear()
    with TlsRecordingServer() as server, RecordingServer() as plain:
        server.answer("GET", headers=KMS_ANSWER)
        redirect_everything(plain, 307, f"{server.url}/{BUCKET}/{OBJECT}")
        client = client_for(plain)
        client._http = client_for(server)._http
        assert read(client.get_object(BUCKET, OBJECT)) == server.object
    assert not caplog.records
