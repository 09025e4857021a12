"""Objects under SSE-KMS that are read over plaintext are logged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.records import fields_of, rules
from tests.support.s3_calls import (
    KMS_ANSWER,
    NAMES,
    asking,
    each_sdk,
    outcome,
    succeeded,
)

if TYPE_CHECKING:
    import pytest

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
