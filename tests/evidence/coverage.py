"""Record which rows the tests see with each library, and write docs/coverage.md.

tox -e coverage                                     install every library, run the tests and write the page
python -m tests.evidence.coverage                   the same, in an environment that has everything installed
python -m tests.evidence.coverage --read REPORT     write the page from this JUnit XML of the last run
python -m tests.evidence.coverage --refresh         renew what is read from the project; the results stay

The page holds its own results: `results_of` reads them back, and `page` writes them again with the project's current
facts. A test compares the two, so that an added hook, library or release is noticed.
"""

from __future__ import annotations

import argparse
import fnmatch
import platform
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NamedTuple

from obs_sse_guard._cli.doctor.libraries import LIBRARIES, Guard, Library
from obs_sse_guard._cli.doctor.packages import installed_version
from obs_sse_guard._hooks.installer import installer
from tests.evidence import today
from tests.evidence.row_recorder import NET_RULE, REFUSED, TESTS, Seen
from tests.programs.table import PROGRAMS
from tests.support.expected_rules import ROWS
from tests.support.hook_groups import HOOK_GROUPS, hooks

PAGE = Path("docs/coverage.md")
PYPROJECT = Path("pyproject.toml")
RUN = ("-m", "pytest", "--numprocesses", "2", "--full", "-q", "-p", "no:randomly", "-p", "tests.evidence.row_recorder")

SCHEMES = ("http", "https")
ALLOWED = {row.id: row.allowed for row in ROWS} | {NET_RULE: frozenset({"https"})}

_NO_SOURCE = "no header or parameter names SSE-KMS for the source of a copy: the service knows its encryption"
_NO_PARAMETER = "the S3 API has no parameter for SSE-KMS in this operation"
_S3 = {
    "table-[34]/SSE-KMS-to-*": _NO_SOURCE,
    "table-2/HeadObject": _NO_PARAMETER,
    "table-2/GetObject": _NO_PARAMETER,
    "table-2/UploadPart": _NO_PARAMETER,
    "table-2/CompleteMultipartUpload": _NO_PARAMETER,
    "table-4/*-to-SSE-KMS": _NO_PARAMETER,
}
_NATIVE = {"*": "options are judged once, as PutObject or, where a function only reads, as GetObject"}
_READS = {"table-?/GetObject": "over https, the test servers have nothing that it could read", **_NATIVE}

REASONS: dict[str, dict[str, str]] = {
    "huaweicloudsdkobs": {"table-[34]/SSE-KMS-to-*": _NO_SOURCE},
    "boto3": _S3,
    "awscrt": {"*": "a transfer is refused as the PutObject or GetObject that it begins with; botocore sends the rest"},
    "aiobotocore": _S3,
    "s3fs": {"*": "a call is refused as the request that it begins with; aiobotocore has the rows of the rest"},
    "minio": {"table-[34]/SSE-KMS-to-*": _NO_SOURCE},
    "obstore": _NATIVE,
    "polars": _READS,
    "deltalake": _NATIVE,
    "pylance": _READS,
}
"""By library, why rows are not live over both transports; the first match counts."""

_AFTER_THE_OPTIONS = (
    "what happens after the options were checked, such as a redirect to plaintext that `allow_http` permits; stores, "
    "tables and datasets from before the guard was active; options of a catalog"
)
NOT_SEEN: dict[str, str] = {
    "esdk-obs-python": "a plain dict that is assigned to an existing header object, which the SDK drops; a bare key "
    "in metadata",
    "huaweicloudsdkobs": "other services of Huawei Cloud's SDK, which are left alone",
    "botocore": "event handlers that send the request themselves: the call's arguments are judged",
    "awscrt": "the TLS mode of a CRT client from before the guard was active: `cannot-judge`; the log of the CRT",
    "aiobotocore": "as botocore",
    "s3fs": "a refusal in `isfile()`, which returns `False`; nothing is sent",
    "minio": "`PostPolicy.form_data()` by itself; `HTTPConnection.request()` that an application overrides",
    "obstore": _AFTER_THE_OPTIONS,
    "polars": _AFTER_THE_OPTIONS,
    "deltalake": _AFTER_THE_OPTIONS,
    "pylance": _AFTER_THE_OPTIONS,
    **dict.fromkeys(
        ("requests", "urllib3", "httpcore", "httpx", "aiohttp"), "the operation; anything over TLS but the transport"
    ),
}
"""What the hooks on a library do not see. What is built on a library shares it."""

BUILT_ON_OTHERS = frozenset(program.name for program in PROGRAMS) - REASONS.keys()
"""Libraries that send through another, and share its rows."""


class Results(NamedTuple):
    """The results of a run.

    Attributes:
        date: its date.
        python: the version of Python.
        versions: the installed versions, by library.
        seen: what the tests saw.
    """

    date: str
    python: str
    versions: dict[str, str]
    seen: frozenset[Seen]


# ---------------------------------------------------------------------------------------- reading


def seen_in(report: str) -> frozenset[Seen]:
    """Read a JUnit XML report of the tests, recorded by the plugin."""
    return frozenset(
        Seen(*str(each.get("value")).split(" "))
        for each in ET.fromstring(report).iter("property")  # noqa: S314  # pytest wrote it
        if each.get("name") == "seen"
    )


def _as_expected(seen: frozenset[Seen]) -> frozenset[Seen]:
    """Leave out what `strict` refused, and what `warn` or a trusted host let through."""
    return frozenset(
        one for one in seen if one.rule in ALLOWED and (one.outcome == REFUSED) is (one.scheme not in ALLOWED[one.rule])
    )


def installed_versions() -> dict[str, str]:
    """Return the installed versions of the libraries."""
    return {library.distribution: installed_version(library.distribution) or "" for library in LIBRARIES}


def results_of(page: str) -> Results:
    """Read the results back from the page."""
    [(date, python)] = re.findall(r"on (20\d\d-\d\d-\d\d), on Python (\S+)\.\s", page)
    versions, seen = {}, set()
    for table in re.findall(r"(?:^\|.*\|\n)+", page, re.MULTILINE):
        head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
        if head[0] == "library" and "tested" in head:
            versions = {row[0]: row[head.index("tested")] for row in rows}
        if head[0] == "rule":
            seen |= {one for row in rows for one in _read_row(head, row)}
    return Results(date, python, versions, frozenset(seen))


def _read_row(head: list[str], row: list[str]) -> list[Seen]:
    return [
        Seen(library, row[0].strip("`"), scheme, outcome)
        for library, cell in zip(head[1:], row[1:])
        for scheme, outcome in zip(SCHEMES, cell.split(", "))
        if outcome not in ("", _NOTHING)
    ]


# ---------------------------------------------------------------------------------------- writing

_NOTHING = "-"
_UNEXPLAINED = "**unexplained**"


def oldest_supported(distribution: str, pyproject: str) -> str:
    """Return the oldest release that the project requires; empty if it names none."""
    pyproject = re.sub(r"(?ms)^demo = \[.*?^\]", "", pyproject)  # the demo needs later ones than the guard
    found = re.findall(rf'"{re.escape(distribution)}(?:\[\w+\])?>=([\d.]+)', pyproject)
    return min(found, key=lambda release: [int(part) for part in release.split(".")], default="")


def page(results: Results) -> str:
    """Return the text of the page."""
    seen = _as_expected(results.seen)
    guards = {library.distribution: library.guard for library in LIBRARIES}
    live = [name for name in guards if _rules_of(name, seen) - {NET_RULE} and name not in BUILT_ON_OTHERS]
    built = [name for name in guards if _rules_of(name, seen) and name in BUILT_ON_OTHERS]
    net = [name for name in guards if NET_RULE in _rules_of(name, seen) and guards[name] is Guard.NET]
    names = [target.name for target in installer.targets]
    return _PAGE.format(
        date=results.date,
        python=results.python,
        rows=len(ROWS),
        libraries="\n".join(_library(library, results, seen) for library in LIBRARIES),
        hooks="\n".join(
            f"| {group} | {len(hooks(group, names))} | {', '.join(f'`{pattern}`' for pattern in patterns)} |"
            for group, patterns in HOOK_GROUPS.items()
        ),
        targets=len(names),
        table=_table(live, [row.id for row in ROWS], seen),
        net=_table(net, [NET_RULE], seen),
        built=_table(built, [row.id for row in ROWS if any(row.id in _rules_of(name, seen) for name in built)], seen),
        reasons="\n".join(_reasons(live, seen)),
        not_seen="\n".join(_not_seen()),
    )


def _library(library: Library, results: Results, seen: frozenset[Seen]) -> str:
    name = library.distribution
    modules = tuple(f"{module}." for module in library.hooks)
    oldest = oldest_supported(name, PYPROJECT.read_text("utf-8"))
    rows = [len(_rules_of(name, seen, scheme) - {NET_RULE}) for scheme in SCHEMES]
    cells = [
        name,
        library.guard.phrase,
        str(sum(f"{target.module}.".startswith(modules) for target in installer.targets) or ""),
        f"{oldest} and newer" if oldest else "",
        results.versions.get(name, ""),
        *(str(number) if number else "" for number in rows),
        library.note,
    ]
    return f"| {' | '.join(cells)} |"


def _rules_of(library: str, seen: frozenset[Seen], *schemes: str) -> set[str]:
    return {one.rule for one in seen if one.library == library and one.scheme in (schemes or SCHEMES)}


def _table(libraries: list[str], rules: list[str], seen: frozenset[Seen]) -> str:
    rows = [["rule", *libraries], ["---"] * (len(libraries) + 1)]
    rows += [[f"`{rule}`", *(_cell(library, rule, seen) for library in libraries)] for rule in rules]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(library: str, rule: str, seen: frozenset[Seen]) -> str:
    found = {one.scheme: one.outcome for one in sorted(seen, reverse=True) if one[:2] == (library, rule)}
    return ", ".join(found.get(scheme, _NOTHING) for scheme in SCHEMES) if found else ""


def unseen(library: str, seen: frozenset[Seen]) -> dict[str, str]:
    """Return the rows that are not live over both transports, with their patterns."""
    live = set.intersection(*(_rules_of(library, seen, scheme) for scheme in SCHEMES))
    patterns = REASONS.get(library, {})
    return {
        row.id: next((pattern for pattern in patterns if fnmatch.fnmatchcase(row.id, pattern)), "")
        for row in ROWS
        if row.id not in live
    }


def _reasons(libraries: list[str], seen: frozenset[Seen]) -> list[str]:
    lines = []
    for library in libraries:
        rows: dict[str, list[str]] = {}
        patterns: dict[str, set[str]] = {}
        for row, pattern in unseen(library, seen).items():
            reason = REASONS[library][pattern] if pattern else _UNEXPLAINED
            rows.setdefault(reason, []).append(row)
            patterns.setdefault(reason, set()).add(f"`{pattern or row}`" if pattern != "*" else "the others")
        lines += [f"| {library} | {len(rows[each])} | {', '.join(sorted(patterns[each]))} | {each} |" for each in rows]
    return lines


def _not_seen() -> list[str]:
    shared: dict[str, list[str]] = {}
    for library in LIBRARIES:
        note = "; ".join(filter(None, (library.note, library.remedy)))
        what = NOT_SEEN.get(library.distribution, "" if library.guard is Guard.HOOKS else note)
        if what:
            shared.setdefault(what, []).append(library.distribution)
    return [f"| {', '.join(names)} | {what} |" for what, names in shared.items()]


_PAGE = """\
# Coverage

Generated by `tox -e coverage` on {date}, on Python {python}.

What guards each library that can reach S3 or OBS, and which of the {rows} rows are live: the tests saw a real client
make the call over real sockets, over http and over https. *Tested* is the release in that run; [matrix.md](matrix.md)
has others. Without a release in *supported*, any works that the libraries it is built on, or that build on it, accept.
A library without rows sends through another, which its last column names.

| library | guard | hooks | supported | tested | rows over http | rows over https | what is checked |
|---|---|---|---|---|---|---|---|
{libraries}

## Rows

Each cell has the outcome over http and over https. *Refused*: the error named this row, before a byte left. *Sent*: the
request arrived at the server, and the row allows that. *Signed*: a form was signed and nothing is sent. `-` and an
empty cell: the tests make no such call, for a reason below.

{table}

| library | rows that are not live over both | which | why |
|---|---|---|---|
{reasons}

HTTP clients know no operations. A customer key in plaintext is one finding:

{net}

Programs that send through one of these libraries, and the rows that they met:

{built}

## Hooks

{targets} targets, by group. `obs_sse_guard.status()` shows each of them.

| hooks | targets | in |
|---|---|---|
{hooks}

## What is not seen

| libraries | what the guard does not see |
|---|---|
{not_seen}

[limitations.md](limitations.md) has the limitations that all of them share.
"""


def run() -> str:
    """Run the tests and return their report.

    Raises:
        subprocess.CalledProcessError: a test failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        tests = [str(path) for test in TESTS for path in Path("tests").rglob(test)]
        subprocess.run([sys.executable, *RUN, f"--junit-xml={report}", *tests], check=True)  # our own tests
        return report.read_text("utf-8")


def main() -> int:
    """Write the page from a run or a report; return 1 if a row lacks call and reason."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--read", metavar="REPORT", type=Path, help="read this JUnit XML and run nothing")
    source.add_argument("--refresh", action="store_true", help="keep the results of the page")
    arguments = parser.parse_args()
    if arguments.refresh:
        results = results_of(PAGE.read_text("utf-8"))
    else:
        report = arguments.read.read_text("utf-8") if arguments.read else run()
        results = Results(today(), platform.python_version(), installed_versions(), seen_in(report))
    text = page(results)
    PAGE.write_text(text, "utf-8")
    return _UNEXPLAINED in text


if __name__ == "__main__":
    sys.exit(main())
