"""Hook public methods: describe a call, enforce the policy, then make the call."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.enforce import enforcing
from obs_sse_guard._hooks.obs.client import request_context, unjudged
from obs_sse_guard._policy.request import KeyLocation
from obs_sse_guard._util.failure import attempt, describe_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from obs_sse_guard._hooks.obs.arguments import Arguments
    from obs_sse_guard._hooks.types import Args, Function, Kwargs
    from obs_sse_guard._policy.request import RequestContext

    Describe = Callable[[Any, Kwargs, Args, Kwargs], "RequestContext | None"]

__all__ = ["describing_hook", "operation_name"]


def describing_hook(  # noqa: C901  # its hook is the hot path, where calls are what costs
    describe: Describe, arguments: Arguments, name: str, function: Function, operation: str = ""
) -> Function:
    """Make the hook of a public method.

    Args:
        describe: given the client, those of ``arguments`` that are given, and all positional and keyword arguments,
            returns the context of the request, or ``None`` if there is nothing to judge.
        arguments: the arguments that may ask for encryption; a call without any of them, and with no
            `SseCHeader` in another, passes directly.
        name: the method's name.
        function: the method.
        operation: its operation, if it is not that of its name.
    """
    names, first = arguments.names, arguments.first
    sse_c = sys.modules["obs.model"].SseCHeader

    def hook(*args: Any, **kwargs: Any) -> Any:  # noqa: C901  # see above
        given: dict[str, Any] | None = None
        is_plain = True
        for argument in kwargs:  # noqa: PLC0206  # items() would make a tuple of each
            value = kwargs[argument]
            if value is not None:
                if argument in names:
                    given = given or {}
                    given[argument] = value
                if type(value) is sse_c:
                    is_plain = False
        for value in args:
            if type(value) is sse_c:
                is_plain = False
        if len(args) > first:
            given = arguments.add_positional(given or {}, args)
        if (is_plain and not given) or not args:  # without args self= is a keyword, and the wire hook sees the request
            return function(*args, **kwargs)
        try:
            context = describe(args[0], given, args, kwargs) if given else None
            if not is_plain:
                context = with_misplaced(context, args, kwargs)
        except Exception:  # noqa: BLE001  # a bug in the guard must never break a permitted call
            secure = attempt(lambda: args[0].is_secure is True, default=False)
            context = unjudged(args[0], name, secure=secure)._replace(failure=describe_failure())
        if context is None:
            return function(*args, **kwargs)
        with enforcing(context):
            return function(*args, **kwargs)

    def with_misplaced(context: RequestContext | None, args: Args, kwargs: Kwargs) -> RequestContext | None:
        misplaced = arguments.misplaced(args, kwargs)
        if not misplaced:
            return context
        context = context or request_context(args[0], name, operation or operation_name(name))
        names = dict.fromkeys((*misplaced, *context.headers))
        return context._replace(key=KeyLocation.METADATA, headers=tuple(names))

    return hook


def operation_name(method: str) -> str:
    """Return the name of the operation of a method without a row."""
    return method[:1].upper() + method[1:]
