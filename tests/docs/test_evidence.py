"""The evidence modules read their figures correctly, and the hook groups, the layers and the pages are complete."""

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
from tests.evidence import matrix, mutation, nightly, sabotage
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
    assert "| 3.9.18 | 3.20.11 |  |  |  |  | 2.0.0 | 4 | 2 | passed |" in page
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
    (tmp_path / "_b/c.py.meta").write_text(json.dumps({"exit_code_by_key": {"_b.c.xǁTǁm__mutmut_1": 1}}))
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


# --------------------------------------------------------------------------------------- the pages


@pytest.mark.parametrize("name", ["matrix", "mutation", "nightly", "performance", "sabotage"])
def test_the_committed_pages_are_dated_and_show_no_failure(name: str) -> None:
    page = Path(f"docs/{name}.md").read_text("utf-8")
    assert re.search(r"on 20\d\d-\d\d-\d\d", page)
    assert not re.search(r"\*\*(misses|fails|failed|Unexplained\.)\*\*", page)


@pytest.mark.parametrize("module", [matrix, mutation, nightly, sabotage], ids=lambda module: module.PAGE.name)
def test_the_committed_pages_have_the_words_of_their_templates(module: ModuleType) -> None:
    committed = module.PAGE.read_text("utf-8").splitlines()
    words = [line for line in module._PAGE.splitlines() if "{" not in line]
    assert [line for line in words if line not in committed] == []


def test_the_committed_matrix_has_every_environment_of_its_label() -> None:
    environments = int(re.findall(r"In each of the (\d+) environments", Path("docs/matrix.md").read_text("utf-8"))[0])
    assert environments == len(_expanded(Path("tox.ini").read_text("utf-8")))


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
