"""TLS whose certificate is not verified."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import s3_calls
from tests.support.guard import POLICY, reset
from tests.support.records import rules
from tests.support.s3_calls import asking, each_sdk, outcome, outcomes, refused, succeeded
from tests.support.servers import TlsRecordingServer, assert_silent, leaks
from tests.support.sse import KEY

urllib3_warns = pytest.mark.filterwarnings(
    "ignore::urllib3.exceptions.InsecureRequestWarning",
    "ignore:verify_ssl is deprecated:DeprecationWarning",  # aiohttp warns about old releases of aiobotocore
)


@urllib3_warns
@each_sdk
def test_unverified_tls_is_logged_once_per_client(
    sdk: str, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    secret = asking("PutObject", "SSE-C")
    results = outcomes(sdk, https, asking("PutObject"), secret, secret, asking("GetObject", "SSE-C"), verify=False)
    assert all(map(succeeded, results))
    assert rules(caplog) == ["unverified-tls"]
    assert "verify=" in caplog.text
    assert not leaks(caplog.text, KEY)
    reset()  # a repeat from the same call site would be throttled
    assert succeeded(outcome(sdk, https, secret, verify=False))
    assert rules(caplog) == ["unverified-tls"] * 2, "another client"


@urllib3_warns
@each_sdk
def test_unverified_tls_is_refused_under_strict(
    sdk: str, https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(POLICY, "strict")
    secret = asking("PutObject", "SSE-C")
    first, second = outcomes(sdk, https, secret, secret, verify=False)
    for error in (first, second):
        refused(error, "unverified-tls")
    assert_silent(https)
    assert succeeded(outcome(sdk, https, secret))
    assert succeeded(outcome(sdk, https, asking("PutObject", "SSE-KMS"), verify=False))
    assert not caplog.records


@urllib3_warns
@each_sdk
def test_a_key_from_a_handler_over_unverified_tls_is_logged(
    sdk: str, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    def put(client: Any) -> Any:
        def add(request: Any, **_: Any) -> None:
            for name, value in s3_calls.raw_headers("SSE-C").items():
                request.headers[name] = value

        client.meta.events.register("before-sign.s3", add)
        return asking("PutObject")(client)

    assert succeeded(outcome(sdk, https, put, verify=False))
    assert rules(caplog) == ["unverified-tls"]
