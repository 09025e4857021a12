"""What the package ships for engines, without the engines."""

from __future__ import annotations

import importlib.util
import re
import runpy
import sys
from types import ModuleType

import pytest

from obs_sse_guard import SSEGuardWarning
from obs_sse_guard.engines.ray import guard_workers
from tests.engines.sessions import PAGE, examples
from tests.engines.table import ENGINES
from tests.support import documents

INSTALL = "obs_sse_guard.install"
SPARK = "obs_sse_guard.engines.spark_daemon"


@pytest.mark.parametrize(
    "environment",
    [None, {}, {"worker_process_setup_hook": INSTALL}, {"worker_process_setup_hook": None, "env_vars": None}],
)
def test_the_workers_of_ray_install_the_hooks(environment: dict[str, str] | None) -> None:
    assert guard_workers(environment) == {"worker_process_setup_hook": INSTALL, "env_vars": {}}


def test_the_settings_reach_the_workers_of_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")
    monkeypatch.setenv("OBS_SSE_GUARD_AUDIT", "driver.jsonl")
    given = {"pip": ["one"], "env_vars": {"OBS_SSE_GUARD_AUDIT": "worker.jsonl", "OTHER": "1"}}
    made = guard_workers(given)
    assert made["env_vars"] == {"OBS_SSE_GUARD": "warn", "OBS_SSE_GUARD_AUDIT": "worker.jsonl", "OTHER": "1"}
    assert made["pip"] == ["one"]
    assert "OBS_SSE_GUARD" not in given["env_vars"], "what the program passed is its own"


def test_a_setup_hook_of_the_program_stays_and_is_warned_about() -> None:
    with pytest.warns(SSEGuardWarning, match=r"worker_process_setup_hook .* call obs_sse_guard\.install\(\)"):
        made = guard_workers({"worker_process_setup_hook": "app.setup"})
    assert made["worker_process_setup_hook"] == "app.setup"


def test_the_daemon_of_spark_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    daemon = ModuleType("pyspark.daemon")
    vars(daemon)["manager"] = lambda: started.append("manager")
    monkeypatch.setitem(sys.modules, "pyspark", ModuleType("pyspark"))
    monkeypatch.setitem(sys.modules, "pyspark.daemon", daemon)
    spec = importlib.util.find_spec(SPARK)
    assert spec is not None
    for name, expected in ((SPARK, []), ("__main__", ["manager"])):
        runpy.run_path(str(spec.origin), run_name=name)
        assert started == expected


# -------------------------------------------------------------------------------------- the page


def test_every_engine_has_examples_with_the_line_that_guards_its_workers() -> None:
    found = examples()
    assert {example.engine for example in found} == {*ENGINES}
    for example in found:
        assert example.without_own_way() != example, str(example)
        assert not re.search(r"obs_sse_guard(?!\.\")", example.without_own_way().text), str(example)


def test_the_page_states_the_versions_that_are_tested() -> None:
    group = documents.read(documents.ROOT / "pyproject.toml").partition("\nengines = [")[2].partition("\n]")[0]
    tested = set(re.findall(r'"([\w-]+)(?:\[\w+\])?==([\w.]+)', group))
    rows = re.findall(r"^\| \[(.*?)\]\(#.*?\) \| (.*?) \|", documents.read(PAGE), re.MULTILINE)
    assert [name for name, _ in rows] == [engine.heading for engine in ENGINES]
    shown = {name: {*re.findall(r"([\w-]+) (\d[\w.]*)", cell)} for name, cell in rows}
    assert set().union(*shown.values()) == tested
    for engine in ENGINES:
        assert {name for name, _ in shown[engine.heading]} == {*engine.versions}
