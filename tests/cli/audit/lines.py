"""Audit lines to test with, and a run of the command in this process."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from obs_sse_guard._cli.main import main

TIME = "2026-01-06T10:00:00.000Z"


class Result(NamedTuple):
    """The result of a run of the command."""

    status: int
    out: str
    err: str


Audit = Callable[..., Result]


def runner(capfdbinary: Any, monkeypatch: Any) -> Audit:
    """Return a function that runs ``obs-sse-guard audit``."""

    def run(*words: object, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8"))
        status = main(["audit", *map(str, words)])
        out, err = capfdbinary.readouterr()
        return Result(status, out.decode(), err.decode())

    return run


def finding(**changes: Any) -> dict[str, Any]:
    """Return a finding as the guard writes it."""
    line = {
        "event": "finding",
        "time": TIME,
        "host": "node-1",
        "mode": "warn",
        "verdict": "would-refuse",
        "rule": "table-1/PutObject",
        "documented": "refuse",
        "strict": "refuse",
        "sdk": "esdk-obs-python",
        "operation": "PutObject",
        "endpoint": "http://obs.example.com",
        "site": {"file": "/srv/shop/store.py", "line": 7, "function": "put"},
    }
    return {**line, **changes}


def armed(host: str, **changes: Any) -> dict[str, Any]:
    """Return the line that a process writes when its first SDK is hooked."""
    line = {"event": "armed", "time": TIME, "host": host, "mode": "enforce", "version": "0.1.0", "sdks": ["botocore"]}
    return {**line, **changes}


def encoded(*lines: Any) -> bytes:
    """Return the lines as an audit file contains them."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)
