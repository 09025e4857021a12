"""The machinery of the hooks: one list of targets drives install, uninstall and status.

Hooks are placed on classes and modules when the SDK is imported, never before, and never
import it. A class attribute reaches clients, subclasses and names bound earlier, so the
order of imports does not matter.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
import threading
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

import wrapt

from obs_sse_guard import _reaction, _settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["Patcher", "Target", "hook", "is_hook"]


# A hook is a plain function that carries itself under this name: functools.wraps copies the names of
# what it wraps, so that a mere flag would turn up on other people's wrappers of ours.
_MARK = "__obs_sse_guard__"


def is_hook(function: Any) -> bool:
    """Whether this is a hook of ours, and not something around one."""
    return getattr(function, "__dict__", {}).get(_MARK) is function


def hook(function: Callable[..., Any], gate: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a gate into the hook of a function.

    A plain function, not a `wrapt.FunctionWrapper`: Python binds it without our help, which more than
    halves the cost of a call, and pickling and copying treat it as what it replaces.
    """
    made = functools.wraps(function)(gate)
    setattr(made, _MARK, made)
    return made


class Target(NamedTuple):
    """One place to hook.

    Attributes:
        module: the module that, once imported, holds it.
        path: ``Class.method`` or ``function`` in that module; ``Class.*`` with ``select``.
        gate: given the name and the function found there, makes the function that judges its calls
            and makes them.
        optional: some supported releases of the SDK do not have it.
        select: names the methods that ``*`` stands for.
    """

    module: str
    path: str
    gate: Callable[[str, Callable[..., Any]], Callable[..., Any]]
    optional: bool = False
    select: Callable[[type], Iterable[str]] | None = None

    @property
    def name(self) -> str:
        """Its name in ``status()``."""
        return f"{self.module}.{self.path}"

    def places(self) -> list[tuple[Any, str]]:
        """The attributes to hook, each with the object that holds it; none where the SDK has it not."""
        owner: Any = sys.modules.get(self.module)
        *parents, attribute = self.path.split(".")
        for parent in parents:
            owner = getattr(owner, parent, None)
        if owner is None:
            return []
        names = (attribute,) if self.select is None else self.select(owner)
        # vars(), not getattr(): what the class itself defines, as what it is.
        return [(owner, name) for name in names if name in vars(owner)]


class Patcher:
    """Places and removes the hooks of a list of targets."""

    def __init__(self, targets: Iterable[Target]) -> None:
        self._targets = tuple(targets)
        self._watched: set[str] = set()
        self._failed: set[str] = set()
        self._lock = threading.RLock()
        # A fork during another thread's install() would leave the child a lock that nobody releases.
        os.register_at_fork(after_in_child=self._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = threading.RLock()

    def install(self) -> None:
        """Hook what is imported, and watch for what is not. Idempotent."""
        modules = list(dict.fromkeys(target.module for target in self._targets))
        for module in modules:
            _settle(module)
        with self._lock:
            _reaction.armed = True
            unwatched = [module for module in modules if module not in self._watched]
            self._watched.update(unwatched)
            for module in modules:
                self._hook_module(module)
        # Outside our lock: wrapt holds one of its own while it tells of an import.
        for module in unwatched:
            wrapt.register_post_import_hook(functools.partial(self._imported, module), module)

    def uninstall(self) -> None:
        """Restore what is still ours; a hook under somebody else's wrapper goes inert."""
        with self._lock:
            _reaction.armed = False
            for owner, name in self._places():
                if is_hook(vars(owner)[name]):
                    setattr(owner, name, vars(owner)[name].__wrapped__)

    def status(self) -> dict[str, str]:
        """Tell the state of every target, as it is at this moment."""
        with self._lock:
            return {target.name: self._state(target) for target in self._targets}

    def _state(self, target: Target) -> str:
        if not _reaction.armed:
            return "off"
        if target.module not in sys.modules:
            return "pending"
        places = target.places()
        if not places or target.name in self._failed:
            return "unsupported"
        # Asked of the attributes themselves: somebody may have stripped or replaced a hook.
        return "active" if all(_is_hooked(vars(owner)[name]) for owner, name in places) else "off"

    def _places(self) -> Iterator[tuple[Any, str]]:
        for target in self._targets:
            yield from target.places()

    def _imported(self, module: str, _: object) -> None:
        with self._lock:
            if _reaction.armed:
                self._hook_module(module)

    def _hook_module(self, name: str) -> None:
        if name not in sys.modules:
            return
        failed = [target.name for target in self._targets if target.module == name and not _hook(target)]
        self._failed.update(failed)
        if failed:
            _settings.warn(
                f"obs_sse_guard could not hook {', '.join(failed)}: this release of the SDK is not supported there, "
                "and what passes there is not guarded. See obs_sse_guard.status()."
            )


def _hook(target: Target) -> bool:
    places = target.places()
    return all([_hook_place(target, *place) for place in places]) if places else target.optional


def _hook_place(target: Target, owner: Any, name: str) -> bool:
    found = vars(owner)[name]
    if _is_hooked(found):
        return True
    try:
        setattr(owner, name, hook(found, target.gate(name, _caller(owner, found))))
    except Exception:  # noqa: BLE001  # an SDK that changed must not fail to import because of us
        return False
    return True


def _caller(owner: Any, found: Any) -> Callable[..., Any]:
    """What calls the original with the instance first; a foreign wrapper wants to be bound to it."""
    if type(found) is FunctionType or not isinstance(owner, type):
        return found  # type: ignore[no-any-return]

    @functools.wraps(found)
    def bound(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
        return found.__get__(instance, type(instance))(*args, **kwargs)

    return bound


def _is_hooked(function: Any) -> bool:
    """Whether a hook of ours is anywhere in a stack of wrappers."""
    while function is not None:
        if is_hook(function):
            return True
        function = getattr(function, "__wrapped__", None)
    return False


def _settle(name: str) -> None:
    """Wait for an import under way in another thread: half a module cannot be hooked."""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    if getattr(spec, "_initializing", False):
        importlib.import_module(name)
