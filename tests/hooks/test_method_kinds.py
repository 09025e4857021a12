"""Hooks on static methods, class methods, and a ``__new__`` that is inherited."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from obs_sse_guard._hooks.hook import Target, is_hook, is_hooked, place, restore
from obs_sse_guard._hooks.installer import HookInstaller

MODULE = "sdk_of_method_kinds"


class Sdk:
    """A class with methods of every kind."""

    @staticmethod
    def static(value: int, more: int = 0) -> int:
        """Add."""
        return value + more

    @classmethod
    def of_class(cls, value: int) -> tuple[str, int]:
        """Return the class's name too."""
        return cls.__name__, value

    def plain(self, value: int) -> int:
        """Return the same."""
        return value


class Native(tuple):  # type: ignore[type-arg]  # noqa: SLOT001  # as a class over an immutable one
    """A class that inherits its ``__new__`` from an immutable one."""

    __reduce__ = object.__reduce__


class Below(Native):
    """A subclass."""


seen: list[tuple[Any, ...]] = []


def make(name: str, function: Any) -> Any:
    """Make a hook that notes its arguments."""

    def hook(*args: Any, **kwargs: Any) -> Any:
        seen.append((name, *args))
        return function(*args, **kwargs)

    return hook


@pytest.fixture
def module() -> Iterator[ModuleType]:
    module: Any = ModuleType(MODULE)
    module.Sdk, module.Native = Sdk, Native
    sys.modules[MODULE] = module
    seen.clear()
    yield module
    del sys.modules[MODULE]


def names(*_: Any) -> list[str]:
    return ["static", "of_class", "plain"]


def test_static_methods_and_class_methods(module: ModuleType) -> None:
    target = Target(MODULE, "Sdk.*", make, select=names)
    before = {name: vars(Sdk)[name] for name in names()}
    for owner, name in target.places():
        assert place(target, owner, name)
        assert place(target, owner, name), "again"
        assert is_hook(vars(owner)[name])
        assert is_hooked(vars(owner)[name], name)
        assert type(vars(owner)[name]) is type(before[name])
    sdk = Sdk()
    assert (Sdk.static(1, more=2), sdk.static(3), Sdk.of_class(4), sdk.of_class(5), sdk.plain(6)) == (
        3,
        3,
        ("Sdk", 4),
        ("Sdk", 5),
        6,
    )
    assert seen == [("static", 1), ("static", 3), ("of_class", Sdk, 4), ("of_class", Sdk, 5), ("plain", sdk, 6)]
    assert Sdk.static.__doc__ == "Add."
    for owner, name in target.places():
        restore(owner, name)
        assert vars(owner)[name] is before[name]
        restore(owner, name)


def test_an_alias_of_a_static_method(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sdk, "alias", vars(Sdk)["static"], raising=False)
    target = Target(MODULE, "Sdk.*", make, select=lambda _: ["static", "alias"])
    for owner, name in target.places():
        assert place(target, owner, name)
    sdk: Any = Sdk
    assert sdk.alias is sdk.static
    assert sdk.alias(1) == 1
    for owner, name in target.places():
        restore(owner, name)


def test_an_inherited_new(module: ModuleType) -> None:
    target = Target(MODULE, "Native.__new__", make, inherited=True)
    assert Target(MODULE, "Native.__new__", make).places() == []
    assert Target(MODULE, "Native.no_such_thing", make, inherited=True).places() == []
    [(owner, name)] = target.places()
    assert place(target, owner, name)
    assert place(target, owner, name), "again"
    assert Native((1, 2)) == (1, 2)
    assert type(Below((3,))) is Below
    assert pickle.loads(pickle.dumps(Native((4,)), 2)) == (4,)  # noqa: S301  # our own
    assert [entry[:2] for entry in seen][:2] == [("__new__", Native), ("__new__", Below)]
    restore(owner, name)
    assert "__new__" not in vars(Native)
    restore(owner, name)
    assert type(Below((5,))) is Below


def test_the_installer_sees_that_it_is_gone(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    installer = HookInstaller([Target(MODULE, "Native.__new__", make, inherited=True)])
    installer.install()
    name = f"{MODULE}.Native.__new__"
    assert installer.status() == {name: "active"}
    del Native.__new__
    assert installer.status() == {name: "off"}
    installer.report_removed_hooks()
    installer.install()
    assert installer.status() == {name: "active"}
    installer.retire()
    assert "__new__" not in vars(Native)
    assert installer.status() == {name: "off"}


def test_a_class_that_cannot_be_changed() -> None:
    assert not place(Target("builtins", "int.__new__", make, inherited=True), int, "__new__")
