"""Render the doctor's report as plain text."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from obs_sse_guard._cli.doctor.libraries import Guard

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from obs_sse_guard._cli.doctor.inspection import Package, Report

__all__ = ["text"]

_WIDTH = 100


def text(report: Report) -> str:
    """Return the report, section by section, with the verdict last."""
    sections = {
        "Packages": _packages(report),
        "Modules that cannot be imported": _failures(report),
        "Hooks": _hooks(report),
        "Settings": _settings(report),
        "Known hazards of these releases": _hazards(report),
        "Other patchers": _patchers(report),
        "Libraries that can reach S3 or OBS": _libraries(report),
    }
    python = report.python
    heading = f"obs-sse-guard {report.guard} on {python.implementation} {python.version}, {python.executable}"
    parts = [heading, *(_section(name, [*lines]) for name, lines in sections.items()), _verdict(report)]
    return "\n\n".join(filter(None, parts))


def _section(name: str, lines: Sequence[str]) -> str:
    return "\n".join([name, *(f"  {line}" for line in lines)]) if lines else ""


def _packages(report: Report) -> Iterator[str]:
    here = [package for package in report.packages if package.version or package.state not in ("", "absent")]
    yield from _aligned([(package.name, package.version or "version unknown", _role(package)) for package in here])
    missing = [package.name for package in report.packages if package not in here]
    yield from _wrapped(f"not installed: {', '.join(missing)}" if missing else "")


def _role(package: Package) -> str:
    if package.state == "failed":
        return "fails to import"
    if package.state == "unusable" and package.is_sdk:
        return "SDK, cannot be used: a dependency is missing"
    if not package.is_sdk:
        return ""
    return "SDK" if package.state else "SDK, not hooked by the guard"


def _failures(report: Report) -> Iterator[str]:
    failed = [module for module in report.modules if module.state in ("failed", "unusable")]
    for error in dict.fromkeys(module.error for module in failed):
        yield f"{', '.join(module.name for module in failed if module.error == error)}: {error}"


def _hooks(report: Report) -> Iterator[str]:
    return _aligned([(hook.state, hook.name, _remark(hook.gap, hook.optional, hook.state)) for hook in report.hooks])


def _remark(gap: bool, optional: bool, state: str) -> str:  # noqa: FBT001  # fields of a hook
    if gap:
        return "<- not guarded"
    return "not present in this release" if optional and state == "unsupported" else ""


def _settings(report: Report) -> Iterator[str]:
    rows = [(setting.variable, setting.value or "none", setting.origin) for setting in report.settings]
    yield from _aligned(rows)
    for setting in report.settings:
        for problem in setting.problems:
            yield from _wrapped(f"! {problem}")


def _hazards(report: Report) -> Iterator[str]:
    for hazard in report.hazards:
        yield from _wrapped(f"{hazard.id}: {hazard.what}. Remedy: {hazard.remedy}.")


def _patchers(report: Report) -> Iterator[str]:
    for patcher in report.patchers:
        loaded = "loaded" if patcher.loaded else "not loaded here"
        yield from _wrapped(f"{patcher.name} {patcher.version}, {loaded}: {patcher.note}.")


def _libraries(report: Report) -> Iterator[str]:
    for guard in Guard:
        rows = [library for library in report.libraries if library.guard == guard.value]
        if guard in (Guard.HOOKS, Guard.NET) and rows:
            yield from _wrapped(f"{guard.phrase}: {', '.join(row.name for row in rows)}.")
            continue
        for row in rows:
            remedy = f" Remedy: {row.remedy}." if row.remedy else ""
            yield from _wrapped(f"{guard.phrase}: {row.name} {row.version}: {row.note}.{remedy}")


def _verdict(report: Report) -> str:
    if report.protected:
        return "PROTECTED: programs in this environment that import obs_sse_guard are guarded."
    return "\n".join(f"NOT PROTECTED: {reason}" for reason in report.reasons)


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def _wrapped(paragraph: str) -> list[str]:
    return textwrap.wrap(paragraph, _WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
