"""Notes about objects that are not ours, kept beside them."""

from __future__ import annotations

import weakref
from typing import Any, Generic, TypeVar

__all__ = ["WeakNotes"]

_T = TypeVar("_T")


class WeakNotes(Generic[_T]):
    """Notes about objects, each kept while its object lives, without writing to it.

    Quicker to read than a `weakref.WeakKeyDictionary`, which makes a reference at every look-up, and indifferent to how
    the objects compare and hash.
    """

    def __init__(self) -> None:
        self._notes: dict[int, tuple[weakref.ref[Any], _T]] = {}

    def get(self, owner: Any) -> _T | None:
        """Return the note about an object, or ``None``."""
        note = self._notes.get(id(owner))
        return note[1] if note is not None and note[0]() is owner else None

    def set(self, owner: Any, value: _T) -> None:
        """Keep a note about an object.

        Raises:
            TypeError: the object cannot be referenced weakly.
        """
        key, notes = id(owner), self._notes
        self._notes[key] = weakref.ref(owner, lambda _: notes.pop(key, None)), value

    def __len__(self) -> int:
        return len(self._notes)
