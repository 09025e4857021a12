"""Install and remove the hooks. One list of targets drives install, uninstall, status, doctor and the tests.

Hooks are placed on classes and modules once their SDK is imported, and never import it. A class attribute reaches
clients, subclasses and names bound earlier, so that the order of imports does not matter.
"""

from __future__ import annotations

import importlib
import sys
import threading
from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.enforce import disable, enable, is_enabled
from obs_sse_guard._enforcement.log import logger
from obs_sse_guard._hooks.hook import Target, is_hooked, place, restore
from obs_sse_guard._hooks.imports import ImportWatcher, is_imported, wait_for_import
from obs_sse_guard._util.fork import after_fork_in_child
from obs_sse_guard._util.once import OncePerKey
from obs_sse_guard._util.warn import warn_once

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["SDK_TARGETS", "HookInstaller", "installer"]

SDK_TARGETS: Mapping[str, str] = {
    "obs": "obs_sse_guard._hooks.obs.targets",
    "botocore": "obs_sse_guard._hooks.botocore.targets",
    "aiobotocore": "obs_sse_guard._hooks.aiobotocore",
    "s3transfer": "obs_sse_guard._hooks.crt",
    "awscrt": "obs_sse_guard._hooks.crt",
}
"""By package, the module of ours with its ``TARGETS``: loaded when the package is imported, for most processes import
one SDK or none."""


class HookInstaller:
    """Places and removes the hooks of a list of targets.

    Args:
        targets: the targets that are known from the start.
        sdk_targets: by package, the module with targets that are loaded when the package is imported.
    """

    def __init__(self, targets: Iterable[Target] = (), sdk_targets: Mapping[str, str] | None = None) -> None:
        self._targets = [*targets]
        self._unloaded = dict(sdk_targets or {})
        self._failed: set[str] = set()
        self._seen: list[tuple[Any, str, Any]] = []
        self._first_removal = OncePerKey()
        self._watcher = ImportWatcher(self._imported)
        self._renew_lock()
        after_fork_in_child(self._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = threading.RLock()

    @property
    def targets(self) -> tuple[Target, ...]:
        """All targets, whether or not their SDK is imported."""
        with self._lock:
            self._load([*self._unloaded])
            return tuple(self._targets)

    def install(self) -> None:
        """Hook what is imported, and watch for what is not. Idempotent."""
        for module in self._modules():
            wait_for_import(module)
        with self._lock:
            enable()
            self._hook_modules()
            self._first_removal.forget()
        self._watcher.watch(self._modules())  # outside our lock: wrapt holds one of its own while it calls us

    def uninstall(self) -> None:
        """Restore what is still ours; a hook under another library's wrapper does nothing from now on."""
        with self._lock:
            disable()
            for owner, name in self._places():
                restore(owner, name)
        self._watcher.stop()

    def status(self) -> dict[str, str]:
        """Return the state of every target, as it is at this moment."""
        with self._lock:
            return {target.name: self._state(target) for target in self.targets}

    def report_removed_hooks(self) -> None:
        """Log each hook that another library has removed, once. Placing it again is for `install`."""
        if all(vars(owner).get(name) is seen for owner, name, seen in self._seen):
            return
        for target in filter(self._first_removal, self._removed()):
            logger.warning(
                "obs_sse_guard: the hook on %s is gone: another library removed or replaced it. Other hooks may still "
                "cover its calls. Call obs_sse_guard.install() to restore it.",
                target,
            )

    def _removed(self) -> list[str]:
        # Never wait: whoever holds the lock is placing or removing hooks, and the next report looks again.
        if not self._lock.acquire(blocking=False):
            return []
        try:
            self._remember_places()
            return [target.name for target in self._targets if is_enabled() and self._state(target) == "off"]
        finally:
            self._lock.release()

    def is_spared(self, target: Target) -> bool:
        """Return whether it is fine that a target is not hooked: this release of the SDK does not have it."""
        return target.optional and target.name not in self._failed

    def _state(self, target: Target) -> str:
        if not is_enabled():
            return "off"
        if not is_imported(target.module):
            return "pending"
        places = target.places()
        if not places or target.name in self._failed:
            return "unsupported"
        # Asked of the attributes themselves: another library may have removed or replaced a hook.
        return "active" if all(is_hooked(vars(owner)[name]) for owner, name in places) else "off"

    def _modules(self) -> list[str]:
        return [*dict.fromkeys([*self._unloaded, *(target.module for target in self._targets)])]

    def _places(self) -> Iterator[tuple[Any, str]]:
        for target in self._targets:
            yield from target.places()

    def _remember_places(self) -> None:
        self._seen = [(owner, name, vars(owner)[name]) for owner, name in self._places()]

    def _load(self, packages: Iterable[str]) -> None:
        for package in packages:
            try:
                found = importlib.import_module(self._unloaded.pop(package)).TARGETS
            except Exception:  # noqa: BLE001  # a bug of ours must not break the import of an SDK
                found = (Target(package, "*", _make_nothing),)  # shows as unsupported
            self._targets += [target for target in found if target not in self._targets]

    def _imported(self, module: str) -> None:
        if not is_enabled():
            return
        with self._lock:
            self._hook_modules(module)
        self._watcher.watch(self._modules())

    def _hook_modules(self, complete: str = "") -> None:
        """Hook all that is there: a module that was half imported when last looked at may be complete by now."""
        self._load([package for package in self._unloaded if package in sys.modules])
        outcome = {
            target.name: _hook(target)
            for target in self._targets
            # wrapt reports a module that is complete while Python still marks it as initializing.
            if target.module == complete or is_imported(target.module)
        }
        self._remember_places()
        failed = [name for name, hooked in outcome.items() if not hooked]
        self._failed = self._failed.difference(outcome).union(failed)
        if failed:
            warn_once(
                f"obs_sse_guard could not hook {', '.join(failed)}: this release of the SDK is not supported there, "
                "and its calls are not guarded. See obs_sse_guard.status()."
            )


def _hook(target: Target) -> bool:
    places = target.places()
    outcome = [place(target, *where) for where in places]  # a list: one failure must not spare the rest
    return all(outcome) if places else target.optional


def _make_nothing(_: str, function: Any) -> Any:
    return function


installer = HookInstaller(sdk_targets=SDK_TARGETS)
"""The installer of this process."""
