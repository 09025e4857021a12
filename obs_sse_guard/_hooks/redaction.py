"""Redact customer keys in the log records of the SDKs.

Their DEBUG logs print request headers, canonical strings and URLs, customer keys and the MD5 of these among them. Only
these values are replaced. They are recognized by the names before them, and not looked for by value: a record may be
logged long after the request that it is about, or before, and nothing has to remember keys. The only exception is an
error that quotes the value of a header without its name: the frames of its traceback hold the headers.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import traceback
from collections.abc import Mapping
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from obs_sse_guard._hooks.key_scanner import MASK, is_key_name, masked, mentions_key, wire_data_mentions_key

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["redact_message", "redact_traceback"]

_NO_TEXT = frozenset((bool, float, int, type(None), type, BuiltinFunctionType, FunctionType))
# An object with these is written as its type and its address.
_PLAIN_REPR: Any = object.__repr__
_PLAIN_STR: Any = object.__str__
_SEQUENCES = frozenset((list, tuple, set, frozenset))
_MAX_DEPTH, _MAX_VALUES = 20, 10_000  # what has more, or contains itself, is redacted as text


class _Text(str):
    """Text that replaces an object, also where it is formatted with ``%r``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def redact_message(message: Any, args: Any) -> tuple[Any, Any]:
    """Return the message and the arguments of a log call without customer keys.

    They are returned unchanged if there is none.
    """
    texts, wire_data = _contents(message, args)
    text = "\n".join(texts)
    error = sys.exc_info()[1]
    values = _header_values(error, text) if error else []
    if not (values or mentions_key(text) or (wire_data and wire_data_mentions_key(b"\n".join(wire_data)))):
        return message, args
    args = tuple(map(_redacted, args)) if isinstance(args, tuple) else _redacted(args)
    # A name may be in the message, or in one argument, and its key in another.
    with contextlib.suppress(Exception):  # the arguments do not fit the message: logging reports that
        written = _formatted(message, args)
        clean = _without(values, masked(written))
        if clean != written:
            return clean, ()
    return message, args


def _formatted(message: Any, args: Any) -> str:
    if isinstance(args, tuple) and len(args) == 1 and isinstance(args[0], Mapping) and args[0]:
        [args] = args
    return str(str(message) % args if args else message)


# --------------------------------------------------------------------- what a record contains


def _contents(message: Any, args: Any) -> tuple[list[str], list[bytes]]:
    """Return the texts and the bytes in a record, which is faster than formatting it."""
    texts: list[str] = []
    wire_data: list[bytes] = []
    values = [message, *args] if type(args) is tuple else [message, args]
    for value in values:  # which grows
        kind = type(value)
        if kind is str:
            texts.append(value)
        elif kind in _NO_TEXT:
            continue
        elif kind is dict and len(values) < _MAX_VALUES:
            try:
                texts.append("\n".join(value))
            except TypeError:  # some names are no text
                values += value
            values += value.values()
        elif kind is bytes:
            wire_data.append(value)
        elif kind is MethodType:
            values.append(value.__self__)
        elif kind in _SEQUENCES and len(values) < _MAX_VALUES:
            values += value
        elif kind.__repr__ is not _PLAIN_REPR or kind.__str__ is not _PLAIN_STR:
            texts += _written(value)
    return texts, wire_data


def _written(value: Any) -> list[str]:
    return [str(value)] if type(value).__str__ is _PLAIN_STR else [str(value), repr(value)]


def _redacted(value: Any, depth: int = 0) -> Any:
    kind = type(value)
    if kind in (str, bytes):
        return masked(value)
    if kind in _NO_TEXT:
        return value
    if kind is dict and depth < _MAX_DEPTH:
        return {
            name: _mask(entry) if is_key_name(name) else _redacted(entry, depth + 1) for name, entry in [*value.items()]
        }
    if kind in _SEQUENCES and depth < _MAX_DEPTH:
        if kind is tuple and [*map(is_key_name, value)] == [True, False]:
            return value[0], _mask(value[1])
        return kind([_redacted(one, depth + 1) for one in [*value]])
    return _redacted_text(value)


def _redacted_text(value: Any) -> Any:
    written = _written(value)
    clean = [masked(text) for text in written]
    return value if clean == written else _Text(clean[0])


def _mask(value: Any) -> Any:
    """Return the mask for a key's value, of a type that is written in the same way."""
    if value is None or isinstance(value, bool) or value in ("", b""):
        return value
    if isinstance(value, (list, tuple)):
        return [_mask(one) for one in value]
    return MASK.encode() if isinstance(value, bytes) else MASK


# ------------------------------------------------------------------------------- exceptions


def redact_traceback(record: logging.LogRecord) -> None:
    """Replace a record's exception with its redacted text if it contains a key."""
    error = record.exc_info[1] if record.exc_info else None
    text = "\n".join(text for one in _chain(error) for text in _written(one))
    values = _header_values(error, text)
    if values or mentions_key(text):
        written = logging.Formatter().formatException(record.exc_info)  # type: ignore[arg-type]
        clean = _without(values, masked(written))
        if clean != written:
            # Otherwise another handler would format the exception itself.
            record.exc_info, record.exc_text = None, clean


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Return an exception and all that its traceback shows with it."""
    seen, unseen = set(), [error]
    while unseen:
        one = unseen.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            unseen += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]


def _header_values(error: BaseException | None, text: str) -> list[str]:
    """Return the keys in the headers of a failed request if the text may quote one."""
    if not _QUOTES_HEADER.search(text):
        return []
    frames = [frame for one in _chain(error) for frame, _ in traceback.walk_tb(one.__traceback__)]
    headers = [local for frame in frames for local in [*frame.f_locals.values()] if isinstance(local, Mapping)]
    return [form for one in headers for name, value in [*one.items()] if is_key_name(name) for form in _forms(value)]


_QUOTES_HEADER = re.compile("header value|header part", re.IGNORECASE)
_SHORTEST_KEY = 8
"""A shorter value of a key's header may occur anywhere by coincidence."""


def _forms(value: Any) -> Iterator[str]:
    """Return how a value is written in an error."""
    text = value.decode("latin-1") if isinstance(value, (bytes, bytearray)) else str(value)
    if len(text) >= _SHORTEST_KEY:
        yield repr(text)[1:-1]
        yield repr(text.encode("utf-8", "replace"))[2:-1]
        yield repr(text.encode("latin-1", "replace"))[2:-1]
        yield text


def _without(values: list[str], text: str) -> str:
    for value in sorted(set(values), key=len, reverse=True):
        text = text.replace(value, MASK)
    return text
