"""The figures as a page: the budgets, whether each is met and if not why, and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["page"]

Figures = dict[str, Any]
_SDK_NAMES = {"obs": "ObsClient", "botocore": "botocore"}
_PUT, _PUT_CONTENT = ("botocore", "put_object, https"), ("obs", "putContent, https")
_REFUSED = ("botocore", "put_object, http, SSE-C: refused"), ("obs", "putContent, http, SSE-C: refused")


class _Budget(NamedTuple):
    """What was promised, what it came to, and under which name `_REASONS` tells why it may be missed."""

    name: str
    limit: float
    value: float
    reason: str = ""

    @property
    def is_met(self) -> bool:
        return self.value <= self.limit


def _of(figures: Figures, call: tuple[str, str], connection: str = "stubbed", side: str = "guarded") -> dict[str, Any]:
    """The row of a call on one side; an error where it was not measured."""
    wanted = {"sdk": call[0], "call": call[1], "connection": connection, "side": side}
    (row,) = [row for row in figures["calls"] if wanted.items() <= row.items()]
    return dict(row)


def _budgets(figures: Figures) -> Iterable[_Budget]:
    put = _of(figures, _PUT)
    yield _Budget("put_object, https, stubbed: instructions", 1.005, put["instruction_ratio"])
    yield _Budget("put_object, https, stubbed: time", 1.01, put["time_ratio"])
    for ending in ("", ", header object", ", SSE-C"):
        for connection, limit in (("kept-alive HTTPS", 1.01), ("stubbed", 1.03)):
            call = _PUT_CONTENT[1] + ending
            ratio = _of(figures, ("obs", call), connection)["time_ratio"]
            yield _Budget(f"{call}, {connection}: time", limit, ratio, "hooks")
    for refused in _REFUSED:
        ratio = _of(figures, refused)["time_ratio"]
        yield _Budget(f"{refused[1]}: time, against the same call unguarded", 0.05, ratio, "refusal")
    yield _Budget("import above wrapt: ms", 10, figures["import"]["obs_sse_guard above wrapt"]["ms"], "import")
    for sdk, grown in figures["memory"].items():
        name = f"{grown['calls']:,} calls on {_SDK_NAMES[sdk]}: blocks of memory kept for each"
        yield _Budget(name, 0.01, grown["blocks"] / grown["calls"])


_REASONS = {
    "hooks": """\
Of ObsClient: three hooks are on the path of every call, the public method, the seam before the retry loop, and the
connection. Three functions that take any arguments and do nothing but call on add {empty_us:.2f} µs
({empty_ratio:.4f}) to a stubbed `putContent`, and {empty_instructions:.0f} instructions, where the guard's take
{instructions:.0f}. They count for more in time than in instructions: between two real calls their code leaves the
processor's caches. A header object is looked into for encryption before the SDK reads it; and with SSE-C the names of
the request's headers and what the client's TLS verifies are looked at once more before it is sent.""",
    "refusal": """\
Of a refused call: it takes {refused_us:.0f} µs on botocore and {refused_obs_us:.0f} µs on ObsClient, where the budget
is {limit_us:.0f} and {limit_obs_us:.1f} µs. A refusal is worked out when it happens, so that calls that are allowed
carry nothing for it: the parameters are checked as botocore would check them, bad input being the SDK's own error; the
settings are read from the environment, {settings_us:.1f} µs alone, for they can be switched live; and the error's
text is written, with what to change. It is spent once, by a call that goes nowhere: no connection, no retry.""",
    "import": """\
Of the import: what it takes above wrapt is the guard's own modules, and what they need of the standard library.""",
}


def page(figures: Figures) -> str:
    """Write the page."""
    return "\n".join([*_lines(figures), ""])


def _lines(figures: Figures) -> Iterable[str]:
    versions = ", ".join(f"{name} {version}" for name, version in figures["environment"].items())
    yield "# What the guard costs"
    yield ""
    yield "Written by `python -m benchmarks.run --write docs/performance.md`: see [benchmarks/](../benchmarks)."
    yield f"Measured on {figures['date']} with {versions}. Read ratios, not times."
    budgets = [*_budgets(figures)]
    yield from ("", "## Budgets", "")
    yield from _table(
        ("", "limit", "measured", "met"),
        ((one.name, f"{one.limit:g}", f"{one.value:.4g}", "yes" if one.is_met else "**no**") for one in budgets),
    )
    known = _known(figures)
    for reason in dict.fromkeys(one.reason for one in budgets if one.reason and not one.is_met):
        yield from ("", _REASONS[reason].format(**known))
    yield from _calls(figures)
    yield from _growth(figures)
    yield from _footprint(figures)


def _known(figures: Figures) -> dict[str, float]:
    """The figures that the reasons quote."""
    empty = _of(figures, _PUT_CONTENT, side="empty functions")
    refused, refused_obs = (_of(figures, call) for call in _REFUSED)
    return {
        "empty_us": empty["added_us"],
        "empty_ratio": empty["time_ratio"],
        "empty_instructions": empty["added_instructions"],
        "instructions": _of(figures, _PUT_CONTENT)["added_instructions"],
        "refused_us": refused["unguarded_us"] + refused["added_us"],
        "refused_obs_us": refused_obs["unguarded_us"] + refused_obs["added_us"],
        "limit_us": refused["unguarded_us"] / 20,
        "limit_obs_us": refused_obs["unguarded_us"] / 20,
        "settings_us": figures["settings_us"],
    }


def _calls(figures: Figures) -> Iterable[str]:
    yield from ("", "## Calls", "")
    yield """\
The same call of 1 KiB on copies of an SDK that differ in what is hooked into them, in turn, in one process; what is
added is the median of the differences. *Nothing* is a second copy without hooks: the noise. Instructions are counted by
callgrind; there *nothing* has another hash seed. *Empty* hooks do nothing but call on, where the guard has its own. The
peers are idle: no OpenTelemetry SDK, no X-Ray segment, no Sentry transaction."""
    for sdk, name in _SDK_NAMES.items():
        yield from ("", f"### {name}", "")
        yield from _table(
            ("call", "connection", "hooked", "unguarded µs", "added µs", "time", "added instructions", "instructions"),
            (_call_row(row) for row in figures["calls"] if row["sdk"] == sdk),
        )


def _call_row(row: dict[str, Any]) -> tuple[str, ...]:
    counted = "instructions" in row
    return (
        *(row[name] for name in ("call", "connection", "side")),
        *_times(row),
        f"{row['added_instructions']:.0f}" if counted else "",
        f"{row['instruction_ratio']:.4f}" if counted else "",
    )


def _times(row: dict[str, Any]) -> tuple[str, ...]:
    return f"{row['unguarded_us']:.1f}", f"{row['added_us']:.2f}", f"{row['time_ratio']:.4f}"


def _growth(figures: Figures) -> Iterable[str]:
    yield from ("", "## Threads and clients", "", "The first call of each table above, https and stubbed.", "")
    yield from _table(
        ("SDK", "threads", "clients", "unguarded µs", "added µs", "time"),
        ((_SDK_NAMES[row["sdk"]], str(row["threads"]), str(row["clients"]), *_times(row)) for row in figures["growth"]),
    )


def _footprint(figures: Figures) -> Iterable[str]:
    yield from ("", "## Import and memory", "")
    yield from _table(
        ("import", "ms", "resident KiB", "traced KiB", "SDKs that it loads"),
        (
            (
                module,
                f"{one['ms']:.1f}",
                f"{one['resident_kib']:.0f}",
                f"{one['traced_kib']:.0f}",
                ", ".join(one["sdks_loaded"]) or "none",
            )
            for module, one in figures["import"].items()
        ),
    )
    yield ""
    yield from _table(
        ("memory over calls of all kinds above", "calls", "blocks more", "resident KiB more"),
        (
            (_SDK_NAMES[sdk], f"{grown['calls']:,}", str(grown["blocks"]), str(grown["resident_kib"]))
            for sdk, grown in figures["memory"].items()
        ),
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterable[str]:
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"
