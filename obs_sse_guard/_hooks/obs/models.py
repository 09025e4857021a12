"""Hook the SDK's header objects, which drop arguments before any call sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.enforce import enforce
from obs_sse_guard._hooks.hook import judging
from obs_sse_guard._hooks.obs.advice import ESDK
from obs_sse_guard._hooks.obs.arguments import SSE_ARGUMENTS, is_a, positions
from obs_sse_guard._policy.request import RequestContext

if TYPE_CHECKING:
    from obs_sse_guard._hooks.types import Function, Kwargs

__all__ = ["HEADER_OBJECTS", "header_object_hook"]

HEADER_OBJECTS = ("CopyObjectHeader", "GetObjectHeader", "PutObjectHeader", "UploadFileHeader")
"""The classes that take SSE objects and drop arguments of an unexpected type."""


def header_object_hook(_: str, function: Function) -> Function:
    """Make the hook of the ``__init__`` of a header object."""
    names = [*positions(function)][1:]

    def hook(*args: Any, **kwargs: Any) -> None:
        if len(args) == 1 and not kwargs:  # an empty one, which is made in most calls
            function(args[0])
            return
        function(*args, **kwargs)
        if args:  # self= is a keyword otherwise
            context = _describe(args[0], {**dict(zip(names, args[1:])), **kwargs})
            if context is not None:
                enforce(context)

    return hook


def _context(header_object: Any, dropped: tuple[str, ...] = ()) -> RequestContext:
    name = type(header_object).__name__
    # There is no request yet, and what is found is the same over any transport.
    return RequestContext(ESDK, name, name, secure=True, host="", dropped=dropped)


@judging(lambda header_object, _: _context(header_object))
def _describe(header_object: Any, given: Kwargs) -> RequestContext | None:
    dropped = tuple(
        name
        for name, value in given.items()
        if (name in SSE_ARGUMENTS or (isinstance(value, dict) and is_a("SseHeader", value)))
        and value
        and header_object.get(name) is not value
    )
    return _context(header_object, dropped) if dropped else None
