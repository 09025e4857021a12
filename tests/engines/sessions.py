"""Run the examples of docs/engines.md in a shell and an environment of their own.

The programs of a section are written to files. Each console block is one session: a command that ends with ``&`` runs
until the end of the session, as in another terminal; the others print what the page shows.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.engines.table import ENGINES, Engine
from tests.support import documents
from tests.support.commands import SOURCES
from tests.support.servers import LOOPBACK, RecordingServer
from tests.support.sse import KEY

if TYPE_CHECKING:
    from tests.support.documents import Block, Command

__all__ = ["PAGE", "Environment", "Example", "Session", "environment", "examples", "session"]

PAGE = documents.ROOT / "docs" / "engines.md"

_EXAMPLE = "http://obs.example.com"  # the endpoint on the page, which stands for the recording server
# redis-py cannot parse fakeredis's description of a client, of which RQ needs only the address.
_REDIS = """import sys
from fakeredis import TcpFakeServer
from fakeredis.model import ClientInfo
ClientInfo.as_bytes = lambda self: b"addr=127.0.0.1:0"
TcpFakeServer(("127.0.0.1", int(sys.argv[2]))).serve_forever()
"""
_COMMON = "The programs on this page"
_MARK = "ENGINE_SESSION"
_SECONDS = 300.0
_END_SECONDS = 30.0


# -------------------------------------------------------------------------------------- the page


class Example(NamedTuple):
    """A console block, with the programs of its section and those of every section."""

    engine: Engine
    number: int
    programs: Mapping[str, str]
    commands: tuple[Command, ...]

    def __str__(self) -> str:
        return f"{self.engine.heading}-{self.number}"

    @property
    def text(self) -> str:
        """Return the programs and the commands."""
        return "".join((*self.programs.values(), *(command.text for command in self.commands)))

    def without_own_way(self) -> Example:
        """Return the example without what guards its workers."""
        programs = {name: self._without(text) for name, text in self.programs.items()}
        return self._replace(
            programs=programs,
            commands=tuple(command._replace(text=self._without(command.text)) for command in self.commands),
        )

    def _without(self, text: str) -> str:
        for own in self.engine.own:
            text = text.replace(own, "")
        return text


def heading_of(block: Block) -> str:
    """Return the heading of the section that a block belongs to."""
    lines = documents.read(block.page).splitlines()[: block.line]
    return [line.removeprefix("## ") for line in lines if line.startswith("## ")][-1]


def examples() -> list[Example]:
    """Return the examples of the page, in order."""
    programs = [(heading_of(block), block) for block in documents.blocks(PAGE, "python")]
    engines = {engine.heading: engine for engine in ENGINES}
    found: list[Example] = []
    for block, commands in groupby(documents.commands(PAGE), key=lambda command: command.block):
        heading = heading_of(block)
        files = {program.file: program.text for name, program in programs if name in (heading, _COMMON)}
        number = sum(example.engine.heading == heading for example in found) + 1
        found.append(Example(engines[heading], number, files, tuple(commands)))
    return found


# ----------------------------------------------------------------------------------- the environment


class Environment(NamedTuple):
    """A virtual environment that sees what is installed here, except ``.pth`` files."""

    folder: Path

    @property
    def python(self) -> Path:
        """Return its interpreter."""
        return self.folder / "bin" / "python"

    def enable(self) -> None:
        """Guard every Python of the environment."""
        command = [str(self.python), "-m", "obs_sse_guard", "enable"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)


def environment(folder: Path) -> Environment:
    """Make an environment, with the commands of the packages that are installed here."""
    venv.create(folder)
    made = Environment(folder)
    packages = sysconfig.get_path("purelib", vars={"base": str(folder)})
    Path(packages, "_packages.pth").write_text(f"{SOURCES}\n{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    for program in Path(sys.executable).parent.iterdir():
        command = folder / "bin" / program.name
        if program.is_file() and not command.exists():
            start = f'"{made.python}" ' if b"python" in program.read_bytes()[:200].splitlines()[0] else ""
            command.write_text(f'#!/bin/sh\nexec {start}"{program}" "$@"\n', encoding="utf-8")
            command.chmod(0o755)
    redis = folder / "bin" / "redis-server"
    redis.write_text(f"#!{made.python}\n{_REDIS}", encoding="utf-8")
    redis.chmod(0o755)
    return made


# ---------------------------------------------------------------------------------------- a session


class Session(NamedTuple):
    """A folder with the programs of an example, and the variables of its processes."""

    folder: Path
    variables: dict[str, str]
    ports: dict[str, str]
    endpoint: str

    @property
    def audit(self) -> Path:
        """Return the audit file."""
        return self.folder / "audit.jsonl"

    @property
    def log(self) -> str:
        """Return what the commands in the background have printed."""
        path = self.folder / "background.log"
        return path.read_text("utf-8") if path.exists() else ""

    def with_ports(self, text: str) -> str:
        """Return a text of the page with the ports of this session."""
        for shown, port in self.ports.items():
            text = text.replace(shown, port)
        return text

    def run(self, command: Command) -> str:
        """Run a command and return what it prints, as the page would show it."""
        with self._started(command.text, subprocess.PIPE) as process:
            printed, _ = process.communicate(timeout=_SECONDS)
        for shown, port in self.ports.items():
            printed = printed.replace(port, shown)
        return printed.replace(self.endpoint, _EXAMPLE)

    @contextlib.contextmanager
    def in_background(self, command: Command) -> Iterator[None]:
        """Run a command until the end of the session."""
        with (
            (self.folder / "background.log").open("ab") as log,
            self._started(f"exec {command.text[:-1]}", log) as process,
        ):
            try:
                yield
            finally:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_END_SECONDS)

    @contextlib.contextmanager
    def _started(self, text: str, output: object) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            ["/bin/sh", "-c", self.with_ports(text)],
            cwd=self.folder,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=output,  # type: ignore[call-overload]  # a file or PIPE
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def wait_for(self, command: Command) -> None:
        """Return when something listens on each port of a command in the background."""
        deadline = time.monotonic() + _SECONDS
        for shown, port in self.ports.items():
            while shown in command.text and not _listens(int(port)):
                assert time.monotonic() < deadline, f"nothing listens on {port}:\n{self.log}"
                time.sleep(0.1)

    def left_behind(self) -> list[int]:
        """Return the processes of the session that are still running."""
        mark = f"{_MARK}={self.variables[_MARK]}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
        return found

    def end(self) -> None:
        """Wait until every process has ended; kill and report those that do not end."""
        deadline = time.monotonic() + _END_SECONDS
        while (left := self.left_behind()) and time.monotonic() < deadline:
            time.sleep(0.1)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert not left, f"{len(left)} processes were left behind"


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def _free_port() -> str:
    with socket.create_server((LOOPBACK, 0)) as server:
        return str(server.getsockname()[1])


@contextlib.contextmanager
def session(example: Example, place: Environment, server: RecordingServer) -> Iterator[Session]:
    """Write an example's programs, provide its environment, and end its processes."""
    folder = Path(tempfile.mkdtemp(prefix="engine-"))  # a short path, for the sockets of some engines
    variables = {
        "PATH": os.pathsep.join((str(place.folder / "bin"), os.defpath)),
        "HOME": str(folder),
        "PYTHONPATH": str(folder),
        "LANG": "C.UTF-8",
        "TMPDIR": str(folder),
        "AWS_ACCESS_KEY_ID": "access key",
        "AWS_SECRET_ACCESS_KEY": "secret key",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server.url,
        "CUSTOMER_KEY": KEY,
        "PYTHONWARNINGS": "ignore",  # of the engines about each other
        "SPARK_LOCAL_IP": LOOPBACK,
        "SPARK_WORKER_DIR": str(folder / "spark"),
        "RAY_USAGE_STATS_ENABLED": "0",
        "OBS_SSE_GUARD_AUDIT": str(folder / "audit.jsonl"),
        _MARK: folder.name,
    }
    made = Session(folder, variables, {port: _free_port() for port in example.engine.ports}, server.url)
    for name, value in example.engine.variables:
        variables[name] = made.with_ports(value.replace("FOLDER", str(folder)))
    for name, text in example.programs.items():
        (folder / name).write_text(made.with_ports(text), encoding="utf-8")
    try:
        yield made
        made.end()
    finally:
        for pid in made.left_behind():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


def run(example: Example, made: Session) -> list[tuple[Command, str]]:
    """Run the commands of an example in order, and return what they print."""
    printed = []
    with contextlib.ExitStack() as background:
        for command in example.commands:
            if command.text.endswith("&"):
                background.enter_context(made.in_background(command))
                made.wait_for(command)
            else:
                printed.append((command, made.run(command)))
    return printed
