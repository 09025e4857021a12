"""A refused call enters few modules, with few transitions between them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

import obs
import pytest

from obs_sse_guard import SSETransportError
from tests.support.obs_calls import BUCKET, CONTENT, OBJECT, open_client, sse_c
from tests.support.s3_calls import PUT_SSE_C, boto3_client

if TYPE_CHECKING:
    from tests.support.servers import RecordingServer

# The number of modules entered, and of returns from one module of the package to another.
LIMITS = {"ObsClient.putContent": (20, 50), "boto3 put_object": (21, 60)}


class Trip:
    """The modules of the package that a call enters, and the returns between them."""

    def __init__(self) -> None:
        self.modules: list[str] = []
        self.returns = 0

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Record a call or a return. This is the callback of `sys.setprofile`."""
        module = _module(frame)
        if not module:
            return
        if event == "call" and module not in self.modules:
            self.modules.append(module)
        if event == "return":
            caller = next(_modules_above(frame), module)
            self.returns += caller != module


def _module(frame: FrameType) -> str:
    name = str(frame.f_globals.get("__name__", ""))
    return name if name.partition(".")[0] == "obs_sse_guard" else ""


def _modules_above(frame: FrameType) -> Iterator[str]:
    above = frame.f_back
    while above is not None:
        if _module(above):
            yield _module(above)
        above = above.f_back


def _trip_of(call: Callable[[], Any]) -> Trip:
    with pytest.raises(SSETransportError):
        call()  # warm the caches
    trip = Trip()
    profile = sys.getprofile()
    sys.setprofile(trip)
    try:
        with pytest.raises(SSETransportError):
            call()
    finally:
        sys.setprofile(profile)
    return trip


@pytest.mark.parametrize("name", LIMITS)
def test_a_refused_call_enters_few_modules(
    name: str, http: RecordingServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry", raising=False)  # another test may have imported it
    headers = obs.PutObjectHeader(sseHeader=sse_c())
    with open_client("v2", http) as obs_client, boto3_client(http) as s3_client:
        calls = {
            "ObsClient.putContent": lambda: obs_client.putContent(BUCKET, OBJECT, CONTENT, headers=headers),
            "boto3 put_object": lambda: PUT_SSE_C(s3_client),
        }
        trip = _trip_of(calls[name])
    with capsys.disabled():
        print(f"\n{name}: {len(trip.modules)} modules, {trip.returns} returns: {', '.join(trip.modules)}")  # noqa: T201
    assert trip.modules, "the call was profiled"
    modules, returns = LIMITS[name]
    assert len(trip.modules) <= modules
    assert trip.returns <= returns
