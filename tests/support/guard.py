"""Set up the guard for a test: its variables, its memory, and its absence."""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import TYPE_CHECKING, Any

import obs_sse_guard
from obs_sse_guard._enforcement import log
from obs_sse_guard._enforcement.armed import armed
from obs_sse_guard._enforcement.enforce import disable, is_enabled
from obs_sse_guard._errors import SSEGuardError
from obs_sse_guard._hooks.installer import installer
from obs_sse_guard._policy import settings
from obs_sse_guard._policy.kms_uploads import kms_uploads
from obs_sse_guard._util import warn
from tests.support.measurement import unmeasured

if TYPE_CHECKING:
    from collections.abc import Iterator

MODE = "OBS_SSE_GUARD"
POLICY = "OBS_SSE_GUARD_POLICY"
TRUSTED = "OBS_SSE_GUARD_TRUSTED_HOSTS"
AUDIT = "OBS_SSE_GUARD_AUDIT"


def reset() -> None:
    """Clear everything the guard remembers: reports, warnings, uploads, settings."""
    obs_sse_guard.configure()
    kms_uploads.clear()
    logged = (log.failures, log.first_use_of_trust, log.throttle, installer._first_removal)
    for once in (armed, *logged, warn.first_warning):
        once.forget()
    settings._cached.cache_clear()


def install_if_changed() -> None:
    """Install the guard only if its state has changed, because every test calls this."""
    with unmeasured():
        if not _is_installed():
            _install()


def _install() -> None:
    obs_sse_guard.install()
    _seen_at_install[:] = [installer._seen]


_seen_at_install: list[object] = []


def _is_installed() -> bool:
    watcher = installer._watcher
    return (
        is_enabled()
        and installer._is_active
        and SSEGuardError._copies[-1:] == [(installer.retire, disable)]
        and watcher._position() == 0
        and not watcher.missed()
        and not installer._attempts
        and not installer._failed
        and any(seen is installer._seen for seen in _seen_at_install)  # a report remembers what it found, hooked or not
        and not installer._is_changed()
        and not installer._stand_ins.have_changed()
    )


@contextlib.contextmanager
def unguarded() -> Iterator[None]:
    """Remove the hooks temporarily, to observe the SDK without the guard."""
    with unmeasured():
        obs_sse_guard.uninstall()
    try:
        yield
    finally:
        with unmeasured():
            _install()


def locks() -> list[Any]:
    """Return every lock of the guard: in its modules, and in the objects in them."""
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] == "obs_sse_guard"]
    values = [value for module in modules for value in vars(module).values()]
    ours = [value for value in values if type(value).__module__.partition(".")[0] == "obs_sse_guard"]
    inside = [vars(value).get("_lock") for value in ours if hasattr(value, "__dict__")]
    kinds = (type(threading.Lock()), type(threading.RLock()))
    return list({id(lock): lock for lock in [*values, *inside] if isinstance(lock, kinds)}.values())
