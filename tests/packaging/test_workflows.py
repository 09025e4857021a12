"""The workflows for a public forge; `tox -e workflows` checks them with zizmor."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

from tests.support.documents import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
each_workflow = pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)


def _text(path: Path) -> str:
    return path.read_text("utf-8")


def _jobs(path: Path) -> dict[str, str]:
    """Return the text of each job, by its name."""
    parts = re.split(r"^  (\w+):\n", _text(path).partition("\njobs:\n")[2], flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def test_every_action_is_pinned() -> None:
    pins = defaultdict(set)
    for path in WORKFLOWS:
        for line in re.findall(r"uses: (.*)", _text(path)):
            action = re.fullmatch(r"([\w-]+/[\w-]+)[\w/-]*@([0-9a-f]{40} # v\d+\.\d+\.\d+)", line)
            assert action, line
            pins[action[1]].add(action[2])
    assert len(pins) > 5
    assert {name: found for name, found in pins.items() if len(found) > 1} == {}


@each_workflow
def test_every_job_names_its_permissions(workflow: Path) -> None:
    assert "\npermissions: {}\n" in _text(workflow)
    for name, job in _jobs(workflow).items():
        assert "    permissions:\n" in job, name
        assert "    timeout-minutes: " in job, name
        assert "secrets." not in job, name


def test_only_a_release_can_write() -> None:
    writing = {
        (path.stem, name, permission)
        for path in WORKFLOWS
        for name, job in _jobs(path).items()
        for permission in re.findall(r"([\w-]+): write", job)
    }
    assert writing == {
        ("codeql", "analyze", "security-events"),
        ("release", "attest", "attestations"),
        ("release", "attest", "id-token"),
        ("release", "publish", "id-token"),
        ("release", "release", "contents"),
    }


def test_every_tox_environment_exists() -> None:
    tox = (ROOT / "tox.ini").read_text("utf-8")
    text = "".join(map(_text, WORKFLOWS))
    named = set(re.findall(r"tox -e ([a-z]\w*)", text))
    [matrix] = re.findall(r"environment: \[(.*)\]", text)
    for name in {*named, *matrix.split(", ")}:
        assert re.search(rf"^\[testenv:{name}[\]{{]", tox, re.MULTILINE), name


def test_every_workflow_is_validated() -> None:
    tox = (ROOT / "tox.ini").read_text("utf-8")
    for path in (*WORKFLOWS, *(ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")):
        assert path.relative_to(ROOT).as_posix() in tox
