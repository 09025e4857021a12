"""Mark, place, recognize and remove hooks, and contain their failures.

A hook is a plain function in the place of an SDK's own, not a `wrapt.FunctionWrapper`: Python binds it itself, at a
fraction of the cost, and pickling and copying treat it as what it replaces.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections import deque
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from obs_sse_guard._enforcement.log import log_failure
from obs_sse_guard._hooks.parameters import MOST_WRAPPERS, make_hook
from obs_sse_guard._util.failure import attempt, describe_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from obs_sse_guard._errors import SSETransportError
    from obs_sse_guard._hooks.types import Function, MakeHook
    from obs_sse_guard._policy.request import RequestContext

    _Describe = Callable[..., RequestContext | None]

__all__ = [
    "Abort",
    "Target",
    "inside",
    "is_holder",
    "is_hook",
    "is_hooked",
    "judging",
    "mark",
    "never_raises",
    "place",
    "restore",
]

_MARK = "__obs_sse_guard__"
_INHERITED = "__obs_sse_guard_inherited__"
_METHODS = (staticmethod, classmethod)
_made: dict[tuple[Target, str], Function] = {}
"""The last hook of each attribute, because making one is slower than placing it."""
_T = TypeVar("_T")


class Target(NamedTuple):
    """One place to hook.

    Attributes:
        module: the module that holds it, once that is imported.
        path: ``Class.method`` or ``function`` in that module; ``Class.*`` with ``select``.
        make: given the attribute's name and the function found there, returns the hook.
        optional: whether some supported releases of the SDK do not have it.
        select: given the class, names the methods that ``*`` stands for.
        inherited: whether a class may inherit it. Only for ``__new__``: an immutable base cannot be hooked itself.
    """

    module: str
    path: str
    make: MakeHook
    optional: bool = False
    select: Callable[[type], Iterable[str]] | None = None
    inherited: bool = False

    @property
    def name(self) -> str:
        """Its name in ``status()``."""
        return f"{self.module}.{self.path}"

    def owner(self) -> Any:
        """Return the class or module that holds it, or its stand-in; ``None`` if missing."""
        owner: Any = sys.modules.get(self.module)
        for parent in self.path.split(".")[:-1]:
            owner = getattr(owner, parent, None)
        # vcrpy puts classes of its own in the place of those of http.client, and sends through these.
        return getattr(owner, "_baseclass", owner) if isinstance(owner, type) else owner

    def places(self) -> list[tuple[Any, str]]:
        """Return the attributes to hook, as owner and name; empty if the SDK lacks them."""
        owner = self.owner()
        if not is_holder(owner):
            return []
        names = (self.path.rpartition(".")[2],) if self.select is None else self.select(owner)
        # vars(), not getattr(): what the class itself defines, as it is.
        return [(owner, name) for name in names if name in vars(owner) or (self.inherited and hasattr(owner, name))]


def is_holder(owner: Any) -> bool:
    """Return whether hooks can be placed here: in a class or module, not in a mock."""
    return isinstance(owner, (type, ModuleType))


class _Mark:
    """The mark of a hook.

    Attributes:
        hook: the hook. Other libraries' wrappers have its mark too, because functools.wraps copies attributes.
        names: the names of the attributes that it is the hook of; several where the SDK has an alias.
    """

    def __init__(self, hook: Function, name: str) -> None:
        self.hook = hook
        self.names = {name}


def mark(hook: Function, function: Function, name: str) -> Function:
    """Mark a function as our hook of an attribute, with the metadata of the original."""
    marked: Any = functools.wraps(function)(hook)
    with contextlib.suppress(TypeError, ValueError):  # getfullargspec() follows no __wrapped__
        marked.__signature__ = inspect.signature(inside(function))
    setattr(marked, _MARK, _Mark(marked, name))
    return marked  # type: ignore[no-any-return]


def is_hook(function: Any) -> bool:
    """Return whether this is one of our hooks, and not a wrapper around one."""
    return _names(function) is not None


def _names(function: Any) -> set[str] | None:
    """Return the names of a hook's attributes, or ``None`` if this is no hook."""
    hook = inside(function)
    found = attempt(lambda: hook.__dict__.get(_MARK), None)
    # A hook of an earlier import of the package, which was retired, has a mark of another class.
    return found.names if isinstance(found, _Mark) and found.hook is hook else None


def inside(found: Any) -> Any:
    """Return the function in a static method or class method, or what is there.

    By its very type: a proxy of another library has the ``__class__`` of what it wraps.
    """
    return found.__func__ if issubclass(type(found), _METHODS) else found


def is_hooked(function: Any, name: str) -> bool:
    """Return whether a stack of wrappers contains the hook of the named attribute."""
    seen: set[int] = set()
    unseen = deque([function])
    while unseen and len(seen) < MOST_WRAPPERS:
        function = unseen.popleft()  # nearest first: an endless branch cannot hide the hook
        if name in (_names(function) or ()):
            return True
        if id(function) not in seen:
            seen.add(id(function))
            unseen.extend(_wrapped_by(function))
    return False


def _wrapped_by(function: Any) -> Iterator[Any]:
    """Yield what a wrapper wraps: its ``__wrapped__``, else what its closure holds.

    Sentry's wrappers have no ``__wrapped__``.
    """
    wrapped = attempt(lambda: function.__wrapped__, None)
    if wrapped is not None:
        yield wrapped
    elif type(function) is FunctionType:
        for cell in function.__closure__ or ():
            with contextlib.suppress(ValueError):  # an empty cell
                yield cell.cell_contents


def place(target: Target, owner: Any, name: str) -> bool:
    """Hook one attribute unless it is hooked. Return whether it is hooked now."""
    if is_hooked(vars(owner).get(name), name):
        return True
    try:
        found = vars(owner)[name] if name in vars(owner) else _inherited(owner, name)
        hook = _hook_of_alias(owner, found, name) or _made_before(target, name, found)
        if hook is None:
            hook = mark(make_hook(target.make, name, _callable_with_instance(owner, found)), found, name)
        _made[target, name] = hook
        kind: Any = type(found)
        setattr(owner, name, kind(hook) if issubclass(kind, _METHODS) else hook)
    except Exception:  # noqa: BLE001  # the import of an SDK that has changed must not fail because of us
        return False
    return True


def _hook_of_alias(owner: Any, function: Any, name: str) -> Any:
    """Return the hook that a function has under its own name, if any.

    An alias must stay the same object, because pickling checks that.
    """
    hook = vars(owner).get(getattr(function, "__name__", name))
    names = _names(hook)
    if names is None or inside(hook).__wrapped__ is not function:
        return None
    names.add(name)
    return inside(hook)


def _made_before(target: Target, name: str, function: Any) -> Any:
    """Return the hook of this very function that was removed, if any."""
    hook: Any = _made.get((target, name))
    return hook if hook is not None and hook.__wrapped__ is function else None


def restore(owner: Any, name: str) -> None:
    """Put back what one of our hooks replaced; leave other libraries' wrappers alone."""
    found = vars(owner).get(name)
    if not is_hook(found):
        return
    original = inside(found).__wrapped__
    if hasattr(original, _INHERITED):
        delattr(owner, name)
    else:
        setattr(owner, name, original)


def _inherited(owner: Any, name: str) -> Function:
    """Return a function that calls the ``__new__`` that a class inherits."""
    inherited = getattr(owner, name)

    @functools.wraps(inherited)
    def call(cls: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(super(owner, cls), name)(cls, *args, **kwargs)

    setattr(call, _INHERITED, True)
    return call


def _callable_with_instance(owner: Any, found: Any) -> Function:
    """Return what calls the original with the instance as its first argument."""
    if type(found) is FunctionType or not isinstance(owner, type):
        return found  # type: ignore[no-any-return]
    if issubclass(type(found), _METHODS):
        return found.__func__  # type: ignore[no-any-return]

    @functools.wraps(found)
    def bound(*args: Any, **kwargs: Any) -> Any:  # another library's wrapper may depend on being bound
        if not args:  # self= is a keyword
            return found(**kwargs)
        return found.__get__(args[0], type(args[0]))(*args[1:], **kwargs)

    return bound


class Abort(BaseException):
    """Carries a refusal out of SDK code that retries or replaces every `Exception`.

    A hook further out must catch it and raise the refusal: no application may see it.
    """

    def __init__(self, error: SSETransportError) -> None:
        super().__init__()
        self.error = error


def never_raises(task: str) -> Callable[[Callable[..., _T]], Callable[..., _T | None]]:
    """Return a decorator for helpers that judge no request: they never raise.

    Args:
        task: what the function does, for the log: "could not ...".

    Returns:
        A decorator. The function returns ``None`` where it would raise, and the failure is logged.
    """

    def decorate(read: Callable[..., _T]) -> Callable[..., _T | None]:
        @functools.wraps(read)
        def safe(*args: Any, **kwargs: Any) -> _T | None:
            try:
                return read(*args, **kwargs)
            except Exception:  # noqa: BLE001  # see above
                log_failure(task, "the call continues")
                return None

        return safe

    return decorate


def judging(fallback: Callable[..., RequestContext]) -> Callable[[_Describe], _Describe]:
    """Return a decorator for functions that describe a request: they never raise.

    A failure becomes the finding ``cannot-judge``.

    Args:
        fallback: given the same arguments, returns a context with what can be read of the request for certain. It must
            not raise.

    Returns:
        A decorator. The function returns that context, with what failed, where it would raise.
    """

    def decorate(describe: _Describe) -> _Describe:
        @functools.wraps(describe)
        def safe(*args: Any, **kwargs: Any) -> RequestContext | None:
            try:
                return describe(*args, **kwargs)
            except Exception:  # noqa: BLE001  # a bug in the guard must never break a permitted call
                return fallback(*args, **kwargs)._replace(failure=describe_failure())

        return safe

    return decorate
