"""The request that an SDK is sending, for hooks on connections and HTTP clients."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from obs_sse_guard._policy.headers import SSEHeaders
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["Sending", "sending"]


class Sending:
    """A request of an SDK under way.

    Attributes:
        hops: what the hooks have judged and allowed since, such as the hop of a redirect. The hooks on HTTP clients do
            not judge it again. They also skip what an enclosing `enforcing` covers, which need not be listed here.
        is_over: whether it has ended: a task that was started meanwhile has inherited this object.
    """

    hops: tuple[RequestContext, ...] = ()
    is_over = False

    def end(self) -> None:
        """Mark the request as finished."""
        self.is_over = True

    def sends(self, context: RequestContext) -> bool:
        """Return whether a request further in is this one, judging by its encryption.

        Meanwhile the application may send others by hand: in a handler, or while the body is read. Only for an SDK
        where the refusal of its own request is to be raised as an `Abort`, which a hook further out unpacks.
        """
        sse = None if self.is_over else self.sse()
        if sse is None:
            return False
        if context.failure:
            return True  # there is nothing to compare
        return (sse.key_ids, sse.target) == (context.key_ids, context.target)

    def judges(self, connection: Any, host: str) -> bool:  # noqa: ARG002  # of most SDKs none does
        """Return whether a hook on the SDK's connections will judge the request later.

        Args:
            connection: a connection of `http.client`.
            host: where the request goes.
        """
        return False

    def sse(self) -> SSEHeaders | None:
        """Return what the request names; ``None`` if no hook unpacks an `Abort`."""
        return None


sending: ContextVar[Sending | None] = ContextVar("obs_sse_guard_sending", default=None)
"""The innermost request under way."""
