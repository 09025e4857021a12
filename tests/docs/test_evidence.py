"""The evidence modules read figures correctly, and their lists are complete."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import obs_sse_guard
from obs_sse_guard._cli.doctor.libraries import LIBRARIES
from obs_sse_guard._hooks.installer import installer
from tests.evidence import coverage, fixes, matrix, mutation, nightly, peers, reverts, sabotage
from tests.evidence.row_recorder import NET_RULE, TESTS, Seen
from tests.support.expected_rules import ROWS
from tests.support.hook_groups import HOOK_GROUPS, hooks

# --------------------------------------------------------------------------------------- sabotage


def test_every_hook_belongs_to_one_group() -> None:
    names = obs_sse_guard.status()
    assert Counter(name for group in HOOK_GROUPS for name in hooks(group, names)) == Counter([*names])


def test_some_layer_claims_each_group() -> None:
    assert {group for group, layers in sabotage.CLAIMS.items() if layers} == {sabotage.NONE, sabotage.ALL, *HOOK_GROUPS}
    assert {layer for layers in sabotage.CLAIMS.values() for layer in layers} == {*sabotage.LAYERS}


@pytest.mark.parametrize(("group", "layers"), sabotage.CLAIMS.items())
def test_every_layer_has_tests(group: str, layers: tuple[str, ...]) -> None:
    for layer in layers:
        assert all(Path(tests).exists() for tests in sabotage.tests_of(group, layer))


def test_the_installer_calls_the_overridden_function() -> None:
    module = ast.parse(sabotage.INSTALLER.read_text("utf-8"))
    called = {
        node.func.id for node in ast.walk(module) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert sabotage.OVERRIDDEN in called
    assert f"\ndef {sabotage.OVERRIDDEN}(" in sabotage._SABOTAGE


_DISABLED = """
import obs.client
import obs_sse_guard

function = vars(obs.client.ObsClient)["putContent"]
assert obs_sse_guard.status()["obs.client.ObsClient.putContent"] == "active"
print(obs_sse_guard.__file__, function.__code__.co_filename, sep="\\n")
"""


@pytest.mark.parametrize("group", [sabotage.NONE, "ObsClient: methods"])
def test_a_disabled_hook_stays_active_and_is_not_the_guards(group: str, tmp_path: Path) -> None:
    pytest.importorskip("obs")
    project = sabotage.disabled(group, tmp_path)
    # Without coverage: a copy of the project is not measured.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    command = [sys.executable, "-c", _DISABLED]
    output = subprocess.check_output(command, cwd=project, text=True, env={**environment, "PYTHONPATH": ""})
    package, hook = output.splitlines()
    assert Path(package).is_relative_to(project)
    assert (Path(hook) == project / sabotage.INSTALLER) is (group != sabotage.NONE)


def test_the_page_of_the_sabotage() -> None:
    found = {
        (sabotage.NONE, "rows"): "",
        (sabotage.NONE, "variants"): "tests/hooks/obs/test_wire.py::test_flaky",
        (sabotage.ALL, "rows"): "tests/hooks/obs/test_rows.py::test_over_http",
        (sabotage.ALL, "variants"): "",
    }
    rows = sabotage.page(found, "2030-01-02").splitlines()
    assert "| none (control) | passes | **fails** |" in " ".join(rows)
    assert "| all | fails | **misses** |" in " ".join(rows)


# ---------------------------------------------------------------------------------- reverted fixes


@pytest.mark.parametrize("fix", fixes.FIXES, ids=lambda fix: fix.name)
def test_each_fix_can_be_reverted(fix: fixes.Fix) -> None:
    source = Path(fix.file).read_text("utf-8")
    assert source.count(fix.text) == 1
    reverted = source.replace(fix.text, fix.reverted)
    if fix.file.endswith(".py"):
        assert ast.dump(ast.parse(reverted)) != ast.dump(ast.parse(source))


@pytest.mark.parametrize("fix", fixes.FIXES, ids=lambda fix: fix.name)
def test_the_test_of_each_fix_exists(fix: fixes.Fix) -> None:
    path, _, name = fix.test.partition("::")
    assert re.search(rf"^ *(async )?def {name}\(", (Path("tests") / path).read_text("utf-8"), re.MULTILINE)


def test_a_reverted_fix_is_in_the_copy_alone(tmp_path: Path) -> None:
    fix = fixes.Fix("versions", "obs_sse_guard/_version.py", "__version__ = ", "VERSION = ", "")
    assert "VERSION" in (reverts.revert(fix, tmp_path) / "obs_sse_guard/_version.py").read_text("utf-8")
    assert "VERSION" not in Path("obs_sse_guard/_version.py").read_text("utf-8")


def test_the_page_of_the_reverted_fixes() -> None:
    found = {reverts.CONTROL: "", "one": "tests/test_a.py::test_b", "other": ""}
    page = reverts.page(found, "2030-01-02")
    assert "| none (control) | passes |" in page
    assert "| one | `tests/test_a.py::test_b` |" in page
    assert "| other | **misses** |" in page
    assert f"| none (control) | **fails**: `{found['one']}` |" in reverts.page({reverts.CONTROL: found["one"]}, "")


# ------------------------------------------------------------------------------------- the matrix


def _environment(output: str, **more: Any) -> dict[str, Any]:
    return {
        "python": {"version": "3.9.18 (main)"},
        "installed_packages": ["esdk-obs-python==3.20.11", "pytest==8.4.2", "wrapt==2.0.0"],
        "test": [{"output": output}],
        "result": {"success": True},
        **more,
    }


def test_results_of_tox_become_rows() -> None:
    results = {
        "py310-obs32011": {},  # did not run
        "py39-obs32011": _environment("....\n4 passed, 2 skipped in 1.00s\n"),
        "py39-boto1": _environment("2 failed, 3 passed in 1.00s\n", result={"success": False}),
        "py39-aio3": {"result": {"success": False}},  # could not be created
    }
    found = matrix.outcomes({"testenvs": results})
    assert [(one.name, one.passed, one.skipped, one.result) for one in found] == [
        ("py39-aio3", 0, 0, "**failed**"),
        ("py39-boto1", 3, 0, "**failed**"),
        ("py39-obs32011", 4, 2, "passed"),
    ]
    page = matrix.page(found, "2030-01-02")
    assert "| 3.9.18 | 3.20.11 |  |  |  |  |  |  | 2.0.0 | 4 | 2 | passed |" in page
    assert "3 environments" in page
    assert "; 1 passed" in page


# ------------------------------------------------------------------------------ the property tests

_STATISTICS = """
============================= Hypothesis Statistics =============================

tests/hooks/obs/test_properties.py::test_any_call:

  - during reuse phase (0.01 seconds):
    - Typical runtimes: ~ 1ms, of which < 1ms in data generation
    - 1 passing examples, 0 failing examples, 0 invalid examples

  - during generate phase (12.34 seconds):
    - Typical runtimes: ~ 1-2 ms, of which < 1ms in data generation
    - 3999 passing examples, 0 failing examples, 12 invalid examples

  - Stopped because settings.max_examples=4000


tests/hooks/botocore/test_properties.py::test_any_call:

  - during generate phase (56.78 seconds):
    - Typical runtimes: ~ 1-2 ms, of which < 1ms in data generation
    - 4000 passing, 1 failing, and 0 invalid test cases
    - Found 1 distinct error in this phase

  - Stopped because settings.max_examples=4000
"""


def test_statistics_of_hypothesis_become_rows() -> None:
    found = nightly.properties(_STATISTICS)
    assert [tuple(one) for one in found] == [
        ("tests/hooks/botocore/test_properties.py::test_any_call", "56.78", 4000, 1, 0),
        ("tests/hooks/obs/test_properties.py::test_any_call", "12.34", 3999, 0, 12),
    ]
    assert "| **all** | 7,999 | 1 | 12 | |" in nightly.page(found, "2030-01-02")


# -------------------------------------------------------------------------------- mutation testing


def test_results_of_mutmut_become_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutation, "MUTANTS", tmp_path)
    monkeypatch.setattr(mutation, "version", lambda _: "3.8.0")
    codes = {"a.x_f__mutmut_1": 1, "a.x_f__mutmut_2": 0, "a.x_f__mutmut_3": 36, "a.x_f__mutmut_4": 33}
    (tmp_path / "a.py.meta").write_text(json.dumps({"exit_code_by_key": codes}))
    (tmp_path / "_b").mkdir()
    (tmp_path / "_b/c.py.meta").write_text(json.dumps({"exit_code_by_key": {"_b.c.xǁTǁm__mutmut_1": 1}}), "utf-8")
    found = mutation.outcomes()
    alive = [
        mutation.Mutant("obs_sse_guard.a.x_f__mutmut_2", "x = 1", "x = 2"),
        mutation.Mutant("obs_sse_guard._b.c.xǁTǁm__mutmut_1", "y = 1", "y = 2"),
    ]
    page = mutation.page(found, alive, "2030-01-02")
    assert "| `a.py` | 4 | 1 | 1 | 1 | 1 |" in page
    assert "| `_b/c.py` | 1 | 1 | 0 | 0 | 0 |" in page
    assert "The tests detected 60.0% of the mutants" in page
    assert "- `a.f`: `x = 1` → `x = 2`. **Unexplained.**" in page
    assert "- `_b.c.T.m`: `y = 1` → `y = 2`. **Unexplained.**" in page


def test_the_tests_of_the_explanations_exist() -> None:
    named = set(re.findall(r"`(test_\w+)`", " ".join(mutation.EXPLAINED.values())))
    tests = "".join(path.read_text("utf-8") for path in Path("tests").rglob("test_*.py"))
    assert named
    assert all(f"def {name}(" in tests for name in named)


def test_every_mutated_module_exists() -> None:
    modules = _mutated_modules(Path("pyproject.toml").read_text("utf-8"))
    assert modules
    assert [pattern for pattern in modules if not [*Path().glob(pattern)]] == []


def _mutated_modules(pyproject: str) -> list[str]:
    [setting] = re.findall(r"^only_mutate = \[(.*?)\]", pyproject, re.DOTALL | re.MULTILINE)
    return re.findall(r'"(.*?)"', setting)


# -------------------------------------------------------------------------- tests of other projects

_REPORT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pytest tests"><testsuite name="pytest">
<testcase classname="tests.unit.test_a.TestA" name="test_b[x]" time="0.1" />
<testcase classname="tests.unit.test_a.TestA" name="test_b[x]"><error message="torn">at teardown</error></testcase>
<testcase classname="tests.unit.test_a" name="test_c"><skipped type="pytest.skip" message="no" /></testcase>
<testcase classname="tests.unit.test_a" name="test_d"><properties /><system-out>printed</system-out></testcase>
</testsuite></testsuites>
"""
_REFUSAL = "E   obs_sse_guard.SSETransportError: refused PutObject with SSE-C over http to http://a [table-1/PutObject]"


def test_a_report_of_pytest_becomes_outcomes() -> None:
    found = peers.outcomes(_REPORT)
    assert {test: one.result for test, one in found.items()} == {
        "tests.unit.test_a.TestA::test_b[x]": "failed",
        "tests.unit.test_a::test_c": "skipped",
        "tests.unit.test_a::test_d": "passed",
    }
    assert "at teardown" in found["tests.unit.test_a.TestA::test_b[x]"].text


def test_a_difference_is_refused_by_a_rule_explained_or_without_a_reason() -> None:
    passed, failed = peers.Outcome("passed"), peers.Outcome("failed", "E   KeyError")
    explained = f"{next(iter(peers.EXPLAINED))}Endpoint._send]"
    bare = {"a": passed, "b": passed, "c": failed, "d": passed, explained: passed, "e": failed}
    guarded = {"a": passed, "b": peers.Outcome("failed", _REFUSAL), "c": passed, explained: failed, "e": failed}
    equal, differences = peers.compare(bare, guarded)
    assert equal == {"passed": 1, "failed": 1}
    assert {one.test: (one.bare, one.guarded, one.reason) for one in differences} == {
        "b": ("passed", "failed", "refused by `table-1/PutObject`"),
        "c": ("failed", "passed", ""),
        "d": ("passed", "missing", ""),
        explained: ("passed", "failed", next(iter(peers.EXPLAINED.values()))),
    }


def test_the_file_of_a_test_is_found_by_its_id(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_a.py").touch()
    assert peers.file_of("tests.test_a::test_b[x::y]", tmp_path) == str(Path("tests/test_a.py"))
    assert peers.file_of("tests.test_a.TestA::test_b", tmp_path) == str(Path("tests/test_a.py"))


def test_the_page_of_the_other_projects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "version", lambda _: "1.0")
    refused = peers.Difference("a::b", "passed", "failed", "refused by `table-1/PutObject`")
    found = [
        peers.Compared("botocore", Counter(passed=4_000, skipped=2, refused=1), [refused]),
        peers.Compared(
            "s3transfer", Counter(passed=5, failed=1, unstable=3, different=1), [refused._replace(reason="")]
        ),
    ]
    page = peers.page(found, "2030-01-02")
    assert "| botocore 1.0 | 4,003 | 4,000 | 2 | 0 | 0 | 1 | 0 |" in page
    assert "| **all** | 4,013 | 4,005 | 2 | 1 | 3 | 1 | 1 |" in page
    assert "- botocore: `a::b` failed: refused by `table-1/PutObject`." in page
    assert "- s3transfer: `a::b` failed: **unexplained**." in page


# ----------------------------------------------------------------------------------- the libraries

COVERAGE = coverage.PAGE.read_text("utf-8")


def test_the_page_of_the_libraries_is_current() -> None:
    """The page lists today's libraries, hooks, releases and reasons; results stay."""
    assert coverage.page(coverage.results_of(COVERAGE)) == COVERAGE, "run python -m tests.evidence.coverage --refresh"


def test_every_hooked_library_was_tested_and_says_what_it_does_not_see() -> None:
    results = coverage.results_of(COVERAGE)
    hooked = {name for name in coverage.NOT_SEEN if results.versions[name]}
    assert hooked == {*coverage.NOT_SEEN}
    modules = {target.module.partition(".")[0] for target in installer.targets} - {"logging"}
    named = {hook.partition(".")[0] for each in LIBRARIES if each.distribution in hooked for hook in each.hooks}
    assert modules == named


def test_every_row_that_is_not_live_has_a_reason_and_every_reason_a_row() -> None:
    seen = coverage.results_of(COVERAGE).seen
    libraries = {one.library for one in seen if one.rule != NET_RULE} - coverage.BUILT_ON_OTHERS
    assert not {"esdk-obs-python", *coverage.REASONS} ^ libraries
    for library in libraries:
        patterns = {*coverage.unseen(library, seen).values()}
        assert patterns == {*coverage.REASONS.get(library, ())}, library


def test_the_tests_that_see_rows_exist() -> None:
    assert [test for test in TESTS if not [*Path("tests").rglob(test)]] == []


def test_a_test_of_a_row_records_what_it_saw(tmp_path: Path) -> None:
    pytest.importorskip("obs")
    report, refused, allowed = tmp_path / "report.xml", "table-1/PutObject", "table-2/HeadObject"
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.evidence.row_recorder"]
    only = f"(over_http and ({refused} or {allowed}) and obs and client)"
    tests = "tests/hooks/obs/test_rows.py"
    subprocess.run([*run, f"--junit-xml={report}", "-k", only, tests], check=True, stdout=subprocess.PIPE)
    assert coverage.seen_in(report.read_text("utf-8")) == {
        Seen("esdk-obs-python", refused, "http", "refused"),
        Seen("esdk-obs-python", refused, "https", "sent"),
        Seen("esdk-obs-python", allowed, "http", "sent"),
        Seen("esdk-obs-python", allowed, "https", "sent"),
    }


_SEEN = """<testsuites><testsuite><testcase name="one"><properties>
<property name="seen" value="minio table-1/PutObject http refused" />
<property name="seen" value="minio table-1/PutObject http sent" />
<property name="seen" value="minio table-1/PutObject https sent" />
<property name="seen" value="minio table-1/GetObject https sent" />
<property name="seen" value="minio table-2/HeadObject http refused" />
<property name="seen" value="requests key-in-clear http refused" />
<property name="seen" value="smart-open table-1/PutObject http refused" />
<property name="other" value="x" />
</properties></testcase></testsuite></testsuites>
"""


def test_what_the_tests_saw_becomes_a_page_that_can_be_read_back() -> None:
    versions = dict.fromkeys((library.distribution for library in LIBRARIES), "") | {"minio": "7.2.20"}
    results = coverage.Results("2030-01-02", "3.11.7", versions, coverage.seen_in(_SEEN))
    page = coverage.page(results)
    assert "\n| rule | minio |\n| --- | --- |\n| `table-1/PutObject` | refused, sent |\n" in page
    assert "\n| `table-1/GetObject` | -, sent |\n" in page
    assert "\n| `table-2/HeadObject` |  |\n" in page, "a refusal by strict"
    assert "\n| rule | requests |\n| --- | --- |\n| `key-in-clear` | refused, - |\n" in page
    assert "\n| rule | smart-open |\n| --- | --- |\n| `table-1/PutObject` | refused, - |\n" in page
    assert re.search(r"\| minio \| guarded by hooks \| \d+ \| 7.0 and newer \| 7.2.20 \| 1 \| 2 \|", page)
    assert f"| minio | {len(ROWS) - 7} | `table-1/CompleteMultipartUpload`" in page
    assert "**unexplained**" in page
    assert coverage.page(coverage.results_of(page)) == page


def test_the_oldest_release_is_the_smallest_number() -> None:
    text = 'aio = ["one[x]>=2.5"]\ndemo = [\n  "one>=1",\n]\ntest = ["one>=2.10", "one-more>=1", "two"]\n'
    assert coverage.oldest_supported("one", text) == "2.5"
    assert coverage.oldest_supported("two", text) == ""


# --------------------------------------------------------------------------------------- the pages


@pytest.mark.parametrize(
    "name", ["coverage", "matrix", "mutation", "nightly", "peers", "performance", "reverts", "sabotage"]
)
def test_the_committed_pages_are_dated_and_show_no_failure(name: str) -> None:
    page = Path(f"docs/{name}.md").read_text("utf-8")
    assert re.search(r"on 20\d\d-\d\d-\d\d", page)
    assert not re.search(r"\*\*(misses|fails|failed|unexplained|Unexplained\.)\*\*", page)


@pytest.mark.parametrize(
    "module", [coverage, matrix, mutation, nightly, peers, reverts, sabotage], ids=lambda module: module.PAGE.name
)
def test_the_committed_pages_have_the_words_of_their_templates(module: ModuleType) -> None:
    committed = module.PAGE.read_text("utf-8").splitlines()
    words = [line for line in module._PAGE.splitlines() if "{" not in line]
    assert [line for line in words if line not in committed] == []


def test_the_committed_matrix_has_every_environment_of_its_label() -> None:
    text = Path("docs/matrix.md").read_text("utf-8")
    environments = int(re.findall(r"In each of the (\d+) environments", text)[0])
    pythons = {f"py3{minor}-" for minor in re.findall(r"^\| 3\.(\d+)\.", text, re.MULTILINE)}  # those that were there
    names = _expanded(Path("tox.ini").read_text("utf-8"))
    assert environments == sum(name.startswith(tuple(pythons)) for name in names)


def _expanded(tox_ini: str) -> list[str]:
    label = tox_ini.split("matrix = ")[1].split("\n[", maxsplit=1)[0].replace("\\\n", " ")
    names = [name.strip() for name in re.split(r",(?![^{]*\})", label) if name.strip()]
    return [expanded for name in names for expanded in _alternatives(name)]


def _alternatives(name: str) -> list[str]:
    braces = re.search(r"\{([^}]*)\}", name)
    if not braces:
        return [name]
    return [
        expanded
        for choice in braces[1].split(",")
        for expanded in _alternatives(name[: braces.start()] + choice + name[braces.end() :])
    ]
