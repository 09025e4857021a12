"""Count the instructions of a call with callgrind.

Counts are repeatable where times are not, but blind to caches. Each side runs in its own process under callgrind. For
each call the process forks two children that make the call a different number of times; the difference between the two
counts belongs to the calls.
"""

from __future__ import annotations

import contextlib
import gc
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks import sdks

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["count"]

_FEW, _MANY = 5, 55
_WARM_UP = 100  # the interpreter specializes a function only after some calls
_SHIFT = 97  # types
_COLLECTED = re.compile(r"Collected : (\d+)")


def count(package: str, side: str, calls: Sequence[str], layout: int = 0) -> list[float]:
    """Count the instructions of each call.

    Args:
        package: ``obs`` or ``botocore``.
        side: a name in `sdks.SIDES` or `sdks.PEERS`.
        calls: names in `sdks.CALLS`.
        layout: another one moves the collisions in dictionaries and in the interpreter's cache of attributes, which
            may cost a call as much as the guard does.

    Raises:
        RuntimeError: callgrind, or a call, failed.
    """
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command = [*valgrind, sys.executable, "-m", __name__, str(layout), package, side, *calls]
    environment = {**os.environ, "PYTHONHASHSEED": str(layout)}
    done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(done.stderr)
    *totals, _ = map(int, _COLLECTED.findall(done.stderr))  # the last is the parent's
    return [(many - few) / (_MANY - _FEW) for few, many in zip(totals[::2], totals[1::2])]


def _make_calls(layout: str, package: str, side: str, *calls: str) -> None:
    """Make the calls, in the process that runs under callgrind."""
    for _ in range(_SHIFT * int(layout)):
        getattr(type("Filler", (), {}), "attribute", None)  # uses up one version of types, by which the cache is filled
    sdks.side(package, side)
    gc.disable()
    for name in calls:
        call = sdks.CALLS[package][name]()
        _repeat(call, _WARM_UP)
        for number in (_FEW, _MANY):
            child = os.fork()
            if not child:
                _repeat(call, number)
                os._exit(0)
            os.waitpid(child, 0)


def _repeat(call: sdks.Call, number: int) -> None:
    for _ in range(number):
        with contextlib.suppress(RuntimeError):  # refused
            call()


if __name__ == "__main__":
    _make_calls(*sys.argv[1:])
