"""Objects under SSE-KMS that are read over plaintext are logged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.event_handlers import REWRITERS, with_handler
from tests.support.guard import TRUSTED
from tests.support.records import fields_of, rules
from tests.support.s3_calls import (
    KMS_ANSWER,
    NAMES,
    OwnTransport,
    asking,
    each_sdk,
    outcome,
    succeeded,
)

if TYPE_CHECKING:
    from tests.support.servers import RecordingServer, TlsRecordingServer


@each_sdk
def test_read_in_clear_is_logged(sdk: str, http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    http.answer(lambda request: True, headers=KMS_ANSWER)
    first = outcome(sdk, http, asking("GetObject"))
    assert first["Body"] == http.object
    assert rules(caplog) == ["read-in-clear"]
    assert [(fields["operation"], fields["sdk"]) for fields in fields_of(caplog)] == [("GetObject", NAMES[sdk])]
    assert succeeded(outcome(sdk, http, asking("HeadObject")))
    assert len(caplog.records) == 1


@each_sdk
def test_read_over_tls_or_of_another_kind_is_no_finding(
    sdk: str, https: TlsRecordingServer, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    https.answer("GET", headers=KMS_ANSWER)
    http.answer("GET", headers={"x-amz-server-side-encryption": "AES256"})
    for server in (https, http):
        assert succeeded(outcome(sdk, server, asking("GetObject")))
    assert not caplog.records


@each_sdk
@pytest.mark.parametrize("event", REWRITERS)
def test_read_in_clear_where_a_handler_led_to_http(
    event: str, sdk: str, https: TlsRecordingServer, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    http.answer("GET", headers=KMS_ANSWER)
    result = outcome(sdk, https, with_handler(f"{event}.s3", REWRITERS[event](http.url), asking("GetObject")))
    assert result["Body"] == http.object
    assert rules(caplog) == ["read-in-clear"]
    assert fields_of(caplog)[0]["endpoint"] == http.url


@each_sdk
def test_a_response_from_a_trusted_host_is_no_finding(
    sdk: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(TRUSTED, "127.0.0.1")
    http.answer("GET", headers=KMS_ANSWER)
    assert succeeded(outcome(sdk, http, asking("GetObject")))
    assert rules(caplog) == ["trusted-host"]


@each_sdk
def test_an_error_or_another_operation_reads_nothing(
    sdk: str, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    http.answer("GET", headers=KMS_ANSWER, times=1)
    assert succeeded(outcome(sdk, http, lambda client: client.list_objects_v2(Bucket="bucket")))
    http.answer("GET", 404, headers=KMS_ANSWER)
    assert isinstance(outcome(sdk, http, asking("GetObject")), Exception)
    assert not caplog.records


def test_a_response_of_the_applications_own_is_returned(
    http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    class Transport(OwnTransport):
        def send(self, request: Any) -> Any:
            response = super().send(request)
            del response.url
            return response

    def get(client: Any) -> Any:
        client._endpoint.http_session = Transport()
        return asking("GetObject")(client)

    assert succeeded(outcome("boto3", http, get))
    assert not caplog.records
