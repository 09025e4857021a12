"""What the package raises and warns with."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["SSEGuardError", "SSEGuardWarning", "SSETransportError"]

_T = TypeVar("_T", bound=type)
_MODULE = "obs_sse_guard"  # users see and pickle the classes under this name
_UNKNOWN: Mapping[str, object] = MappingProxyType(
    {
        **dict.fromkeys(("sdk", "operation", "scheme", "endpoint", "rule", "call", "call_site"), ""),
        **dict.fromkeys(("target", "source"), "none"),
        "headers": (),
    }
)


def _only_one(kind: _T) -> _T:
    """Return the class of an earlier import of the package, if there was one.

    A test runner or a plug-in loader may drop the package from ``sys.modules`` and import it again. What an application
    has imported before must still catch what is raised after.
    """
    base: Any = kind.__base__
    for earlier in base.__subclasses__():
        if (earlier.__module__, earlier.__qualname__) == (_MODULE, kind.__qualname__):
            return earlier  # type: ignore[no-any-return]
    kind.__module__ = _MODULE
    return kind


@_only_one
class SSEGuardWarning(UserWarning):
    """Trouble with the guard itself, such as an unknown setting or a missing hook."""


@_only_one
class SSEGuardError(RuntimeError):
    """Base class of what the package raises.

    A `RuntimeError`: the SDKs catch `OSError`, `ValueError` and their own errors in places, and would swallow or retry
    a refusal that derives from one of those.
    """

    # What retires and what disables the hooks of each import of the package, the latest last. Kept here because the
    # class outlives the package; see `_only_one`.
    _copies: ClassVar[list[tuple[Callable[[], None], Callable[[], None]]]] = []


@_only_one
class SSETransportError(SSEGuardError):
    """A request with server-side encryption that must not leave over its transport.

    Nothing of the request was sent. The error holds names and words only, never a key. ``type(e)(*e.args)``,
    `copy.copy` and `pickle` keep every attribute.

    Args:
        message: what was refused, why, and what to change.
        fields: values of the attributes below, by name.
        named: the same, as keywords.

    Attributes:
        sdk: the distribution whose call was refused, such as ``esdk-obs-python``.
        operation: the operation by the OBS API's name, such as ``PutObject``.
        scheme: the transport, ``http`` or ``https``.
        endpoint: where the request would have gone, ``http://host:port``.
        target: encryption of the object that is written or read.
        source: encryption of the source of a copy.
        rule: id of the row or finding that decided, such as ``table-1/PutObject`` or ``key-in-clear``.
        headers: names of the headers that name encryption.
        call: the SDK's method that was called, such as ``ObsClient.putContent``.
        call_site: where the application called it, ``file:line in function``; empty where that is unknown.
    """

    # Never values of the class: the errors of Ray derive from it, and ask the cause for what neither they nor it have.
    sdk: str
    operation: str
    scheme: str
    endpoint: str
    target: str
    source: str
    rule: str
    headers: tuple[str, ...]
    call: str
    call_site: str

    def __init__(self, message: str = "", fields: Mapping[str, object] = MappingProxyType({}), **named: object) -> None:
        super().__init__(message, {**fields, **named})
        vars(self).update({**_UNKNOWN, **self.args[1]})

    def __str__(self) -> str:
        return str(self.args[0])
