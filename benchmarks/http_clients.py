"""Compare the time of a request of each HTTP client with and without the hooks.

``python -m benchmarks.http_clients [SECONDS]`` sends 1 KiB without encryption over keep-alive connections to a server
on loopback, and prints what the hooks add. The hooks may add 5 % over plain HTTP. *Noise* is what a second run without
hooks adds.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import gc
import http.client
import importlib.util
import random
import ssl
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

import obs_sse_guard
from benchmarks import server
from obs_sse_guard._hooks.installer import installer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.sdks import Call
    from benchmarks.server import Server
    from obs_sse_guard._hooks.hook import Target

__all__ = ["LIMIT", "compare", "rows"]

LIMIT = 0.05
_BODY = b"x" * 1024
_HEADERS = {"Content-Type": "text/plain", "Authorization": "AWS a:b", "x-amz-meta-author": "somebody"}
_CALLS = 8  # in a row on one side, after two that are not measured: setting a hook resets caches of the interpreter


def _http_client(url: str, context: ssl.SSLContext) -> Call:
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    connection: Any = http.client.HTTPConnection(host)
    if scheme == "https":
        connection = http.client.HTTPSConnection(host, context=context)

    def call() -> None:
        connection.request("PUT", f"/{path}", _BODY, _HEADERS)
        connection.getresponse().read()

    return call


def _urllib3(url: str, context: ssl.SSLContext) -> Call:
    import urllib3  # noqa: PLC0415  # measured if installed

    pool = urllib3.PoolManager(ssl_context=context)
    return lambda: pool.request("PUT", url, body=_BODY, headers=_HEADERS)


def _httpx(url: str, context: ssl.SSLContext) -> Call:
    import httpx  # noqa: PLC0415  # measured if installed

    client = httpx.Client(verify=context)
    return lambda: client.put(url, content=_BODY, headers=_HEADERS)


_loop = asyncio.new_event_loop()


def _httpx_async(url: str, context: ssl.SSLContext) -> Call:
    import httpx  # noqa: PLC0415  # measured if installed

    client = httpx.AsyncClient(verify=context)
    return lambda: _loop.run_until_complete(client.put(url, content=_BODY, headers=_HEADERS))


def _aiohttp(url: str, context: ssl.SSLContext) -> Call:
    import aiohttp  # noqa: PLC0415  # measured if installed

    async def make() -> Any:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))

    async def put() -> None:
        async with session.put(url, data=_BODY, headers=_HEADERS) as answer:
            await answer.read()

    session = _loop.run_until_complete(make())
    atexit.register(lambda: asyncio.run(session.close()))
    return lambda: _loop.run_until_complete(put())


_CLIENTS: dict[str, tuple[str, Callable[[str, ssl.SSLContext], Call]]] = {
    "http.client": ("http", _http_client),
    "urllib3": ("urllib3", _urllib3),
    "httpx": ("httpx", _httpx),
    "httpx, async": ("httpx", _httpx_async),
    "aiohttp": ("aiohttp", _aiohttp),
}


def _places() -> Iterator[tuple[Any, str, Any]]:
    packages = ("http.client", "httpcore", "aiohttp")
    targets: Iterator[Target] = (target for target in installer.targets if target.module in packages)
    for owner, name in (place for target in targets for place in target.places()):
        yield owner, name, vars(owner)[name]


def _side(hooks: list[tuple[Any, str, Any]], *, hooked: bool) -> None:
    for owner, name, hook in hooks:
        setattr(owner, name, hook if hooked else hook.__wrapped__)


def compare(call: Call, seconds: float) -> tuple[float, float, float]:
    """Return the microseconds of a call without hooks, what they add, and the noise."""
    hooks = [*_places()]
    rounds: list[dict[str, float]] = []
    sides = ["without", "hooked", "copy"]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(rounds) < _CALLS:
        random.shuffle(sides)
        rounds.append({side: _time(call, hooks, hooked=side == "hooked") for side in sides})
    _side(hooks, hooked=True)
    added = [statistics.median(one[side] - one["without"] for one in rounds) for side in ("hooked", "copy")]
    return statistics.median(one["without"] for one in rounds), added[0], added[1]


def _time(call: Call, hooks: list[tuple[Any, str, Any]], *, hooked: bool) -> float:
    _side(hooks, hooked=hooked)
    call(), call()
    start = time.perf_counter()
    for _ in range(_CALLS):
        call()
    return (time.perf_counter() - start) / _CALLS * 1e6


def _measure(running: Server, seconds: float) -> Iterator[tuple[str, float, float, float]]:
    context = ssl.create_default_context(cafile=running.ca)
    for scheme, port in running.ports.items():
        for name, (module, make) in _CLIENTS.items():
            if importlib.util.find_spec(module) is not None:
                call = make(f"{scheme}://127.0.0.1:{port}/bucket/key", context)
                yield f"{name}, {scheme}", *compare(call, seconds)


def rows(seconds: float) -> list[tuple[str, float, float, float]]:
    """Measure every client that is installed, in a process of its own.

    Args:
        seconds: how long to measure each.

    Returns:
        Of each its name and scheme; then, in microseconds, a request without hooks, what they add, and the noise.
    """
    obs_sse_guard.install()
    gc.disable()
    with server.running() as running, contextlib.closing(_loop):
        return [*_measure(running, seconds)]


def main(seconds: float = 6) -> None:
    """Measure every client that is installed, and print a line for each."""
    print(f"{'client':22} {'us':>8} {'added us':>9} {'added %':>8} {'noise us':>9}")
    for name, base, added, noise in rows(seconds):
        print(f"{name:22} {base:8.1f} {added:9.2f} {added / base * 100:8.2f} {noise:9.2f}")


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]))
