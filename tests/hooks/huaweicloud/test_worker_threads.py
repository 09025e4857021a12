"""The asynchronous client: refusals reach the caller, findings name its line."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from obs_sse_guard import SSETransportError
from obs_sse_guard._enforcement import waiting
from obs_sse_guard._hooks.huaweicloud import workers
from obs_sse_guard._hooks.huaweicloud.client import current_call
from tests.support.guard import AUDIT, TRUSTED
from tests.support.hook_groups import disable_hooks
from tests.support.huaweicloud_calls import (
    GET_SSE_C,
    PUT,
    PUT_SSE_C,
    by_model,
    model_for,
    obs_client,
    outcome,
    raw_headers,
    refused,
)
from tests.support.records import audited, rules
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_no_key, assert_silent, redirect_everything
from tests.support.sse import KEY


def test_a_call_is_refused_before_a_future_is_made(http: RecordingServer) -> None:
    threads: list[threading.Thread] = []
    with obs_client("async", http) as client:
        executor = client.get_http_client().executor
        with pytest.raises(SSETransportError) as caught:
            client.put_object_async(model_for("PutObject", raw_headers("SSE-C")))
        threads += executor._threads
    refused(caught.value, "table-1/PutObject")
    assert __file__ in caught.value.call_site
    assert not threads
    assert_silent(http)


def _follow(client: Any) -> Any:
    return client.put_object_async(model_for("PutObject", raw_headers("SSE-C"))).result()


def test_a_refusal_in_a_worker_names_the_line_of_the_application(
    https: TlsRecordingServer, http: RecordingServer
) -> None:
    redirect_everything(https, 307, f"http://bucket.obs.test:{http.port}/object")
    with obs_client("async", https, allow_redirects=True) as client:
        error = refused(outcome(_follow, client), "table-1/PutObject")
    line = _follow.__code__.co_firstlineno + 1
    assert error.call_site == f"{__file__}:{line} in _follow"
    assert error.call == "ObsAsyncClient.put_object_async"
    assert_silent(http)


def test_a_line_that_only_the_worker_reports(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the hook on the call, the hop is the first to be judged."""
    monkeypatch.setattr(waiting, "_PATIENCE", 5000)
    disable_hooks(monkeypatch, "huaweicloudsdkobs: calls")
    with obs_client("async", http) as client:
        error = refused(outcome(_follow, client), "table-1/PutObject")
    assert error.call == "HttpClient.do_request_async"
    assert __file__ in error.call_site, "the thread that waits for the response"
    assert_silent(http)
    assert not caplog.records


ALLOWED = by_model("CopyObject", raw_headers(source="SSE-C"))


def test_a_finding_is_reported_once_by_the_caller(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(AUDIT, str(tmp_path / "audit"))
    with obs_client("async", http) as client:
        ALLOWED(client)
        ALLOWED(client)
    lines = audited(tmp_path / "audit")
    assert [line["rule"] for line in lines] == ["table-3/SSE-C-to-none"] * 2
    assert all("huaweicloud_calls.py" in str(line) for line in lines)


def test_what_the_call_itself_shows_needs_no_hook_on_workers(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(AUDIT, str(tmp_path / "audit"))
    # Those on HTTP clients would not know of the call.
    disable_hooks(monkeypatch, "huaweicloudsdkobs: workers", "HTTP clients")
    with obs_client("async", http) as client:
        refused(outcome(PUT_SSE_C, client), "table-1/PutObject")
        ALLOWED(client)
    assert [line["rule"] for line in audited(tmp_path / "audit")] == ["table-1/PutObject", "table-3/SSE-C-to-none"]


def test_nothing_is_kept_of_a_call(https: TlsRecordingServer) -> None:
    with obs_client("async", https) as client:
        for _ in range(20):
            PUT_SSE_C(client)
            PUT(client)
        pool = client.get_http_client().executor
        assert {pool.submit(current_call.get).result() for _ in range(20)} == {None}
    del client
    gc.collect()
    assert len(workers._calls) == 0


def test_many_calls_at_once(
    http: RecordingServer, https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each call is judged by its own client, whichever worker carries it out."""
    with obs_client("async", http) as plain, obs_client("async", https) as secure, obs_client("sync", http) as sync:

        def work(number: int) -> list[Any]:
            if number % 3 == 0:
                return [outcome(PUT_SSE_C, plain), PUT(plain)]
            return [outcome(PUT_SSE_C, sync), PUT(sync)] if number % 3 == 1 else [PUT_SSE_C(secure), GET_SSE_C(secure)]

        with ThreadPoolExecutor(6) as pool:
            results = [*pool.map(work, range(60))]
    for number, (first, second) in enumerate(results):
        assert isinstance(first, SSETransportError) is (number % 3 != 2), repr(first)
        assert not isinstance(second, Exception)
    assert_no_key(http, KEY)
    assert not caplog.records


def test_futures_that_are_collected_later(https: TlsRecordingServer, http: RecordingServer) -> None:
    """The SDK has eight workers, and a call takes two: too many calls deadlock it."""
    redirect_everything(https, 307, f"http://bucket.obs.test:{http.port}/object")
    with obs_client("async", https, allow_redirects=True) as client:
        futures = [client.put_object_async(model_for("PutObject", raw_headers("SSE-C"))) for _ in range(3)]
        for future in futures:
            for _ in range(2):
                with pytest.raises(SSETransportError) as caught:
                    future.result()
                refused(caught.value, "table-1/PutObject")
    assert_silent(http)


def test_trust_is_reported_once(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(TRUSTED, "obs.test")
    with obs_client("async", http) as client:
        PUT_SSE_C(client)
    assert rules(caplog) == ["trusted-host"]
