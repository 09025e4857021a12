"""Install and remove the hooks.

One list of targets drives install, uninstall, status, doctor and the tests. Hooks are placed on classes and modules
once their SDK is imported, and never import it. A class attribute reaches clients, subclasses and names bound earlier,
so that the order of imports does not matter.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement import telemetry
from obs_sse_guard._enforcement.armed import armed
from obs_sse_guard._enforcement.enforce import disable, enable, is_enabled
from obs_sse_guard._enforcement.log import log_failure, logger
from obs_sse_guard._errors import SSEGuardError
from obs_sse_guard._hooks.hook import Target, is_hooked, place, restore
from obs_sse_guard._hooks.imports import ImportWatcher, is_imported, wait_for_import, when_imported
from obs_sse_guard._hooks.sdk_targets import SDK_NAMES, SDK_TARGETS
from obs_sse_guard._hooks.stand_ins import StandIns, stand_in_for
from obs_sse_guard._util.fork import ForkBarrier, Lockable
from obs_sse_guard._util.once import OncePerKey
from obs_sse_guard._util.warn import warn_once

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from obs_sse_guard._hooks.sdk_targets import LoadTargets

__all__ = ["HookInstaller", "installer"]

_ATTEMPTS = 3
"""Failed loads of a package's targets after which unrelated imports do not retry.

`HookInstaller.install` starts counting anew.
"""


class HookInstaller(Lockable):
    """Places and removes the hooks of a list of targets.

    Args:
        targets: the targets that are known from the start.
        sdk_targets: by package, what loads the targets for it.
    """

    def __init__(self, targets: Iterable[Target] = (), sdk_targets: Mapping[str, LoadTargets] | None = None) -> None:
        super().__init__()
        self._targets = [*targets]
        self._unloaded = dict(sdk_targets or {})
        self._is_active = False
        self._attempts: Counter[str] = Counter()
        self._failed: set[str] = set()
        self._seen: list[tuple[Any, str, Any]] = []
        self._first_removal = OncePerKey()
        self._stand_ins = StandIns()
        self._watcher = ImportWatcher(self._imported, self._stand_ins.have_changed)
        self._loading = ForkBarrier()

    @property
    def targets(self) -> tuple[Target, ...]:
        """All targets, whether or not their SDK is imported."""
        self._load([*self._unloaded])
        # Targets that could not be loaded show as one that is unsupported.
        return (*self._targets, *(Target(package, "*", lambda _, function: function) for package in [*self._unloaded]))

    @property
    def loaded(self) -> tuple[Target, ...]:
        """The targets of the SDKs that were imported."""
        return tuple(self._targets)

    def install(self) -> None:
        """Hook what is imported, and watch for what is not. Idempotent."""
        for module in self._modules():
            wait_for_import(module)
        _take_over()
        enable()
        self._is_active = True
        self._attempts.clear()
        self._hook_modules()
        self._first_removal.forget()
        when_imported("opentelemetry.metrics", telemetry.create_gauge)
        self._watcher.watch(self._modules())

    def uninstall(self) -> None:
        """Remove the hooks; one under another library's wrapper stays and does nothing."""
        _disable_all_copies()
        self.retire()

    def retire(self) -> None:
        """Leave the SDKs to another copy of the package.

        Clients of an SDK that is no longer imported stay guarded.
        """
        with self._lock:
            self._is_active = False
            for owner, name in self._places():
                _restore(owner, name)
        armed.update(())
        self._watcher.stop()

    def status(self) -> dict[str, str]:
        """Return the state of every target, as it is at this moment."""
        targets = self.targets
        self._retry()
        with self._lock:
            return {target.name: self._state(target) for target in targets}

    def report_removed_hooks(self) -> None:
        """Log each missing hook once. `install` restores it."""
        if not is_enabled():
            return
        self._watcher.warn_if_removed()
        for module in filter(self._first_removal, self._watcher.missed()):
            logger.warning(
                "obs_sse_guard: %s was imported without its hooks: another import hook answered first, or ours was "
                "removed. Its calls are not guarded. Call obs_sse_guard.install() to hook it.",
                module,
            )
        if not self._is_changed() and not (self._stand_ins.seen and self._stand_ins.have_changed()):
            return
        for target in filter(self._first_removal, self._removed()):
            logger.warning(
                "obs_sse_guard: the hook on %s is gone: another library removed or replaced it. Other hooks may still "
                "cover its calls. Call obs_sse_guard.install() to restore it.",
                target,
            )

    def _is_changed(self) -> bool:
        for attributes, name, seen in self._seen:  # noqa: SIM110  # a generator takes four times as long
            if attributes.get(name) is not seen:
                return True
        return False

    def _removed(self) -> list[str]:
        # Never wait: the thread that holds the lock is placing or removing hooks, and the next report checks again.
        self._retry(blocking=False)
        if not self._lock.acquire(blocking=False):
            return []
        try:
            self._remember_places()
            imported = [target for target in self._targets if is_enabled() and is_imported(target.module)]
            return [target.name for target in imported if self._state(target) == "off"]
        finally:
            self._lock.release()

    def is_spared(self, target: Target) -> bool:
        """Return whether a missing hook is fine because this release lacks the target."""
        return target.optional and target.name not in self._failed

    def _state(self, target: Target) -> str:
        if not is_enabled():
            return "off"
        if not is_imported(target.module):
            return "pending" if self._watcher.is_watching() else "off"
        places = target.places()
        if not places or target.name in self._failed:
            return "unsupported"
        # Asked of the attributes themselves: another library may have removed or replaced a hook.
        return "active" if all(is_hooked(vars(owner).get(name), name) for owner, name in places) else "off"

    def _modules(self) -> list[str]:
        return [*dict.fromkeys([*self._unloaded, *(target.module for target in self._targets)])]

    def _places(self) -> Iterator[tuple[Any, str]]:
        for target in self._targets:
            yield from target.places()

    def _remember_places(self) -> None:
        self._seen = [(vars(owner), name, vars(owner).get(name)) for owner, name in self._places()]

    def _load(self, packages: Iterable[str]) -> None:
        """Load the targets of packages; call this without holding the lock.

        Another thread may be importing the same modules.
        """
        for package in packages:
            load = self._unloaded.get(package, tuple)  # another thread may have loaded them
            self._attempts[package] += 1
            try:
                with self._loading:
                    found = load()
            except Exception:  # noqa: BLE001  # a bug in the guard, or an exception from a signal handler
                log_failure(f"load the hooks of {package}", "the next import or install() tries again")
                self._watcher.look_again(package, again=self._attempts[package] < _ATTEMPTS)
                continue
            with self._lock:
                self._targets += [target for target in found if target not in self._targets]
                self._unloaded.pop(package, None)  # last: until then an interrupt or a fork leaves it to be loaded

    def _imported(self, module: str) -> None:
        if self._is_active:
            self._hook_modules(module)
        if self._is_active:  # another thread, or a copy imported meanwhile, may have removed the hooks
            self._watcher.watch(self._modules())

    def _hook_modules(self, complete: str = "") -> None:
        """Hook all that is imported; modules half imported before may be complete now."""
        self._load([package for package in [*self._unloaded] if package in sys.modules])
        self._place_and_note(complete)

    def _retry(self, *, blocking: bool = True) -> None:
        """Hook the targets that something else stood in for, if they have changed."""
        if self._is_active and is_enabled() and self._stand_ins.have_changed():
            self._place_and_note(blocking=blocking)

    def _place_and_note(self, complete: str = "", *, blocking: bool = True) -> None:
        """Hook what is imported, and record which SDKs have hooks."""
        if not self._lock.acquire(blocking=blocking):
            return
        try:
            # Another thread may have removed the hooks in the meantime.
            sdks = self._place(complete) if self._is_active else set()
        finally:
            self._lock.release()
        armed.update(sdks)  # without the lock: it writes a file

    def _place(self, complete: str = "") -> set[str]:
        """Hook what is imported, and return the names of the SDKs with hooks."""
        # wrapt reports a module that is complete while Python still marks it as initializing.
        there = [target for target in self._targets if target.module == complete or is_imported(target.module)]
        outcome = {target: _hook(target) for target in there}
        for target, hooked in outcome.items():
            self._stand_ins.note(target, hooked=hooked)
        self._remember_places()
        failed = [target for target, hooked in outcome.items() if not hooked]
        self._failed = self._failed.difference(target.name for target in there).union(target.name for target in failed)
        replaced = {target.name: stand_in_for(target) for target in failed}
        unsupported = [name for name, stand_in in replaced.items() if not stand_in]
        unsupported += [f"{package}.*" for package in [*self._unloaded] if self._attempts[package] >= _ATTEMPTS]
        if unsupported:
            warn_once(
                f"obs_sse_guard could not hook {', '.join(unsupported)}: this release of the SDK is not supported "
                "there, and its calls are not guarded. See obs_sse_guard.status()."
            )
        for name, stand_in in replaced.items():
            if stand_in:
                warn_once(
                    f"obs_sse_guard could not hook {name}: {stand_in} has replaced it. Its calls are not "
                    "guarded until the original function is restored; hooking is retried at the next import or "
                    "finding, or by status() or install()."
                )
        return _sdks(outcome)


def _sdks(outcome: Mapping[Target, bool]) -> set[str]:
    packages = {target.module.partition(".")[0] for target, hooked in outcome.items() if hooked and target.places()}
    return {SDK_NAMES[package] for package in packages.intersection(SDK_NAMES)}


def _hook(target: Target) -> bool:
    places = target.places()
    outcome = [place(target, *where) for where in places]  # a list: one failure must not spare the rest
    return all(outcome) if places else target.optional


def _restore(owner: Any, name: str) -> None:
    try:
        restore(owner, name)
    except Exception:  # noqa: BLE001  # one attribute that cannot be set must not spare the rest
        log_failure("remove a hook", "it lets every call pass")


def _take_over() -> None:
    """Retire the hooks of an earlier import of the package, which has its own state."""
    copies = SSEGuardError._copies  # noqa: SLF001  # private to the package
    if copies and copies[-1] is not _THIS_COPY:
        retire, _ = copies[-1]
        retire()
    copies[:] = [*(copy for copy in copies if copy is not _THIS_COPY), _THIS_COPY]


def _disable_all_copies() -> None:
    disable()
    for _, disable_copy in SSEGuardError._copies:  # noqa: SLF001  # private to the package
        disable_copy()


installer = HookInstaller(sdk_targets=SDK_TARGETS)
"""The installer of this process."""

_THIS_COPY = (installer.retire, disable)
