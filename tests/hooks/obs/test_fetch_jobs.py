"""Fetch jobs: the only request whose body contains headers."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest

from obs_sse_guard import SSETransportError
from tests.support import obs_calls
from tests.support.obs_calls import BUCKET, needs_https, open_client, refused_at_once
from tests.support.servers import RecordingServer, assert_no_key, assert_silent
from tests.support.sse import ENCODED, KEY, S3_KEY_HEADER

pytestmark = needs_https


@pytest.mark.parametrize("kind", obs_calls.KINDS)
def test_a_fetch_job_carries_headers_in_its_body(kind: str, http: RecordingServer) -> None:
    headers = {"x-obs-server-side-encryption-customer-key": ENCODED, S3_KEY_HEADER: ENCODED}
    with open_client(kind, http) as client:
        with pytest.raises(SSETransportError) as caught:
            client.setBucketFetchJob(BUCKET, "http://a.test/", objectHeaders=headers)
        client.setBucketFetchJob(BUCKET, "http://a.test/", objectHeaders={"note": "x"})
    assert caught.value.rule in ("key-in-clear", "key-misplaced")
    assert_no_key(http, KEY)


def test_a_private_fetch_job_is_checked_by_its_body(http: RecordingServer) -> None:
    body = json.dumps({"objectheaders": {S3_KEY_HEADER: ENCODED}})
    with open_client("v2", http) as client:
        call = functools.partial(client._make_post_request, BUCKET, "v1/async-fetch/jobs", entity=body)
        assert refused_at_once(call).rule == "key-in-clear"
    assert_silent(http)


@pytest.mark.parametrize("body", ["no json", "[]", '{"objectheaders": 1}', b'{"objectheaders": null}', None])
def test_a_malformed_fetch_job_passes(body: Any, http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    with open_client("v2", http) as client:
        client._make_post_request(BUCKET, "v1/async-fetch/jobs", entity=body)
    assert len(http.requests) == 1
    assert not caplog.records


def test_no_other_body_is_read(http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    body = f'{{"objectheaders": {{"{S3_KEY_HEADER}": "x"}}}}'
    with open_client("v2", http) as client:
        client.putContent(BUCKET, "v1/async-fetch/jobs", content=body)
        client.putContent(BUCKET, "other", content=body)
    assert len(http.requests) == 2
    assert not caplog.records


def test_a_fetch_job_opens_no_connection(http: RecordingServer) -> None:
    headers = {"x-obs-server-side-encryption-customer-key": ENCODED}
    with open_client("obs", http) as client, pytest.raises(SSETransportError, match="key-in-clear"):
        client.setBucketFetchJob(BUCKET, "http://a.test/", objectHeaders=headers)
    assert_silent(http)
