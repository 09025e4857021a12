"""Objects under SSE-KMS that are read over plaintext are logged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import obs_calls
from tests.support.guard import TRUSTED
from tests.support.obs_calls import (
    BUCKET,
    OBJECT,
    needs_https,
    open_client,
)
from tests.support.records import fields_of, rules

if TYPE_CHECKING:
    from tests.support.servers import RecordingServer

pytestmark = needs_https


def test_read_in_clear_is_logged(http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    http.answer("GET", headers={"x-amz-server-side-encryption": "aws:kms"})
    with open_client("v2", http) as client:
        assert client.getObject(BUCKET, OBJECT, loadStreamInMemory=True).status == 200
        assert rules(caplog) == ["read-in-clear"]
        client.getObjectMetadata(BUCKET, OBJECT)
        client.getBucketAcl(BUCKET)
    assert len(caplog.records) == 1


def test_read_over_tls_or_of_another_kind_is_no_finding(
    https: RecordingServer, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    https.answer("GET", headers={"x-amz-server-side-encryption": "aws:kms"})
    http.answer("GET", headers={"x-amz-server-side-encryption": "AES256"})
    for server in (https, http):
        with open_client("v2", server) as client:
            client.getObject(BUCKET, OBJECT, loadStreamInMemory=True)
    assert not caplog.records


def test_read_in_clear_names_the_host_that_was_read(
    https: RecordingServer, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if not obs_calls.https_works():
        pytest.skip("HTTPS of this release is broken on this Python")
    monkeypatch.setenv(TRUSTED, "127.0.0.1")
    https.answer("GET", 302, {"Location": f"http://far.obs.test:{http.port}/{BUCKET}/{OBJECT}"})
    http.answer("GET", headers={"x-amz-server-side-encryption": "aws:kms"})
    with open_client("v2", https) as client:
        client.getObject(BUCKET, OBJECT, loadStreamInMemory=True)
    assert rules(caplog) == ["read-in-clear"]
    assert fields_of(caplog)[0]["endpoint"] == f"http://far.obs.test:{http.port}"
