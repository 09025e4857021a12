"""A refusal is raised once: no retry mode repeats it, and no body is read."""

from __future__ import annotations

import io
from typing import Any

import pytest

from tests.support.event_handlers import add_to_request, rewrite_url, with_handler
from tests.support.s3_calls import (
    CONTENT,
    PUT,
    PUT_SSE_C,
    asking,
    each_sdk,
    outcome,
    refused,
)
from tests.support.servers import (
    RecordingServer,
    TlsRecordingServer,
    assert_silent,
)


@each_sdk
@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
@pytest.mark.parametrize("hook", ["method", "wire"])
def test_no_retry_mode_repeats_a_refusal(hook: str, mode: str, sdk: str, http: RecordingServer) -> None:
    attempts: list[Any] = []

    def add(request: Any, **_: Any) -> None:
        attempts.append(request)
        if hook == "wire":
            add_to_request(request)

    call = with_handler("before-send.s3", add, PUT_SSE_C if hook == "method" else PUT)
    refused(outcome(sdk, http, call, retries={"mode": mode, "max_attempts": 5}), "table-1/PutObject")
    assert len(attempts) == (0 if hook == "method" else 1)
    assert_silent(http)


@each_sdk
def test_every_attempt_is_checked(sdk: str, https: TlsRecordingServer, http: RecordingServer) -> None:
    """A retry is checked by its own URL."""
    https.answer("PUT", 503)
    attempts: list[str] = []

    def to_plaintext(request: Any, **_: Any) -> None:
        attempts.append(request.url)
        if len(attempts) > 1:
            rewrite_url(request, http.url)

    call = with_handler("before-sign.s3", to_plaintext, PUT_SSE_C)
    refused(outcome(sdk, https, call, retries={"mode": "standard", "max_attempts": 3}), "table-1/PutObject")
    assert len(attempts) == 2
    assert_silent(http)


class _Unreadable(io.BytesIO):
    def read(self, *_: Any) -> bytes:
        raise AssertionError("the body of a refused call is not read")


@each_sdk
def test_a_refused_body_is_not_read(sdk: str, http: RecordingServer) -> None:
    body = _Unreadable(CONTENT)
    refused(outcome(sdk, http, asking("PutObject", "SSE-C", Body=body)), "table-1/PutObject")
    assert body.tell() == 0
