"""Functions that temporarily replace an SDK's, such as mocks.

If such a function has other parameters, no hook can be placed on it. If it has the same, the hook disappears with it.
In either case the SDK's own function comes back without a hook.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.message import to_ascii
from obs_sse_guard._hooks.hook import inside, is_holder
from obs_sse_guard._util.failure import attempt

if TYPE_CHECKING:
    from obs_sse_guard._hooks.hook import Target

__all__ = ["StandIns", "stand_in_for"]

_IMPORTED = {"HTTPAdapter": "requests"}
"""By name of a class that an SDK imports from another package, that package."""


class StandIns:
    """Remembers the targets that could not be hooked or held something foreign.

    Attributes:
        seen: by target, what its attributes held, each with the object that holds it. Mostly empty.
    """

    def __init__(self) -> None:
        self.seen: dict[Target, list[tuple[Any, Any]]] = {}

    def note(self, target: Target, *, hooked: bool) -> None:
        """Note the outcome of an attempt to hook a target."""
        contents = _contents(target)
        if hooked and {_package(content) for _, content in contents} <= _own(target):
            self.seen.pop(target, None)
        else:
            self.seen[target] = contents

    def have_changed(self) -> bool:
        """Return whether one of these targets now holds something else."""
        return any(not _same(seen, _contents(target)) for target, seen in [*self.seen.items()])


def stand_in_for(target: Target) -> str:
    """Return the package that replaced a target, such as responses; empty if none.

    A wrapper that copies the attributes of what it wraps counts as what it wraps. Characters beyond ASCII are escaped.
    """
    found = {_package(content) for owner, content in _contents(target) if _package(owner) != _package(content)}
    return to_ascii(min(found - _own(target) - {""}, default=""))


def _contents(target: Target) -> list[tuple[Any, Any]]:
    """Return what a target's attributes hold, each with the object that holds it."""
    owner = target.owner()
    if not is_holder(owner):  # a mock of the class itself
        return [(None, owner)]
    return [(owner, vars(owner).get(name)) for owner, name in target.places()]


def _same(before: list[tuple[Any, Any]], now: list[tuple[Any, Any]]) -> bool:
    pairs = zip(before, now)
    return len(before) == len(now) and all(old[0] is new[0] and old[1] is new[1] for old, new in pairs)


def _own(target: Target) -> set[str]:
    """Return the packages that may define what a target holds."""
    names = target.path.split(".")
    own = {target.module.partition(".")[0], *names, *(_IMPORTED[name] for name in names if name in _IMPORTED)}
    return {*own, str(None)} if target.inherited else own  # what a class inherits from a native one has no module


def _package(found: Any) -> str:
    """Return the package that defines a function or class."""
    return attempt(lambda: str(inside(found).__module__), "").partition(".")[0]
