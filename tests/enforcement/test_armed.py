"""The armed line, one per process, and the process as the audit file names it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
import warnings
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import SimpleNamespace

import obs  # noqa: F401  # an SDK is hooked in this process
import pytest

import obs_sse_guard
from obs_sse_guard import SSEGuardWarning
from obs_sse_guard._enforcement import audit as audit_module
from obs_sse_guard._enforcement import process
from obs_sse_guard._enforcement.armed import Armed, armed
from obs_sse_guard._enforcement.enforce import enforce
from obs_sse_guard._hooks.sdk_targets import SDK_NAMES, SDK_TARGETS
from obs_sse_guard._policy.settings import read_settings
from tests.support import ROOT
from tests.support.contexts import request
from tests.support.guard import AUDIT, MODE, POLICY
from tests.support.records import audited


def _finding() -> None:
    enforce(request(dropped=("sseHeader",)))


# ------------------------------------------------------------------------------------ the process


@pytest.mark.parametrize(
    ("module", "program"),
    [
        ("celery.__main__", "celery"),
        ("gunicorn.app.wsgiapp", "gunicorn.app.wsgiapp"),
        (None, "app.py"),
    ],
)
def test_a_program_is_named_as_it_was_started(
    module: str | None, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = ModuleSpec(module, None) if module else None
    monkeypatch.setitem(sys.modules, "__main__", SimpleNamespace(__spec__=spec))
    monkeypatch.setattr(sys, "argv", [os.path.join("srv", "app.py"), "--password=secret"])  # noqa: PTH118
    assert process.identity() == {"host": socket.gethostname(), "pid": os.getpid(), "program": program}


def test_a_process_without_arguments_has_an_empty_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "__main__")
    monkeypatch.setattr(sys, "argv", [])
    assert process.identity()["program"] == ""
    monkeypatch.delattr(sys, "argv")
    assert process.identity()["program"] == ""


def test_long_names_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "__main__")
    monkeypatch.setattr(sys, "argv", ["p" * 5000])
    monkeypatch.setattr(socket, "gethostname", lambda: "h" * 5000)
    identity = process.identity()
    assert (len(identity["program"]), len(identity["host"])) == (1000, 1000)


# --------------------------------------------------------------------------------------- the line


def test_the_first_hooked_sdk_writes_the_line(audit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODE, "warn")
    monkeypatch.setenv(POLICY, "strict")
    mine = Armed()
    assert mine.sdks == ()
    mine.update(())
    assert not audit.exists()
    mine.update({"minio", "botocore"})
    mine.update({"minio", "botocore", "polars"})
    [line] = audited(audit, "armed")
    assert [*line] == ["time", "event", "host", "pid", "program", "version", "mode", "policy", "sdks"]
    assert line["sdks"] == ["botocore", "minio"]
    assert (line["version"], line["mode"], line["policy"]) == (obs_sse_guard.__version__, "warn", "strict")
    assert (line["host"], line["pid"]) == (socket.gethostname(), os.getpid())


def test_an_audit_file_that_is_set_later_begins_with_the_line(audit: Path) -> None:
    assert not audit.exists()
    _finding()
    _finding()
    assert [json.loads(line)["event"] for line in audit.read_text().splitlines()] == ["armed", "finding", "finding"]


def test_an_audit_file_that_is_configured_begins_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    obs_sse_guard.configure(audit=path)
    try:
        assert len(audited(path, "armed")) == 1
    finally:
        obs_sse_guard.configure()


def test_switched_off_or_without_an_sdk_there_is_no_line(audit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Armed()
    mine.report(read_settings())
    monkeypatch.setenv(MODE, "off")
    mine.update({"botocore"})
    assert not audit.exists()
    monkeypatch.setenv(MODE, "enforce")
    mine.mute()
    mine.update({"botocore"})
    assert not audit.exists()


def test_a_line_that_could_not_be_written_is_written_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "folder" / "audit.jsonl"
    monkeypatch.setenv(AUDIT, str(path))
    mine = Armed()
    with pytest.warns(SSEGuardWarning, match="cannot be written"):
        mine.update({"botocore"})
    path.parent.mkdir()
    mine.report(read_settings())
    mine.report(read_settings())
    assert len(audited(path, "armed")) == 1


def test_a_failure_breaks_no_import(
    audit: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise LookupError

    monkeypatch.setattr(audit_module, "identity", broken)
    Armed().update({"botocore"})
    assert "could not report that an SDK is hooked (LookupError in broken" in caplog.text
    assert "; it stays hooked." in caplog.text


def test_every_package_but_the_http_clients_has_a_name() -> None:
    assert SDK_TARGETS.keys() - SDK_NAMES.keys() == {
        "http.client", "httpcore", "aiohttp", "urllib3",  # in nearly every process
        "s3transfer", "awscrt", "huaweicloudsdkcore",  # beside the SDK that uses them
    }  # fmt: skip


def test_it_is_known_what_is_hooked_in_this_process() -> None:
    assert "esdk-obs-python" in armed.sdks
    obs_sse_guard.uninstall()
    assert armed.sdks == ()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_each_process_writes_one_line_of_its_own(audit: Path) -> None:
    program = """
    import os, http.client, obs_sse_guard
    path = os.environ["OBS_SSE_GUARD_AUDIT"]
    assert not os.path.exists(path), "an HTTP client alone is no SDK"
    import obs
    import minio
    from tests.enforcement.test_armed import _finding
    child = os.fork()
    _finding()
    _finding()
    if child:
        os.waitpid(child, 0)
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second = audited(audit, "armed")
    assert first["sdks"] == ["esdk-obs-python"]
    assert first["pid"] != second["pid"]
    assert {first["program"], second["program"]} == {"-c"}
    findings = audited(audit)
    assert len(findings) == 4
    assert {line["pid"] for line in findings} == {first["pid"], second["pid"]}


def test_nothing_is_warned_about_without_an_audit_file() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Armed().update({"botocore"})
