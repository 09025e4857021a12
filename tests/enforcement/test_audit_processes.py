"""Many processes and threads share one audit file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.records import audited
from tests.support.servers import RecordingServer, leaks
from tests.support.sse import KEY

_WORKER = """
    import sys, threading
    import obs, obs_sse_guard
    from obs_sse_guard import SSETransportError

    server, threads, calls = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    header = obs.PutObjectHeader(sseHeader=obs.SseCHeader.getInstance({key!r}))

    def work(number):
        client = obs.ObsClient(access_key_id="a", secret_access_key="b", server=server, signature="v2")
        for _ in range(calls):
            try:
                client.putContent("bucket", "object", "content", headers=header)
            except SSETransportError:
                pass
        client.close()

    workers = [threading.Thread(target=work, args=(number,), name=f"worker {{number}}") for number in range(threads)]
    print("ready", flush=True)
    [worker.start() for worker in workers]
    [worker.join() for worker in workers]
"""


@pytest.fixture
def worker(tmp_path: Path) -> Path:
    """Write the worker program once, so that no process starts from half of it."""
    program = tmp_path / "worker.py"
    program.write_text(textwrap.dedent(_WORKER.format(key=KEY)))
    return program


def _start(program: Path, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, str(program), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_processes_and_threads_neither_lose_nor_tear_a_line(worker: Path, audit: Path) -> None:
    processes, threads, calls = 4, 8, 25
    started = [_start(worker, "http://127.0.0.1:9", threads, calls) for _ in range(processes)]
    for process in started:
        process.communicate(timeout=120)
        assert process.returncode == 0
    lines = audited(audit)  # a torn line would not parse as JSON
    assert len(lines) == processes * threads * calls
    assert len({(line["pid"], line["thread"]) for line in lines}) == processes * threads
    assert {line["site"]["file"] for line in lines} == {str(worker)}
    assert not leaks(audit.read_bytes(), KEY)


def test_a_killed_process_tears_only_its_own_line(worker: Path, audit: Path) -> None:
    killed = _start(worker, "http://127.0.0.1:9", 4, 100_000)
    deadline = time.monotonic() + 60
    while not (audit.exists() and audit.stat().st_size > 50_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    killed.kill()
    killed.communicate(timeout=60)
    survivor = _start(worker, "http://127.0.0.1:9", 1, 5)
    survivor.communicate(timeout=60)
    lines = audit.read_text().splitlines()
    torn = [line for line in lines if not line.endswith("}")]
    assert len(torn) <= 1
    assert [json.loads(line)["pid"] for line in lines[-5:]] == [survivor.pid] * 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_keeps_writing(http: RecordingServer, audit: Path, tmp_path: Path) -> None:
    code = f"""
        import os, obs, obs_sse_guard
        client = obs.ObsClient(access_key_id="a", secret_access_key="b", server="http://127.0.0.1:9", signature="v2")
        header = obs.PutObjectHeader(sseHeader=obs.SseCHeader.getInstance({KEY!r}))
        def put():
            try:
                client.putContent("bucket", "object", "content", headers=header)
            except obs_sse_guard.SSETransportError:
                pass
        put()
        child = os.fork()
        put()
        if child:
            os.waitpid(child, 0)
    """
    program = tmp_path / "forks.py"
    program.write_text(textwrap.dedent(code))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, str(program)], env=environment, timeout=60, check=True)
    assert len(audited(audit)) == 3
    assert len({line["pid"] for line in audited(audit)}) == 2
