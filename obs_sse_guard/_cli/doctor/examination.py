"""The examination: what is installed, what is hooked, what is set, and whether that protects.

Hooks are placed when an SDK is imported, so that only an import shows what becomes of them. The SDKs
are imported here, in the doctor's own process, one module of the targets after the other.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import obs_sse_guard
from obs_sse_guard import _the_patcher
from obs_sse_guard._cli.doctor.hazards import HAZARDS
from obs_sse_guard._cli.doctor.packages import PACKAGES, PATCHERS, versions
from obs_sse_guard._policy import settings as _settings
from obs_sse_guard._policy.settings import Mode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from obs_sse_guard._hooks.installer import Patcher, Target
    from obs_sse_guard._policy.settings import Settings, TrustedHosts

__all__ = ["Report", "examine"]

IMPORTED, ABSENT, FAILED = "imported", "absent", "failed"


@dataclass(frozen=True)
class Python:
    """The interpreter."""

    implementation: str
    version: str
    executable: str
    platform: str


@dataclass(frozen=True)
class Package:
    """A package: its version, where it is installed as a distribution, and what an import makes of it.

    ``state`` is ``imported``, ``failed``, ``absent``, or empty where the guard hooks nothing in it.
    """

    name: str
    version: str | None
    is_sdk: bool
    state: str


@dataclass(frozen=True)
class Module:
    """A module that the guard hooks: ``imported``, ``failed`` with its error, or ``absent``."""

    name: str
    state: str
    error: str


@dataclass(frozen=True)
class Hook:
    """A place that the guard hooks, its state by ``status()``, and whether that leaves a gap."""

    name: str
    state: str
    optional: bool
    gap: bool


@dataclass(frozen=True)
class Setting:
    """A setting: as it is understood, where that comes from, what was given, and what is wrong with it."""

    variable: str
    value: str
    origin: str
    given: str | None
    problems: list[str]


@dataclass(frozen=True)
class KnownHazard:
    """A hazard of the releases found."""

    id: str
    package: str
    what: str
    remedy: str


@dataclass(frozen=True)
class OtherPatcher:
    """Another package that patches the SDKs, and whether something has loaded it into this process."""

    name: str
    version: str
    loaded: bool
    note: str


@dataclass(frozen=True)
class Report:
    """All that the doctor found. The names of its fields are those of ``--json``, and stay."""

    protected: bool
    reasons: list[str]
    guard: str
    python: Python
    packages: list[Package]
    modules: list[Module]
    hooks: list[Hook]
    settings: list[Setting]
    hazards: list[KnownHazard]
    patchers: list[OtherPatcher]


def examine() -> Report:
    """Import the SDKs that are installed, and look at everything."""
    patcher, found = _the_patcher(), versions()
    modules = [_import(name) for name in dict.fromkeys(target.module for target in patcher.targets)]
    packages, hooks = _packages(modules, found), _hooks(patcher, modules)
    settings, complaints = _settings.understand()
    reasons = [*_reasons(settings.mode, packages, modules, hooks)]
    python = platform.python_version()
    return Report(
        protected=not reasons,
        reasons=reasons,
        guard=obs_sse_guard.__version__,
        python=Python(platform.python_implementation(), python, sys.executable, platform.platform()),
        packages=packages,
        modules=modules,
        hooks=hooks,
        settings=_all_settings(settings, complaints),
        hazards=[KnownHazard(row.id, row.package, row.what, row.remedy) for row in HAZARDS if row.shows(found, python)],
        patchers=_patchers(found),
    )


def _import(name: str) -> Module:
    try:
        with contextlib.redirect_stdout(sys.stderr):  # whatever an SDK prints when imported is no part of the report
            importlib.import_module(_top(name))  # first: what a package that failed has left behind counts for nothing
            importlib.import_module(name)
    except ModuleNotFoundError as error:
        # The SDK is not installed, or this release has no such module; else it lacks one that it needs.
        if error.name and f"{name}.".startswith(f"{error.name}."):
            return Module(name, ABSENT, "")
        return Module(name, FAILED, _told(error))
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a broken SDK is what is to be reported
        return Module(name, FAILED, _told(error))
    return Module(name, IMPORTED, "")


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _top(module: str) -> str:
    return module.partition(".")[0]


def _packages(modules: Sequence[Module], found: Mapping[str, str]) -> list[Package]:
    return [
        Package(package.distribution, found.get(package.distribution), package.is_sdk, _state(package.module, modules))
        for package in PACKAGES
    ]


def _state(top: str, modules: Sequence[Module]) -> str:
    states = {module.state for module in modules if _top(module.name) == top}
    return next((state for state in (FAILED, IMPORTED, ABSENT) if state in states), "")


def _hooks(patcher: Patcher, modules: Sequence[Module]) -> list[Hook]:
    states = patcher.status()
    imported = {_top(module.name) for module in modules if module.state == IMPORTED}
    return [
        Hook(target.name, states[target.name], target.optional, gap=_is_gap(patcher, target, states, imported))
        for target in patcher.targets
    ]


def _is_gap(patcher: Patcher, target: Target, states: Mapping[str, str], imported: set[str]) -> bool:
    """Whether calls of an SDK that is in use would pass here unseen."""
    state = states[target.name]
    if state == "active" or _top(target.module) not in imported:
        return False
    return state == "off" or not patcher.is_spared(target)


def _all_settings(settings: Settings, complaints: Sequence[_settings.Complaint]) -> list[Setting]:
    values = {
        _settings.MODE: settings.mode.value,
        _settings.POLICY: settings.policy.value,
        _settings.TRUSTED_HOSTS: _hosts(settings.trusted),
        _settings.AUDIT: settings.audit,
    }
    return [
        _setting(variable, value, [complaint.message for complaint in complaints if complaint.variable == variable])
        for variable, value in values.items()
    ]


def _setting(variable: str, value: str, problems: list[str]) -> Setting:
    given = os.environ.get(variable)
    is_default = not (given and given.strip()) or (problems and variable != _settings.TRUSTED_HOSTS)
    return Setting(variable, value, "default" if is_default else "environment", given, problems)


def _hosts(trusted: TrustedHosts) -> str:
    return ", ".join(
        [*sorted(trusted.names), *(f"*{suffix}" for suffix in trusted.suffixes), *map(str, trusted.networks)]
    )


def _patchers(found: Mapping[str, str]) -> list[OtherPatcher]:
    return [
        OtherPatcher(row.distribution, found[row.distribution], row.module in sys.modules, row.note)
        for row in PATCHERS
        if row.distribution in found
    ]


_NOT_ENFORCED = {
    Mode.WARN: "logs what it would refuse, and lets it through",
    Mode.OFF: "switches the guard off",
}


def _reasons(
    mode: Mode, packages: Sequence[Package], modules: Sequence[Module], hooks: Sequence[Hook]
) -> Iterator[str]:
    if mode in _NOT_ENFORCED:
        yield f"{_settings.MODE}={mode.value} {_NOT_ENFORCED[mode]}"
    imported = {_top(module.name) for module in modules if module.state == IMPORTED}
    if not any(package.module in imported for package in PACKAGES if package.is_sdk):
        yield _no_sdk([package.name for package in packages if package.is_sdk and package.state == FAILED])
    gaps = [hook.name for hook in hooks if hook.gap]
    if gaps and mode is not Mode.OFF:
        yield f"not hooked, so that calls pass there unguarded: {', '.join(gaps)}"


def _no_sdk(failed: Sequence[str]) -> str:
    if failed:
        return f"importing {', '.join(failed)} fails, and there is no other SDK"
    return "there is no SDK to guard: pip install 'obs-sse-guard[obs]'"
