"""What was seen of one call, apart from what was expected."""

from __future__ import annotations

from dataclasses import dataclass, field

from obs_sse_guard import SSETransportError

__all__ = ["FAILURE", "REFUSED", "SENT", "Observation"]

FAILURE = 300
"""The lowest HTTP status that counts as a failure; the demo expects no redirects."""

REFUSED = "refused"
SENT = "sent"


@dataclass(frozen=True)
class Observation:
    """What the proxies, the server and the log recorded during one call.

    Attributes:
        error: what the call raised.
        status: the HTTP status that it returned; 0 for none, as with SDKs that raise instead.
        connections: connections made to either proxy.
        recorded: what the client sent over them.
        requests: requests that reached the server.
        logged: ids of the rules and findings that the guard logged.
    """

    error: Exception | None
    status: int
    connections: int
    recorded: bytes = field(repr=False)
    requests: int
    logged: tuple[str, ...]

    @property
    def summary(self) -> str:
        """One or two words: refused, sent, or what went wrong."""
        if self.error is None:
            return SENT if self.requests else "nothing sent"
        if not isinstance(self.error, SSETransportError):
            return type(self.error).__name__
        return "refused late" if self.connections or self.recorded or self.requests else REFUSED

    @property
    def outcome(self) -> str:
        """The summary, with the HTTP status if that is a failure."""
        return f"{self.summary} {self.status}" if self.status >= FAILURE else self.summary
