"""SDKs that are imported later, are half imported, or are imported anew."""

from __future__ import annotations

import importlib
import sys
import threading
from typing import TYPE_CHECKING

import wrapt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

__all__ = ["ImportWatcher", "is_imported", "wait_for_import"]


def is_imported(name: str) -> bool:
    """Return whether a module is imported, and its import has finished."""
    return name in sys.modules and not _is_initializing(name)


def wait_for_import(name: str) -> None:
    """Wait for an import in another thread: half a module cannot be hooked."""
    if _is_initializing(name):
        importlib.import_module(name)  # returns at once if this very thread is in the middle of it


def _is_initializing(name: str) -> bool:
    return getattr(getattr(sys.modules.get(name), "__spec__", None), "_initializing", False) is True


class ImportWatcher:
    """Calls back after each import of the modules it watches.

    wrapt's post-import hooks fire once, and an application may drop an SDK from ``sys.modules`` and import it anew, as
    test runners and plug-in loaders do. So this finder, which never finds anything, registers the hook again before
    each import. And wrapt never reports a module that this very thread is in the middle of importing: that one is
    looked for at the imports that follow.
    """

    def __init__(self, callback: Callable[[str], None]) -> None:
        self._callback = callback
        self._modules: set[str] = set()
        self._unfinished: set[str] = set()
        self._is_looking = threading.local()

    def watch(self, modules: Iterable[str]) -> None:
        """Watch these modules too, and start watching if that was stopped."""
        new = set(modules) - self._modules
        self._modules |= new
        self._unfinished |= {name for name in new if _is_initializing(name)}
        for name in sorted(new - self._unfinished):  # wrapt would call at once, whether or not the import has finished
            self._register(name)
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)  # before wrapt's own finder

    def stop(self) -> None:
        """Stop watching."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def look_again(self, name: str, *, again: bool) -> None:
        """Call back at the next import too, or no more, although nothing new was imported."""
        (self._unfinished.add if again else self._unfinished.discard)(name)

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        """Look on while Python looks for a module."""
        if name in self._modules and name not in sys.modules:
            self._register(name)
        if self._unfinished and not getattr(self._is_looking, "now", False):
            self._look_for_finished()

    def _look_for_finished(self) -> None:
        finished = {module for module in self._unfinished if not _is_initializing(module)}
        self._unfinished -= finished
        self._is_looking.now = True  # what is imported while we look is no reason to look
        try:
            if finished:
                self._callback("")
        except BaseException:  # an interrupt: look again at the next import
            self._unfinished |= finished
            raise
        finally:
            self._is_looking.now = False

    def _register(self, name: str) -> None:
        # wrapt drops a registration before it calls back, and never calls if another library's hook raises.
        registered = getattr(sys.modules.get("wrapt.importer"), "_post_import_hooks", {}).get(name)
        if self._imported not in (registered or ()):
            wrapt.register_post_import_hook(self._imported, name)

    def _imported(self, module: ModuleType) -> None:
        self._callback(module.__name__)
