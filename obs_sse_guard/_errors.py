"""What the package raises and warns with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SSEGuardError", "SSEGuardWarning", "SSETransportError"]


class SSEGuardWarning(UserWarning):
    """Trouble with the guard itself: a setting that it does not know, an SDK that it cannot hook."""


class SSEGuardError(RuntimeError):
    """Base of what the package raises.

    A `RuntimeError`: the SDKs catch `OSError`, `ValueError` and their own errors in places,
    and would swallow or retry a refusal that derives from one of those.
    """


class SSETransportError(SSEGuardError):
    """A request with server-side encryption that must not leave over its transport.

    Nothing of the request was sent. The error holds names and words only, never a key.

    Attributes:
        sdk: the distribution whose call was refused, ``esdk-obs-python``.
        operation: the operation by the OBS API's name, such as ``PutObject``.
        scheme: the transport that was seen, ``http`` or ``https``.
        endpoint: where the request would have gone, ``http://host:port``.
        target: encryption of the object that is written or read.
        source: encryption of the source of a copy.
        rule: id of the row or finding that decided, such as ``table-1/PutObject`` or ``key-in-clear``.
        headers: names of the headers that speak of encryption.
    """

    def __init__(  # noqa: PLR0913  # the attributes that the contract names
        self,
        message: str,
        *,
        sdk: str = "",
        operation: str = "",
        scheme: str = "",
        endpoint: str = "",
        target: str = "none",
        source: str = "none",
        rule: str = "",
        headers: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.sdk = sdk
        self.operation = operation
        self.scheme = scheme
        self.endpoint = endpoint
        self.target = target
        self.source = source
        self.rule = rule
        self.headers = headers

    def __reduce__(self) -> tuple[Callable[..., SSETransportError], tuple[str, dict[str, Any]]]:
        # Process pools pickle what a worker raises; the default would lose the keyword arguments.
        return _rebuild, (str(self), dict(vars(self)))


def _rebuild(message: str, fields: dict[str, Any]) -> SSETransportError:
    error = SSETransportError(message)
    vars(error).update(fields)
    return error
