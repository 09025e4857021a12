"""Report each key once, in bounded memory."""

from __future__ import annotations

from obs_sse_guard._util.once import OncePerKey


def test_what_is_said_once_is_bounded() -> None:
    once = OncePerKey(limit=2)
    assert [once(what) for what in ("one", "one", "two", "three")] == [True, False, True, False]
    once.forget()
    assert once("one")


def test_no_more_is_remembered_than_a_thousand_things() -> None:
    once = OncePerKey()
    assert [once(str(number)) for number in range(1025)] == [True] * 1024 + [False]
