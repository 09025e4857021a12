"""Inspect what is installed, hooked and set, and whether that protects.

Hooks are placed when an SDK is imported, so only an import shows whether they can be. The SDKs are
imported here, in the doctor's own process, one module of the targets after the other.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import platform
import sys
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import obs_sse_guard
from obs_sse_guard._cli import startup_files
from obs_sse_guard._cli.doctor.hazards import HAZARDS
from obs_sse_guard._cli.doctor.libraries import LIBRARIES, Guard, Library
from obs_sse_guard._cli.doctor.packages import NEEDS, PACKAGES, PATCHERS, installed_version, versions
from obs_sse_guard._cli.doctor.results import (
    Hook,
    KnownHazard,
    Module,
    OtherPatcher,
    Package,
    Python,
    ReachingLibrary,
    Reason,
    Report,
    Setting,
    Startup,
)
from obs_sse_guard._enforcement.armed import armed
from obs_sse_guard._hooks.installer import installer
from obs_sse_guard._hooks.stand_ins import stand_in_for
from obs_sse_guard._policy.settings import AUDIT, MODE, POLICY, TRUSTED_HOSTS, Mode, parse_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from obs_sse_guard._hooks.hook import Target
    from obs_sse_guard._policy.settings import Problem, Settings, TrustedHosts

__all__ = ["inspect_environment"]

IMPORTED, ABSENT, UNUSABLE, FAILED = "imported", "absent", "unusable", "failed"


def inspect_environment(*, strict: bool = False) -> Report:
    """Import the installed SDKs and inspect everything.

    Args:
        strict: whether a library that is not guarded is a reason not to be protected.
    """
    armed.mute()
    found = versions()
    modules = [_import(name) for name in dict.fromkeys(target.module for target in installer.targets)]
    packages, hooks = _packages(modules, found), _hooks(modules)
    settings, problems = parse_settings()
    libraries = _libraries()
    reasons = [*_reasons(settings, problems, packages, modules, hooks), *(_unguarded(libraries) if strict else ())]
    python = platform.python_version()
    return Report(
        protected=not reasons,
        reasons=[reason.what for reason in reasons],
        remedies=[reason.remedy for reason in reasons],
        guard=obs_sse_guard.__version__,
        python=Python(platform.python_implementation(), python, sys.executable, platform.platform()),
        packages=packages,
        modules=modules,
        hooks=hooks,
        settings=_all_settings(settings, problems),
        hazards=[
            KnownHazard(row.id, row.package, row.what, row.remedy) for row in HAZARDS if row.applies(found, python)
        ],
        patchers=_patchers(found),
        libraries=libraries,
        startup=Startup(startup_files.state(), str(startup_files.folder())),
    )


def _import(name: str) -> Module:
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what an SDK prints when imported is not part of the report
            importlib.import_module(_top(name))  # first, because a failed import may leave submodules behind
            importlib.import_module(name)
    except ImportError as error:
        # Either the SDK or this module of it is missing; otherwise it lacks a dependency, or is broken.
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            return Module(name, ABSENT, "")
        missing = _missing_dependency(name, error)
        return Module(name, UNUSABLE, f"{missing} is not installed") if missing else _failed(name, error)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a broken SDK is what the report must show
        return _failed(name, error)
    return Module(name, IMPORTED, "")


def _missing_dependency(name: str, error: ImportError) -> str:
    """Return the missing package that made an import fail; empty for other causes."""
    named = error.name if isinstance(error, ModuleNotFoundError) else NEEDS.get(name)
    package = _top(named or "")
    is_missing = package not in ("", _top(name)) and importlib.util.find_spec(package) is None
    return package if is_missing else ""


def _failed(name: str, error: BaseException) -> Module:
    return Module(name, FAILED, f"{type(error).__name__}: {' '.join(str(error).split())}")


def _top(module: str) -> str:
    return module.partition(".")[0]


def _packages(modules: Sequence[Module], found: Mapping[str, str]) -> list[Package]:
    return [
        Package(package.distribution, found.get(package.distribution), package.is_sdk, _state(package.module, modules))
        for package in PACKAGES
    ]


def _state(top: str, modules: Sequence[Module]) -> str:
    states = {module.state for module in modules if _top(module.name) == top}
    return next((state for state in (FAILED, IMPORTED, UNUSABLE, ABSENT) if state in states), "")


def _hooks(modules: Sequence[Module]) -> list[Hook]:
    states, imported = installer.status(), _imported(modules)
    # What cannot be imported is no gap: either no program can call it, or that it fails is a reason of its own.
    judged = {module.name for module in modules if module.state in (IMPORTED, ABSENT) and _top(module.name) in imported}
    return [
        Hook(target.name, state, target.optional, gap=target.module in judged and _is_gap(target, state))
        for target, state in ((target, states[target.name]) for target in installer.targets)
    ]


def _imported(modules: Sequence[Module]) -> set[str]:
    return {_top(module.name) for module in modules if module.state == IMPORTED}


def _is_gap(target: Target, state: str) -> bool:
    """Return whether calls of an imported SDK pass here unguarded."""
    return state == "off" or (state != "active" and not installer.is_spared(target))


def _all_settings(settings: Settings, problems: Sequence[Problem]) -> list[Setting]:
    values = {
        MODE: settings.mode.value,
        POLICY: settings.policy.value,
        TRUSTED_HOSTS: _hosts(settings.trusted),
        AUDIT: settings.audit,
    }
    return [
        _setting(variable, value, [problem.message for problem in problems if problem.variable == variable])
        for variable, value in values.items()
    ]


def _setting(variable: str, value: str, problems: list[str]) -> Setting:
    given = os.environ.get(variable)
    is_default = not (given and given.strip()) or (problems and variable != TRUSTED_HOSTS)
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


def _libraries() -> list[ReachingLibrary]:
    hooked = {target.module for target in installer.targets} - _replaced()
    here = [(row, installed_version(row.distribution)) for row in LIBRARIES]
    return [_library(row, version, row.guard_with(hooked)) for row, version in here if version is not None]


def _replaced() -> set[str]:
    """Return urllib3's hooked module if its stand-in sends without `http.client`."""
    name = "urllib3.connectionpool"
    connection = getattr(sys.modules.get(name), "HTTPConnection", HTTPConnection)
    return set() if issubclass(connection, HTTPConnection) else {name}


def _library(row: Library, version: str, guard: Guard) -> ReachingLibrary:
    is_hooked = guard is row.guard
    note = row.note if is_hooked else "this release of the guard has no hooks for it"
    return ReachingLibrary(row.distribution, version, guard.value, note, row.remedy if is_hooked else "")


def _unguarded(libraries: Sequence[ReachingLibrary]) -> Iterator[Reason]:
    around = [library for library in libraries if library.guard == Guard.NONE.value]
    if around:
        names = ", ".join(library.name for library in around)
        remedies = [f"{library.name}: {library.remedy}" for library in around if library.remedy]
        yield Reason(f"sends around the hooks, which --strict does not allow: {names}", "; ".join(remedies))


_NOT_ENFORCED = {
    Mode.WARN: "only logs what would be refused",
    Mode.OFF: "disables the guard",
}


def _reasons(
    settings: Settings,
    problems: Sequence[Problem],
    packages: Sequence[Package],
    modules: Sequence[Module],
    hooks: Sequence[Hook],
) -> Iterator[Reason]:
    if settings.mode in _NOT_ENFORCED:
        what = f"{MODE}={settings.mode.value} {_NOT_ENFORCED[settings.mode]}"
        yield Reason(what, f"unset {MODE}, or set it to {Mode.ENFORCE.value}")
    yield from (Reason(problem.message) for problem in problems if problem.exposes)
    failed = [module.name for module in modules if module.state == FAILED]
    if _imported(modules).isdisjoint(package.module for package in PACKAGES if package.is_sdk):
        yield _no_sdk([package.name for package in packages if package.is_sdk and package.state in (FAILED, UNUSABLE)])
    elif failed:
        what = f"cannot be imported, so whether its calls are guarded is unknown: {', '.join(failed)}"
        yield Reason(what, "repair what fails below, or uninstall it")
    gaps = [hook for hook in hooks if hook.gap]
    if gaps and settings.mode is not Mode.OFF:
        stand_ins = {target.name: stand_in_for(target) for target in installer.targets}
        named = [_gap(hook.name, stand_ins[hook.name]) for hook in gaps]
        remedies = [_REPLACED if stand_ins[hook.name] else _GAPS.get(hook.state, _NO_SUCH_HOOK) for hook in gaps]
        yield Reason(f"not hooked, so calls pass unguarded: {', '.join(named)}", "; ".join(dict.fromkeys(remedies)))


_GAPS = {"off": "call obs_sse_guard.install() after what removed the hooks"}
_NO_SUCH_HOOK = "install a release of the SDK that the guard supports"
_REPLACED = "end the mock, or import the SDK before it begins"


def _gap(name: str, stand_in: str) -> str:
    return f"{name} ({stand_in} stands in its place)" if stand_in else name


def _no_sdk(failed: Sequence[str]) -> Reason:
    if failed:
        return Reason(f"{', '.join(failed)} cannot be imported, and there is no other SDK", "repair what fails below")
    return Reason("no supported SDK is installed", "pip install 'obs-sse-guard[obs]'")
