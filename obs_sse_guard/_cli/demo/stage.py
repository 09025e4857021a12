"""The stage that the acts play on: servers, real clients, customer keys, and eyes on all of it."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from obs_sse_guard._cli.demo import environment
from obs_sse_guard._cli.demo.boto3_driver import Boto3Driver
from obs_sse_guard._cli.demo.evidence import Evidence
from obs_sse_guard._cli.demo.obs_driver import ObsDriver
from obs_sse_guard._cli.demo.props import CustomerKey
from obs_sse_guard._cli.demo.s3fs_driver import S3fsDriver, event_loop
from obs_sse_guard._cli.demo.servers import Servers, running
from obs_sse_guard._enforcement import log as _log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from obs_sse_guard._cli.demo.driver import Driver

__all__ = ["Stage", "set_up"]


@dataclass(frozen=True)
class Stage:
    """What the acts have at hand.

    Attributes:
        servers: what the clients talk to.
        drivers: the SDKs, in the order of the columns.
        logged: what the guard has logged; it grows.
        key: the customer key that is looked for on the wire.
        other_key: one that nothing is encrypted with.
    """

    servers: Servers
    drivers: tuple[Driver, ...]
    logged: list[str]
    key: CustomerKey
    other_key: CustomerKey

    def watch(self, call: Callable[[], int]) -> Evidence:
        """Make one call and tell what became of it."""
        taps = self.servers.taps.values()
        before = [(tap.connections, len(tap.recorded)) for tap in taps]
        requests, logged = len(self.servers.requests), len(self.logged)
        _log.noise.forget()  # the drivers make many calls at one place, and each is to be heard
        status, error = _attempt(call)
        self.servers.settle()
        return Evidence(
            error,
            status,
            sum(tap.connections - connections for tap, (connections, _) in zip(taps, before)),
            b"".join(bytes(tap.recorded[length:]) for tap, (_, length) in zip(taps, before)),
            len(self.servers.requests) - requests,
            tuple(self.logged[logged:]),
        )


def _attempt(call: Callable[[], int]) -> tuple[int, Exception | None]:
    try:
        return call(), None
    except Exception as error:  # noqa: BLE001  # whatever it is, it is a line of the report
        return 0, error


@contextmanager
def set_up() -> Iterator[Stage]:
    """Build the stage, and clear it away whatever happens on it.

    Raises:
        StageError: the server did not do what the demo builds upon.
    """
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="obs-sse-guard-demo-")))
        stack.enter_context(environment.isolated(directory))
        stack.enter_context(environment.quiet())
        stack.enter_context(environment.guard_restored())
        logged = stack.enter_context(environment.guard_log())
        servers = stack.enter_context(running(directory))
        loop = stack.enter_context(event_loop())
        key = CustomerKey()
        obs = ObsDriver(servers, key)
        obs.set_up()
        boto3 = stack.enter_context(closing(Boto3Driver(servers, key)))
        s3fs = stack.enter_context(closing(S3fsDriver(servers, key, loop)))
        yield Stage(servers, (obs, boto3, s3fs), logged, key, CustomerKey())
