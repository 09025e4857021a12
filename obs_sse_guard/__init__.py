"""Refuses server-side encryption over a transport that its rule forbids.

``import obs_sse_guard`` is all: from then on no request of ``esdk-obs-python`` that names
server-side encryption leaves over a transport that the Huawei OBS API reference forbids
for it, and no customer key leaves where it can be read. ``OBS_SSE_GUARD=off`` in the
environment, and the import does nothing.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from obs_sse_guard import rules
from obs_sse_guard._errors import SSEGuardError, SSEGuardWarning, SSETransportError
from obs_sse_guard._policy import settings as _settings

if TYPE_CHECKING:
    from obs_sse_guard._hooks.installer import Patcher

__all__ = [
    "SSEGuardError",
    "SSEGuardWarning",
    "SSETransportError",
    "install",
    "rules",
    "status",
    "uninstall",
]
__version__ = "0.1.0"

_patcher: Patcher | None = None
_patcher_lock = threading.Lock()


def _build() -> Patcher:
    from obs_sse_guard._enforcement import upkeep as _upkeep
    from obs_sse_guard._hooks import aiobotocore as _aiobotocore  # noqa: PLC0415  # see below
    from obs_sse_guard._hooks import botocore as _botocore
    from obs_sse_guard._hooks import crt as _crt
    from obs_sse_guard._hooks import obs as _obs
    from obs_sse_guard._hooks.installer import Patcher  # noqa: PLC0415

    patcher = Patcher(target for sdk in (_obs, _botocore, _aiobotocore, _crt) for target in sdk.TARGETS)
    _upkeep.watchers.append(patcher.look_after_hooks)
    return patcher


def _the_patcher() -> Patcher:
    # Built when first needed: with OBS_SSE_GUARD=off the import loads neither wrapt nor a hook.
    global _patcher  # noqa: PLW0603  # one per process, as the classes that it hooks
    # No lock once it is built: a child that is forked while another thread holds it would wait for ever.
    if _patcher is None:
        with _patcher_lock:
            _patcher = _patcher or _build()  # type: ignore[redundant-expr]  # another thread may have built it
    return _patcher


def install() -> None:
    """Hook the SDKs that are imported, and watch for those that are not yet.

    Importing the package does this. Idempotent and safe among threads. Imports no SDK.
    A place that cannot be hooked warns with `SSEGuardWarning` and shows in `status`.
    """
    _the_patcher().install()


def uninstall() -> None:
    """Take the hooks out again.

    A hook that somebody else has wrapped meanwhile stays where it is and lets everything
    pass, so that nobody else's wrapper is lost. Idempotent and safe among threads.
    """
    _the_patcher().uninstall()


def status() -> dict[str, str]:
    """Tell the state of every place that the guard hooks.

    Returns:
        By dotted name, one of ``active``; ``pending``, the SDK is not imported yet;
        ``unsupported``, this release of the SDK has no such place or could not be hooked
        there; ``off``, not installed, or somebody has removed the hook.
    """
    return _the_patcher().status()


if _settings.read().mode is not _settings.Mode.OFF:
    install()
