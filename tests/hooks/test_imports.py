"""The hooks of an SDK that is imported later are placed with its import."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import obs_sse_guard
from obs_sse_guard import SSEGuardWarning
from obs_sse_guard._hooks.hook import Target, is_hook
from obs_sse_guard._hooks.imports import ImportWatcher
from obs_sse_guard._hooks.installer import SDK_TARGETS, HookInstaller
from tests.support.programs import run

SDK = "made_up_sdk"
HOOKS = "made_up_hooks"


def _make(_: str, function: Any) -> Any:
    def hook(*args: Any) -> Any:
        return function(*args)

    return hook


@pytest.fixture
def sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Create a package with a class to hook, and a module with its hooks."""
    (tmp_path / f"{SDK}.py").write_text("class Client:\n    def call(self): return 'called'\n", "utf-8")
    hooks = types.ModuleType(HOOKS)
    vars(hooks)["TARGETS"] = (Target(SDK, "Client.call", _make),)
    monkeypatch.setitem(sys.modules, HOOKS, hooks)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield SDK
    sys.modules.pop(SDK, None)


@pytest.fixture
def installers() -> Iterator[list[HookInstaller]]:
    """Collect the installers of a test, and remove their finders from ``sys.meta_path``."""
    made: list[HookInstaller] = []
    yield made
    for installer in made:
        installer.uninstall()


def test_hooks_load_with_their_sdk(sdk: str, installers: list[HookInstaller]) -> None:
    installers.append(installer := HookInstaller(sdk_targets={sdk: HOOKS}))
    installer.install()
    assert sdk not in sys.modules, "the guard imports no SDK"
    assert installer.status() == {f"{sdk}.Client.call": "pending"}
    module = __import__(sdk)
    assert is_hook(vars(module.Client)["call"])
    assert module.Client().call() == "called"


def test_an_sdk_that_is_imported_again_is_hooked_again(sdk: str, installers: list[HookInstaller]) -> None:
    installers.append(installer := HookInstaller(sdk_targets={sdk: HOOKS}))
    installer.install()
    for _ in range(3):
        sys.modules.pop(sdk, None)
        assert is_hook(vars(__import__(sdk).Client)["call"])


def test_hooks_that_cannot_be_loaded_are_reported_and_break_no_import(
    sdk: str, installers: list[HookInstaller]
) -> None:
    installers.append(installer := HookInstaller(sdk_targets={sdk: "no_such_hooks"}))
    installer.install()
    with pytest.warns(SSEGuardWarning, match=rf"could not hook {sdk}\.\*"):
        module = __import__(sdk)
    assert module.Client().call() == "called"
    assert installer.status() == {f"{sdk}.*": "unsupported"}
    assert not installer.is_spared(installer.targets[0])


def test_an_import_while_the_guard_is_off_places_no_hooks(sdk: str, installers: list[HookInstaller]) -> None:
    installers.append(installer := HookInstaller(sdk_targets={sdk: HOOKS}))
    installer.install()
    installer.uninstall()
    assert not is_hook(vars(__import__(sdk).Client)["call"])


def test_an_import_that_fails_repeatedly_is_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    registered: list[str] = []
    monkeypatch.setattr("wrapt.register_post_import_hook", lambda _hook, name: registered.append(name))
    watcher = ImportWatcher(lambda _: None)
    watcher.watch(["no_such_sdk"])
    try:
        for _ in range(3):
            with pytest.raises(ModuleNotFoundError):
                __import__("no_such_sdk")
    finally:
        watcher.stop()
    assert registered == ["no_such_sdk"]


def test_uninstall_leaves_no_finder_behind() -> None:
    def watchers() -> list[object]:
        return [finder for finder in sys.meta_path if isinstance(finder, ImportWatcher)]

    assert len(watchers()) == 1
    obs_sse_guard.uninstall()
    assert watchers() == []
    obs_sse_guard.uninstall()
    obs_sse_guard.install()
    obs_sse_guard.install()
    assert len(watchers()) == 1


def test_importing_the_guard_loads_no_hooks() -> None:
    code = f"import sys, obs_sse_guard; print(sorted(set(sys.modules) & set({sorted(set(SDK_TARGETS.values()))!r})))"
    assert run(code) == "[]"
