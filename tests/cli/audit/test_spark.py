"""The queries of ``obs-sse-guard audit`` on Spark: the program of docs/audit-at-scale.md gives the same rows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from obs_sse_guard._cli.audit.summary import QUERIES
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


def test_spark_counts_the_same(tmp_path: Path, run: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    [program] = documents.blocks(ROOT / "docs" / "audit-at-scale.md", "python")
    Path("sum_up.py").write_text(program.text, "utf-8")
    for name in ("tallies", "hosts"):
        Path(f"{name}.sql").write_text(QUERIES[name], "utf-8")
    Path("audit.jsonl").write_bytes(_lines())
    assert run("--format=parquet", "--output=duckdb.parquet", "audit.jsonl").err == ""
    done = subprocess.run(
        [sys.executable, "sum_up.py", "audit.jsonl", "spark"],
        env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_HOSTNAME": "localhost"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert _rows("spark/*.parquet") == _rows("duckdb.parquet")
    assert "|node-9|2026-01-06T10:00:00.000Z|1" in done.stdout
