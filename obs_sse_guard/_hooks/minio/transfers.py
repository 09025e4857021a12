"""Hook on the SDK's worker threads.

A part is judged in the caller's thread, and its worker knows the caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.decision import Outcome, decide
from obs_sse_guard._enforcement.enforce import enforce, in_worker
from obs_sse_guard._errors import SSETransportError
from obs_sse_guard._hooks.hook import never_raises
from obs_sse_guard._hooks.minio.client import Request
from obs_sse_guard._hooks.minio.wire import describe
from obs_sse_guard._hooks.parameters import expect_parameters

if TYPE_CHECKING:
    from obs_sse_guard._hooks.types import Args, Function
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["task_hook"]


def task_hook(_: str, function: Function) -> Function:
    """Make the hook of ``ThreadPool.add_task``, called for each part once it is read."""
    expect_parameters(function, "self func")

    def hook(pool: Any, func: Any, *args: Any, **kwargs: Any) -> Any:
        if _has_refusal(pool):
            pool.result()  # raises it here, before more of the body is read, and ends the threads
        context = _refused_part(func, args)
        if context is not None:
            try:
                enforce(context)
            except SSETransportError:
                pool.result()
                raise
        return function(pool, in_worker(func), *args, **kwargs)

    return hook


@never_raises("look for refusals in worker threads")
def _has_refusal(pool: Any) -> bool:
    return any(isinstance(error, SSETransportError) for error in [*pool._exceptions_queue.queue])


@never_raises("judge a part before its worker does")
def _refused_part(func: Any, args: Args) -> RequestContext | None:
    """Return the context of a task that uploads a part, if it is refused.

    Its worker reports anything else.
    """
    if getattr(func, "__name__", "") != "_upload_part_task":
        return None
    [(bucket, key, _, headers, upload_id, number)] = args
    query = {"partNumber": str(number), "uploadId": upload_id}
    context = describe(Request(func.__self__, "PUT", bucket, key, headers, query))
    is_refused = context is not None and any(one.outcome is Outcome.REFUSED for one in decide(context))
    return context if is_refused else None
