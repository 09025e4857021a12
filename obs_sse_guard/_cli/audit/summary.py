"""Summarize audit files, in constant memory however long they are."""

from __future__ import annotations

import functools
import json
import re
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from obs_sse_guard._enforcement.audit import LONGEST_LINE, LONGEST_NAME
from obs_sse_guard._enforcement.decision import Outcome
from obs_sse_guard._policy.findings import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["NO_SITE", "OTHERS", "Group", "Place", "Summary", "Tally"]

MAX_PLACES = 10_000
"""Places that are listed; findings of further places are counted by rule and operation, or as others."""

OTHERS = "(others)"
NO_SITE = "(a thread or task of the SDK)"

_OTHER_SITE = (OTHERS, 0, "")
_TIMESTAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
_TIME = re.compile(_TIMESTAMP, re.ASCII)
# Most lines of one place differ only in their time: the rest need not be parsed again.
_START = re.compile(rb'\{"time": "(' + _TIMESTAMP.encode() + rb')", ')
_ARMED = b'"event": "armed", '
_MAX_CACHED, _MAX_CACHED_BYTES = 4096, 4096
_ACTIONS = frozenset(action.value for action in Action)
_VERDICTS = frozenset(outcome.value for outcome in Outcome)
_REFUSE = Action.REFUSE.value
_REFUSED = Outcome.REFUSED.value


class Place(NamedTuple):
    """What findings must have in common to be counted together."""

    rule: str
    operation: str
    host: str
    site: tuple[str, int, str] | None
    documented: str
    strict: str
    verdict: str

    @property
    def site_text(self) -> str:
        """The call site on one line."""
        if self.site is None:
            return NO_SITE
        file, line, function = self.site
        return f"{file}:{line} in {function}" if line else file


class Tally:
    """A number of findings, and how many of them each policy would refuse.

    Attributes:
        findings: how many.
        enforce: how many the documented policy refuses when enforced.
        strict: how many the strict policy refuses.
        refused: how many were refused when they happened.
        first: the time of the first, as in the file.
        last: the time of the last.
    """

    def __init__(self) -> None:
        self.findings = self.enforce = self.strict = self.refused = 0
        self.first = self.last = ""

    def add(self, place: Place, count: int, first: str, last: str) -> None:
        """Add findings of one place."""
        self.findings += count
        self.enforce += count * (place.documented == _REFUSE)
        self.strict += count * (place.strict == _REFUSE)
        self.refused += count * (place.verdict == _REFUSED)
        self.first = min(self.first, first) if self.first else first
        self.last = max(self.last, last)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields of the JSON report."""
        return dict(vars(self))


class Group(NamedTuple):
    """One line of a table: what its findings have in common, and their tally."""

    names: tuple[str, ...]
    tally: Tally


class Summary:
    """Count findings by place.

    Attributes:
        damaged: how many lines are not valid audit lines.
    """

    def __init__(self) -> None:
        self.damaged = 0
        # By place: how many, first time, last time. A list, because it is updated a million times.
        self._places: dict[Place, list[Any]] = {}
        self._cache: dict[bytes, list[Any]] = {}

    def read(self, stream: IO[bytes], advance: Callable[[int], None]) -> None:
        """Count the findings of one file.

        Args:
            stream: the file.
            advance: called from time to time with the number of bytes read since.
        """
        pending = 0
        for number, line in enumerate(_lines(stream)):
            pending += len(line)
            if number % 4096 == 0:
                advance(pending)
                pending = 0
            if not self._count(line):
                self.damaged += bool(line.strip())
        advance(pending)

    def _count(self, line: bytes) -> bool:
        """Count the finding of one line; return whether the line is valid."""
        start = _START.match(line)
        if start and line.startswith(_ARMED, start.end()):
            return True
        rest = line[start.end() :] if start else b""
        entry = self._cache.get(rest)
        try:
            if start and entry:
                time = start[1].decode()
            else:
                time, place = _parsed(line)
                entry = self._entry(place, time)
                self._remember(rest, entry)
        except (ValueError, LookupError, TypeError, RecursionError):
            return False
        entry[0] += 1
        entry[1] = min(entry[1], time)
        entry[2] = max(entry[2], time)
        return True

    def _entry(self, place: Place, time: str) -> list[Any]:
        if len(self._places) >= MAX_PLACES and place not in self._places:
            place = place._replace(host=OTHERS, site=_OTHER_SITE)
            if len(self._places) >= 2 * MAX_PLACES and place not in self._places:
                place = place._replace(rule=OTHERS, operation=OTHERS)
        return self._places.setdefault(place, [0, time, time])

    def _remember(self, rest: bytes, entry: list[Any]) -> None:
        if 0 < len(rest) < _MAX_CACHED_BYTES:
            if len(self._cache) >= _MAX_CACHED:
                self._cache.clear()
            self._cache[rest] = entry

    @property
    def is_complete(self) -> bool:
        """Whether every place is listed."""
        return not any(place.site == _OTHER_SITE for place in self._places)

    def total(self) -> Tally:
        """Return the tally of all findings."""
        return next((group.tally for group in self.groups()), Tally())

    def groups(self, *names: str) -> list[Group]:
        """Group the findings by these attributes of their places, those that would be refused first."""
        tallies: dict[tuple[str, ...], Tally] = {}
        for place, (count, first, last) in self._places.items():
            key = tuple(getattr(place, name) for name in names)
            tallies.setdefault(key, Tally()).add(place, count, first, last)
        groups = [Group(key, tally) for key, tally in tallies.items()]
        return sorted(groups, key=lambda group: (*_sort_key(group.tally), group.names))

    def call_sites(self, policy: str) -> int:
        """Return how many known call sites ``enforce`` or ``strict`` would refuse."""
        return len({place.site for place in self._refused_by(policy) if place.site})

    def without_call_site(self, policy: str) -> int:
        """Return how many findings without a known call site ``enforce`` or ``strict`` would refuse."""
        return sum(self._places[place][0] for place in self._refused_by(policy) if not place.site)

    def _refused_by(self, policy: str) -> list[Place]:
        attribute = "documented" if policy == "enforce" else "strict"
        return [place for place in self._places if getattr(place, attribute) == _REFUSE]


def _sort_key(tally: Tally) -> tuple[int, int, int]:
    return -tally.enforce, -tally.strict, -tally.findings


def _parsed(line: bytes) -> tuple[str, Place]:
    """Parse a line into its time and its place.

    Raises:
        ValueError, LookupError, TypeError, RecursionError: it is not a valid audit line.
    """
    record = json.loads(line.decode())
    site = record["site"]
    place = Place(
        record["rule"],
        record["operation"],
        record["server" if "event" in record else "host"],  # where the line names no event, the host is the server's
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
    """Yield the lines of a file; of a line longer than the guard writes, only its start."""
    started = False
    pieces: Iterable[bytes] = iter(functools.partial(stream.readline, LONGEST_LINE), b"")
    for piece in pieces:
        if not started:
            yield piece
        started = len(piece) == LONGEST_LINE and not piece.endswith(b"\n")
