"""The machinery of the hooks: one list of targets drives install, uninstall and status.

Hooks are placed on classes and modules when the SDK is imported, never before, and never
import it. A class attribute reaches clients, subclasses and names bound earlier, so the
order of imports does not matter.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import operator
import sys
import threading
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

import wrapt

from obs_sse_guard._enforcement import enforce as _reaction
from obs_sse_guard._policy import settings as _settings
from obs_sse_guard._util.fork import after_fork_in_child
from obs_sse_guard._util.once import Once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import ModuleType

__all__ = ["Patcher", "Target", "expect", "hook", "is_hook"]


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


def expect(function: Callable[..., Any], names: str) -> None:
    """Make sure of the parameters that a gate spells out; a reader for each is too dear on the hot path.

    Raises:
        LookupError: this release of the SDK has others.
    """
    if [*inspect.signature(function).parameters][: len(names.split())] != names.split():
        raise LookupError(names)


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


class _Snapshot:
    """What stands in the places at one moment, quick to compare: it is asked in the middle of calls."""

    def __init__(self, places: Iterable[tuple[Any, str]]) -> None:
        names: dict[Any, list[str]] = {}
        for owner, name in places:
            names.setdefault(owner, []).append(name)
        self._readers = [(vars(owner), operator.itemgetter(*found)) for owner, found in names.items()]
        self._then = self._now()

    def _now(self) -> list[Any]:
        return [read(attributes) for attributes, read in self._readers]

    def still_holds(self) -> bool:
        """Whether all is as it was."""
        try:
            return self._now() == self._then
        except KeyError:  # an attribute that is no more
            return False


class Patcher:
    """Places and removes the hooks of a list of targets."""

    def __init__(self, targets: Iterable[Target]) -> None:
        self._targets = tuple(targets)
        self._watched: set[str] = set()
        self._failed: set[str] = set()
        self._snapshot = _Snapshot(())
        self._first_removal = Once()
        self._lock = threading.RLock()
        after_fork_in_child(self._renew_lock)

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
            self._hook_modules()
            self._first_removal.forget()
        # Outside our lock: wrapt holds one of its own while it tells of an import.
        for module in unwatched:
            if not _is_initializing(module):  # wrapt calls at once, be the import done or not
                wrapt.register_post_import_hook(self._imported, module)
        if unwatched:
            sys.meta_path.insert(0, _Rewatch(unwatched, self._imported))

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

    def look_after_hooks(self) -> None:
        """Say so, once per target, when somebody has removed a hook. Placing it again is for `install`."""
        if self._snapshot.still_holds():
            return
        for target in filter(self._first_removal, self._removed()):
            _reaction.logger.warning(
                "obs_sse_guard finds its hook at %s no more: somebody has removed it, or covers it and does not tell "
                "what is underneath. Other hooks may still judge what passes there. obs_sse_guard.install() places it "
                "again; obs_sse_guard.status() tells of every place.",
                target,
            )

    def _removed(self) -> list[str]:
        # Never wait: whoever holds the lock is placing or removing hooks, and the next report looks again.
        if not self._lock.acquire(blocking=False):
            return []
        try:
            self._snapshot = _Snapshot(self._places())
            status = self.status() if _reaction.armed else {}
            return [target for target, state in status.items() if state == "off"]
        finally:
            self._lock.release()

    @property
    def targets(self) -> tuple[Target, ...]:
        """The list of targets."""
        return self._targets

    def is_spared(self, target: Target) -> bool:
        """Whether it is in order that this target is not hooked: this release of the SDK has no such place."""
        return target.optional and target.name not in self._failed

    def _state(self, target: Target) -> str:
        if not _reaction.armed:
            return "off"
        if not _is_imported(target.module):
            return "pending"
        places = target.places()
        if not places or target.name in self._failed:
            return "unsupported"
        # Asked of the attributes themselves: somebody may have stripped or replaced a hook.
        return "active" if all(_is_hooked(vars(owner)[name]) for owner, name in places) else "off"

    def _places(self) -> Iterator[tuple[Any, str]]:
        for target in self._targets:
            yield from target.places()

    def _imported(self, module: ModuleType | None = None) -> None:
        with self._lock:
            if _reaction.armed:
                self._hook_modules(module.__name__ if module else "")

    def _hook_modules(self, complete: str = "") -> None:
        """Hook all that is there: a module that was half imported when last looked at may be whole by now."""
        outcome = {
            target.name: _hook(target)
            for target in self._targets
            # wrapt tells of a module that is complete while Python still marks it as under way.
            if target.module == complete or _is_imported(target.module)
        }
        self._snapshot = _Snapshot(self._places())
        failed = [name for name, hooked in outcome.items() if not hooked]
        self._failed = self._failed.difference(outcome).union(failed)
        if failed:
            _settings.warn(
                f"obs_sse_guard could not hook {', '.join(failed)}: this release of the SDK is not supported there, "
                "and what passes there is not guarded. See obs_sse_guard.status()."
            )


def _hook(target: Target) -> bool:
    places = target.places()
    outcome = [_hook_place(target, *place) for place in places]  # a list: one failure must not spare the rest
    return all(outcome) if places else target.optional


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
    def bound(*args: Any, **kwargs: Any) -> Any:
        if not args:  # self= is a keyword
            return found(**kwargs)
        return found.__get__(args[0], type(args[0]))(*args[1:], **kwargs)

    return bound


def _is_hooked(function: Any) -> bool:
    """Whether a hook of ours is anywhere in a stack of wrappers."""
    seen, unseen = set(), [function]
    while unseen:
        function = unseen.pop()
        if is_hook(function):
            return True
        if id(function) not in seen:
            seen.add(id(function))
            unseen.extend(_wrapped_by(function))
    return False


def _wrapped_by(function: Any) -> Iterator[Any]:
    """What a wrapper wraps: what it says itself, or else, as Sentry's say nothing, the functions in its closure."""
    wrapped = getattr(function, "__wrapped__", None)
    if wrapped is not None:
        yield wrapped
    elif type(function) is FunctionType:
        for cell in function.__closure__ or ():
            with contextlib.suppress(ValueError):  # an empty cell
                yield cell.cell_contents


def _is_initializing(name: str) -> bool:
    return getattr(getattr(sys.modules.get(name), "__spec__", None), "_initializing", False) is True


def _is_imported(name: str) -> bool:
    return name in sys.modules and not _is_initializing(name)


def _settle(name: str) -> None:
    """Wait for an import under way in another thread: half a module cannot be hooked."""
    if _is_initializing(name):
        importlib.import_module(name)  # returns at once if this very thread is in the middle of it


class _Rewatch:
    """Registers the post-import hooks anew at every import: wrapt's fire once.

    An application may drop the SDK from ``sys.modules`` and import it again, as test runners and
    plug-in loaders do; what it gets are other classes. And this very thread may be in the middle of
    importing the SDK, which wrapt never tells of. A finder that finds nothing: it only looks on.
    """

    def __init__(self, modules: Iterable[str], hook: Callable[..., None]) -> None:
        self._modules = frozenset(modules)
        self._under_way = {name for name in self._modules if _is_initializing(name)}
        self._hook = hook

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        if name in self._modules and name not in sys.modules:
            wrapt.register_post_import_hook(self._hook, name)
        if not all(_is_initializing(module) for module in self._under_way):
            self._under_way = {module for module in self._under_way if _is_initializing(module)}
            self._hook()
