"""Notice when an SDK is imported, even again or through another library's finder."""

from __future__ import annotations

import functools
import importlib
import sys
import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import wrapt

from obs_sse_guard._enforcement.log import log_failure
from obs_sse_guard._util.warn import warn_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

__all__ = ["ImportWatcher", "is_imported", "wait_for_import", "when_imported"]

_REMOVED = (
    "obs_sse_guard: another library removed the import finder from sys.meta_path. SDKs that are imported from now on "
    "are not guarded. Call obs_sse_guard.install() to restore it."
)

_RELOADED = (
    "obs_sse_guard: {} is reloaded. Its new classes and functions are not guarded until obs_sse_guard.install() is "
    "called."
)


def is_imported(name: str) -> bool:
    """Return whether a module is imported, and its import has finished."""
    return name in sys.modules and not _is_initializing(name)


def wait_for_import(name: str) -> None:
    """Wait for an import in another thread: half a module cannot be hooked."""
    if _is_initializing(name):
        importlib.import_module(name)  # returns at once if this very thread is in the middle of it


@functools.lru_cache(maxsize=8)
def when_imported(name: str, callback: Callable[[], None]) -> None:
    """Call back once a module is imported, or now if it already is. Idempotent.

    A callback that fails does not break the import.
    """

    def call(_: object) -> None:
        try:
            callback()
        except Exception:  # noqa: BLE001  # see above
            log_failure(f"use {name}", "the import continues")

    if is_imported(name):
        call(None)
    elif name not in sys.modules:  # a module that is half imported would be reported too early
        wrapt.register_post_import_hook(call, name)


def _is_initializing(name: str) -> bool:
    return getattr(getattr(sys.modules.get(name), "__spec__", None), "_initializing", False) is True


class _Finder:
    """The finder in ``sys.meta_path``; its deletion reveals that it was removed.

    ``sys.meta_path`` holds the only reference to it.
    """

    def __init__(self, before_import: Callable[[str, object], None]) -> None:
        self._before_import = before_import

    def find_spec(self, name: str, _path: object = None, target: object = None) -> None:
        """Notice that Python looks for a module. Never find anything."""
        self._before_import(name, target)


class ImportWatcher:
    """Calls back after each import of the modules it watches.

    wrapt's post-import hooks fire once, and an application may drop an SDK from ``sys.modules`` and import it again, as
    test runners and plug-in loaders do. So a finder of our own registers the hook again before each import. wrapt does
    not report every import: not that of a module that this thread is in the middle of importing, and none that another
    finder answers first. The imports that follow catch up on these.

    Args:
        callback: given the module that was imported, or ``""`` to look at all of them.
        has_changed: called before each import; returns whether to call back, whatever is imported.
    """

    def __init__(self, callback: Callable[[str], None], has_changed: Callable[[], bool] = lambda: False) -> None:
        self._callback = callback
        self._has_changed = has_changed
        self._modules: set[str] = set()
        self._seen: dict[str, ModuleType] = {}
        self._again: set[str] = set()
        self._finder: weakref.ref[_Finder] | None = None
        self._is_catching_up: ContextVar[bool] = ContextVar("obs_sse_guard_catching_up", default=False)

    def watch(self, modules: Iterable[str]) -> None:
        """Watch these modules too; restart if watching stopped or the finder is gone."""
        new = set(modules) - self._modules
        self._modules |= new
        for name in sorted(new - sys.modules.keys()):  # for the others wrapt would call at once, finished or not
            self._register(name)
        if not self.is_watching():
            self._start()  # last: our finder must stand before wrapt's
        self._catch_up()

    def _start(self) -> None:
        finder = _Finder(self._before_import)
        self._finder = weakref.ref(finder, self._warn_of_removal)
        sys.meta_path.insert(0, finder)

    def stop(self) -> None:
        """Stop watching."""
        position = self._position()
        self._finder = None  # first: without this reference, its deletion does not warn
        if position is not None:
            del sys.meta_path[position]

    def is_watching(self) -> bool:
        """Return whether later imports are noticed."""
        return self._position() is not None

    def _position(self) -> int | None:
        finder = self._finder and self._finder()
        return next((place for place, other in enumerate(sys.meta_path) if other is finder), None)

    @staticmethod
    def _warn_of_removal(_: object) -> None:
        if not sys.is_finalizing():
            warn_once(_REMOVED)

    def warn_if_removed(self) -> None:
        """Warn once if later imports are not noticed."""
        if not self.is_watching():
            warn_once(_REMOVED)

    def missed(self) -> list[str]:
        """Return the watched modules that were imported unnoticed."""
        modules = sys.modules
        return [name for name in [*self._modules] if modules.get(name) is not self._seen.get(name) and _is_missed(name)]

    def look_again(self, name: str, *, again: bool) -> None:
        """Set whether the next import calls back even if it brings no watched module."""
        (self._again.add if again else self._again.discard)(name)

    def _before_import(self, name: str, reloaded: object) -> None:
        if name in self._modules and name not in sys.modules:
            self._register(name)
        elif name in self._modules and reloaded is not None:
            warn_once(_RELOADED.format(name))
        self._catch_up()

    def _catch_up(self) -> None:
        """Call back if an import was missed, a retry is due, or something has changed."""
        if self._is_catching_up.get():  # the callback itself imports modules
            return
        missed = {name: sys.modules[name] for name in self.missed()}
        again = {name for name in [*self._again] if not _is_initializing(name)}
        if not missed and not again and not self._has_changed():
            return
        self._seen.update(missed)
        self._again -= again
        token = self._is_catching_up.set(True)
        try:
            self._callback("")
        except BaseException:  # an interrupt: look again at the next import
            self._again |= again | missed.keys()
            raise
        finally:
            self._is_catching_up.reset(token)

    def _register(self, name: str) -> None:
        # wrapt drops a registration before it calls back, and never calls if another library's hook raises.
        importer: Any = sys.modules.get("wrapt.importer")
        registered = getattr(importer, "_post_import_hooks", {}).get(name)
        if self._imported not in (registered or ()):
            wrapt.register_post_import_hook(self._imported, name)
        # wrapt inserts its finder only once per process, even if it has been removed since.
        finder: Any = getattr(importer, "ImportHookFinder", object)
        if not any(isinstance(other, finder) for other in sys.meta_path):
            sys.meta_path.insert((self._position() or 0) + 1, finder())

    def _imported(self, module: ModuleType) -> None:
        self._seen[module.__name__] = module
        self._callback(module.__name__)


def _is_missed(name: str) -> bool:
    return sys.modules.get(name) is not None and not _is_initializing(name)
