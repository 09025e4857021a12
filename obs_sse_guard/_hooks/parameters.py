"""Check the parameters that hooks spell out, and pass on those of later releases."""

from __future__ import annotations

import functools
import inspect
from inspect import CO_VARARGS, CO_VARKEYWORDS
from types import CodeType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from obs_sse_guard._hooks.types import Function, MakeHook

__all__ = ["MOST_WRAPPERS", "code_of", "expect_parameters", "make_hook", "parameter_names"]

MOST_WRAPPERS = 1000
"""Limit for a stack of wrappers, which may be endless.

Some objects return a new ``__wrapped__`` each time.
"""


def expect_parameters(function: Function, names: str) -> None:
    """Make sure that a function has the parameters that its hook spells out.

    Args:
        function: the SDK's function.
        names: its first parameters, separated by blanks.

    Raises:
        LookupError: this release of the SDK has others.
    """
    expected = tuple(names.split())
    if parameter_names(function)[: len(expected)] == expected:
        return
    if tuple(inspect.signature(function).parameters)[: len(expected)] != expected:
        raise LookupError(names)


def make_hook(make: MakeHook, name: str, function: Function) -> Function:
    """Make a hook that also passes on parameters that a later SDK release adds.

    Args:
        make: as in `Target`.
        name: the attribute's name.
        function: the SDK's function.

    Raises:
        LookupError: this release of the SDK has others.
    """
    hook = make(name, function)
    code: CodeType = hook.__code__  # a plain function
    known = code.co_varnames[: code.co_argcount]
    more_positions, more_keywords = _more_than(code, code_of(function))
    if not (more_positions or more_keywords):
        return hook  # which takes no other: that alone would cost more than it does with most requests

    # The hook is made anew for each call, because what it calls has to know the arguments that it does not.
    def with_later(*args: Any, **kwargs: Any) -> Any:
        number = len(known) if more_positions else len(args)
        later = {key: kwargs.pop(key) for key in [*kwargs] if more_keywords and key not in known}

        @functools.wraps(function)
        def passing(*given: Any, **named: Any) -> Any:
            return function(*given, *args[number:], **named, **later)

        return make(name, passing)(*args[:number], **kwargs)

    return with_later


def _more_than(hook: CodeType, function: CodeType | None) -> tuple[bool, bool]:
    """Return whether a function takes more than its hook, by position and by keyword."""
    if function is None:  # not written in Python
        return False, False
    positions = function.co_argcount > hook.co_argcount
    keywords = function.co_argcount + function.co_kwonlyargcount > hook.co_argcount
    new = function.co_flags & ~hook.co_flags
    return (
        not hook.co_flags & CO_VARARGS and bool(positions or new & CO_VARARGS),
        not hook.co_flags & CO_VARKEYWORDS and bool(keywords or new & CO_VARKEYWORDS),
    )


def parameter_names(function: Any) -> tuple[str, ...]:
    """Return the parameters of a function below its wrappers.

    They are read from its code, which is faster than a signature. Keyword-only parameters are left out. What is not
    written in Python has none.
    """
    code = code_of(function)
    return code.co_varnames[: code.co_argcount] if code is not None else ()


def code_of(function: Any) -> Any:
    """Return the code of a function below its wrappers; ``None`` if not in Python."""
    for _ in range(MOST_WRAPPERS):
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is None:
            break
        function = wrapped
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None
