"""Report to OpenTelemetry, if its API is loaded: counter, span events and gauge.

Attributes have the names of its semantic conventions (``url.scheme``, ``server.address``, ``code.*``); the others are
in the guard's own namespace.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.armed import armed
from obs_sse_guard._policy.settings import Mode, read_settings
from obs_sse_guard._version import __version__

if TYPE_CHECKING:
    from obs_sse_guard._enforcement.decision import Decision

__all__ = ["ResourceDetector", "create_gauge", "report"]

COUNTER = "obs_sse_guard.findings"
GAUGE = "obs_sse_guard.armed"
EVENT = "obs_sse_guard.finding"


def report(decision: Decision) -> None:
    """Count a finding and add it to the current span."""
    get_meter, get_current_span = _loaded("metrics", "get_meter"), _loaded("trace", "get_current_span")
    if get_meter is not None:
        _counter(get_meter).add(1, _counter_attributes(decision))
    span = get_current_span() if get_current_span is not None else None
    if span is not None and span.is_recording():
        span.add_event(EVENT, {**_counter_attributes(decision), **_event_attributes(decision)})


def _loaded(module: str, name: str) -> Any:
    # Never imported here: an application that collects has it loaded, and a child that is forked while another thread
    # imports a module would wait for that import forever. A module that is half loaded does not have the name yet.
    return getattr(sys.modules.get(f"opentelemetry.{module}"), name, None)


def create_gauge() -> None:
    """Create the gauge, if the API is loaded.

    It is 1 while an SDK is hooked and the guard is not switched off, else 0.
    """
    get_meter = _loaded("metrics", "get_meter")
    if get_meter is not None:
        _gauge(get_meter)


@functools.lru_cache(maxsize=1)
def _gauge(get_meter: Any) -> Any:
    return get_meter("obs_sse_guard", __version__).create_observable_gauge(
        GAUGE, [lambda _: _observe()], description="Whether an SDK is hooked in this process, and the guard is active."
    )


def _observe() -> list[Any]:
    observation = _loaded("metrics", "Observation")
    return [observation(int(bool(armed.sdks) and read_settings().mode is not Mode.OFF), _settings_attributes())]


def _settings_attributes() -> dict[str, str]:
    settings = read_settings()
    return {"obs_sse_guard.mode": settings.mode.value, "obs_sse_guard.policy": settings.policy.value}


class ResourceDetector:
    """Adds the guard's version, mode and policy to OpenTelemetry's resource.

    The entry point for ``OTEL_EXPERIMENTAL_RESOURCE_DETECTORS=obs_sse_guard``. Only OpenTelemetry's SDK loads it. Not a
    subclass of its own detector, which would have to be imported.
    """

    raise_on_error = False

    def detect(self) -> Any:
        """Return the attributes of this process as a resource of OpenTelemetry."""
        resource = _loaded("sdk.resources", "Resource")
        return resource({"obs_sse_guard.version": __version__, **_settings_attributes()})


@functools.lru_cache(maxsize=1)
def _counter(get_meter: Any) -> Any:
    # One counter for the process: it follows whatever provider the application sets later.
    return get_meter("obs_sse_guard", __version__).create_counter(
        COUNTER, unit="{finding}", description="Findings about server-side encryption, by rule and outcome."
    )


def _counter_attributes(decision: Decision) -> dict[str, str]:
    # Few values each, because every combination is a time series. No host: a redirect could name any.
    return {
        "obs_sse_guard.rule": decision.finding.id,
        "obs_sse_guard.verdict": decision.outcome.value,
        "obs_sse_guard.sdk": decision.context.sdk.name,
        "obs_sse_guard.operation": decision.context.operation,
        "url.scheme": decision.context.scheme,
    }


def _event_attributes(decision: Decision) -> dict[str, Any]:
    context, site = decision.context, decision.site
    known = {
        "obs_sse_guard.mode": decision.settings.mode.value,
        "obs_sse_guard.policy": decision.settings.policy.value,
        "obs_sse_guard.target": context.target.value,
        "obs_sse_guard.source": context.source.value,
        "server.address": context.host,
        "server.port": context.port,
        "code.file.path": site and site.file,
        "code.line.number": site and site.line,
        "code.function.name": site and site.function,
    }
    return {name: value for name, value in known.items() if value is not None}
