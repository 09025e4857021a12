"""Other libraries' wrappers above and below the hooks, and hooks they remove."""

from __future__ import annotations

import functools
import inspect
import pickle
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import obs
import obs.client
import pytest
import wrapt

import obs_sse_guard
from obs_sse_guard._hooks.hook import is_hook, is_hooked, restore
from obs_sse_guard._hooks.installer import HookInstaller, installer
from tests.support.expected_rules import ROWS
from tests.support.obs_calls import BUCKET, CONTENT, OBJECT, drive, is_guarded, open_client, put_sse_c
from tests.support.sse import KEY

if TYPE_CHECKING:
    from tests.support.servers import RecordingServer


def _by_wrapt(function: Any) -> Any:
    return wrapt.FunctionWrapper(function, lambda wrapped, _, args, kwargs: wrapped(*args, **kwargs))


def _by_functools(function: Any) -> Any:
    @functools.wraps(function)
    def foreign(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return foreign


def _by_closure(function: Any) -> Any:
    """Wrap as Sentry does: only the closure holds the function, among other values."""
    unset: Any

    def foreign(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs) if args or kwargs else (foreign, unset)  # noqa: F821  # a cell that stays empty

    foreign.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]  # as if the parameters were written out
    return foreign


@pytest.fixture(params=[_by_wrapt, _by_functools, _by_closure], ids=["wrapt", "functools", "closure"])
def foreign(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Wrap a method as another library does, and undo it at the end."""
    original = vars(obs.ObsClient)["putContent"].__wrapped__
    yield request.param
    obs.ObsClient.putContent = original


def test_a_wrapper_above_the_hook_stays_and_the_hook_becomes_inactive(foreign: Any, http: RecordingServer) -> None:
    obs.ObsClient.putContent = above = foreign(vars(obs.ObsClient)["putContent"])
    with open_client("v2", http) as client:
        assert is_guarded(client)
        assert obs_sse_guard.status()["obs.client.ObsClient.putContent"] == "active"
        obs_sse_guard.uninstall()
        assert vars(obs.ObsClient)["putContent"] is above
        assert not is_hook(above)
        assert put_sse_c(client).status == 200
        obs_sse_guard.install()
        assert vars(obs.ObsClient)["putContent"] is above
        assert is_guarded(client)


def test_a_wrapper_below_the_hook_is_kept(foreign: Any, http: RecordingServer) -> None:
    obs_sse_guard.uninstall()
    obs.ObsClient.putContent = below = foreign(vars(obs.ObsClient)["putContent"])
    obs_sse_guard.install()
    with open_client("v2", http) as client:
        assert is_guarded(client)
        assert client.putContent(BUCKET, OBJECT, CONTENT).status == 200
        obs_sse_guard.uninstall()
        assert vars(obs.ObsClient)["putContent"] is below
        assert put_sse_c(client).status == 200


def test_a_removed_hook_is_reported_off_and_can_be_placed_again(http: RecordingServer) -> None:
    obs.ObsClient.putContent = vars(obs.ObsClient)["putContent"].__wrapped__
    assert obs_sse_guard.status()["obs.client.ObsClient.putContent"] == "off"
    with open_client("v2", http) as client:
        assert is_guarded(client), "the wire hook still refuses"
    obs_sse_guard.install()
    assert obs_sse_guard.status()["obs.client.ObsClient.putContent"] == "active"


def _remove_outermost() -> None:
    """Remove the outermost wrapper without a check, as ddtrace's unpatch() does."""
    obs.ObsClient.putContent = vars(obs.ObsClient)["putContent"].__wrapped__


def _missed(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [record.args for record in caplog.records if "is gone" in record.msg]


_PLACE = "obs.client.ObsClient.putContent"


def test_a_removed_hook_is_logged_once_by_the_next_report(
    http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    with open_client("v2", http) as client:
        assert is_guarded(client)
        assert _missed(caplog) == []
        for times in (1, 2):
            _remove_outermost()
            assert is_guarded(client), "the wire hook still refuses"
            assert is_guarded(client)
            assert _missed(caplog) == [(_PLACE,)] * times
            assert obs_sse_guard.status()[_PLACE] == "off", "no hook is placed again automatically"
            obs_sse_guard.install()
            assert is_guarded(client)


def test_an_allowed_call_does_not_check_for_removed_hooks(
    http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    row = next(row for row in ROWS if (row.operation, row.source, row.target) == ("UploadPartCopy", "none", "SSE-KMS"))
    with open_client("v2", http) as client:
        _remove_outermost()
        assert client.putContent(BUCKET, OBJECT, CONTENT).status == 200
        assert drive(client, row).status == 200, "the row allows the call"
        assert _missed(caplog) == []


def test_a_wrapper_above_the_hook_is_not_reported_as_a_removed_hook(
    foreign: Any, http: RecordingServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    obs.ObsClient.putContent = foreign(vars(obs.ObsClient)["putContent"])
    with open_client("v2", http) as client:
        assert is_guarded(client)
    assert _missed(caplog) == []

    def removed() -> list[str]:
        raise AssertionError("the next check is quick again")

    monkeypatch.setattr(installer, "_removed", removed)
    installer.report_removed_hooks()


def test_a_check_for_removed_hooks_never_waits(caplog: pytest.LogCaptureFixture) -> None:
    _remove_outermost()
    with installer._lock:
        elsewhere = threading.Thread(target=installer.report_removed_hooks)
        elsewhere.start()
        elsewhere.join(10)
        assert not elsewhere.is_alive()
        assert _missed(caplog) == []
    installer.report_removed_hooks()
    assert _missed(caplog) == [(_PLACE,)]


def test_what_uninstall_removes_is_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    obs_sse_guard.uninstall()
    installer.report_removed_hooks()  # as a call in progress does
    assert _missed(caplog) == []


def _later_put(self: object, bucketName: str, objectKey: str, headers: Any = None) -> str:  # noqa: N803
    return "called"


def test_self_as_a_keyword_is_left_to_the_sdk(http: RecordingServer, foreign: Any) -> None:
    with open_client("v2", http) as client:
        signed = obs.ObsClient._createV2SignedUrl(self=client, method="GET", bucketName=BUCKET, objectKey=OBJECT)
        assert signed.signedUrl
        obs_sse_guard.uninstall()
        obs.ObsClient.putContent = foreign(_later_put)
        obs_sse_guard.install()
        make: Any = obs.ObsClient
        assert make.putContent(self=client, bucketName=BUCKET, objectKey=OBJECT) == "called"
        obs_sse_guard.uninstall()


def test_a_wrapper_below_the_hook_gets_the_callers_arguments(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrapper may look for an argument by position or by keyword."""
    given: list[Any] = []

    @functools.wraps(inspect.unwrap(vars(obs.ObsClient)["putContent"]))
    def recording(_: Any, *args: Any, **kwargs: Any) -> None:
        given.append((args, kwargs))

    monkeypatch.setattr(obs.ObsClient, "putContent", recording)
    obs_sse_guard.install()
    with open_client("v2", http) as client:
        client.is_secure = True
        headers = obs.PutObjectHeader(sseHeader=obs.SseCHeader.getInstance(KEY))
        client.putContent(BUCKET, OBJECT, content=CONTENT, headers=headers)
    assert given == [((BUCKET, OBJECT), {"content": CONTENT, "headers": headers})]


def test_a_check_for_removed_hooks_that_fails_replaces_no_refusal(
    http: RecordingServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(HookInstaller, "_is_changed")
    with open_client("v2", http) as client:
        assert is_guarded(client)
        monkeypatch.setenv("OBS_SSE_GUARD", "warn")
        assert put_sse_c(client).status == 200
    assert "could not check the hooks (AttributeError" in caplog.text


# ------------------------------------------------------------------- what is taken for a hook


def _replacement(*args: Any, **kwargs: Any) -> Any:
    """Replace a method without calling it."""
    return "replaced"


def _unrelated(_: Any) -> Any:
    """Replace a method with a function whose closure holds nothing of ours."""
    nothing = None

    def foreign(self: Any, bucketName: Any, objectKey: Any, content: Any = None, headers: Any = None) -> Any:  # noqa: N803
        return nothing if headers is self else _replacement(self, bucketName, objectKey, content)

    return foreign


def _with_another_hook(_: Any) -> Any:
    """Replace a method with a function whose closure holds another method's hook."""
    other = vars(obs.ObsClient)["getObject"]

    def foreign(self: Any, bucketName: Any, objectKey: Any, content: Any = None, headers: Any = None) -> Any:  # noqa: N803
        return other if headers is other else _replacement(self, bucketName, objectKey, content)

    return foreign


class _Endless:
    """Return a new object for each ``__wrapped__``, as `unittest.mock.call` does."""

    def __getattr__(self, name: str) -> Any:
        return _Endless()


class _Unbound:
    """Raise for every attribute, as a web framework's proxy does outside a request."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


def _with_strange_objects(_: Any) -> Any:
    endless, unbound = _Endless(), _Unbound()

    def foreign(self: Any, bucketName: Any, objectKey: Any, content: Any = None, headers: Any = None) -> Any:  # noqa: N803
        return (endless, unbound) if headers is unbound else _replacement(self, bucketName, objectKey, content)

    return foreign


@pytest.mark.parametrize("replace", [_unrelated, _with_another_hook, _with_strange_objects])
def test_a_replaced_method_is_reported_off_and_can_be_hooked(replace: Any, http: RecordingServer) -> None:
    original = vars(obs.ObsClient)["putContent"].__wrapped__
    obs.ObsClient.putContent = replaced = replace(original)
    try:
        assert obs_sse_guard.status()[_PLACE] == "off"
        obs_sse_guard.install()
        assert obs_sse_guard.status()[_PLACE] == "active"
        with open_client("v2", http) as client:
            assert is_guarded(client)
            assert client.putContent(BUCKET, OBJECT, None) == "replaced"
        obs_sse_guard.uninstall()
        assert vars(obs.ObsClient)["putContent"] is replaced
    finally:
        obs.ObsClient.putContent = original


def test_a_hook_is_found_behind_strange_objects() -> None:
    hook = vars(obs.ObsClient)["putContent"]
    endless, unbound = _Endless(), _Unbound()

    def foreign(*args: Any) -> Any:
        return (endless, unbound) if not args else hook(*args)

    assert is_hooked(foreign, "putContent")


def test_a_method_that_is_none_is_reported_and_spares_the_other_hooks() -> None:
    original = vars(obs.ObsClient)["getObject"].__wrapped__
    obs.ObsClient.getObject = None
    try:
        assert obs_sse_guard.status()["obs.client.ObsClient.getObject"] == "off"
        with pytest.warns(obs_sse_guard.SSEGuardWarning, match=r"could not hook obs\.client\.ObsClient\.getObject:"):
            obs_sse_guard.install()
        assert obs_sse_guard.status()["obs.client.ObsClient.getObject"] == "unsupported"
        obs_sse_guard.uninstall()
        assert obs.ObsClient.getObject is None
        assert not any(is_hook(value) for value in vars(obs.ObsClient).values())
    finally:
        obs.ObsClient.getObject = original


def test_a_hook_that_cannot_be_removed_spares_the_rest(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(owner: Any, name: str) -> None:
        if name == "getObject":
            raise TypeError("cannot set attributes")
        restore(owner, name)

    monkeypatch.setattr("obs_sse_guard._hooks.installer.restore", failing)
    obs_sse_guard.uninstall()
    assert "could not remove a hook (TypeError in failing" in caplog.text
    left = {name for name, value in vars(obs.ObsClient).items() if is_hook(value)}
    assert left == {"getObject"}
    monkeypatch.undo()
    obs_sse_guard.uninstall()
    assert not is_hook(vars(obs.ObsClient)["getObject"])


# ------------------------------------------------------------------------------------- aliases


def _aliases() -> dict[str, str]:
    """Return the attributes of ObsClient that are aliases, with the functions' names."""
    functions = {name: value for name, value in vars(obs.ObsClient).items() if inspect.isfunction(value)}
    return {name: value.__name__ for name, value in functions.items() if value.__name__ not in (name, "hook")}


def test_an_alias_is_hooked_and_pickled_as_what_it_is() -> None:
    aliases = {alias: name for alias, name in _aliases().items() if name in vars(obs.ObsClient)}
    assert len(aliases) >= 10
    for alias, name in aliases.items():
        function = vars(obs.ObsClient)[alias]
        assert is_hooked(function, alias) is is_hooked(vars(obs.ObsClient)[name], name)
        assert pickle.loads(pickle.dumps(function)) is function is vars(obs.ObsClient)[name]  # noqa: S301  # our own
    obs_sse_guard.uninstall()
    for alias, name in aliases.items():
        assert not is_hook(vars(obs.ObsClient)[alias])
        assert vars(obs.ObsClient)[alias] is vars(obs.ObsClient)[name]
