"""Constructors of header objects drop an SSE argument of an unexpected type."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import obs
import obs.model
import pytest

import obs_sse_guard
from obs_sse_guard import SSETransportError
from tests.support.guard import POLICY
from tests.support.obs_calls import sse_c
from tests.support.records import fields_of, rules
from tests.support.servers import leaks
from tests.support.sse import KEY

_PACKAGE = str(Path(obs_sse_guard.__file__).parent)
_PLAIN = {"encryption": "AES256", "key": KEY}
_MODELS = {
    "PutObjectHeader": ("sseHeader",),
    "AppendObjectHeader": ("sseHeader",),
    "UploadFileHeader": ("sseHeader",),
    "GetObjectHeader": ("sseHeader",),
    "CopyObjectHeader": ("destSseHeader", "sourceSseHeader"),
}
_CASES = [(name, argument) for name, arguments in _MODELS.items() for argument in arguments]


def test_every_header_object_of_the_sdk_that_takes_sse_objects_is_hooked() -> None:
    taking = {
        name
        for name, kind in vars(obs).items()
        if any(argument.lower().endswith("sseheader") for argument in getattr(kind, "allowedAttr", ()))
    }
    assert taking == set(_MODELS)


@pytest.mark.parametrize(("name", "argument"), _CASES)
def test_a_dropped_argument_is_logged_when_it_is_dropped(
    name: str, argument: str, caplog: pytest.LogCaptureFixture
) -> None:
    made = getattr(obs, name)(**{argument: _PLAIN})
    assert argument not in made
    assert rules(caplog) == ["sse-dropped"]
    (record,) = caplog.records
    kind = type(made).__name__
    assert record.getMessage().startswith(
        f"obs_sse_guard noticed {kind} [sse-dropped]; names: {argument}; call: {kind}, "
    )
    assert "test_models.py" in fields_of(caplog)[0]["call_site"]
    assert not leaks(caplog.text, KEY)


@pytest.mark.parametrize(("name", "argument"), _CASES)
def test_strict_refuses_it(name: str, argument: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POLICY, "strict")
    with pytest.raises(SSETransportError, match=r"^refused \w+ \[sse-dropped\]\n") as caught:
        getattr(obs, name)(**{argument: _PLAIN})
    assert argument in str(caught.value)
    assert not leaks(str(caught.value), KEY)


@pytest.mark.parametrize("value", ["AES256", ("AES256", KEY), True, {"encryption": "kms"}])
def test_whatever_is_dropped_is_logged(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    obs.PutObjectHeader(sseHeader=value)
    assert rules(caplog) == ["sse-dropped"]


@pytest.mark.parametrize("sse", [sse_c, obs.SseKmsHeader.getInstance])
def test_an_sse_object_in_another_argument_is_dropped_too(sse: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert "location" not in obs.PutObjectHeader(None, None, sse())
    assert "names: location" in caplog.text


def test_what_is_kept_is_no_finding(caplog: pytest.LogCaptureFixture, policy: str) -> None:
    class Own(obs.PutObjectHeader):  # type: ignore[misc]
        def __init__(self, sse: Any) -> None:
            super().__init__(sseHeader=sse)

    for value in (sse_c(), obs.SseKmsHeader.getInstance(), obs.model.SseHeader(key=KEY), None):
        for name, argument in _CASES:
            made = getattr(obs, name)(**{argument: value, "contentType" if name != "GetObjectHeader" else "range": "x"})
            assert made.get(argument) is value
        assert Own(value).get("sseHeader") is value
    nothing: Any
    for nothing in ({}, "", ()):
        obs.PutObjectHeader(sseHeader=nothing)
    obs.PutObjectHeader.__init__(self=obs.PutObjectHeader(), sseHeader=_PLAIN)
    assert not caplog.records, policy


def test_wrong_arguments_are_the_errors_of_the_sdk() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'sse'"):
        obs.PutObjectHeader(sse=_PLAIN)
    with pytest.raises(TypeError, match="positional"):
        obs.PutObjectHeader(*range(100))


def test_a_value_that_cannot_be_judged_does_not_break_the_object(caplog: pytest.LogCaptureFixture) -> None:
    class Odd:
        def __bool__(self) -> bool:
            raise LookupError

    made = obs.PutObjectHeader(contentType="text/plain", sseHeader=Odd())
    assert (made["contentType"], made.get("sseHeader")) == ("text/plain", None)
    assert rules(caplog) == ["cannot-judge"]


def test_an_empty_header_object_costs_one_call_of_the_guard() -> None:
    """The SDK makes one in each call without headers, which is on the hot path."""
    files: list[str] = []

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            files.append(frame.f_code.co_filename)

    sys.setprofile(note)
    try:
        obs.PutObjectHeader()
    finally:
        sys.setprofile(None)
    assert len([file for file in files if file.startswith(_PACKAGE)]) == 1
