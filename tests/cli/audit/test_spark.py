"""The program of docs/audit-at-scale.md gives the same rows on Spark."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import duckdb
import pytest

from obs_sse_guard._cli.audit.summary import QUERIES
from obs_sse_guard._cli.demo import isolation, servers
from tests.cli.audit.lines import Audit, armed, encoded, finding
from tests.cli.audit.test_audit import DAMAGED
from tests.support import documents
from tests.support.documents import ROOT

pytestmark = pytest.mark.full


def _rows(file: str) -> list[tuple[Any, ...]]:
    table = duckdb.read_parquet(file)
    columns = sorted(table.columns)
    return sorted(table.project(", ".join(f'"{column}"' for column in columns)).fetchall(), key=repr)


def _lines() -> bytes:
    old = {name: value for name, value in finding(host="obs.example.com").items() if name != "event"}
    places = [
        finding(
            host=f"node-{number % 3}",
            rule=("table-1/PutObject", "key-in-url")[number % 2],
            time=f"2026-01-06T10:00:{number:02}.000Z",
            verdict=("refused", "would-refuse", "noticed")[number % 3],
            site=None if number % 5 == 0 else {"file": "a.py", "line": number % 7, "function": "put"},
        )
        for number in range(60)
    ]
    hosts = [armed("node-0"), armed("node-9", version="0.2.0", mode="warn")]
    return encoded(*places, *hosts, old) + b"".join(line + b"\n" for line in DAMAGED if line != b"[]")


class SumUp(NamedTuple):
    """The program of the page in a folder, and DuckDB's rows for the same lines."""

    lines: bytes
    rows: list[tuple[Any, ...]]

    def on_spark(self, lines: str, **environment: str) -> str:
        """Run it, compare the rows, and return its output."""
        python = {"PYSPARK_PYTHON": sys.executable}
        done = subprocess.run(
            [sys.executable, "sum_up.py", lines, "spark"],
            env={
                **os.environ,
                "SPARK_LOCAL_IP": "127.0.0.1",
                "SPARK_LOCAL_HOSTNAME": "localhost",
                **python,
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert _rows("spark/*.parquet") == self.rows
        return done.stdout


@pytest.fixture
def sum_up(tmp_path: Path, run: Audit, monkeypatch: pytest.MonkeyPatch) -> SumUp:
    monkeypatch.chdir(tmp_path)
    [program] = documents.blocks(ROOT / "docs" / "audit-at-scale.md", "python")
    Path("sum_up.py").write_text(program.text, "utf-8")
    for name in ("tallies", "hosts"):
        Path(f"{name}.sql").write_text(QUERIES[name], "utf-8")
    Path("audit.jsonl").write_bytes(_lines())
    assert run("--format=parquet", "--output=duckdb.parquet", "audit.jsonl").err == ""
    return SumUp(_lines(), _rows("duckdb.parquet"))


def test_spark_counts_the_same(sum_up: SumUp) -> None:
    assert "|node-9|2026-01-06T10:00:00.000Z|1" in sum_up.on_spark("audit.jsonl")


def test_guarded_workers_read_from_object_storage(sum_up: SumUp, tmp_path: Path) -> None:
    lines = sum_up.lines.splitlines(keepends=True)
    with isolation.own_environment(tmp_path), isolation.quiet(), servers.running(tmp_path) as ministack:
        account = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
        account |= {"AWS_ENDPOINT_URL": ministack.url("https"), "AWS_CA_BUNDLE": str(ministack.ca)}
        os.environ.update(account)
        with contextlib.closing(boto3.client("s3")) as client:
            client.create_bucket(Bucket="logs")
            for number in range(3):
                body = gzip.compress(b"".join(lines[number::3]))
                client.put_object(Bucket="logs", Key=f"audit/node-{number}/audit.jsonl.gz", Body=body)
        before = len(ministack.requests)
        sum_up.on_spark("s3://logs/audit/*/*.jsonl.gz", OBS_SSE_GUARD_AUDIT="armed.jsonl")
        requests = ministack.requests[before:]
    assert {request.scheme for request in requests} == {"https"}
    read = {request.path for request in requests if request.method == "GET" and request.path.endswith(".gz")}
    assert len(read) == 3
    armed_lines = [json.loads(line) for line in Path("armed.jsonl").read_text("utf-8").splitlines()]
    assert {line["event"] for line in armed_lines} == {"armed"}
    assert all("botocore" in line["sdks"] for line in armed_lines)
