"""Hooks spell out the SDKs' parameters; what a later release adds passes through."""

from __future__ import annotations

import asyncio
import inspect
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from obs_sse_guard._hooks.hook import Target, place
from obs_sse_guard._hooks.parameters import make_hook

if TYPE_CHECKING:
    from collections.abc import Callable

ENDPOINT = SimpleNamespace(host="https://a.test", http_session=SimpleNamespace(_verify=True))


def _call(self: Any, operation_name: Any, api_params: Any, later: str = "old") -> Any:
    return SimpleNamespace(later=later)


def _send(self: Any, request: Any, later: str = "old") -> Any:
    return SimpleNamespace(later=later, status_code=500)


async def _call_async(self: Any, operation_name: Any, api_params: Any, later: str = "old") -> Any:
    return SimpleNamespace(later=later)


async def _send_async(self: Any, request: Any, later: str = "old") -> Any:
    return SimpleNamespace(later=later, status_code=500)


def _request() -> Any:
    from botocore.awsrequest import AWSRequest

    return AWSRequest("GET", "https://a.test/bucket/object").prepare()


def _botocore() -> dict[str, tuple[Any, Any, tuple[Any, ...]]]:
    from obs_sse_guard._hooks.botocore.methods import method_hook
    from obs_sse_guard._hooks.botocore.wire import send_hook
    from obs_sse_guard._hooks.http.sessions import session_hook

    return {
        "operation": (method_hook, _call, (SimpleNamespace(), "GetObject", {})),
        "attempt": (send_hook, _send, (ENDPOINT, _request())),
        "session": (session_hook, _send, (SimpleNamespace(), _request())),
    }


def _aiobotocore() -> dict[str, tuple[Any, Any, tuple[Any, ...]]]:
    from obs_sse_guard._hooks.aiobotocore import _method_hook, _send_hook
    from obs_sse_guard._hooks.http.sessions import async_session_hook

    return {
        "operation": (_method_hook, _call_async, (SimpleNamespace(), "GetObject", {})),
        "attempt": (_send_hook, _send_async, (ENDPOINT, _request())),
        "session": (async_session_hook, _send_async, (SimpleNamespace(), _request())),
    }


@pytest.mark.parametrize("name", ["operation", "attempt", "session"])
@pytest.mark.parametrize(("sdk", "cases"), [("botocore", _botocore), ("aiobotocore", _aiobotocore)])
def test_a_parameter_of_a_later_release_passes_through(sdk: str, cases: Callable[[], Any], name: str) -> None:
    pytest.importorskip(sdk, reason=f"{sdk} is not installed here")
    make, function, given = cases()[name]
    hook = make_hook(make, name, function)

    def later_of(*more: str, **named: str) -> Any:
        result = hook(*given, *more, **named)
        return (asyncio.run(result) if inspect.iscoroutine(result) else result).later

    assert [later_of(), later_of("by position"), later_of(later="by keyword")] == ["old", "by position", "by keyword"]


def test_a_parameter_of_a_later_release_passes_through_what_is_placed() -> None:
    class Client:
        def call(self, later: str = "old") -> str:
            return later

    def make(_: str, function: Any) -> Any:
        def hook(self: Any) -> Any:
            return function(self)

        return hook

    assert place(Target("made_up_sdk", "Client.call", make), Client, "call")
    assert [Client().call(), Client().call("by position"), Client().call(later="by keyword")] == [
        "old", "by position", "by keyword",
    ]  # fmt: skip


def test_what_a_hook_takes_anyway_stays_with_it() -> None:
    def make(_: str, function: Any) -> Any:
        def by_keyword(self: Any, **kwargs: Any) -> Any:
            return function(self, seen=sorted(kwargs), **kwargs)

        return by_keyword

    def keywords_alone(self: Any, *, seen: Any, **kwargs: Any) -> Any:
        return seen

    def positions_too(self: Any, later: str = "old", *, seen: Any, **kwargs: Any) -> Any:
        return seen, later

    assert make_hook(make, "call", keywords_alone).__name__ == "by_keyword"
    assert make_hook(make, "call", keywords_alone)(None, tls=1) == ["tls"]
    assert make_hook(make, "call", positions_too)(None, "new", tls=1) == (["tls"], "new")


def test_a_release_without_further_parameters_has_the_hook_itself() -> None:
    def send(self: Any, request: Any) -> None:
        """Take what the hook spells out."""

    def hook(self: Any, request: Any) -> None:
        """Spell out what the function takes."""

    assert make_hook(lambda *_: hook, "send", send) is hook
    assert make_hook(lambda *_: hook, "send", len) is hook, "what is not written in Python shows no parameters"
