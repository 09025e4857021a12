"""OpenTelemetry: a counter of the findings, and an event on the current span, where its API is loaded.

Names follow its conventions: ``url.scheme``, ``server.address`` and ``code.*`` are its own, what
has none there stands in the guard's own namespace.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.decision import Verdict

if TYPE_CHECKING:
    from obs_sse_guard._enforcement.decision import Report

__all__ = ["report"]

COUNTER = "obs_sse_guard.findings"
EVENT = "obs_sse_guard.finding"


def report(report: Report) -> None:
    """Count a finding and note it on the current span; what is allowed is not counted."""
    if report.verdict is Verdict.ALLOWED:
        return
    get_meter, get_current_span = _loaded("metrics", "get_meter"), _loaded("trace", "get_current_span")
    if get_meter is not None:
        _counter(get_meter).add(1, _counted(report))
    span = get_current_span() if get_current_span is not None else None
    if span is not None and span.is_recording():
        span.add_event(EVENT, {**_counted(report), **_noted(report)})


def _loaded(module: str, name: str) -> Any:
    # Never imported here: whoever collects has it loaded, and a child that is forked while another thread imports a
    # module would wait for that import for ever. In one that is only half loaded the name is not there yet.
    return getattr(sys.modules.get(f"opentelemetry.{module}"), name, None)


@functools.lru_cache(maxsize=1)
def _counter(get_meter: Any) -> Any:
    from obs_sse_guard import __version__  # noqa: PLC0415  # the package imports this module

    # One counter for the process: it follows whatever provider the application sets later.
    return get_meter("obs_sse_guard", __version__).create_counter(
        COUNTER, unit="{finding}", description="Findings about server-side encryption, by rule and verdict."
    )


def _counted(report: Report) -> dict[str, str]:
    # Few values each: every combination is a time series, and a redirect could name any host.
    return {
        "obs_sse_guard.rule": report.finding.name,
        "obs_sse_guard.verdict": report.verdict.value,
        "obs_sse_guard.sdk": report.facts.sdk.name,
        "obs_sse_guard.operation": report.facts.operation,
        "url.scheme": report.facts.scheme,
    }


def _noted(report: Report) -> dict[str, Any]:
    facts, site = report.facts, report.site
    known = {
        "obs_sse_guard.mode": report.settings.mode.value,
        "obs_sse_guard.policy": report.settings.policy.value,
        "obs_sse_guard.target": facts.target.value,
        "obs_sse_guard.source": facts.source.value,
        "server.address": facts.host,
        "server.port": facts.port,
        "code.file.path": site and site.file,
        "code.line.number": site and site.line,
        "code.function.name": site and site.function,
    }
    return {name: value for name, value in known.items() if value is not None}
