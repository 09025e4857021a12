"""Everyone who is told about a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obs_sse_guard._enforcement import audit, log, telemetry

if TYPE_CHECKING:
    from collections.abc import Callable

    from obs_sse_guard._enforcement.decision import Decision

__all__ = ["REPORTERS", "report"]

REPORTERS: dict[str, Callable[[Decision], None]] = {
    "log": log.report,
    "audit": audit.report,
    "telemetry": telemetry.report,
}


def report(decision: Decision) -> None:
    """Tell every reporter. One that fails neither breaks a legal call nor replaces a refusal."""
    for name, tell in REPORTERS.items():
        try:
            tell(decision)
        except Exception:  # noqa: BLE001, PERF203  # the failure of one reporter spares the next
            log.log_failure(f"report to the {name}", "the decision about the call stands")
