"""What the package raises and warns with."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SSEGuardError", "SSEGuardWarning", "SSETransportError"]


class SSEGuardWarning(UserWarning):
    """Trouble with the guard itself: an unknown setting, or an SDK that it cannot hook."""


class SSEGuardError(RuntimeError):
    """Base class of what the package raises.

    A `RuntimeError`: the SDKs catch `OSError`, `ValueError` and their own errors in places, and would swallow or retry
    a refusal that derives from one of those.
    """


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

    sdk: str = ""
    operation: str = ""
    scheme: str = ""
    endpoint: str = ""
    target: str = "none"
    source: str = "none"
    rule: str = ""
    headers: tuple[str, ...] = ()
    call: str = ""
    call_site: str = ""

    def __init__(self, message: str = "", fields: Mapping[str, object] = MappingProxyType({}), **named: object) -> None:
        super().__init__(message, {**fields, **named})
        vars(self).update(self.args[1])

    def __str__(self) -> str:
        return str(self.args[0])


# Users see and pickle these names.
for _public in (SSEGuardWarning, SSEGuardError, SSETransportError):
    _public.__module__ = "obs_sse_guard"
