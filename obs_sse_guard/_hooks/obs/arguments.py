"""Read the encryption that a call's arguments ask for, as the SDK understands it."""

from __future__ import annotations

import inspect
import re
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from obs_sse_guard._policy.headers import encryption_of, names_sse, parse_headers
from obs_sse_guard._util.text import to_text
from obs_sse_guard.rules import Encryption

if TYPE_CHECKING:
    from obs_sse_guard._hooks.types import Args, Function, Items, Kwargs

__all__ = [
    "NO_INTENT",
    "SSE_ARGUMENTS",
    "Arguments",
    "Intent",
    "holds_key",
    "intent_of",
    "intents_of",
    "is_a",
    "is_ordinary",
    "items",
    "keys_as_values",
    "may_hold_sse",
    "positions",
]

SSE_ARGUMENTS = ("sseHeader", "destSseHeader", "sourceSseHeader")
_HOLDERS = frozenset((
    *SSE_ARGUMENTS, "extensionHeaders", "formParams", "header", "headers", "metadata", "objectHeaders", "queryParams",
))  # fmt: skip
"""The arguments that may hold an SSE object, if the method's hook reads them."""


def positions(function: Function) -> dict[str, int]:
    """Return the position of each parameter of a method; the instance is at 0.

    The positions differ between releases of the SDK.

    Raises:
        LookupError: a wrapper hides the parameters.
    """
    parameters = [*inspect.signature(function).parameters.values()]
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        raise LookupError(function)
    return {parameter.name: position for position, parameter in enumerate(parameters)}


class Arguments:
    """Reads some arguments of a method's calls, by position or by keyword.

    Positional arguments begin with the instance.

    Args:
        function: the method.
        names: the arguments to read. One that this release does not have counts as not given.

    Attributes:
        names: the names.
        first: the lowest position of one of them.

    Raises:
        LookupError: a wrapper hides the method's parameters.
    """

    def __init__(self, function: Function, *names: str) -> None:
        self._positions = known = positions(function)
        self._places = [(name, known[name]) for name in names if name in known]
        self.names = frozenset(name for name, _ in self._places)
        self.first = min((position for _, position in self._places), default=sys.maxsize)

    def given(self, args: Args, kwargs: Kwargs) -> dict[str, Any]:
        """Return those that a call gives and that are not ``None``, by name."""
        found = {}
        for name in kwargs:
            if name in self.names and kwargs[name] is not None:
                found[name] = kwargs[name]
        if len(args) > self.first:
            return self.add_positional(found, args)
        return found

    def misplaced(self, args: Args, kwargs: Kwargs) -> tuple[str, ...]:
        """Return the names of arguments that wrongly hold an SSE object with a key."""
        given = {**dict(zip(self._positions, args)), **kwargs}
        return tuple(
            name
            for name, value in given.items()
            if not (name in self.names and name in _HOLDERS) and is_a("SseHeader", value) and intent_of(value).key
        )

    def add_positional(self, found: dict[str, Any], args: Args) -> dict[str, Any]:
        """Add those that a call gives by position, and return all."""
        for name, position in self._places:
            if position < len(args) and args[position] is not None:
                found[name] = args[position]
        return found


def items(*holders: Any) -> Items:
    """Return the names and values of whatever has some; the SDK takes any mapping."""
    return [pair for holder in holders if hasattr(holder, "items") for pair in list(holder.items())]


def may_hold_sse(mapping: Any) -> bool:
    """Return whether a value in a mapping may be an SSE object or the text of one.

    The SDK would send either as text.
    """
    for value in mapping.values():
        if type(value) is str:
            if "ncryption" in value:
                return True
        elif isinstance(value, (dict, list, tuple, str)):
            return True
    return False


def is_ordinary(mapping: Any) -> bool:
    """Return whether this is a plain dict that certainly asks for no encryption."""
    return type(mapping) is dict and not names_sse(mapping) and not may_hold_sse(mapping)


class Intent(NamedTuple):
    """What one SSE argument means, and what the SDK makes of it.

    Attributes:
        encryption: what the SDK understands.
        key: whether it holds a customer key.
        known: whether the SDK understands it, and does not ignore it.
    """

    encryption: Encryption
    key: bool
    known: bool


NO_INTENT = Intent(Encryption.NONE, key=False, known=True)


def intent_of(value: Any) -> Intent:
    """Return the intent of an SSE argument, as the SDK reads its class and value."""
    key = isinstance(value, dict) and bool(value.get("key")) and (is_a("SseHeader", value) or "encryption" in value)
    if is_a("SseCHeader", value):
        return Intent(Encryption.SSE_C, key, known=True)
    if is_a("SseKmsHeader", value):
        return Intent(encryption_of(value.get("encryption") or "kms"), key=False, known=True)
    if not value:
        return NO_INTENT
    is_kms = isinstance(value, dict) and encryption_of(value.get("encryption")) is Encryption.SSE_KMS
    return Intent(Encryption.NONE, key and not is_kms, known=False)


def is_a(name: str, value: Any) -> bool:
    """Return whether a value is an instance of a class of ``obs.model``.

    By name: the SDK may have been imported again while older clients are still in use.
    """
    return any((kind.__module__, kind.__name__) == ("obs.model", name) for kind in type(value).__mro__)


def intents_of(holder: Any) -> dict[str, Intent]:
    """Return the intents of the SSE arguments of a header object or a call, by name."""
    if isinstance(holder, dict) or hasattr(holder, "get"):  # as all header objects of the SDK have
        return {argument: intent_of(holder.get(argument)) for argument in SSE_ARGUMENTS}
    return {argument: intent_of(getattr(holder, argument, None)) for argument in SSE_ARGUMENTS}


# What str() makes of an SSE object for SSE-C. Only this exact spelling: other text, such as the application's JSON, may
# hold a wrapped key under the same names.
_SSE_TEXT = re.compile(r"\{'encryption': '(?!(?:aws:)?kms)[^']*', 'key': b?['\"]")
_SSE_TEXT_KEY_FIRST = (re.compile(r"\{'key': b?['\"]"), re.compile(r", 'encryption': '(?!(?:aws:)?kms)[^']*'\}"))


def holds_key(value: Any) -> bool:
    """Return whether a value is or contains an SSE object with a key, or is its text.

    The SDK would send the value as text.
    """
    if isinstance(value, str):
        return bool(_SSE_TEXT.search(value)) or all(pattern.search(value) for pattern in _SSE_TEXT_KEY_FIRST)
    return bool(_with_key(value))


def _with_key(value: Any) -> list[Any]:
    """Return the SSE objects with a key that a value is or contains."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [one for one in (value, *inner) if isinstance(one, dict) and intent_of(one).key]


def keys_as_values(*holders: Any) -> tuple[str, ...]:
    """Return the names of the entries that the SDK would send with a key as text.

    The value is an SSE object or its text, or the name itself is such text.
    """
    # An SSE object in place of the mapping is taken for one, with a header "key". Recognized by its class: in any
    # other dict these names may mean anything.
    itself = ("key" for holder in holders if is_a("SseHeader", holder) and intent_of(holder).key)
    named = [(to_text(name), value) for name, value in items(*holders)]
    return (*itself, *(_shown(name, value) for name, value in named if holds_key(name) or holds_key(value)))


# Too short for a key, and without what the text of an SSE object begins with.
_SURELY_A_NAME = re.compile(r"[A-Za-z0-9_-]{1,31}")


def _shown(name: str, value: Any) -> str:
    """Return a name as it is reported: one that a key may be part of is left out."""
    keys = [to_text(one["key"]).lower() for one in _with_key(value)]
    is_short = _SURELY_A_NAME.fullmatch(name) and not any(key in name.lower() for key in keys)
    is_shown = is_short or parse_headers([(name, "")]).names  # a name that is known as a whole
    return name if is_shown else "(a name that may contain a key)"
