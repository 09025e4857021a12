"""The hooks are placed and removed from any thread, and their status is reported."""

from __future__ import annotations

import importlib
import inspect
import sys
import threading
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from unittest import mock

import obs
import obs.client
import pytest

import obs_sse_guard
from obs_sse_guard import SSEGuardWarning
from obs_sse_guard._enforcement.enforce import is_enabled
from obs_sse_guard._hooks import aiobotocore as aiobotocore_hooks
from obs_sse_guard._hooks import crt as crt_hooks
from obs_sse_guard._hooks.botocore import targets as botocore_targets
from obs_sse_guard._hooks.hook import Target, is_hook
from obs_sse_guard._hooks.http import aiohttp as aiohttp_hooks
from obs_sse_guard._hooks.http import client as http_client
from obs_sse_guard._hooks.http import httpcore as httpcore_hooks
from obs_sse_guard._hooks.huaweicloud import targets as huaweicloud_targets
from obs_sse_guard._hooks.installer import HookInstaller, installer
from obs_sse_guard._hooks.minio import targets as minio_targets
from obs_sse_guard._hooks.obs import targets as obs_targets
from obs_sse_guard._hooks.parameters import expect_parameters
from obs_sse_guard._hooks.stores import targets as stores_targets
from tests.support.obs_calls import (
    BUCKET,
    CONTENT,
    OBJECT,
    is_guarded,
    open_client,
    put_sse_c,
)

if TYPE_CHECKING:
    from tests.support.servers import RecordingServer


def test_a_callable_without_a_signature_is_not_hooked() -> None:
    obs.ObsClient.mapping_factory = dict
    try:
        obs_sse_guard.install()
        assert "active" in obs_sse_guard.status().values()
        obs_sse_guard.uninstall()
    finally:
        del obs.ObsClient.mapping_factory
        obs_sse_guard.install()


def test_a_failed_hook_can_be_placed_later() -> None:
    original = vars(obs.ObsClient)["putContent"].__wrapped__
    obs_sse_guard.uninstall()
    obs.ObsClient.putContent = mock.MagicMock()
    with pytest.warns(obs_sse_guard.SSEGuardWarning, match="putContent"):
        obs_sse_guard.install()
    name = "obs.client.ObsClient.putContent"
    assert obs_sse_guard.status()[name] == "unsupported"
    obs.ObsClient.putContent = original
    obs_sse_guard.install()
    assert obs_sse_guard.status()[name] == "active"


SDKS = (
    obs_targets, botocore_targets, aiobotocore_hooks, crt_hooks, huaweicloud_targets, minio_targets,
    http_client, httpcore_hooks, aiohttp_hooks, stores_targets,
)  # fmt: skip


OPTIONAL = {target.name for target in obs_targets.TARGETS if target.optional}


def test_status_lists_every_hook() -> None:
    status = obs_sse_guard.status()
    assert set(status) == {target.name for sdk in SDKS for target in sdk.TARGETS}
    assert {name for name, state in status.items() if name.startswith("obs.") and state != "active"} <= OPTIONAL
    assert "obs.client.ObsClient.putContent" in status


def test_uninstall_restores_the_original_methods(http: RecordingServer) -> None:
    obs_sse_guard.uninstall()
    obs_sse_guard.uninstall()
    assert set(obs_sse_guard.status().values()) == {"off"}
    for owner, name in installer._places():
        assert not is_hook(vars(owner).get(name))
        assert not hasattr(vars(owner).get(name), "__obs_sse_guard__")
    with open_client("v2", http) as client:
        assert put_sse_c(client).status == 200
        obs_sse_guard.install()
        assert is_guarded(client)


def test_install_is_idempotent() -> None:
    before = vars(obs.ObsClient)["putContent"]
    obs_sse_guard.install()
    assert vars(obs.ObsClient)["putContent"] is before
    assert is_hook(before)
    assert not is_hook(before.__wrapped__)


def test_threads_install_and_uninstall_during_calls(http: RecordingServer) -> None:
    stop = threading.Event()
    wrong: list[BaseException] = []

    def toggle() -> None:
        while not stop.is_set():
            obs_sse_guard.uninstall()
            obs_sse_guard.install()

    def call() -> None:
        try:
            with open_client("v2", http) as client:
                for _ in range(20):
                    assert client.putContent(BUCKET, OBJECT, CONTENT).status == 200
                    is_guarded(client)
        except BaseException as error:  # noqa: BLE001  # the assertion below shows it
            wrong.append(error)

    togglers = [threading.Thread(target=toggle) for _ in range(3)]
    callers = [threading.Thread(target=call) for _ in range(4)]
    for thread in togglers + callers:
        thread.start()
    for thread in callers:
        thread.join(60)
    stop.set()
    for thread in togglers:
        thread.join(10)
    assert wrong == []
    obs_sse_guard.install()
    hook = vars(obs.ObsClient)["putContent"]
    assert is_hook(hook)
    assert not is_hook(hook.__wrapped__), "hooked twice"


@pytest.fixture
def module() -> Iterator[types.ModuleType]:
    """Create a module like that of an SDK."""
    made = types.ModuleType("made_up_sdk")

    class Client:
        def call(self, headers: Any = None) -> str:
            return "called"

        def hidden(self, *args: Any, **kwargs: Any) -> str:
            return "hidden"

    made.Client = Client  # type: ignore[attr-defined]
    sys.modules[made.__name__] = made
    yield made
    del sys.modules[made.__name__]


def _hook(_name: str, function: Any) -> Any:
    expect_parameters(function, "self headers")
    return lambda instance, *args, **kwargs: "checked " + function(instance, *args, **kwargs)


def test_a_missing_method_warns_once_and_is_reported_missing(module: types.ModuleType) -> None:
    targets = [
        Target(module.__name__, "Client.call", _hook),
        Target(module.__name__, "Client.gone", _hook),
        Target(module.__name__, "Gone.call", _hook),
        Target(module.__name__, "Client.newer", _hook, optional=True),
        Target("made_up_sdk.absent", "Client.call", _hook),
    ]
    other = HookInstaller(targets)
    with pytest.warns(SSEGuardWarning, match=r"made_up_sdk\.Client\.gone, made_up_sdk\.Gone\.call.*status\(\)"):
        other.install()
    other.install()
    assert list(other.status().values()) == ["active", "unsupported", "unsupported", "unsupported", "pending"]
    assert module.Client().call() == "checked called"
    del module.Client.call
    other.report_removed_hooks()
    assert other.status()["made_up_sdk.Client.call"] == "unsupported"
    other.uninstall()
    obs_sse_guard.install()


def test_a_method_with_hidden_parameters_is_not_hooked(module: types.ModuleType) -> None:
    """A wrapper without ``functools.wraps`` hides the positions of the arguments."""
    other = HookInstaller([Target(module.__name__, "Client.hidden", _hook)])
    with pytest.warns(SSEGuardWarning, match="hidden"):
        other.install()
    assert list(other.status().values()) == ["unsupported"]
    assert module.Client().hidden() == "hidden"
    other.uninstall()


def test_an_import_after_uninstall_places_no_hooks() -> None:
    other = HookInstaller([Target("made_up_later", "Client.call", _hook)])
    other.install()
    other.uninstall()
    try:
        other._imported("made_up_later")
        assert not is_enabled()
    finally:
        obs_sse_guard.install()


def test_hooks_wait_until_an_import_has_finished(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made_up_slow.py").write_text(
        "import threading\nbegun, go_on = threading.Event(), threading.Event()\n"
        "begun.set()\ngo_on.wait(10)\nclass Client:\n    def call(self, headers=None): return 'called'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    other = HookInstaller([Target("made_up_slow", "Client.call", _hook)])
    importer = threading.Thread(target=importlib.import_module, args=("made_up_slow",))
    importer.start()
    while not hasattr(sys.modules.get("made_up_slow"), "go_on"):
        threading.Event().wait(0.01)
    slow: Any = sys.modules["made_up_slow"]
    slow.begun.wait(10)
    installer = threading.Thread(target=other.install)
    installer.start()
    slow.go_on.set()
    for thread in (importer, installer):
        thread.join(10)
    assert list(other.status().values()) == ["active"]
    assert slow.Client().call() == "checked called"
    other.uninstall()
    del sys.modules["made_up_slow"]


@pytest.mark.parametrize("name", ["putContent", "downloadFile", "uploadPart"])
def test_a_hook_has_the_signature_of_its_method(name: str) -> None:
    hooked = inspect.getfullargspec(getattr(obs.ObsClient, name)), inspect.signature(getattr(obs.ObsClient, name))
    obs_sse_guard.uninstall()
    method = inspect.unwrap(getattr(obs.ObsClient, name))
    assert (inspect.getfullargspec(method), inspect.signature(method)) == hooked
