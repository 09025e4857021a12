"""Mocks may stand in for an SDK's functions; once they leave, its own are hooked."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import obs_sse_guard
from obs_sse_guard import SSEGuardWarning
from obs_sse_guard._cli.doctor import inspection
from obs_sse_guard._enforcement.armed import armed
from obs_sse_guard._hooks.hook import Target, is_hook
from obs_sse_guard._hooks.installer import HookInstaller, installer
from obs_sse_guard._hooks.parameters import expect_parameters, parameter_names
from obs_sse_guard._hooks.stand_ins import stand_in_for
from tests.support.guard import AUDIT
from tests.support.programs import run
from tests.support.records import audited


def _import_anything() -> None:
    with contextlib.suppress(ImportError):
        importlib.import_module("a_module_that_nobody_has")


LOOKS: dict[str, Callable[[], Any]] = {
    "import": _import_anything,
    "report": installer.report_removed_hooks,
    "status": obs_sse_guard.status,
    "install": obs_sse_guard.install,
}
each_look = pytest.mark.parametrize("look", LOOKS)


def _places(package: str = "") -> dict[str, list[tuple[Any, str]]]:
    """Return the places of each hooked target whose name begins with the package."""
    active = [name for name, state in obs_sse_guard.status().items() if state == "active"]
    return {
        target.name: target.places()
        for target in installer.targets
        if target.name in active and target.name.startswith(package)
    }


@contextlib.contextmanager
def _replaced(places: dict[str, list[tuple[Any, str]]], make: Callable[[Any], Any]) -> Iterator[None]:
    """Replace hooked functions while the guard is off, as if the SDK were imported."""
    obs_sse_guard.uninstall()
    with contextlib.ExitStack() as stack:
        for owner, name in (place for found in places.values() for place in found):
            original = vars(owner).get(name)  # a class may inherit it
            stack.enter_context(mock.patch.object(owner, name, make(original), create=True))
        yield


def _with_other_parameters(_: Any) -> Any:
    return lambda *arguments: None


def _with_the_same_parameters(original: Any) -> Any:
    function = getattr(original, "__func__", original)

    def stand_in(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    with contextlib.suppress(TypeError, ValueError):
        stand_in.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return stand_in


SDKS = {
    "obs.": "obs",
    "botocore.": "botocore.session",
    "aiobotocore.": "aiobotocore.session",
    "minio.": "minio",
    "huaweicloudsdk": "huaweicloudsdkobs.v1.obs_client",
    "http": "httpcore",
    "obstore.": "obstore.store",
}


@pytest.mark.parametrize("package", SDKS)
@pytest.mark.filterwarnings("ignore:obs_sse_guard could not hook")
def test_every_place_is_hooked_once_a_mock_has_left(package: str) -> None:
    pytest.importorskip(SDKS[package])
    places = _places(package)
    assert places
    with _replaced(places, _with_other_parameters):
        obs_sse_guard.install()
        during = obs_sse_guard.status()
    after = obs_sse_guard.status()
    assert {during[name] for name in places} <= {"unsupported", "active"}
    assert {after[name] for name in places} == {"active"}
    assert all(is_hook(vars(owner)[name]) for found in places.values() for owner, name in found)


@pytest.mark.parametrize("package", sorted(SDKS.keys() - {"obstore."}))
def test_every_place_is_hooked_once_a_mock_with_its_parameters_has_left(package: str) -> None:
    pytest.importorskip(SDKS[package])
    places = _places(package)
    with _replaced(places, _with_the_same_parameters):
        obs_sse_guard.install()
        during = obs_sse_guard.status()
    assert "active" in {during[name] for name in places}
    assert {obs_sse_guard.status()[name] for name in places} == {"active"}
    assert all(is_hook(vars(owner)[name]) for found in places.values() for owner, name in found)


SEND = "huaweicloudsdkcore.http.http_client.HTTPAdapter.send"


def _send() -> Any:
    return vars(sys.modules["requests.adapters"].HTTPAdapter)["send"]


@each_look
def test_responses(look: str) -> None:
    responses = pytest.importorskip("responses")
    pytest.importorskip("huaweicloudsdkobs.v1.obs_client")
    obs_sse_guard.uninstall()
    with responses.RequestsMock():
        with pytest.warns(SSEGuardWarning, match=rf"could not hook {SEND}: responses has replaced it\. Its calls"):
            obs_sse_guard.install()
        assert obs_sse_guard.status()[SEND] == "unsupported"
        for every in LOOKS.values():
            every()
        assert not is_hook(_send())
    assert not is_hook(_send())
    LOOKS[look]()
    assert is_hook(_send())
    assert obs_sse_guard.status()[SEND] == "active"


class _Endless:
    """Return a new object for each ``__wrapped__``."""

    def __getattr__(self, name: str) -> Any:
        return _Endless()


@pytest.mark.parametrize("function", [_Endless(), len, None, mock.MagicMock()])
def test_what_is_not_written_in_python_has_no_parameters(function: Any) -> None:
    assert parameter_names(function) == ()


def test_what_moto_replaced_is_hooked_once_it_ends() -> None:
    moto = pytest.importorskip("moto")
    pytest.importorskip("botocore.session")
    before = _places()
    assert before
    obs_sse_guard.uninstall()
    with moto.mock_aws():
        obs_sse_guard.install()
        assert _places().keys() == before.keys() - {SEND}  # moto starts responses
    assert _places().keys() == before.keys()


def test_an_sdk_that_is_imported_under_responses() -> None:
    pytest.importorskip("responses")
    pytest.importorskip("huaweicloudsdkobs")
    code = f"""
    import warnings
    warnings.simplefilter("ignore")
    import obs_sse_guard, responses, requests
    with responses.RequestsMock():
        import huaweicloudsdkobs.v1.obs_client
        print(obs_sse_guard.status()["{SEND}"])
    print(hasattr(requests.adapters.HTTPAdapter.send, "__obs_sse_guard__"))
    import wave
    print(hasattr(requests.adapters.HTTPAdapter.send, "__obs_sse_guard__"), obs_sse_guard.status()["{SEND}"])
    """
    assert run(code).split() == ["unsupported", "False", "True", "active"]


@pytest.fixture
def module() -> Iterator[types.ModuleType]:
    """Create a module like that of an SDK."""
    made = types.ModuleType("made_up_sdk")

    def call(self: Any) -> str:
        return "called"

    call.__module__ = made.__name__
    made.Client = type("Client", (), {"call": call, "__module__": made.__name__})  # type: ignore[attr-defined]
    sys.modules[made.__name__] = made
    yield made
    del sys.modules[made.__name__]


def _make(_: str, function: Any) -> Any:
    expect_parameters(function, "self")
    return lambda *args: f"checked {function(*args)}"


CALL = Target("made_up_sdk", "Client.call", _make)
ALL = Target("made_up_sdk", "Client.*", _make, select=lambda owner: [name for name in vars(owner) if name == "call"])


@pytest.mark.parametrize("target", [CALL, ALL], ids=["one", "all"])
@pytest.mark.parametrize("look", ["import", "report", "status"])
def test_a_class_that_a_mock_stands_in_for(look: str, target: Target, module: types.ModuleType) -> None:
    other = HookInstaller([target])
    looks = {"import": _import_anything, "report": other.report_removed_hooks, "status": other.status}
    with mock.patch.object(module, "Client"):
        with pytest.warns(SSEGuardWarning, match="unittest has replaced it"):
            other.install()
        assert [*other.status().values()] == ["unsupported"]
        assert stand_in_for(target) == "unittest"
    try:
        assert module.Client().call() == "called"
        looks[look]()
        assert module.Client().call() == "checked called"
    finally:
        other.uninstall()
        obs_sse_guard.install()


def _armed() -> str:
    return ",".join(armed.sdks)


@pytest.mark.parametrize("look", ["import", "report", "status"])
def test_what_is_hooked_once_a_mock_has_left_is_armed(
    look: str, module: types.ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("obs_sse_guard._hooks.installer.SDK_NAMES", {"made_up_sdk": "made-up-sdk"})
    monkeypatch.setenv(AUDIT, str(tmp_path / "audit.jsonl"))
    obs_sse_guard.uninstall()
    armed.forget()
    other = HookInstaller([CALL])
    looks = {"import": _import_anything, "report": other.report_removed_hooks, "status": other.status}
    with mock.patch.object(module, "Client"), pytest.warns(SSEGuardWarning):
        other.install()
    assert _armed() == ""
    looks[look]()
    assert _armed() == "made-up-sdk"
    assert [line["sdks"] for line in audited(tmp_path / "audit.jsonl", "armed")] == [["made-up-sdk"]]
    other.uninstall()
    assert _armed() == ""
    obs_sse_guard.install()


def test_a_report_does_not_wait_to_hook_what_a_mock_has_left(module: types.ModuleType) -> None:
    other = HookInstaller([CALL])
    with mock.patch.object(module, "Client"), pytest.warns(SSEGuardWarning):
        other.install()
    with other._lock:
        elsewhere = threading.Thread(target=other.report_removed_hooks)
        elsewhere.start()
        elsewhere.join(10)
        assert not elsewhere.is_alive()
        assert module.Client().call() == "called"
    other.report_removed_hooks()
    assert module.Client().call() == "checked called"
    other.uninstall()
    obs_sse_guard.install()


def test_nothing_is_tried_again_after_uninstall(module: types.ModuleType) -> None:
    other = HookInstaller([CALL])
    with mock.patch.object(module, "Client"), pytest.warns(SSEGuardWarning):
        other.install()
    other.uninstall()
    assert [*other.status().values()] == ["off"]
    assert module.Client().call() == "called"
    obs_sse_guard.install()
    assert module.Client().call() == "called"


def test_what_a_release_does_not_have_is_not_looked_for_again(
    module: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = HookInstaller([Target("made_up_sdk", "Client.gone", _make), CALL])
    with pytest.warns(SSEGuardWarning, match="this release of the SDK is not supported there"):
        other.install()
    monkeypatch.setattr(other, "_place", None)  # would raise
    _import_anything()
    other.report_removed_hooks()
    assert [*other.status().values()] == ["unsupported", "active"]
    other.uninstall()
    obs_sse_guard.install()


def test_the_doctor_names_what_stands_in(module: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    other = HookInstaller([CALL])
    monkeypatch.setattr(inspection, "installer", other)
    with mock.patch.object(module.Client, "call"):
        with pytest.warns(SSEGuardWarning):
            other.install()
        reason = "not hooked, so calls pass unguarded: made_up_sdk.Client.call (unittest stands in its place)"
        assert reason in inspection.inspect_environment().reasons
    assert not any("made_up_sdk" in reason for reason in inspection.inspect_environment().reasons)
    other.uninstall()
    obs_sse_guard.install()


def test_a_package_whose_name_is_not_ascii_is_named_in_ascii(module: types.ModuleType) -> None:
    def replaced(*_: object) -> None:
        """Take any arguments, as a mock does."""

    replaced.__module__ = "\u5047"
    other = HookInstaller([CALL])
    with mock.patch.object(module.Client, "call", replaced):
        with pytest.warns(SSEGuardWarning, match=r"could not hook made_up_sdk.Client.call: \\u5047 has replaced it"):
            other.install()
        assert stand_in_for(CALL) == "\\u5047", "what the doctor shows"
        other.uninstall()
