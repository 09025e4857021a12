"""What the doctor found. The field names are those of ``--json``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

__all__ = [
    "Hook",
    "KnownHazard",
    "Module",
    "OtherPatcher",
    "Package",
    "Python",
    "ReachingLibrary",
    "Reason",
    "Report",
    "Setting",
    "Startup",
]


@dataclass(frozen=True)
class Python:
    """The interpreter."""

    implementation: str
    version: str
    executable: str
    platform: str


@dataclass(frozen=True)
class Package:
    """A package: its distribution's version, if any, and whether it can be imported.

    ``state`` is that of its modules: ``failed`` if one of them is; empty if the guard hooks nothing in it.
    """

    name: str
    version: str | None
    is_sdk: bool
    state: str


@dataclass(frozen=True)
class Module:
    """A module that the guard hooks, and why it could not be imported.

    ``state`` is ``imported``, ``absent``, ``unusable`` if a dependency of it is not installed, so that no program can
    use it either, or ``failed``.
    """

    name: str
    state: str
    error: str


@dataclass(frozen=True)
class Hook:
    """A target, its state in ``status()``, and whether calls pass it unguarded."""

    name: str
    state: str
    optional: bool
    gap: bool


@dataclass(frozen=True)
class Setting:
    """A setting: its effective value, the origin, what was given, and the problems."""

    variable: str
    value: str
    origin: str
    given: str | None
    problems: list[str]


@dataclass(frozen=True)
class KnownHazard:
    """A hazard of an installed release."""

    id: str
    package: str
    what: str
    remedy: str


@dataclass(frozen=True)
class OtherPatcher:
    """Another package that patches the SDKs, and whether this process has loaded it."""

    name: str
    version: str
    loaded: bool
    note: str


@dataclass(frozen=True)
class ReachingLibrary:
    """An installed library that can reach S3 or OBS.

    ``guard`` is ``hooks``, ``net``, ``not needed`` or ``none``.
    """

    name: str
    version: str
    guard: str
    note: str
    remedy: str


class Reason(NamedTuple):
    """Why an environment is not protected, and a remedy, which may be empty."""

    what: str
    remedy: str = ""


@dataclass(frozen=True)
class Startup:
    """Whether every Python of this environment activates the guard.

    ``state`` is ``enabled``, ``disabled`` or ``outdated``.
    """

    state: str
    folder: str


@dataclass(frozen=True)
class Report:
    """Everything that the doctor found.

    The field names are those of ``--json`` and must not change. ``remedies`` has one entry for each of the
    ``reasons``, in the same order.
    """

    protected: bool
    reasons: list[str]
    remedies: list[str]
    guard: str
    python: Python
    packages: list[Package]
    modules: list[Module]
    hooks: list[Hook]
    settings: list[Setting]
    hazards: list[KnownHazard]
    patchers: list[OtherPatcher]
    libraries: list[ReachingLibrary]
    startup: Startup
