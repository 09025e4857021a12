"""Render the doctor's report as text: conclusion and remedies, then the details."""

from __future__ import annotations

import shutil
import textwrap
from collections import Counter
from typing import TYPE_CHECKING

from obs_sse_guard._cli.doctor import packages
from obs_sse_guard._cli.doctor.libraries import Guard
from obs_sse_guard._cli.startup_files import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from obs_sse_guard._cli.doctor.results import Hook, Package, Report

__all__ = ["text"]

_NARROWEST, _WIDEST = 40, 100
_HANDLED = "none needed while the guard is active"
_GAP = "not guarded"


def text(report: Report, *, verbose: bool = False) -> str:
    """Return the report for people, as wide as the terminal.

    Args:
        report: what was found.
        verbose: whether to list every hook, and the hazards that the guard takes care of.
    """
    width = min(max(shutil.get_terminal_size((_WIDEST, 0)).columns, _NARROWEST), _WIDEST)
    python = report.python
    sections = {
        "Modules that cannot be imported": _failures(report),
        "Known hazards of these releases": _hazards(report, verbose=verbose),
        "Hooks": _hooks(report.hooks) if verbose else _folded(report),
        "Settings": _settings(report),
        "Activation": _startup(report),
        "Packages": _packages(report),
        "Other patchers": _patchers(report),
        "Libraries that can reach S3 or OBS": _libraries(report),
    }
    heading = f"obs-sse-guard {report.guard} on {python.implementation} {python.version}, {python.executable}"
    parts = [_conclusion(report, width), _wrapped(heading, width)]
    parts += [_section(name, [*lines], width) for name, lines in sections.items()]
    return "\n\n".join(filter(None, parts))


def _conclusion(report: Report, width: int) -> str:
    if report.protected and report.startup.state == State.ENABLED:
        return _wrapped("PROTECTED: programs in this environment are guarded.", width)
    if report.protected:
        return _wrapped("PROTECTED: programs in this environment that import obs_sse_guard are guarded.", width)
    lines = []
    for reason, remedy in zip(report.reasons, report.remedies):
        lines.append(f"NOT PROTECTED: {reason}")
        lines += [f"  Remedy: {remedy}"] if remedy else []
    return "\n".join(_wrapped(line, width) for line in lines)


def _section(name: str, lines: Sequence[str], width: int) -> str:
    return "\n".join([name, *(_wrapped(f"  {line}", width) for line in lines)]) if lines else ""


def _failures(report: Report) -> Iterator[str]:
    failed = [module for module in report.modules if module.state in ("failed", "unusable")]
    for error in dict.fromkeys(module.error for module in failed):
        yield f"{', '.join(module.name for module in failed if module.error == error)}: {error}"


def _hazards(report: Report, *, verbose: bool) -> Iterator[str]:
    handled = [hazard for hazard in report.hazards if hazard.remedy.startswith(_HANDLED) and not verbose]
    for hazard in report.hazards:
        if hazard not in handled:
            yield f"{hazard.id}: {hazard.what}. Remedy: {hazard.remedy}."
    if handled:
        yield f"taken care of by the guard: {', '.join(hazard.id for hazard in handled)}."


def _folded(report: Report) -> Iterator[str]:
    """Yield a line per SDK present, counting its hooks by state, then every gap."""
    absent = {package.name for package in report.packages if package.state == "absent"}
    names = {package.module: package.distribution for package in packages.PACKAGES}
    states: dict[str, Counter[str]] = {}
    for hook in report.hooks:
        top = hook.name.partition(".")[0]
        name = names.get(top, "http.client" if top == "http" else top)
        if name not in absent:
            states.setdefault(name, Counter())[_GAP if hook.gap else _state(hook)] += 1
    yield from _aligned(
        [(name, ", ".join(f"{count} {state}" for state, count in states[name].items())) for name in states]
    )
    yield from _hooks([hook for hook in report.hooks if hook.gap])


def _state(hook: Hook) -> str:
    return "not present in this release" if hook.optional and hook.state == "unsupported" else hook.state


def _hooks(hooks: Sequence[Hook]) -> Iterator[str]:
    # Some names are as long as the terminal is wide: a column of remarks would leave no line whole.
    return _aligned([(hook.state, f"{hook.name}{_remark(hook)}") for hook in hooks])


def _remark(hook: Hook) -> str:
    if hook.gap:
        return f"  <- {_GAP}"
    return f"  {_state(hook)}" if _state(hook) != hook.state else ""


def _settings(report: Report) -> Iterator[str]:
    yield from _aligned([(setting.variable, setting.value or "none", setting.origin) for setting in report.settings])
    for setting in report.settings:
        yield from (f"! {problem}" for problem in setting.problems)


_STARTUP = {
    State.ENABLED: "enabled in {}: every Python of this environment activates the guard when it imports an SDK",
    State.DISABLED: "not enabled: programs import obs_sse_guard, or are started with obs-sse-guard run",
    State.OUTDATED: "the files in {} are not those of this release: run obs-sse-guard enable again",
}


def _startup(report: Report) -> list[str]:
    return [_STARTUP[report.startup.state].format(report.startup.folder)]


def _packages(report: Report) -> Iterator[str]:
    here = [package for package in report.packages if package.version or package.state not in ("", "absent")]
    yield from _aligned([(package.name, package.version or "version unknown", _role(package)) for package in here])
    missing = [package.name for package in report.packages if package not in here]
    yield from [f"not installed: {', '.join(missing)}"] if missing else []


def _role(package: Package) -> str:
    if package.state == "failed":
        return "fails to import"
    if package.state == "unusable" and package.is_sdk:
        return "SDK, cannot be used: a dependency is missing"
    if not package.is_sdk:
        return ""
    return "SDK" if package.state else "SDK, not hooked by the guard"


def _patchers(report: Report) -> Iterator[str]:
    for patcher in report.patchers:
        loaded = "loaded" if patcher.loaded else "not loaded here"
        yield f"{patcher.name} {patcher.version}, {loaded}: {patcher.note}."


def _libraries(report: Report) -> Iterator[str]:
    for guard in Guard:
        rows = [library for library in report.libraries if library.guard == guard.value]
        if guard in (Guard.HOOKS, Guard.NET) and rows:
            yield f"{guard.phrase}: {', '.join(row.name for row in rows)}."
            continue
        for row in rows:
            remedy = f" Remedy: {row.remedy}." if row.remedy else ""
            yield f"{guard.phrase}: {row.name} {row.version}: {row.note}.{remedy}"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def _wrapped(line: str, width: int) -> str:
    """Return a line, wrapped and indented, without breaking words such as paths."""
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    return textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
