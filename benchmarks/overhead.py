"""What the guard adds to an allowed call, and to the import.

Every figure is a pair: the same call without and with the guard, a batch of each in turn, in
one process, so that a machine whose speed drifts slows both alike. What is printed is the
median over all pairs of the difference. The row "nothing" compares the unguarded call with itself: that
is the noise. Run it with ``python -m benchmarks.overhead``.
"""

from __future__ import annotations

import argparse
import gc
import json
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

import obs

import obs_sse_guard
from benchmarks import server

if TYPE_CHECKING:
    from collections.abc import Callable

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


def _client(port: int, ca: str) -> Any:
    return obs.ObsClient(
        access_key_id="a",
        secret_access_key="b",  # noqa: S106  # made up
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
    connection = http.client.HTTPSConnection("127.0.0.1")
    connection.request = lambda *_args, **_kwargs: None  # type: ignore[method-assign]
    connection.send = lambda *_args, **_kwargs: None  # type: ignore[method-assign]
    connection.getresponse = lambda: response  # type: ignore[method-assign,assign,return-value]
    client.connHolder["connSet"].put(connection)
    return client


def _batch(call: Callable[[], object], size: int) -> float:
    start = time.perf_counter()
    for _ in range(size):
        call()
    return (time.perf_counter() - start) / size * 1e6


def _nothing() -> None:
    """Leave the guard as it is."""


def _pairs(call: Callable[[], object], arm: Callable[[], None], pairs: int, size: int) -> tuple[float, float]:
    """The median time of the unguarded call, and the median of what the other side of each pair adds."""
    plain, added = [], []
    for number in range(pairs):
        times = {}
        for guarded in (False, True) if number % 2 else (True, False):
            obs_sse_guard.uninstall()
            if guarded:
                arm()
            _batch(call, 2)
            times[guarded] = _batch(call, size)
        plain.append(times[False])
        added.append(times[True] - times[False])
    return statistics.median(plain), statistics.median(added)


def _measure(pairs: int) -> list[Figure]:
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        ca = str(Path(folder) / "ca.pem")
        with server.running(ca) as port:
            for connection, limit, size in (("keep-alive HTTPS", 1.01, 20), ("stubbed", 1.03, 60)):
                client = _client(port, ca)
                if connection == "stubbed":
                    _stubbed(client)
                for name, headers in (
                    ("putContent", None),
                    ("putContent, header object", obs.PutObjectHeader(contentType="text/plain")),
                    ("putContent, SSE-C", obs.PutObjectHeader(sseHeader=obs.SseCHeader.getInstance(_KEY))),
                ):

                    def call(client: Any = client, headers: Any = headers) -> object:
                        return client.putContent("bucket", "key", _BODY, headers=headers)

                    _batch(call, 50)
                    for what, arm in (("nothing", _nothing), (name, obs_sse_guard.install)):
                        plain, added = _pairs(call, arm, pairs, size)
                        label = f"{name}: nothing" if what == "nothing" else name
                        figures.append(Figure(label, connection, plain, added, 1 + added / plain, limit))
                client.close()
    return figures


_IMPORT = "import time, {first}; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"


def _import_milliseconds(module: str, first: str, runs: int) -> float:
    command = [sys.executable, "-c", _IMPORT.format(module=module, first=first)]
    return statistics.median(float(subprocess.check_output(command)) * 1e3 for _ in range(runs))  # noqa: S603


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
