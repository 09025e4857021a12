"""Raise in the caller's thread the refusals that the SDK's workers swallow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.enforce import refusals
from obs_sse_guard._errors import SSETransportError
from obs_sse_guard._hooks.parameters import expect_parameters

if TYPE_CHECKING:
    from obs_sse_guard._hooks.types import Function

__all__ = ["part_hook", "task_hook", "tasks_hook"]

_REFUSAL = "_obs_sse_guard_refusal"


def part_hook(_: str, function: Function) -> Function:
    """Make the hook of a part's transfer, which re-raises a refusal the SDK caught."""
    expect_parameters(function, "self part")

    def hook(operation: Any, part: Any, *args: Any, **kwargs: Any) -> Any:
        with refusals() as refused:
            result = function(operation, part, *args, **kwargs)
            refusal = refused()
        # Not one that the application itself asked for and handled on the way.
        if refusal is not None and not part["isCompleted"]:
            raise refusal.with_traceback(None)
        return result

    return hook


def task_hook(_: str, function: Function) -> Function:
    """Make the hook of a task, which notes a refusal on the progress object.

    ``downloadFiles`` returns that object.
    """
    expect_parameters(function, "obsClient func key taskCallback state")

    def hook(  # the SDK's parameters, by the SDK's names
        obsClient: Any,  # noqa: N803
        func: Function,
        key: Any,
        taskCallback: Any = None,  # noqa: N803
        state: Any = None,
        **kwargs: Any,
    ) -> Any:
        def watched(**arguments: Any) -> Any:
            try:
                return func(**arguments)
            except SSETransportError as refusal:
                vars(state)[_REFUSAL] = refusal  # in a weak note, its traceback would keep the object alive
                raise

        return function(obsClient, watched, key, taskCallback, state, **kwargs)

    return hook


def tasks_hook(_: str, function: Function) -> Function:
    """Make the hook of ``downloadFiles``, which raises a refusal once all tasks end."""

    def hook(*args: Any, **kwargs: Any) -> Any:
        state = function(*args, **kwargs)
        refusal = getattr(state, _REFUSAL, None)
        if refusal is not None:
            raise refusal.with_traceback(None)
        return state

    return hook
