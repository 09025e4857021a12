"""Run other projects' tests with and without the guard, and write docs/peers.md.

The tests come unchanged from the source distributions of the installed releases, which pip downloads.

    tox -e peers                                    run everything and write the page; 1 if an outcome changes
    python -m tests.evidence.peers                  the same, in an environment that has everything installed
    python -m tests.evidence.peers --suite SUITE    run one suite, without writing the page
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from tests.evidence import today

PAGE = Path("docs/peers.md")
SUITES = {
    "botocore": ("tests/unit", *(f"tests/functional/test_s3{name}.py" for name in ("", "express", "_control"))),
    "s3transfer": ("tests/unit", "tests/functional"),
    "aiobotocore": ("--http-backend=all", "-mnot localonly", "tests"),  # localonly: needs an account
    "minio": ("-opython_files=*_test.py", "tests/unit"),  # the others need a server
}
"""What to run of each distribution, as arguments for pytest."""

EXPLAINED = {
    "tests.test_patches::test_patches[": (
        "the test hashes the source of the method, and `dill.source.getsource` returns that of the hook"
    )
}
"""By start of id, why tests fail under the guard although it breaks nothing."""

CONTROL = "test_the_guard_is_active"
"""A module and its test, run beside each suite: it passes only with the guard."""

_CONTROL = f"""
import sys

import botocore.client


def {CONTROL}():
    assert "active" in sys.modules["obs_sse_guard"].status().values()
"""
_PYTEST = ("-m", "pytest", "-q", "-p", "no:randomly", "--junitxml=report.xml")
_GUARDED = ("-m", "obs_sse_guard", "run", "--")
_REFUSED = re.compile(r"obs_sse_guard\.\w+: refused .*? \[([\w/-]+)\]")
_RESULTS = ("passed", "skipped", "failed")  # the last is the worst
_COUNTS = (*_RESULTS, "unstable", "refused", "different")


class Outcome(NamedTuple):
    """The result of one test, and the text of its failure."""

    result: str
    text: str = ""


class Difference(NamedTuple):
    """A test with another outcome under the guard.

    If no rule or explanation is the reason, the guard is at fault.
    """

    test: str
    bare: str
    guarded: str
    reason: str


class Compared(NamedTuple):
    """The comparison of one suite: counts by result or kind, and the differences."""

    suite: str
    counts: Counter[str]
    differences: list[Difference]


def outcomes(report: str) -> dict[str, Outcome]:
    """Read a report of pytest; the worst of several entries of a test counts.

    A test has several after an error in its teardown, for instance.
    """
    found: dict[str, Outcome] = {}
    for case in ET.fromstring(report).iter("testcase"):  # noqa: S314  # pytest wrote it
        test = f"{case.get('classname')}::{case.get('name')}"
        for one in (Outcome("passed"), *map(_outcome, case)):
            found[test] = max(found.get(test, one), one, key=lambda outcome: _RESULTS.index(outcome.result))
    return found


def _outcome(element: ET.Element) -> Outcome:
    result = {"failure": "failed", "error": "failed", "skipped": "skipped"}.get(element.tag, "passed")
    return Outcome(result, f"{element.get('message')}\n{element.text}")


def compare(bare: dict[str, Outcome], guarded: dict[str, Outcome]) -> tuple[Counter[str], list[Difference]]:
    """Return the number of equal outcomes by result, and the differences.

    A test that ran only once is a difference.
    """
    missing = Outcome("missing")
    pairs = [(test, bare.get(test, missing), guarded.get(test, missing)) for test in sorted({*bare, *guarded})]
    equal = Counter(one.result for _, one, other in pairs if one.result == other.result)
    return equal, [
        Difference(test, one.result, other.result, _reason(test, other.text))
        for test, one, other in pairs
        if one.result != other.result
    ]


def _reason(test: str, text: str) -> str:
    refused = _REFUSED.search(text)
    if refused:
        return f"refused by `{refused[1]}`"
    return next((reason for start, reason in EXPLAINED.items() if test.startswith(start)), "")


def run_suite(suite: str) -> Compared:
    """Run one suite with and without the guard, and keep differences that recur.

    The files with differences run again.
    """
    with tempfile.TemporaryDirectory() as folder:
        project = _download(suite, Path(folder))
        counts, first = compare(*_run_twice(project, [*SUITES[suite], f"{CONTROL}.py"]))
        options = [argument for argument in SUITES[suite] if argument.startswith("-")]
        _, again = compare(*_run_twice(project, [*options, *sorted({file_of(one.test, project) for one in first})]))
    found = [one for one in first if one in again]
    counts["unstable"] = len(first) - len(found)
    found.remove(Difference(f"{CONTROL}::{CONTROL}", "failed", "passed", ""))
    counts["refused"] = sum(one.reason.startswith("refused") for one in found)
    counts["different"] = len(found) - counts["refused"]
    sys.stdout.write(f"{suite}: {dict(counts)}\n")
    sys.stdout.flush()
    return Compared(suite, counts, found)


def _download(suite: str, folder: Path) -> Path:
    release = f"{suite}=={version(suite)}"
    options = ("-q", "--no-deps", "--no-binary", suite, "--dest", str(folder))
    subprocess.run([sys.executable, "-m", "pip", "download", *options, release], check=True)
    [archive] = folder.glob("*.tar.gz")
    shutil.unpack_archive(archive, folder)
    [project] = (path for path in folder.iterdir() if path.is_dir())
    (project / f"{CONTROL}.py").write_text(_CONTROL, "utf-8")
    return project


def _run_twice(project: Path, tests: list[str]) -> tuple[dict[str, Outcome], dict[str, Outcome]]:
    return _run(project, [*_PYTEST, *tests]), _run(project, [*_GUARDED, *_PYTEST, *tests])


def _run(project: Path, arguments: list[str]) -> dict[str, Outcome]:
    # Without settings of AWS, of the guard and of Python's development mode, and with sets in the same order.
    settings = ("AWS_", "OBS_", "PYTHON")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(settings)}
    environment["PYTHONHASHSEED"] = "0"
    with (project / "output.txt").open("w+", encoding="utf-8", errors="replace") as output:
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=project, env=environment, stdout=output, stderr=output, check=False)
        if done.returncode not in (0, 1):
            output.seek(0)
            raise RuntimeError(output.read())
    return outcomes((project / "report.xml").read_text("utf-8"))


def file_of(test: str, project: Path) -> str:
    """Return the file of a test, whose id begins with its module and classes."""
    path = Path(*test.split("::", 1)[0].split("."))
    files = (one.with_suffix(".py") for one in (path, *path.parents))
    return next(str(file) for file in files if (project / file).is_file())


def page(found: list[Compared], date: str) -> str:
    """Return the text of the page."""
    rows = [(f"{one.suite} {version(one.suite)}", one.counts) for one in found]
    rows.append(("**all**", sum((one.counts for one in found), Counter[str]())))
    differences = [
        f"- {one.suite}: `{each.test}` {each.guarded}: {each.reason or '**unexplained**'}."
        for one in found
        for each in one.differences
    ]
    return _PAGE.format(
        date=date, python=platform.python_version(), rows="\n".join(map(_row, rows)), differences="\n".join(differences)
    )


def _row(row: tuple[str, Counter[str]]) -> str:
    name, counts = row
    return f"| {name} | {sum(counts.values()):,} | {' | '.join(f'{counts[one]:,}' for one in _COUNTS)} |"


_PAGE = """\
# Other projects' tests

Generated by `tox -e peers` on {date}, on Python {python}.

The tests of projects that are the hooked SDKs, or build on them, run unchanged and twice: without the guard, and under
`obs-sse-guard run` with its default settings. The outcomes are compared test by test. A request of a test that the
rules forbid is *refused*; every other test must have the same outcome.

| suite | pairs of tests | both pass | both skipped | both fail | unstable | refused | other differences |
|---|---|---|---|---|---|---|---|
{rows}

*Both fail*: the test also fails without the guard, for instance because it needs a service. *Unstable*: the outcomes
differed once, but not when the file ran again on both sides.

The suites come from the source distributions. Those of boto3 and esdk-obs-python contain no tests. Of botocore, these
are the unit tests and the functional tests of S3.

## Differences

{differences}
"""


def main() -> int:
    """Run the suites, write the page, and return 1 if an outcome changes unexplained."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", choices=SUITES)
    arguments = parser.parse_args()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = list(pool.map(run_suite, [arguments.suite] if arguments.suite else SUITES))
    if not arguments.suite:
        PAGE.write_text(page(found, today()), "utf-8")
    return not all(each.reason for one in found for each in one.differences)


if __name__ == "__main__":
    sys.exit(main())
