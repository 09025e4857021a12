"""Would the tests notice a guard that has a hole? Each gate in turn is left open, and the layers that claim it fail.

In a copy of the project one gate at a time does nothing but call on, with its hooks in place, so that ``status()`` sees
nothing wrong. For a control, the copy is tested untouched as well, and with every gate open.

    tox -e sabotage                                  all of it, and docs/gates.md; 1 if a layer is blind
    python -m tests.evidence.sabotage                the same where everything is installed
    python -m tests.evidence.sabotage --gate GATE    one gate, and no page
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.evidence import today
from tests.support.hook_groups import hooks

PAGE = Path("docs/gates.md")
NONE, ALL = "none: the control", "all"

_OBS_TESTS = {
    "rows": "test_rows_live.py",
    "ways": "test_ways.py",
    "wire": "test_wire.py",
    "findings": "test_findings.py",
    "clients": "test_clients.py",
    "logs": "test_masking.py",
    "completeness": "test_completeness.py",
    "chance": "test_property.py",
    "faults": "test_faults.py",
}
_S3_TESTS = {
    "rows": "test_boto_rows.py",
    "ways": "test_boto_ways.py",
    "wire": "test_boto_robust.py",
    "findings": "test_boto_findings.py",
    "clients": "test_boto_transfers.py",
    "logs": "test_boto_logs.py",
    "completeness": "test_completeness_s3.py",
    "chance": "test_property_s3.py",
    "faults": "test_faults.py",
    "signing": "test_boto_signing.py",
    "async": "test_aio.py",
    "CRT": "test_crt.py",
    "neighbours": "test_neighbours.py",
}
LAYERS = tuple(_S3_TESTS)

CLAIMS: dict[str, tuple[str, ...]] = {
    NONE: LAYERS,
    ALL: LAYERS,
    "ObsClient: methods": ("rows", "ways", "wire", "findings", "clients", "completeness", "chance", "faults"),
    "ObsClient: other methods": ("ways", "findings", "completeness"),
    "ObsClient: signed URLs and policies": ("rows", "ways", "findings", "completeness", "chance"),
    "ObsClient: each request": ("rows", "ways", "wire", "findings", "clients", "chance", "faults"),
    "ObsClient: each connection": ("wire", "clients", "chance", "faults"),
    "ObsClient: workers": ("wire",),
    "ObsClient: log": ("logs", "chance"),
    "botocore: operations": ("rows", "ways", "wire", "findings", "clients", "faults", "neighbours"),
    "botocore: each attempt": ("rows", "ways", "wire", "findings", "logs", "completeness", "chance"),
    "botocore: signers": ("signing",),
    "botocore: signatures": ("signing",),
    "botocore: log": ("wire", "logs", "chance"),
    "aiobotocore: operations": ("rows", "ways", "wire", "findings"),
    "aiobotocore: each attempt": ("rows", "ways", "wire", "findings", "completeness", "chance", "async"),
    "aiobotocore: signers": ("rows", "signing", "chance"),
    "aiobotocore: each hop": ("async",),
    "CRT: requests": ("CRT",),
    "CRT: clients": ("CRT",),
}
"""The layers that have to notice an open gate. Where another stands behind it, the rest may see no difference."""

_SABOTAGE = """

def _hook_place(target, owner, name, _place=_hook_place):
    if target.name in {names!r}:
        target = target._replace(gate=lambda _, function: lambda *args, **kwargs: function(*args, **kwargs))
    return _place(target, owner, name)
"""
_COPIED = ("obs_sse_guard", "tests", "docs", "pyproject.toml", "README.md", "README.zh-CN.md")
_PYTEST = ("-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:randomly", "-p", "no:cacheprovider")


def tests_of(gate: str, layer: str) -> list[str]:
    """The modules of a layer's tests that are about a gate's SDK."""
    tests = [layers[layer] for layers in (_OBS_TESTS, _S3_TESTS) if layer in layers]
    if gate in (NONE, ALL):
        return [f"tests/{name}" for name in dict.fromkeys(tests)]
    return [f"tests/{tests[0 if gate.startswith('ObsClient') else -1]}"]


def opened(gate: str, folder: Path) -> Path:
    """A copy of the project in which one gate is open."""
    shown = "import obs_sse_guard; print(*obs_sse_guard.status())"
    names = subprocess.check_output([sys.executable, "-c", shown], text=True).split()  # our own words
    for name in _COPIED:
        (shutil.copytree if Path(name).is_dir() else shutil.copy)(name, folder / name)
    open_hooks = names if gate == ALL else [] if gate == NONE else hooks(gate, names)
    with (folder / "obs_sse_guard/_hooks/installer.py").open("a", encoding="utf-8") as module:
        module.write(_SABOTAGE.format(names=open_hooks))
    return folder


def notices(project: Path, tests: list[str]) -> str:
    """The first test that fails; empty if none does."""
    command = [sys.executable, *_PYTEST, *tests]
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(  # our own tests
        command, cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=1_800
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stdout + done.stderr)
    failed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return failed[0] if failed else ""


def noticed(gates: list[str], layers: list[str], folder: Path) -> dict[tuple[str, str], str]:
    """By gate and layer, the first test that fails."""
    jobs = {}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for number, gate in enumerate(gates):
            (folder / str(number)).mkdir()
            project = opened(gate, folder / str(number))
            for layer in layers or CLAIMS[gate]:
                jobs[gate, layer] = pool.submit(notices, project, tests_of(gate, layer))
        return {key: _told(*key, job.result()) for key, job in jobs.items()}


def _told(gate: str, layer: str, test: str) -> str:
    sys.stdout.write(f"{gate}: {layer}: {test or 'nothing fails'}\n")
    sys.stdout.flush()
    return test


def is_blind(gate: str, test: str) -> bool:
    """Whether a layer missed a hole; or, in the control, saw one where there is none."""
    return bool(test) if gate == NONE else not test


def page(found: dict[tuple[str, str], str], date: str) -> str:
    """Write the page."""
    rows = [
        f"| {gate} | " + " | ".join(_cell(gate, layer, found) for layer in LAYERS) + " |"
        for gate in dict.fromkeys(gate for gate, _ in found)
    ]
    return _PAGE.format(date=date, head=" | ".join(LAYERS), line="|---" * len(LAYERS), rows="\n".join(rows))


def _cell(gate: str, layer: str, found: dict[tuple[str, str], str]) -> str:
    if (gate, layer) not in found:
        return ""
    if is_blind(gate, found[gate, layer]):
        return "**blind**" if gate != NONE else "**fails**"
    return "passes" if gate == NONE else "fails"


_PAGE = """\
# Would the tests notice?

Generated by `tox -e sabotage` on {date}.

In a copy of the project one gate at a time is left open: its hooks are in place and do nothing but call on. *Fails* is
good: that layer of the tests claims to see such a hole, and did. An empty field is no claim, for the layer is about
something else, or another gate stands behind the open one and refuses the same. *none* is the control, the copy as it
is; *all* has every gate open.

| open gate | {head} |
|---{line}|
{rows}

The gates are those of `tests/support/hook_groups.py`, by the hooks that `obs_sse_guard.status()` names.
"""


def main() -> int:
    """Open the gates in turn, write the page, and tell whether every layer notices that claims to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gate", choices=CLAIMS)
    parser.add_argument("--layer", choices=LAYERS, action="append", help="instead of those that claim to see it")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = noticed([asked.gate] if asked.gate else [*CLAIMS], asked.layer or [], Path(folder))
    if not (asked.gate or asked.layer):
        PAGE.write_text(page(found, today()), "utf-8")
    return any(is_blind(gate, test) for (gate, _), test in found.items())


if __name__ == "__main__":
    sys.exit(main())
