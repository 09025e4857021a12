"""Later releases: new parameters pass through, signatures are never guessed."""

from __future__ import annotations

import http.client
import inspect
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import obs
import obs.client
import pytest

import obs_sse_guard
from obs_sse_guard import SSETransportError
from obs_sse_guard._hooks.obs import advice
from obs_sse_guard._hooks.obs.methods import METHODS, method_hook
from obs_sse_guard._hooks.obs.wire import connection_hook, request_hook
from obs_sse_guard._hooks.parameters import make_hook
from tests.support.obs_calls import BUCKET, CONTENT, OBJECT, open_client
from tests.support.sse import KEY

if TYPE_CHECKING:
    from tests.support.servers import RecordingServer


def _later(name: str, answer: Any) -> Any:
    """Return a method with the parameters of the SDK's method, and one more."""

    def method(*_: Any, **arguments: Any) -> Any:
        return answer(arguments.get("new", "old"))

    signature = inspect.signature(getattr(obs.client._BasicClient, name))
    new = inspect.Parameter("new", inspect.Parameter.KEYWORD_ONLY, default="old")
    method.__signature__ = signature.replace(parameters=[*signature.parameters.values(), new])  # type: ignore[attr-defined]
    return method


def test_a_new_parameter_of_a_later_release_passes_through() -> None:
    client = SimpleNamespace(is_secure=True, ssl_verify="ca")
    method = _later("_make_request_with_retry", lambda new: new)
    request = make_hook(request_hook, "request", method)
    assert request(client, "PUT", "b", new="new") == "new"
    assert request(client, "PUT", "b") == "old"
    method = _later("_parse_request_connection", lambda new: (http.client.HTTPSConnection("a.test"), new))
    connection = make_hook(connection_hook, "connection", method)
    assert connection(client, "h", 1, "https", "c", redirect=False, header={}, new="new")[1] == "new"
    assert connection(client, "h", 1, "https", "c", redirect=False, header={})[1] == "old"


def test_a_new_parameter_may_be_given_by_position() -> None:
    connection = http.client.HTTPSConnection("a.test")

    def choose(
        self: Any, server: Any, port: Any, scheme: Any, connection_key: Any, redirect: Any, header: Any, new: Any
    ) -> Any:
        return connection, new

    hook = make_hook(connection_hook, "connection", choose)
    client = SimpleNamespace(is_secure=True, ssl_verify="ca")
    assert hook(client, "h", 1, "https", "c", False, {}, "new") == (connection, "new")


def test_unexpected_parameters_are_not_guessed() -> None:
    def changed(self: object, second: str, first: str) -> None:
        """A method whose parameters are swapped."""

    with pytest.raises(LookupError):
        make_hook(request_hook, "request", changed)
    with pytest.raises(LookupError):
        make_hook(connection_hook, "connection", changed)


_OPTIONAL = "content=None, metadata=None, headers=None"


@pytest.mark.parametrize(
    ("parameters", "more"),
    [
        (f"bucketName, objectKey, {_OPTIONAL}, *, extensionHeaders=None", {}),
        (f"bucketName, objectKey, /, {_OPTIONAL}, extensionHeaders=None", {}),
        (f"bucketName, objectKey, {_OPTIONAL}, extensionHeaders=None, function=None", {}),
        (f"bucketName, objectKey, {_OPTIONAL}, extensionHeaders=None, _function=None", {"_function": 1}),
        (f"bucketName, objectKey, {_OPTIONAL}, extensionHeaders=None, **more", {"another": 1}),
    ],
    ids=["by keyword alone", "by position alone", "a name of ours", "a private name", "any keywords"],
)
def test_a_later_release_can_change_how_arguments_are_passed(
    parameters: str, more: dict[str, Any], http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    obs_sse_guard.uninstall()
    module: dict[str, Any] = {**vars(obs.client), "released": vars(obs.ObsClient)["putContent"]}
    given = "bucketName, objectKey, content, metadata, headers, extensionHeaders=extensionHeaders"
    exec(f"def putContent(self, {parameters}):\n    return released(self, {given})", module)  # noqa: S102
    monkeypatch.setattr(obs.ObsClient, "putContent", module["putContent"])
    obs_sse_guard.install()
    with open_client("v2", http) as client:
        for arguments in ({}, more, {"extensionHeaders": {"note": "b"}}):
            assert client.putContent(BUCKET, OBJECT, content=CONTENT, **arguments).status == 200
        headers = obs.PutObjectHeader(sseHeader=obs.SseCHeader.getInstance(KEY))
        with pytest.raises(SSETransportError):
            client.putContent(BUCKET, OBJECT, content=CONTENT, headers=headers)
    obs_sse_guard.uninstall()


@pytest.mark.parametrize(
    ("sdk", "python", "upgrade"),
    [
        ((3, 23, 12), (3, 12), True),
        ((3, 20, 11), (3, 13), True),
        ((3, 23, 12), (3, 11), False),
        ((3, 24, 3), (3, 12), False),
    ],
)
def test_where_https_is_broken_the_fix_is_to_upgrade(
    sdk: tuple[int, ...], python: tuple[int, ...], upgrade: bool
) -> None:
    assert ("upgrade to esdk-obs-python>=3.24.3" in advice._upgrade(sdk, python)) is upgrade


def test_the_sdks_version_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (3, 20, 11) <= advice._sdk_version() < (4,)
    monkeypatch.setattr(obs.const, "OBS_SDK_VERSION", "unknown")
    assert "upgrade" not in advice._upgrade(advice._sdk_version(), (3, 13))


def test_a_method_without_the_argument_that_holds_encryption_cannot_be_hooked() -> None:
    def method(self: object, bucketName: str, objectKey: str) -> None:  # noqa: N803  # the SDK's names
        """Upload nothing."""

    for known in METHODS:
        if known.carrier:
            with pytest.raises(LookupError, match=known.carrier):
                method_hook(known)(known.name, method)
