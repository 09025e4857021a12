"""What was seen of one call; never what was expected of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from obs_sse_guard import SSETransportError

__all__ = ["FAILURE", "REFUSED", "SENT", "Evidence"]

FAILURE = 300
"""The first HTTP status that tells of one; the demo expects no redirects."""

REFUSED = "refused"
SENT = "sent"


@dataclass(frozen=True)
class Evidence:
    """What the taps, the server and the log saw while one call was made.

    Attributes:
        error: what the call raised.
        status: the HTTP status that it returned; 0 for none, as SDKs have it that raise instead.
        connections: connections made to either tap.
        recorded: what those carried from the client.
        requests: requests that reached the server.
        logged: rules and findings that the guard logged.
    """

    error: Exception | None
    status: int
    connections: int
    recorded: bytes = field(repr=False)
    requests: int
    logged: tuple[str, ...]

    @property
    def seen(self) -> str:
        """In a word: refused, sent, or what went wrong."""
        if self.error is None:
            return SENT if self.requests else "nothing sent"
        if not isinstance(self.error, SSETransportError):
            return type(self.error).__name__
        return "refused late" if self.connections or self.recorded or self.requests else REFUSED

    @property
    def outcome(self) -> str:
        """The same, with the status of an answer that tells of a failure."""
        return f"{self.seen} {self.status}" if self.status >= FAILURE else self.seen
