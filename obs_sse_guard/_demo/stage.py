"""The stage that the acts play on: servers, real clients, a customer key, and eyes on all of it."""

from __future__ import annotations

import base64
import hashlib
import secrets
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import obs

from obs_sse_guard._demo import environment
from obs_sse_guard._demo.evidence import Evidence
from obs_sse_guard._demo.servers import Servers, running
from obs_sse_guard._demo.tap import HOST
from obs_sse_guard.rules import Encryption

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["BUCKET", "CONTENT", "CustomerKey", "Side", "Stage", "StageError", "done", "set_up"]

BUCKET = "sse-guard-demo"
CONTENT = "Nobody on the path may read this."
KMS_KEY_ID = "sse-guard-demo-key"
TIMEOUT_SECONDS = 10
OK = 300


class StageError(Exception):
    """The server did not do what the demo builds upon."""


class CustomerKey:
    """A random customer key, which shows in no ``repr``.

    Attributes:
        text: 32 characters, for the SDK encodes a copy source's key right only if it is text.
        header: the key as the request's header carries it.
        md5: its checksum, likewise.
    """

    def __init__(self) -> None:
        self.text = secrets.token_hex(16)
        self.header = base64.b64encode(self.text.encode()).decode()
        self.md5 = base64.b64encode(hashlib.md5(self.text.encode()).digest()).decode()  # noqa: S324  # the protocol's

    def sse(self) -> Any:
        """The SDK's way to hand it over."""
        return obs.SseCHeader.getInstance(self.text, "AES256")


@dataclass(frozen=True)
class Side:
    """One way to the server: the real client, on one transport."""

    scheme: str
    port: int
    client: Any

    @property
    def url(self) -> str:
        """Where the client sends to."""
        return f"{self.scheme}://{HOST}:{self.port}"


@dataclass(frozen=True)
class Stage:
    """What the acts have at hand."""

    servers: Servers
    sides: Mapping[str, Side]
    logged: list[str]
    key: CustomerKey = field(default_factory=CustomerKey)
    other_key: CustomerKey = field(default_factory=CustomerKey)

    @property
    def secure(self) -> Any:
        """The client that may do everything."""
        return self.sides["https"].client

    def sse(self, encryption: Encryption) -> Any:
        """The SDK's object for an encryption; nothing for none."""
        kms = obs.SseKmsHeader.getInstance(KMS_KEY_ID)
        return {Encryption.NONE: None, Encryption.SSE_C: self.key.sse(), Encryption.SSE_KMS: kms}[encryption]

    def fields(self, encryption: Encryption) -> dict[str, str]:
        """The same by the names of the S3 dialect, for forms and extension headers."""
        name = "x-amz-server-side-encryption"
        return {
            Encryption.SSE_C: {
                f"{name}-customer-algorithm": "AES256",
                f"{name}-customer-key": self.key.header,
                f"{name}-customer-key-MD5": self.key.md5,
            },
            Encryption.SSE_KMS: {name: "aws:kms", f"{name}-aws-kms-key-id": KMS_KEY_ID},
        }[encryption]

    def watch(self, call: Callable[[], int]) -> Evidence:
        """Make one call and tell what became of it."""
        taps = self.servers.taps.values()
        before = [(tap.connections, len(tap.recorded)) for tap in taps]
        requests, logged = len(self.servers.requests), len(self.logged)
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


def done(result: Any) -> Any:
    """The SDK's answer, if it tells of success.

    Raises:
        StageError: it does not.
    """
    if result.status >= OK:
        msg = f"the server answered {result.status} {result.errorCode}: {result.errorMessage}"
        raise StageError(msg)
    return result


@contextmanager
def set_up() -> Iterator[Stage]:
    """Build the stage, and clear it away whatever happens on it."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="obs-sse-guard-demo-")))
        stack.enter_context(environment.isolated(directory))
        stack.enter_context(environment.quiet())
        stack.enter_context(environment.guard_restored())
        logged = stack.enter_context(environment.guard_log())
        servers = stack.enter_context(running(directory))
        sides = {scheme: _side(scheme, servers) for scheme in servers.taps}
        # MiniStack keeps its memory from run to run in one process, and its owner may create a bucket again.
        done(sides["https"].client.createBucket(BUCKET))
        yield Stage(servers, sides, logged)


def _side(scheme: str, servers: Servers) -> Side:
    port = servers.taps[scheme].port
    client = obs.ObsClient(
        access_key_id="demo",
        secret_access_key="demo",  # noqa: S106  # MiniStack takes any
        server=f"{scheme}://{HOST}:{port}",
        path_style=True,
        # The S3 dialect: MiniStack does not know the x-obs- headers.
        signature="v4",
        region="us-east-1",
        ssl_verify=str(servers.ca),
        max_retry_count=0,
        timeout=TIMEOUT_SECONDS,
    )
    return Side(scheme, port, client)
