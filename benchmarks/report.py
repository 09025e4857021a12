"""The figures as a page: the budgets, whether each is met and if not why, and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks import budgets

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["page", "summary"]

Figures = dict[str, Any]
_SDK_NAMES = {"obs": "ObsClient", "botocore": "botocore"}
_PUT, _PUT_CONTENT = ("botocore", "put_object, https"), ("obs", "putContent, https")
_REFUSED = ("botocore", "put_object, http, SSE-C: refused"), ("obs", "putContent, http, SSE-C: refused")


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


def summary(figures: Figures) -> str:
    """Return the budgets, and the instructions and times of the calls, as text for a terminal."""
    rows = [
        (one.name, f"{one.limit:g}", f"{one.value:.4f}", _noise(one), "met" if one.is_met else "MISSED")
        for one in budgets.results(figures)
    ]
    return "\n".join(
        (
            *_columns(("budget", "limit", "measured", "noise", ""), rows),
            "",
            *_columns(_CALL_HEAD, [_call_row(row) for row in figures["calls"]]),
        )
    )


def _noise(result: budgets.Result) -> str:
    return "" if result.noise is None else f"{result.noise:.4f}"


def _columns(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows)]
    for row in (head, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()


def page(figures: Figures) -> str:
    """Write the page."""
    return "\n".join([*_lines(figures), ""])


def _lines(figures: Figures) -> Iterable[str]:
    versions = ", ".join(f"{name} {version}" for name, version in figures["environment"].items())
    yield "# What the guard costs"
    yield ""
    yield "Written by `python -m benchmarks.run --write docs/performance.md`: see [benchmarks/](../benchmarks)."
    yield f"Measured on {figures['date']} with {versions}. Read ratios, not times."
    results = [*budgets.results(figures)]
    yield from ("", "## Budgets", "")
    yield from _table(
        ("", "limit", "measured", "met"),
        ((one.name, f"{one.limit:g}", f"{one.value:.4g}", "yes" if one.is_met else "**no**") for one in results),
    )
    known = _known(figures)
    for reason in dict.fromkeys(one.reason for one in results if one.reason and not one.is_met):
        yield from ("", _REASONS[reason].format(**known))
    yield from _calls(figures)
    yield from _growth(figures)
    yield from _footprint(figures)


def _known(figures: Figures) -> dict[str, float]:
    """The figures that the reasons quote."""
    empty = budgets.row_of(figures, *_PUT_CONTENT, side="empty functions")
    refused, refused_obs = (budgets.rowbudgets.row_of(figures, **call) for call in _REFUSED)
    return {
        "empty_us": empty["added_us"],
        "empty_ratio": empty["time_ratio"],
        "empty_instructions": empty["added_instructions"],
        "instructions": budgets.row_of(figures, *_PUT_CONTENT)["added_instructions"],
        "refused_us": refused["unguarded_us"] + refused["added_us"],
        "refused_obs_us": refused_obs["unguarded_us"] + refused_obs["added_us"],
        "limit_us": refused["unguarded_us"] / 20,
        "limit_obs_us": refused_obs["unguarded_us"] / 20,
        "settings_us": figures["settings_us"],
    }


_CALL_HEAD = ("call", "connection", "hooked", "unguarded µs", "added µs", "time", "added instructions", "instructions")


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
            _CALL_HEAD,
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
    if "time_ratio" not in row:
        return "", "", ""
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
