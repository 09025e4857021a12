"""What the acts ask of an SDK: one driver for each, the same calls on all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, NamedTuple, Protocol

if TYPE_CHECKING:
    from obs_sse_guard._cli.demo.props import CustomerKey
    from obs_sse_guard.rules import Rule

__all__ = ["TIMEOUT_SECONDS", "Call", "Download", "Driver", "StageError"]

TIMEOUT_SECONDS = 10

Call = Callable[[str], int]
"""Makes a call over a scheme; returns the HTTP status of its answer, 0 where the SDK does not tell it."""


class StageError(Exception):
    """The server did not do what the demo builds upon."""


class Download(NamedTuple):
    """What came of a download."""

    content: bytes
    status: int


class Driver(Protocol):
    """Drives the real client of one SDK, over either scheme."""

    @property
    def name(self) -> str:
        """What the SDK's users call it."""

    def upload(self, scheme: str, key: CustomerKey | None) -> int:
        """Upload the driver's object, with SSE-C where there is a key.

        Returns:
            The status of the answer, 0 where the SDK does not tell it.
        """

    def download(self, key: CustomerKey | None) -> Download:
        """Download that object over https."""

    def prepare(self, rule: Rule) -> Call | None:
        """Do over https what a row's call needs to make sense, such as to begin the upload of a part.

        Returns:
            The call, not yet made; nothing where the SDK's API cannot say what the row speaks of.

        Raises:
            StageError: the server did not let itself be prepared.
        """
