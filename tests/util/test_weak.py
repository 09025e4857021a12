"""Notes on objects of other libraries."""

from __future__ import annotations

import gc

import pytest

from obs_sse_guard._util.weak import WeakNotes


class _Client:
    """An object that compares equal to every other, and cannot be hashed."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def test_a_note_belongs_to_one_object() -> None:
    notes: WeakNotes[str] = WeakNotes()
    one, other = _Client(), _Client()
    notes.set(one, "first")
    assert notes.get(one) == "first"
    assert notes.get(other) is None
    notes.set(one, "second")
    assert notes.get(one) == "second"
    assert vars(one) == {}


def test_a_note_ends_with_its_object() -> None:
    notes: WeakNotes[str] = WeakNotes()
    one = _Client()
    notes.set(one, "noted")
    assert len(notes) == 1
    del one
    gc.collect()
    assert len(notes) == 0


def test_an_object_without_weak_references_is_refused() -> None:
    with pytest.raises(TypeError):
        WeakNotes[str]().set(object(), "noted")
