"""What an SDK is sending, for the hooks further in: on its own connections, and on any HTTP client below it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["Sending", "sending"]


class Sending:
    """A request of an SDK under way.

    Attributes:
        hops: what the hooks have judged and allowed since, such as the hop of a redirect. The hooks on HTTP clients do
            not judge it again. Nor do they what `enforcing` is entered for, which does not have to be here.
        unpacks_abort: whether a hook further out turns an `Abort` into the refusal that it carries.
        is_over: whether it has ended: a task that was started meanwhile has inherited this object.
    """

    hops: tuple[RequestContext, ...] = ()
    unpacks_abort = False
    is_over = False

    def end(self) -> None:
        """Have it count for nothing any more."""
        self.hops, self.unpacks_abort, self.is_over = (), False, True


sending: ContextVar[Sending | None] = ContextVar("obs_sse_guard_sending", default=None)
"""The innermost request under way."""
