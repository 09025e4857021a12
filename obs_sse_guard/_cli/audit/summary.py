"""What audit files say, summed up: in constant memory, however long they are."""

from __future__ import annotations

import functools
import json
import re
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from obs_sse_guard._enforcement.audit import LONGEST_LINE, LONGEST_NAME
from obs_sse_guard._enforcement.decision import Verdict
from obs_sse_guard._policy.findings import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["NO_SITE", "OTHERS", "Group", "Place", "Summary", "Tally"]

MOST_PLACES = 10_000
"""Places that are told apart; what comes after them is counted by rule and operation, or as others."""

OTHERS = "(others)"
NO_SITE = "(a thread or task of the SDK's own)"

_OTHER_SITE = (OTHERS, 0, "")
_MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
_TIME = re.compile(_MOMENT, re.ASCII)
# Lines of one place differ in their time alone, most often: what follows it need not be parsed again.
_START = re.compile(rb'\{"time": "(' + _MOMENT.encode() + rb')", ')
_MOST_KNOWN, _LONGEST_KNOWN = 4096, 4096
_ACTIONS = frozenset(action.value for action in Action)
_VERDICTS = frozenset(verdict.value for verdict in Verdict)
_REFUSE = Action.REFUSE.value
_REFUSED = Verdict.REFUSED.value


class Place(NamedTuple):
    """What is counted together."""

    rule: str
    operation: str
    host: str
    site: tuple[str, int, str] | None
    documented: str
    strict: str
    verdict: str

    @property
    def site_text(self) -> str:
        """The call site in one line."""
        if self.site is None:
            return NO_SITE
        file, line, function = self.site
        return f"{file}:{line} in {function}" if line else file


class Tally:
    """A number of findings, and what of it each policy would refuse.

    Attributes:
        findings: how many.
        enforce: those that the documented policy refuses when enforced.
        strict: those that the strict policy refuses.
        refused: those that have been refused already.
        first: when the first was seen, as the file writes it.
        last: when the last was seen.
    """

    def __init__(self) -> None:
        self.findings = self.enforce = self.strict = self.refused = 0
        self.first = self.last = ""

    def add(self, place: Place, count: int, first: str, last: str) -> None:
        """Count more findings of one place."""
        self.findings += count
        self.enforce += count * (place.documented == _REFUSE)
        self.strict += count * (place.strict == _REFUSE)
        self.refused += count * (place.verdict == _REFUSED)
        self.first = min(self.first, first) if self.first else first
        self.last = max(self.last, last)

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return dict(vars(self))


class Group(NamedTuple):
    """One line of a table: what its findings have in common, and how many they are."""

    names: tuple[str, ...]
    tally: Tally


class Summary:
    """Counts findings by place.

    Attributes:
        damaged: lines that are none of an audit file's.
    """

    def __init__(self) -> None:
        self.damaged = 0
        # Of each place: how many, the first time, the last time. A list, for it is changed a million times.
        self._places: dict[Place, list[Any]] = {}
        self._known: dict[bytes, list[Any]] = {}

    def read(self, stream: IO[bytes], done: Callable[[int], None]) -> None:
        """Count the findings of one file.

        Args:
            stream: the file.
            done: told now and then how many bytes more have been read.
        """
        pending = 0
        for number, line in enumerate(_lines(stream)):
            pending += len(line)
            if number % 4096 == 0:
                done(pending)
                pending = 0
            if not self._count(line):
                self.damaged += bool(line.strip())
        done(pending)

    def _count(self, line: bytes) -> bool:
        """Count the finding of one line; false if it is damaged."""
        start = _START.match(line)
        rest = line[start.end() :] if start else b""
        counted = self._known.get(rest)
        try:
            if start and counted:
                time = start[1].decode()
            else:
                time, place = _parsed(line)
                counted = self._counted(place, time)
                self._remember(rest, counted)
        except (ValueError, LookupError, TypeError, RecursionError):
            return False
        counted[0] += 1
        counted[1] = min(counted[1], time)
        counted[2] = max(counted[2], time)
        return True

    def _counted(self, place: Place, time: str) -> list[Any]:
        if len(self._places) >= MOST_PLACES and place not in self._places:
            place = place._replace(host=OTHERS, site=_OTHER_SITE)
            if len(self._places) >= 2 * MOST_PLACES and place not in self._places:
                place = place._replace(rule=OTHERS, operation=OTHERS)
        return self._places.setdefault(place, [0, time, time])

    def _remember(self, rest: bytes, counted: list[Any]) -> None:
        if 0 < len(rest) < _LONGEST_KNOWN:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[rest] = counted

    @property
    def is_whole(self) -> bool:
        """Whether every place was told apart."""
        return not any(place.site == _OTHER_SITE for place in self._places)

    def total(self) -> Tally:
        """All findings."""
        return next((group.tally for group in self.groups()), Tally())

    def groups(self, *names: str) -> list[Group]:
        """The findings grouped by these attributes of their places, what would break first."""
        tallies: dict[tuple[str, ...], Tally] = {}
        for place, (count, first, last) in self._places.items():
            key = tuple(getattr(place, name) for name in names)
            tallies.setdefault(key, Tally()).add(place, count, first, last)
        groups = [Group(key, tally) for key, tally in tallies.items()]
        return sorted(groups, key=lambda group: (*_gravity(group.tally), group.names))

    def breaking(self, policy: str) -> int:
        """How many known call sites this policy would break, ``enforce`` or ``strict``."""
        return len({place.site for place in self._refused_by(policy) if place.site})

    def homeless(self, policy: str) -> int:
        """How many findings this policy would refuse whose call site is not known."""
        return sum(self._places[place][0] for place in self._refused_by(policy) if not place.site)

    def _refused_by(self, policy: str) -> list[Place]:
        attribute = "documented" if policy == "enforce" else "strict"
        return [place for place in self._places if getattr(place, attribute) == _REFUSE]


def _gravity(tally: Tally) -> tuple[int, int, int]:
    return -tally.enforce, -tally.strict, -tally.findings


def _parsed(line: bytes) -> tuple[str, Place]:
    """The time of a line and its place.

    Raises:
        ValueError, LookupError, TypeError, RecursionError: it is no line of an audit file.
    """
    record = json.loads(line.decode())
    site = record["site"]
    place = Place(
        record["rule"],
        record["operation"],
        record["host"],
        None if site is None else (site["file"], site["line"], site["function"]),
        record["documented"],
        record["strict"],
        record["verdict"],
    )
    if not _TIME.fullmatch(record["time"]) or not _is_valid(place):
        raise ValueError
    return record["time"], place


def _is_valid(place: Place) -> bool:
    file, line, function = place.site or ("", 0, "")
    texts: tuple[object, ...] = (place.rule, place.operation, place.host, file, function)
    number: object = line
    return (
        all(isinstance(text, str) and len(text) <= LONGEST_NAME for text in texts)
        and isinstance(number, int)
        and {place.documented, place.strict} <= _ACTIONS
        and place.verdict in _VERDICTS
    )


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file; of one that is longer than any of ours, its beginning alone."""
    begun = False
    pieces: Iterable[bytes] = iter(functools.partial(stream.readline, LONGEST_LINE), b"")
    for piece in pieces:
        if not begun:
            yield piece
        begun = len(piece) == LONGEST_LINE and not piece.endswith(b"\n")
