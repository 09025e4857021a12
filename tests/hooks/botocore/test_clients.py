"""Clients of other services, subclasses, and names imported before the guard."""

from __future__ import annotations

import contextlib
import gc
import weakref
from pathlib import Path
from typing import Any

import pytest

from obs_sse_guard import SSETransportError
from tests.support import s3_calls
from tests.support.s3_calls import (
    BUCKET,
    OBJECT,
    asking,
    boto3_client,
    customer,
    each_sdk,
    outcome,
    refused,
)
from tests.support.servers import (
    RecordingServer,
    assert_silent,
)

_IDENTITY = "<GetCallerIdentityResponse><GetCallerIdentityResult/></GetCallerIdentityResponse>"


def test_other_services_are_not_checked(http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    """Another service may have parameters with the same names and another meaning."""
    options = s3_calls.options_for(http)
    with contextlib.closing(s3_calls.boto3_session().client("sts", **options)) as client:
        http.answer("POST", 200, {"Content-Type": "text/xml"}, _IDENTITY)
        client.get_caller_identity()
    assert len(http.requests) == 1
    assert not caplog.records


def test_names_bound_earlier_and_subclasses_are_guarded(http: RecordingServer) -> None:
    with boto3_client(http) as client:

        class Own(type(client)):  # type: ignore[misc]
            def put_object(self, **parameters: Any) -> Any:
                return super().put_object(**parameters)

        client.__class__ = Own
        for bound in (client.put_object, super(Own, client).put_object, client._make_api_call):
            arguments = {"Bucket": BUCKET, "Key": OBJECT, **customer()}
            with pytest.raises(SSETransportError):
                bound(**arguments) if bound.__name__ != "_make_api_call" else bound("PutObject", arguments)
    assert_silent(http)


def test_an_unreadable_configuration_breaks_no_call(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "config"
    broken.write_text("no section\n")
    with boto3_client(http) as client:
        monkeypatch.setenv("AWS_CONFIG_FILE", str(broken))
        with pytest.raises(SSETransportError, match=r"(?m)the http comes from endpoint_url=$"):
            asking("PutObject", "SSE-C")(client)
    assert_silent(http)


@pytest.mark.unmeasured
@each_sdk
def test_clients_are_not_kept_alive(sdk: str, http: RecordingServer) -> None:
    """Neither the guard's records nor a refusal's traceback keep a client alive."""
    kept: list[Any] = []

    def remember(client: Any) -> Any:
        kept.append(weakref.ref(client))
        return asking("PutObject", "SSE-C")(client)

    refused(outcome(sdk, http, remember), "table-1/PutObject")
    for _ in range(3):
        gc.collect()
    assert kept[0]() is None
