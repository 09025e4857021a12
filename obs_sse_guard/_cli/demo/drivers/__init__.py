"""The interface of the drivers: the same calls for every SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, NamedTuple, Protocol

if TYPE_CHECKING:
    from obs_sse_guard._cli.demo.fixtures import CustomerKey
    from obs_sse_guard.rules import Rule

__all__ = ["TIMEOUT_SECONDS", "Call", "Download", "Driver", "SetupError"]

TIMEOUT_SECONDS = 10

Call = Callable[[str], int]
"""Make a call over a scheme; return the HTTP status, 0 if the SDK hides it."""


class SetupError(Exception):
    """The server did not accept what the demo builds on."""


class Download(NamedTuple):
    """The result of a download."""

    content: bytes
    status: int


class Driver(Protocol):
    """Drive the real client of one SDK, over either scheme."""

    @property
    def name(self) -> str:
        """The SDK, as its users call it."""

    def upload(self, scheme: str, key: CustomerKey | None) -> int:
        """Upload the driver's object, with SSE-C if there is a key.

        Returns:
            The HTTP status of the response, 0 if the SDK does not expose it.
        """

    def download(self, key: CustomerKey | None) -> Download:
        """Download that object over https."""

    def prepare(self, rule: Rule) -> Call | None:
        """Prepare a rule's call over https, such as by starting a multipart upload.

        Returns:
            The call, not yet made; ``None`` if the SDK's API cannot express it.

        Raises:
            SetupError: the server refused the preparation.
        """
