"""Check that the tests detect missing hooks: disable each group, expect failures.

In a copy of the project, the hooks of one group only call the original function. They are still installed, so
``status()`` reports nothing. As a control, the tests also run on an unchanged copy, and with all hooks disabled.

    tox -e sabotage                                    run everything and write docs/sabotage.md; 1 if a layer misses
    python -m tests.evidence.sabotage                  the same, in an environment that has everything installed
    python -m tests.evidence.sabotage --group GROUP    run one group, without writing the page
"""

from __future__ import annotations

import argparse
import concurrent.futures
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.evidence import today
from tests.support.hook_groups import hooks

PAGE = Path("docs/sabotage.md")
NONE, ALL = "none (control)", "all"

_OBS_TESTS = {
    "rows": ("obs/test_rows.py",),
    "variants": ("obs/test_call_variants.py",),
    "wire": (
        "obs/test_connections.py",
        "obs/test_redirects.py",
        "obs/test_worker_threads.py",
        "obs/test_kms_uploads.py",
    ),
    "findings": ("obs/test_findings.py", "obs/test_models.py", "obs/test_misplaced_keys.py"),
    "clients": ("obs/test_clients.py",),
    "logs": ("obs/test_logs.py",),
    "completeness": ("obs/test_completeness.py",),
    "properties": ("obs/test_properties.py",),
    "failures": ("obs/test_guard_failures.py", "test_failing_servers.py", "test_concurrency.py"),
}
_S3_TESTS = {
    "rows": ("botocore/test_rows.py",),
    "variants": ("botocore/test_event_handlers.py",),
    "wire": (
        "botocore/test_low_level_requests.py",
        "botocore/test_unusual_objects.py",
        "botocore/test_retries.py",
        "botocore/test_connections.py",
    ),
    "findings": ("botocore/test_findings.py",),
    "clients": ("botocore/test_clients.py", "botocore/test_transfers.py"),
    "logs": ("botocore/test_logs.py",),
    "completeness": ("botocore/test_completeness.py",),
    "properties": ("botocore/test_properties.py",),
    "failures": ("botocore/test_guard_failures.py", "test_failing_servers.py", "test_concurrency.py"),
    "signing": ("botocore/test_signing.py",),
    "async": ("aiobotocore",),
    "CRT": ("crt",),
    "huaweicloudsdkobs": ("huaweicloud",),
    "HTTP clients": ("http",),
    "options": ("stores",),
    "neighbours": ("test_neighbours.py",),
}
_MINIO_TESTS = {
    "rows": ("minio/test_rows.py",),
    "variants": ("minio/test_methods.py",),
    "wire": ("minio/test_multipart.py", "minio/test_redirects.py", "minio/test_proxies.py"),
    "findings": ("minio/test_unverified_tls.py", "minio/test_read_in_clear.py"),
    "logs": ("minio/test_logs.py",),
    "completeness": ("minio/test_completeness.py",),
    "failures": ("minio/test_guard_failures.py",),
    "signing": ("minio/test_signing.py",),
}
_SUITES = {"ObsClient": _OBS_TESTS, "minio": _MINIO_TESTS}
LAYERS = tuple(_S3_TESTS)

CLAIMS: dict[str, tuple[str, ...]] = {
    NONE: LAYERS,
    ALL: LAYERS,
    "ObsClient: methods": ("rows", "variants", "wire", "findings", "clients", "completeness", "properties", "failures"),
    "ObsClient: other methods": ("variants", "findings", "completeness"),
    "ObsClient: signed URLs and policies": ("rows", "variants", "findings", "completeness", "properties"),
    "ObsClient: each request": ("rows", "variants", "wire", "findings", "properties", "failures"),
    "ObsClient: each connection": ("wire", "properties", "failures"),
    "ObsClient: workers": ("wire",),
    "ObsClient: header objects": ("findings",),
    "ObsClient: log": ("logs", "properties"),
    "botocore: operations": ("rows", "wire", "findings", "clients", "failures", "neighbours"),
    "botocore: each attempt": ("rows", "variants", "wire", "logs", "properties"),
    "botocore: each connection": ("wire",),
    "botocore: signers": ("signing",),
    "botocore: signatures": ("signing",),
    "botocore: log": ("logs", "properties", "failures"),
    "aiobotocore: operations": ("rows", "wire", "findings"),
    "aiobotocore: each attempt": ("rows", "variants", "wire", "properties", "async"),
    "aiobotocore: signers": ("rows", "signing"),
    "aiobotocore: each hop": ("async",),
    "CRT: requests": ("CRT",),
    "CRT: clients": ("CRT",),
    "minio: methods": ("rows", "variants", "wire", "completeness", "failures"),
    "minio: signed URLs and policies": ("rows", "wire", "completeness", "failures", "signing"),
    "minio: each request": ("rows", "variants", "wire", "findings", "failures"),
    "minio: each connection": ("rows", "wire", "findings", "failures"),
    "minio: workers": ("wire",),
    "minio: log": ("logs",),
    "huaweicloudsdkobs: operations": ("huaweicloudsdkobs",),
    "huaweicloudsdkobs: calls": ("huaweicloudsdkobs",),
    "huaweicloudsdkobs: workers": ("huaweicloudsdkobs",),
    "huaweicloudsdkobs: each hop": ("huaweicloudsdkobs",),
    "HTTP clients": ("HTTP clients",),
    "HTTP clients: sessions": ("HTTP clients",),
    "native clients: options": ("options",),
}
"""The layers that must detect a disabled group.

If another hook refuses the same requests, the others may not.
"""

INSTALLER = Path("obs_sse_guard/_hooks/installer.py")
OVERRIDDEN = "place"
"""The function of the installer that places one hook; the copy overrides it."""

_SABOTAGE = """

def place(target, owner, name, _place=place):
    if target.name in {names!r}:
        target = target._replace(make=lambda _, function: lambda *args, **kwargs: function(*args, **kwargs))
    return _place(target, owner, name)
"""
_COPIED = (
    "obs_sse_guard",
    "_obs_sse_guard_startup",
    "pytest_obs_sse_guard",
    "tests",
    "docs",
    "pyproject.toml",
    "README.md",
    "README.zh-CN.md",
)
_PYTEST = ("-m", "pytest", "--full", "-x", "-q", "--tb=no", "-p", "no:randomly", "-p", "no:cacheprovider")


def tests_of(group: str, layer: str) -> list[str]:
    """Return the tests of a layer for the SDK of a group."""
    suites = [_OBS_TESTS, _S3_TESTS, _MINIO_TESTS]
    if group not in (NONE, ALL):
        suites = [_SUITES.get(group.partition(":")[0], _S3_TESTS)]
    tests = [suite[layer] for suite in suites if layer in suite]
    return [f"tests/hooks/{name}" for name in dict.fromkeys(itertools.chain(*tests))]


def copied(folder: Path) -> Path:
    """Copy the project to a folder, and return the folder."""
    for name in _COPIED:
        (shutil.copytree if Path(name).is_dir() else shutil.copy)(name, folder / name)
    return folder


def disabled(group: str, folder: Path) -> Path:
    """Copy the project, with the hooks of one group disabled, and return the folder."""
    command = "import obs_sse_guard; print(*obs_sse_guard.status())"
    names = subprocess.check_output([sys.executable, "-c", command], text=True).split()  # our own code
    copied(folder)
    disabled_hooks = names if group == ALL else [] if group == NONE else hooks(group, names)
    with (folder / INSTALLER).open("a", encoding="utf-8") as module:
        module.write(_SABOTAGE.format(names=disabled_hooks))
    return folder


def first_failure(project: Path, tests: list[str]) -> str:
    """Run tests in a copy of the project, and return the first that fails, or ""."""
    command = [sys.executable, *_PYTEST, *tests]
    environment = {**os.environ, "PYTHONPATH": str(project)}  # for the processes that tests start
    done = subprocess.run(  # our own tests
        command, cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=1_800
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stdout + done.stderr)
    failed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return failed[0] if failed else ""


def run(groups: list[str], layers: list[str], folder: Path) -> dict[tuple[str, str], str]:
    """Return the first failure by group and layer.

    Args:
        groups: the groups to disable, one at a time.
        layers: the layers to run; if empty, those that claim to detect the group.
        folder: the parent of the copies.
    """
    jobs = {}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for number, group in enumerate(groups):
            (folder / str(number)).mkdir()
            project = disabled(group, folder / str(number))
            for layer in layers or CLAIMS[group]:
                jobs[group, layer] = pool.submit(first_failure, project, tests_of(group, layer))
        return {key: _print(*key, job.result()) for key, job in jobs.items()}


def _print(group: str, layer: str, test: str) -> str:
    sys.stdout.write(f"{group}: {layer}: {test or 'nothing fails'}\n")
    sys.stdout.flush()
    return test


def is_wrong(group: str, test: str) -> bool:
    """Return whether a layer missed a disabled group, or failed in the control."""
    return bool(test) if group == NONE else not test


def page(found: dict[tuple[str, str], str], date: str) -> str:
    """Return the text of the page."""
    rows = [
        f"| {group} | " + " | ".join(_cell(group, layer, found) for layer in LAYERS) + " |"
        for group in dict.fromkeys(group for group, _ in found)
    ]
    return _PAGE.format(date=date, head=" | ".join(LAYERS), line="|---" * len(LAYERS), rows="\n".join(rows))


def _cell(group: str, layer: str, found: dict[tuple[str, str], str]) -> str:
    if (group, layer) not in found:
        return ""
    if is_wrong(group, found[group, layer]):
        return "**misses**" if group != NONE else "**fails**"
    return "passes" if group == NONE else "fails"


_PAGE = """\
# Sabotage

Generated by `tox -e sabotage` on {date}.

Each row is a copy of the project in which one group of hooks is disabled: the hooks are installed but only call the
original function. *Fails* is the expected result: this layer of the tests claims to detect the disabled hooks, and it
did. An empty cell means that the layer makes no claim, because it tests something else, or because another hook refuses
the same requests. *none* is the unchanged project, as a control; in *all*, every hook is disabled.

| disabled hooks | {head} |
|---{line}|
{rows}

`tests/support/hook_groups.py` defines the groups, by the hook names that `obs_sse_guard.status()` returns.
"""


def main() -> int:
    """Disable the groups in turn, write the page, and return 1 if a layer misses one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--group", choices=CLAIMS)
    parser.add_argument("--layer", choices=LAYERS, action="append", help="run this layer instead of those that claim")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = run([arguments.group] if arguments.group else [*CLAIMS], arguments.layer or [], Path(folder))
    if not (arguments.group or arguments.layer):
        PAGE.write_text(page(found, today()), "utf-8")
    return any(is_wrong(group, test) for (group, _), test in found.items())


if __name__ == "__main__":
    sys.exit(main())
