"""What a call may cost with the guard, and how the figures compare to that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BUDGETS", "HTTP", "LOG", "STUBBED", "TLS", "Budget", "Result", "results", "row_of"]

STUBBED, TLS, HTTP = "stubbed", "keep-alive TLS", "keep-alive HTTP"
LOG = "its DEBUG log"
"""Not the call itself, but what logging it takes."""
_INSTRUCTIONS, _TIME = "instruction_ratio", "time_ratio"
_UNITS = {_INSTRUCTIONS: "instructions", _TIME: "time"}

Figures = dict[str, Any]


class Budget(NamedTuple):
    """The most that a call with the guard may cost, relative to one without it.

    Attributes:
        sdk: ``obs`` or ``botocore``.
        call: a name in `sdks.CALLS`, or of a record in `logs`.
        connection: `STUBBED`, `TLS`, `HTTP`, or `LOG`.
        measure: the column of the figures that the limit applies to.
        limit: the highest ratio that meets the budget.
        reason: the key in `report.REASONS` that explains a miss, if there is one.
    """

    sdk: str
    call: str
    connection: str
    measure: str
    limit: float
    reason: str = ""

    @property
    def name(self) -> str:
        """The name that the page and the quick run show."""
        return f"{self.call}, {self.connection}: {_UNITS[self.measure]}"

    @property
    def is_time(self) -> bool:
        """Whether it limits the time."""
        return self.measure == _TIME


BUDGETS = (
    Budget("botocore", "put_object, https", STUBBED, _INSTRUCTIONS, 1.005),
    Budget("botocore", "put_object, http", HTTP, _TIME, 1.02, "http"),
    Budget("obs", "putContent, https", STUBBED, _INSTRUCTIONS, 1.025, "hooks"),
    Budget("obs", "putContent, https", TLS, _TIME, 1.01, "hooks"),
    Budget("obs", "putContent, https, header object", STUBBED, _INSTRUCTIONS, 1.035, "hooks"),
    Budget("obs", "putContent, https, header object", TLS, _TIME, 1.015, "hooks"),
    Budget("obs", "putContent, https, SSE-C", STUBBED, _INSTRUCTIONS, 1.045, "hooks"),
    Budget("obs", "putContent, https, SSE-C", TLS, _TIME, 1.02, "hooks"),
    Budget("obs", "putContent, http", HTTP, _TIME, 1.03, "http"),
    Budget("obs", "putContent, http, header object", HTTP, _TIME, 1.05, "http"),
    Budget("obs", "putContent, http, metadata", HTTP, _TIME, 1.05, "http"),
    Budget("obs", "getObjectMetadata, http", HTTP, _TIME, 1.03, "http"),
    Budget("botocore", "put_object, http, SSE-C: refused", STUBBED, _TIME, 0.05, "refusal"),
    Budget("obs", "putContent, http, SSE-C: refused", STUBBED, _TIME, 0.05, "refusal"),
    Budget("botocore", "put_object, https", LOG, _TIME, 1.2, "log"),
    Budget("botocore", "a response of 2 MB", LOG, _TIME, 1.2, "log"),
    Budget("obs", "putContent, https", LOG, _TIME, 1.2, "log"),
    Budget("obs", "a content of 2 MB", LOG, _TIME, 1.2, "log"),
)

_IMPORT, _IMPORT_MS = "import obs_sse_guard above wrapt", 10
_BLOCKS_PER_CALL = 0.01


class Result(NamedTuple):
    """A budget and what was measured for it.

    Attributes:
        name: what was measured.
        limit: the highest value that meets the budget.
        value: the measured value.
        noise: the same measure of a second copy without hooks, if there is one.
        reason: the key in `report.REASONS` that explains a miss, if there is one.
    """

    name: str
    limit: float
    value: float
    noise: float | None = None
    reason: str = ""

    @property
    def is_met(self) -> bool:
        """Whether the value is within the limit."""
        return self.value <= self.limit


def row_of(figures: Figures, sdk: str, call: str, connection: str = STUBBED, side: str = "guarded") -> dict[str, Any]:
    """Return the figures of a call on one side; empty if it was not measured."""
    wanted = {"sdk": sdk, "call": call, "connection": connection, "side": side}
    return next((row for row in figures["calls"] if wanted.items() <= row.items()), {})


def results(figures: Figures, *, complete: bool = False) -> Iterator[Result]:
    """Compare the figures to the budgets.

    Args:
        figures: the figures.
        complete: whether every budget must have been measured; otherwise the others are left out.

    Raises:
        LookupError: a budget was not measured.
    """
    for budget in BUDGETS:
        row, copy = (row_of(figures, *budget[:3], side) for side in ("guarded", "copy"))
        if budget.measure in row:
            yield Result(budget.name, budget.limit, row[budget.measure], copy.get(budget.measure), budget.reason)
        elif complete:
            raise LookupError(budget.name)
    if "import" in figures:
        yield Result(f"{_IMPORT}: ms", _IMPORT_MS, figures["import"][_IMPORT]["ms"], None, "import")
    for sdk, grown in figures.get("memory", {}).items():
        name = f"{grown['calls']:,} calls, {sdk}: memory blocks kept per call"
        yield Result(name, _BLOCKS_PER_CALL, grown["blocks"] / grown["calls"])
