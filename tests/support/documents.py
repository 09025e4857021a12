"""Read the documentation, and run its examples.

The Python blocks of a page run in order in one namespace. A statement with the comment
``# refused: ID`` must be refused by that rule or finding. One with ``# logged: ID`` must log it.
A statement without either must do neither. A test that a block defines is run.
Names under example.com lead to local test servers.
"""

from __future__ import annotations

import ast
import contextlib
import logging
import re
import socket
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from obs_sse_guard import SSETransportError
from tests.support.servers import LOOPBACK, RecordingServer, TlsRecordingServer

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = tuple(sorted(DOCS.glob("*.md")))
README, README_ZH = ROOT / "README.md", ROOT / "README.zh-CN.md"
CHINESE = DOCS / "zh-CN-reference.md"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_EXPECTED = re.compile(r"# (refused|logged): (\S+)")
_FILE = re.compile(r"# (\w+\.py)\n")
_ANYTHING = "…"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


class Block(NamedTuple):
    """A fenced block.

    Attributes:
        page: the file.
        line: the number of the line before its first.
        language: the language of the fence.
        text: the content.
    """

    page: Path
    line: int
    language: str
    text: str

    @property
    def file(self) -> str:
        """Return the file that the first line of the block names; empty if none."""
        match = _FILE.match(self.text)
        return match[1] if match else ""


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[Block]:
    """Return the fenced blocks of a language, in order."""
    text = read(page)
    found = (Block(page, text.count("\n", 0, match.start()) + 1, match[1], match[2]) for match in _FENCE.finditer(text))
    return [block for block in found if block.language == language]


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", read(page))


def modules(block: Block) -> set[str]:
    """Return the top-level modules that a block of Python imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.Import):
            found.update(name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


# ------------------------------------------------------------------------------- running Python


def run(page: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Run the Python of a page, and check each statement against its comment.

    The tests that it shows must pass.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page, "python"):
        if not block.file:
            _run_block(block, namespace, caplog)


def _run_block(block: Block, namespace: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    lines = block.text.splitlines()
    for statement in ast.parse(block.text).body:
        shown = " ".join(lines[statement.lineno - 1 : statement.end_lineno])
        ast.increment_lineno(statement, block.line)
        code = compile(ast.Module([statement], []), str(block.page), "exec")
        where = f"{block.page.name}:{statement.lineno}"
        assert outcome(code, namespace, caplog) == _EXPECTED.findall(shown), where
        _run_test(getattr(statement, "name", ""), namespace, caplog, where)


def _run_test(name: str, namespace: dict[str, Any], caplog: pytest.LogCaptureFixture, where: str) -> None:
    """Run what a statement has defined under this name, if it is a test."""
    test = namespace.get(name)
    if isinstance(test, type) and issubclass(test, unittest.TestCase):
        calls = [f"{name}({method!r}).debug()" for method in unittest.defaultTestLoader.getTestCaseNames(test)]
    else:
        calls = [f"{name}()"] if name.startswith("test_") else []
    for call in calls:
        assert outcome(compile(call, call, "exec"), namespace, caplog) == [], where


def outcome(code: Any, namespace: dict[str, Any], caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return whether each finding of a statement was logged or refused, and its id."""
    caplog.clear()
    refused = []
    try:
        with caplog.at_level(logging.WARNING, "obs_sse_guard"):
            exec(code, namespace)  # noqa: S102  # the project's own pages
    except SSETransportError as error:
        refused.append(("refused", error.rule))
    return [*(("logged", record.__dict__["rule"]) for record in _records(caplog)), *refused]


def _records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "obs_sse_guard"]


# ------------------------------------------------------------------------------- running commands


class Command(NamedTuple):
    """A command of a console block, with its output; ``…`` stands for anything."""

    block: Block
    text: str
    shown: str


def commands(page: Path) -> list[Command]:
    """Return the commands after a ``$`` prompt, in order."""
    found = []
    for block in blocks(page, "console"):
        for session in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            text, _, shown = session.partition("\n")
            found.append(Command(block, text, shown.strip()))
    return found


def is_as_shown(printed: str, shown: str) -> bool:
    """Return whether a command printed what the page shows, except for times."""
    printed, shown = (_MOMENT.sub("<a time>", text.strip()) for text in (printed, shown))
    pattern = ".*?".join(re.escape(part) for part in shown.split(_ANYTHING))
    return re.fullmatch(pattern, printed, re.DOTALL) is not None


# ----------------------------------------------------------------------------------- the servers


class ExampleServers(NamedTuple):
    """The servers behind the names of the examples, for http and https."""

    http: RecordingServer
    https: TlsRecordingServer


@contextlib.contextmanager
def example_servers() -> Iterator[ExampleServers]:
    """Start object stores for the examples; an object's name decides the response."""
    with RecordingServer() as http, TlsRecordingServer() as https:
        for server, moved in ((http, "http"), (https, "https")):
            server.answer(
                lambda r: r.path.endswith("/moved"), 307, {"Location": f"{moved}://elsewhere.example.com/bucket/object"}
            )
            server.answer(
                lambda r: r.path.endswith("/downgraded"), 307, {"Location": "http://obs.example.com/bucket/object"}
            )
            server.answer(
                lambda r: r.path.endswith("/kms"),
                headers={"x-obs-server-side-encryption": "kms", "x-amz-server-side-encryption": "aws:kms"},
            )
        yield ExampleServers(http, https)


@contextlib.contextmanager
def example_names(servers: ExampleServers) -> Iterator[None]:
    """Resolve the names and ports of the examples, and no others, to these servers."""
    real = socket.getaddrinfo
    ports = {443: servers.https, 80: servers.http, 9000: servers.http}

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else str(host)
        if name.endswith("example.com") or (name in (LOOPBACK, "localhost") and port in ports):
            return real(LOOPBACK, ports[int(port)].port, *args, **kwargs)
        return real(host, port, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo
    try:
        yield
    finally:
        socket.getaddrinfo = real


IN_A_PROCESS = """
import os, socket

real = socket.getaddrinfo

def getaddrinfo(host, port, *args, **kwargs):
    here = str(host).endswith("example.com")
    return real("127.0.0.1" if here else host, int(os.environ["EXAMPLE_PORT"]) if here else port, *args, **kwargs)

socket.getaddrinfo = getaddrinfo
"""
"""A ``sitecustomize`` that does the same in a separate process, for http."""
