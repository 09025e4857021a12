"""The hooks of an SDK that is imported later are placed with its import."""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import wrapt

import obs_sse_guard
from obs_sse_guard import SSEGuardError, SSEGuardWarning
from obs_sse_guard._hooks.hook import Target, is_hook
from obs_sse_guard._hooks.imports import ImportWatcher, _Finder, when_imported
from obs_sse_guard._hooks.installer import HookInstaller, installer
from obs_sse_guard._hooks.sdk_targets import SDK_TARGETS
from tests.support.programs import run

SDK = "made_up_sdk"


def _load() -> tuple[Target, ...]:
    return (Target(SDK, "Client.call", _make),)


def _make(_: str, function: Any) -> Any:
    def hook(*args: Any) -> Any:
        return function(*args)

    return hook


@pytest.fixture
def sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Create a package with a class to hook, and return its name."""
    (tmp_path / f"{SDK}.py").write_text("class Client:\n    def call(self): return 'called'\n", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield SDK
    sys.modules.pop(SDK, None)


@pytest.fixture
def installers() -> Iterator[list[HookInstaller]]:
    """Collect a test's installers, and remove their finders from ``sys.meta_path``."""
    several: list[HookInstaller] = []
    yield several
    for one in several:
        one.uninstall()


def test_hooks_load_with_their_sdk(sdk: str, installers: list[HookInstaller]) -> None:
    installers.append(made := HookInstaller(sdk_targets={sdk: _load}))
    made.install()
    assert sdk not in sys.modules, "the guard imports no SDK"
    assert made.status() == {f"{sdk}.Client.call": "pending"}
    module = __import__(sdk)
    assert is_hook(vars(module.Client)["call"])
    assert module.Client().call() == "called"


def test_an_sdk_that_is_imported_again_is_hooked_again(sdk: str, installers: list[HookInstaller]) -> None:
    installers.append(made := HookInstaller(sdk_targets={sdk: _load}))
    made.install()
    for _ in range(3):
        sys.modules.pop(sdk, None)
        assert is_hook(vars(__import__(sdk).Client)["call"])


def test_hooks_that_cannot_be_loaded_are_reported_and_break_no_import(
    sdk: str, installers: list[HookInstaller], caplog: pytest.LogCaptureFixture
) -> None:
    def load() -> tuple[Target, ...]:
        raise LookupError

    installers.append(made := HookInstaller(sdk_targets={sdk: load}))
    made.install()
    module = __import__(sdk)
    assert f"could not load the hooks of {sdk} (LookupError" in caplog.text
    with pytest.warns(SSEGuardWarning, match=rf"could not hook {sdk}\.\*"):
        _import_something_else(3)
    assert module.Client().call() == "called"
    assert made.status() == {f"{sdk}.*": "unsupported"}
    assert not made.is_spared(made.targets[0])


def _import_something_else(times: int) -> None:
    for _ in range(times):
        with pytest.raises(ModuleNotFoundError):
            __import__("no_such_module")


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, LookupError])
def test_an_interrupted_load_is_retried(
    interruption: type[BaseException], sdk: str, installers: list[HookInstaller]
) -> None:
    interruptions = [interruption]

    def load() -> tuple[Target, ...]:
        if interruptions:
            raise interruptions.pop()
        return _load()

    installers.append(made := HookInstaller(sdk_targets={sdk: load}))
    made.install()
    try:
        __import__(sdk)
    except KeyboardInterrupt:
        assert interruption is KeyboardInterrupt
        assert sdk not in sys.modules, "the import failed"
        __import__(sdk)
    _import_something_else(1)
    assert made.status() == {f"{sdk}.Client.call": "active"}


def test_an_interrupted_callback_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def callback(name: str) -> None:
        calls.append(name)
        if len(calls) == 1:
            raise KeyboardInterrupt

    watcher = ImportWatcher(callback)
    watcher.watch([])
    watcher.look_again("some_sdk", again=True)
    try:
        with pytest.raises(KeyboardInterrupt):
            __import__("no_such_module")
        _import_something_else(2)
    finally:
        watcher.stop()
    assert calls == ["", ""]


def test_an_import_hook_of_another_library_that_raises_fails_one_import(
    sdk: str, installers: list[HookInstaller]
) -> None:
    def fail(_: object) -> None:
        raise LookupError

    wrapt.register_post_import_hook(fail, sdk)
    installers.append(made := HookInstaller(sdk_targets={sdk: _load}))
    made.install()
    with pytest.raises(LookupError):
        __import__(sdk)
    assert is_hook(vars(__import__(sdk).Client)["call"])


def test_an_import_while_the_guard_is_off_places_no_hooks(sdk: str, installers: list[HookInstaller]) -> None:
    installers.append(made := HookInstaller(sdk_targets={sdk: _load}))
    made.install()
    made.uninstall()
    assert not is_hook(vars(__import__(sdk).Client)["call"])


def test_an_import_that_fails_repeatedly_is_registered_once() -> None:
    watcher = ImportWatcher(lambda _: None)
    watcher.watch(["no_such_sdk"])
    try:
        for _ in range(3):
            with pytest.raises(ModuleNotFoundError):
                __import__("no_such_sdk")
    finally:
        watcher.stop()
    assert len(sys.modules["wrapt.importer"]._post_import_hooks["no_such_sdk"]) == 1


def test_uninstall_leaves_no_finder_behind() -> None:
    def watchers() -> list[object]:
        return [finder for finder in sys.meta_path if isinstance(finder, _Finder)]

    assert len(watchers()) == 1
    obs_sse_guard.uninstall()
    assert watchers() == []
    obs_sse_guard.uninstall()
    obs_sse_guard.install()
    obs_sse_guard.install()
    assert len(watchers()) == 1


def test_importing_the_guard_loads_no_hooks() -> None:
    code = (
        "import sys, obs_sse_guard; print([name for name in sys.modules if name.startswith('obs_sse_guard._hooks.')])"
    )
    assert set(ast.literal_eval(run(code))) == {
        f"obs_sse_guard._hooks.{name}"
        for name in ("hook", "imports", "installer", "parameters", "sdk_targets", "stand_ins")
    }


def test_every_package_with_hooks_is_known() -> None:
    targets = {target for load in SDK_TARGETS.values() for target in load()}
    assert targets == set(installer.targets)
    of_package = {
        name: [target for target in targets if f"{target.module}.".startswith(f"{name}.")] for name in SDK_TARGETS
    }
    assert all(of_package.values())
    assert {target for found in of_package.values() for target in found} == targets


def test_a_late_thread_places_no_hooks_after_uninstall(sdk: str, installers: list[HookInstaller]) -> None:
    installers.append(made := HookInstaller(sdk_targets={sdk: _load}))
    module = __import__(sdk)
    made.uninstall()
    made._hook_modules(sdk)  # as an import in progress does
    assert not is_hook(vars(module.Client)["call"])


@pytest.mark.parametrize("ends", [False, True])
def test_a_removed_finder_warns_unless_the_process_ends(ends: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = ImportWatcher(lambda _: None)
    before = [*sys.meta_path]
    watcher.watch([])
    assert watcher.is_watching()
    monkeypatch.setattr(sys, "is_finalizing", lambda: ends)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sys.meta_path[:] = before
    assert [warning.category for warning in caught] == ([] if ends else [SSEGuardWarning])
    assert not watcher.is_watching()
    watcher.watch([])
    assert watcher.is_watching()
    watcher.stop()
    assert sys.meta_path == before


def test_a_later_copy_of_the_package_retires_the_hooks_of_an_earlier_one(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    earlier = (lambda: called.append("retire"), lambda: called.append("disable"))
    monkeypatch.setattr(SSEGuardError, "_copies", [*SSEGuardError._copies, earlier])
    obs_sse_guard.install()
    obs_sse_guard.install()
    assert called == ["retire"]
    assert len(SSEGuardError._copies) == 2
    obs_sse_guard.uninstall()
    assert called == ["retire", "disable"]
    obs_sse_guard.install()
    assert called == ["retire", "disable"]


def test_a_module_that_is_awaited_calls_back_once(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []
    when_imported("json", lambda: seen.append("now"))
    assert seen == ["now"]

    def fail() -> None:
        raise LookupError

    when_imported("json", fail)
    assert "could not use json (LookupError in fail" in caplog.text


def test_a_module_that_is_half_imported_is_not_awaited(sdk: str, monkeypatch: pytest.MonkeyPatch) -> None:
    half = ModuleType(sdk)
    half.__spec__ = SimpleNamespace(_initializing=True)  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, sdk, half)
    seen: list[str] = []
    when_imported(sdk, lambda: seen.append("too early"))
    assert seen == []
