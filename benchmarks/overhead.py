"""What the guard adds to an allowed call, and to the import.

The SDK is imported twice in one process, and one of the two is guarded: installing and removing
the hooks between samples would measure the interpreter's caches instead. Every figure is a pair,
a batch of calls on each side in turn, so that a machine whose speed drifts slows both alike.
What is printed is the median of the pairs' differences. The rows "nothing" compare two unguarded
clients: that is the noise. Run it with ``python -m benchmarks.overhead``.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import obs_sse_guard
from benchmarks import server

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_BODY = b"x" * 1024
_KEY = "k" * 32


@dataclass(frozen=True)
class Figure:
    """A pair's outcome, times in microseconds."""

    call: str
    connection: str
    unguarded: float
    added: float
    ratio: float
    limit: float


def _two_sdks() -> dict[str, ModuleType]:
    """The SDK without and with the guard, side by side."""
    obs_sse_guard.uninstall()
    plain = importlib.import_module("obs")
    for name in [name for name in sys.modules if name.partition(".")[0] == "obs"]:
        del sys.modules[name]
    guarded = importlib.import_module("obs")
    obs_sse_guard.install()
    assert set(obs_sse_guard.status().values()) == {"active"}
    assert vars(plain.ObsClient)["putContent"] is not vars(guarded.ObsClient)["putContent"]
    return {"plain": plain, "guarded": guarded}


def _client(sdk: ModuleType, port: int, ca: str) -> Any:
    return sdk.ObsClient(
        access_key_id="a",
        secret_access_key="b",  # made up
        server=f"https://127.0.0.1:{port}",
        signature="v2",
        path_style=True,
        ssl_verify=ca,
        long_conn_mode=True,
    )


def _stubbed(client: Any) -> Any:
    """Answer at the connection: what is left is what the SDK itself does."""
    import http.client  # noqa: PLC0415

    response = SimpleNamespace(
        status=200,
        reason="OK",
        getheaders=lambda: [("ETag", '"etag"'), ("Content-Length", "0")],
        getheader=lambda _name, default=None: default,
        read=lambda _size=None: b"",
        close=lambda: None,
    )
    connection: Any = http.client.HTTPSConnection("127.0.0.1")
    connection.request = lambda *_args, **_kwargs: None
    connection.send = lambda *_args, **_kwargs: None
    connection.getresponse = lambda: response
    client.connHolder["connSet"].put(connection)
    return client


def _batch(call: Callable[[], object], size: int) -> float:
    start = time.perf_counter()
    for _ in range(size):
        call()
    return (time.perf_counter() - start) / size * 1e6


def _pairs(one: Callable[[], object], other: Callable[[], object], pairs: int, size: int) -> tuple[float, float]:
    """The median time of one call, and the median of what the other adds to it."""
    plain, added = [], []
    for number in range(pairs):
        if number % 2:
            first, second = _batch(one, size), _batch(other, size)
        else:
            second, first = _batch(other, size), _batch(one, size)
        plain.append(first)
        added.append(second - first)
    return statistics.median(plain), statistics.median(added)


def _headers(sdk: ModuleType) -> dict[str, Any]:
    return {
        "putContent": None,
        "putContent, header object": sdk.PutObjectHeader(contentType="text/plain"),
        "putContent, SSE-C": sdk.PutObjectHeader(sseHeader=sdk.SseCHeader.getInstance(_KEY)),
    }


def _call(sdk: ModuleType, client: Any, name: str) -> Callable[[], object]:
    headers = _headers(sdk)[name]
    return lambda: client.putContent("bucket", "key", _BODY, headers=headers)


def _measure(pairs: int) -> list[Figure]:
    figures = []
    sdks = _two_sdks()
    with tempfile.TemporaryDirectory() as folder:
        ca = str(Path(folder) / "ca.pem")
        with server.running(ca) as port:
            for connection, limit, size in (("keep-alive HTTPS", 1.01, 20), ("stubbed", 1.03, 60)):
                sides = [sdks["plain"], sdks["plain"], sdks["guarded"]]
                clients = [_client(sdk, port, ca) for sdk in sides]
                if connection == "stubbed":
                    clients = [_stubbed(client) for client in clients]
                for name in _headers(sdks["plain"]):
                    one, again, guarded = (_call(sdk, client, name) for sdk, client in zip(sides, clients))
                    for call in (one, again, guarded):
                        _batch(call, 200)
                    for label, other in ((f"{name}: nothing", again), (name, guarded)):
                        plain, added = _pairs(one, other, pairs, size)
                        figures.append(Figure(label, connection, plain, added, 1 + added / plain, limit))
                for client in clients:
                    client.close()
    return figures


_IMPORT = "import time, {first}; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"


def _import_milliseconds(module: str, first: str, runs: int) -> float:
    """The median time of an import, with the bytecode cached as on an installed system."""
    command = [sys.executable, "-c", _IMPORT.format(module=module, first=first)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    times = [float(subprocess.check_output(command, env=environment)) * 1e3 for _ in range(runs + 1)]  # noqa: S603
    return statistics.median(times[1:])


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=300, help="pairs of batches for each figure")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    gc.disable()
    figures = _measure(options.pairs)
    imports = {
        "wrapt": _import_milliseconds("wrapt", "sys", 15),
        "obs_sse_guard above wrapt": _import_milliseconds("obs_sse_guard", "wrapt", 15),
    }
    if options.json:
        print(json.dumps({"calls": [asdict(figure) for figure in figures], "import_ms": imports}, indent=2))
        return
    print("| call | connection | unguarded µs | added µs | ratio | limit |\n|---|---|---|---|---|---|")
    for figure in figures:
        print(
            f"| {figure.call} | {figure.connection} | {figure.unguarded:.1f} | {figure.added:.2f} "
            f"| {figure.ratio:.4f} | {figure.limit} |"
        )
    for module, milliseconds in imports.items():
        print(f"import {module}: {milliseconds:.1f} ms")


if __name__ == "__main__":
    main()
