"""A refusal's traceback shows the application and at most three guard frames."""

from __future__ import annotations

import io
import linecache
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import obs_sse_guard
from obs_sse_guard import SSETransportError
from tests.support import s3_calls
from tests.support.hook_groups import disable_hooks
from tests.support.obs_calls import open_client, put_sse_c

if TYPE_CHECKING:
    from tests.support.servers import RecordingServer, TlsRecordingServer

OURS = str(Path(str(obs_sse_guard.__file__)).parent)
MOST = 3  # frames of the guard


def _obs_method(http: RecordingServer, _: pytest.MonkeyPatch) -> None:
    with open_client("v2", http) as client:
        put_sse_c(client)


def _obs_request(http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    disable_hooks(monkeypatch, "ObsClient: methods")
    _obs_method(http, monkeypatch)


def _boto3_method(http: RecordingServer, _: pytest.MonkeyPatch) -> None:
    with s3_calls.boto3_client(http) as client:
        client.get_object(Bucket="bucket", Key="key", **s3_calls.customer())


def _boto3_request(http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    disable_hooks(monkeypatch, "botocore: operations")
    _boto3_method(http, monkeypatch)


@pytest.mark.parametrize("call", [_obs_method, _obs_request, _boto3_method, _boto3_request])
def test_a_refusal_shows_the_application_and_at_most_three_frames_of_the_guard(
    call: Callable[[RecordingServer, pytest.MonkeyPatch], None], http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SSETransportError) as caught:
        call(http, monkeypatch)
    assert_is_short(caught.value)


def test_a_refusal_of_a_transfer_is_as_short(http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    disable_hooks(monkeypatch, "botocore: operations")
    with s3_calls.boto3_client(http) as client, pytest.raises(SSETransportError) as caught:
        client.upload_fileobj(io.BytesIO(b"x"), "bucket", "key", ExtraArgs=s3_calls.customer())
    assert_is_short(caught.value)


def test_a_refusal_in_an_event_handlers_url_is_as_short(https: TlsRecordingServer, http: RecordingServer) -> None:
    def rewrite(request: Any, **_: Any) -> None:
        request.url = request.url.replace(https.url, http.url)

    with s3_calls.boto3_client(https) as client, pytest.raises(SSETransportError) as caught:
        client.meta.events.register("before-send.s3", rewrite)
        client.get_object(Bucket="bucket", Key="key", **s3_calls.customer())
    assert_is_short(caught.value)


def test_a_refusal_at_the_connection_is_as_short(https: TlsRecordingServer, http: RecordingServer) -> None:
    https.answer(lambda request: True, 307, {"Location": f"{http.url}/away"})
    with open_client("v2", https) as client, pytest.raises(SSETransportError) as caught:
        put_sse_c(client)
    assert_is_short(caught.value)


def assert_is_short(error: SSETransportError) -> None:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(OURS)]
    assert any(frame.filename == __file__ for frame in frames)
    assert 1 <= len(ours) <= MOST, ours
    for frame in ours:
        shown = linecache.getline(frame.filename, frame.lineno or 0)
        assert Path(frame.filename).read_text("utf-8").splitlines()[(frame.lineno or 0) - 1] == shown.rstrip("\n")
        assert shown.strip()
    text: Any = "".join(traceback.format_exception_only(type(error), error))
    assert text.startswith("obs_sse_guard.SSETransportError: refused PutObject") or "refused GetObject" in text
