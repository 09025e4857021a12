"""Each key is reported once, in bounded memory."""

from __future__ import annotations

from obs_sse_guard._util.once import OncePerKey


def test_the_number_of_keys_is_bounded() -> None:
    once = OncePerKey(limit=2)
    assert [once(what) for what in ("one", "one", "two", "three")] == [True, False, True, True]
    assert [once(what) for what in ("three", "two", "one")] == [False, False, True], "the oldest made room"
    once.forget()
    assert once("one")


def test_a_thousand_keys_are_remembered_by_default() -> None:
    once = OncePerKey()
    assert all(once(str(number)) for number in range(1024))
    assert not any(once(str(number)) for number in range(1024))
    assert [once(what) for what in ("one more", "0", "2")] == [True, True, False], "each made room for the next"
    assert all(once(str(number)) for number in range(1024, 3000)), "later ones are reported too"
