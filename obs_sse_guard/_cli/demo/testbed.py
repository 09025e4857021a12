"""The testbed of the scenarios: servers, real clients, keys, and observed calls."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from obs_sse_guard._cli.demo import isolation
from obs_sse_guard._cli.demo.drivers.boto3 import Boto3Driver
from obs_sse_guard._cli.demo.drivers.obs import ObsDriver
from obs_sse_guard._cli.demo.drivers.s3fs import S3fsDriver, event_loop
from obs_sse_guard._cli.demo.fixtures import CustomerKey
from obs_sse_guard._cli.demo.observation import Observation
from obs_sse_guard._cli.demo.servers import Servers, running
from obs_sse_guard._enforcement import log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from obs_sse_guard._cli.demo.drivers import Driver

__all__ = ["Testbed", "other_sdks", "set_up"]


@dataclass(frozen=True)
class Testbed:
    """What a scenario works with.

    Attributes:
        servers: what the clients connect to.
        drivers: one per SDK, in the order of the columns.
        logged: rule and finding ids that the guard has logged; it grows.
        key: the customer key that is searched for on the wire.
        other_key: a key that nothing is encrypted with.
        count_call: called before each call.
    """

    servers: Servers
    drivers: tuple[Driver, ...]
    logged: list[str]
    key: CustomerKey
    other_key: CustomerKey
    count_call: Callable[[], None]

    def observe(self, call: Callable[[], int]) -> Observation:
        """Make one call and return what was seen of it."""
        self.count_call()
        proxies = self.servers.proxies.values()
        before = [(proxy.connections, len(proxy.recorded)) for proxy in proxies]
        requests, logged = len(self.servers.requests), len(self.logged)
        log.throttle.forget()  # the drivers make many calls from one line, and none of their records may be throttled
        status, error = _attempt(call)
        self.servers.wait_until_counted()
        return Observation(
            error,
            status,
            sum(proxy.connections - connections for proxy, (connections, _) in zip(proxies, before)),
            b"".join(bytes(proxy.recorded[length:]) for proxy, (_, length) in zip(proxies, before)),
            len(self.servers.requests) - requests,
            tuple(self.logged[logged:]),
        )

    def sent_key(self, call: Observation) -> bool:
        """Return whether the proxies recorded the customer key of a call."""
        return self.key.header.encode() in call.recorded


def _attempt(call: Callable[[], int]) -> tuple[int, Exception | None]:
    try:
        return call(), None
    except Exception as error:  # noqa: BLE001  # the report shows it, whatever it is
        return 0, error


@contextmanager
def set_up(count_call: Callable[[], None] = lambda: None) -> Iterator[Testbed]:
    """Build the testbed; at the end, stop it and restore the environment and guard.

    Args:
        count_call: called before each call that a scenario observes.

    Raises:
        SetupError: the server did not accept what the demo builds on.
    """
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="obs-sse-guard-demo-")))
        stack.enter_context(isolation.own_environment(directory))
        stack.enter_context(isolation.quiet())
        stack.enter_context(isolation.guard_restored())
        logged = stack.enter_context(isolation.guard_log())
        servers = stack.enter_context(running(directory))
        loop = stack.enter_context(event_loop())
        key = CustomerKey()
        obs = ObsDriver(servers, key)
        obs.set_up()
        boto3 = stack.enter_context(closing(Boto3Driver(servers, key)))
        s3fs = stack.enter_context(closing(S3fsDriver(servers, key, loop)))
        others = [stack.enter_context(closing(make(servers, key))) for make in _other_drivers()]
        yield Testbed(servers, (obs, boto3, s3fs, *others), logged, key, CustomerKey(), count_call)


_OTHERS = {"huaweicloudsdkobs": ("huaweicloud", "HuaweiCloudDriver"), "minio": ("minio", "MinioDriver")}


def other_sdks() -> list[str]:
    """Return the SDKs that the demo does not need, but shows if they are installed."""
    return [package for package in _OTHERS if find_spec(package)]


def _other_drivers() -> Iterator[type[Any]]:
    for module, driver in map(_OTHERS.__getitem__, other_sdks()):
        yield getattr(import_module(f"obs_sse_guard._cli.demo.drivers.{module}"), driver)
