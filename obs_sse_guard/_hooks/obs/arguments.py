"""Reading the arguments of a call: which encryption they ask for, and what the SDK makes of them."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

from obs_sse_guard._policy.headers import encryption_of
from obs_sse_guard._util.text import to_text
from obs_sse_guard.rules import Encryption

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from obs_sse_guard._hooks.types import Args, Function, Kwargs

__all__ = [
    "NO_INTENT",
    "SSE_ARGUMENTS",
    "Arguments",
    "Intent",
    "carried",
    "holds_key",
    "intent_of",
    "is_a",
    "items",
    "keys_as_values",
    "names_sse",
    "positions",
]

SSE_ARGUMENTS = ("sseHeader", "destSseHeader", "sourceSseHeader")
_MISSING = 1 << 30  # no call has that many arguments


def positions(function: Function) -> dict[str, int]:
    """Return where the parameters of a method stand, the instance at 0; releases of the SDK differ.

    Raises:
        LookupError: a wrapper hides the parameters.
    """
    parameters = [*inspect.signature(function).parameters.values()]
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        raise LookupError(function)
    return {parameter.name: position for position, parameter in enumerate(parameters)}


class Arguments:
    """Reads some arguments of a method's calls, however they are passed.

    Args:
        function: the method.
        names: the arguments to read. One that this release does not have counts as not given.

    Raises:
        LookupError: a wrapper hides the method's parameters.
    """

    def __init__(self, function: Function, *names: str) -> None:
        known = positions(function)
        self._places = tuple((name, known.get(name, _MISSING)) for name in names)

    def read(self, args: Args, kwargs: Kwargs) -> Sequence[Any]:
        """Return the values in order, ``None`` for those that are not given. ``args`` begin with the instance."""
        given = len(args)
        return [
            kwargs[name] if name in kwargs else args[position] if position < given else None
            for name, position in self._places
        ]


def items(*holders: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the names and values of whatever has some; the SDK takes any mapping."""
    for holder in holders:
        if hasattr(holder, "items"):
            yield from list(holder.items())  # a copy: another thread may be changing it


def names_sse(*mappings: Any) -> bool:
    """Return whether a name in these speaks of encryption, or may: the one look that most calls get."""
    try:
        names = "\n".join([name for mapping in mappings if mapping for name in mapping])
    except TypeError:  # names that are not str
        return True
    return "ncryption" in names.lower() or "%" in names  # "%": it may be encoded


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
    """Return the intent of an SSE argument, told by class and value as the SDK does."""
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

    By name, for the SDK may have been imported anew while older clients are still in use.
    """
    return any((kind.__module__, kind.__name__) == ("obs.model", name) for kind in type(value).__mro__)


def carried(holder: Any) -> Args:
    """Return the SSE objects that a header object carries, in the order of `SSE_ARGUMENTS`."""
    if isinstance(holder, dict) or hasattr(holder, "items"):  # as all header objects of the SDK are
        return tuple(map(holder.get, SSE_ARGUMENTS))
    return tuple(getattr(holder, argument, None) for argument in SSE_ARGUMENTS)


def holds_key(value: Any) -> bool:
    """Return whether a value that the SDK would turn into text is an SSE object with a key, or contains one."""
    if isinstance(value, dict):
        return intent_of(value).key or any(intent_of(inner).key for inner in value.values())
    return isinstance(value, (list, tuple)) and any(intent_of(inner).key for inner in value)


def keys_as_values(*holders: Any) -> tuple[str, ...]:
    """Return the names under which the SDK would send the text of an SSE object, with its key, as user metadata."""
    # An SSE object in place of the mapping is taken for one, with a header "key". Told by its class alone, for in a dict
    # of the application's own these names may mean anything.
    itself = ("key" for holder in holders if is_a("SseHeader", holder) and intent_of(holder).key)
    return (*itself, *(to_text(name) for name, value in items(*holders) if holds_key(value)))
