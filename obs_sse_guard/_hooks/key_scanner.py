r"""Find customer keys in text that an SDK logs.

A key is what follows the name of a header or parameter that carries one. Text comes in the forms in which the SDKs
write it: the repr of a dict, JSON, a canonical string, a query, XML, and each of these in the repr of another.

The scan takes linear time, because others may control what is logged. Every pattern here has a bounded width, except
those that search for the end of a value; what is searched is masked, so nothing is searched twice. Where the end of a
value is in doubt, more is masked rather than less.
"""

from __future__ import annotations

import heapq
import re
from typing import TYPE_CHECKING, Any, TypeVar, Union

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Span = tuple[int, int]
    FindSpans = Callable[[bytes, int], Iterator[Span]]

__all__ = ["MASK", "fold", "is_key_name", "masked", "mentions_key", "wire_data_mentions_key"]

MASK = "******"
_MASK = MASK.encode()
_Text = TypeVar("_Text", bound=Union[str, bytes])


def fold(text: str | bytes) -> bytes:
    """Return ASCII text in lower case, each character at its position."""
    return (text.encode("ascii", "replace") if isinstance(text, str) else text).lower()


# ------------------------------------------------------------------------------ names

_PARTS_OF_NAMES = (b"encryption", b"ssecustomerkey", b"sseheader")
_HEADER = b"server-side-encryption-customer-key"
_HEX_DUMPS = (b"stringtosignbytes>", b"canonicalrequestbytes>")  # in the response to a request with a wrong signature

# Percent-encoding, and that of it.
_PERCENT = rb"%(?:25){0,3}"
_SPACE = rb"(?:\s|\+|\\[nrt]|" + _PERCENT + rb"20)"
_COLON = _SPACE + rb"{0,99}(?::|" + _PERCENT + rb"3a)" + _SPACE + rb"{0,99}"
# With the backslashes of nested reprs. After more than 15, a quote counts as part of a value whose end is unknown.
_QUOTE = rb"(?:(?:\\|" + _PERCENT + rb"5c){0,15}(?:['\"]|" + _PERCENT + rb"2[27])|&(?:quot|apos|#3[49]|#x2[27]);)"
_BACKSLASHES = (b"\\", b"%5c", b"%255c", b"%25255c", b"%2525255c")
_KEY_NAME = rb"(?:encryption-customer-key(?:-md5)?|ssecustomerkey(?:md5)?)"
_SSE_OBJECTS = rb"(?:(?<=meta-)|(?<=meta-dest)|(?<=meta-source))sseheader"
_NAME = re.compile(
    _KEY_NAME + rb"|" + _SSE_OBJECTS
    # An SSE-C object of esdk-obs-python as text, where a call has it in the place of another argument.
    + rb"|encryption" + _QUOTE + _COLON + _QUOTE + rb"?[\w:.-]{1,40}" + _QUOTE + rb"?(?:,|" + _PERCENT + rb"2c)"
    + _SPACE + rb"{0,9}" + _QUOTE + rb"key(?=" + _QUOTE + _COLON + rb")"
    rb"|(?:stringtosign|canonicalrequest)bytes(?=>)"
)  # fmt: skip
_WHOLE_NAME = re.compile(rb"[\w-]{0,60}(?:" + _KEY_NAME + rb"|" + _SSE_OBJECTS + rb")")
_FIRST_IN_PAIR = re.compile(rb"(?:\(|[\[,]\s{0,9}\[)\s{0,9}b?" + _QUOTE + rb"[\w-]{0,40}\Z")


def mentions_key(text: str) -> bool:
    """Return whether text may name a key."""
    lower = text.lower() if text.isascii() else fold(text).decode()  # lower() is slow where text is not ASCII
    return "encryption" in lower or "ssecustomerkey" in lower or "sseheader" in lower


def wire_data_mentions_key(data: bytes) -> bool:
    """Return whether data of a request or response may name a key.

    Only the names of headers occur there, so that a large body is searched once.
    """
    return _HEADER in data.lower()


def is_key_name(name: object) -> bool:
    """Return whether this is the name of a header or parameter that carries a key."""
    return bool(_WHOLE_NAME.fullmatch(fold(name if isinstance(name, (str, bytes)) else str(name)).strip()))


# ----------------------------------------------------------------------------- values


_OPENING = (
    rb"(?P<brackets>(?:(?:bytearray)?[\[({]|" + _PERCENT + rb"(?:5b|28|7b)|" + _SPACE + rb"){0,99})"
    rb"b?(?P<quote>" + _QUOTE + rb")"
)  # fmt: skip
_FIRST_STRING = re.compile(_OPENING)
_NEXT_STRING = re.compile(rb"[,:]?" + _OPENING)
_BRACKET = re.compile(rb"[\[({]|5b|28|7b")
_CLOSING_BRACKET = re.compile(_SPACE + rb"{0,99}(?:[\])}]|" + _PERCENT + rb"(?:5d|29|7d))")
_NO_KEY = re.compile(_SPACE + rb"{0,99}(?:(?:none|null|true|false)\b|\*{6}|<[\w. ]{1,99} at 0x[0-9a-f]{1,16}>)")


def _quoted(text: bytes, start: int) -> Iterator[Span]:
    """Find the value of a quoted name: a string, or several in brackets."""
    found = _FIRST_STRING.match(text, start)
    if not found:
        yield from _rest_of_line(text, start)
        return
    in_brackets = bool(_BRACKET.search(found["brackets"]))
    end = start
    while found is not None:
        end = _closing_quote(text, found["quote"], found.end())
        yield found.end(), end
        end += len(found["quote"])
        found = _NEXT_STRING.match(text, end) if in_brackets else None
    if in_brackets and not _CLOSING_BRACKET.match(text, end):
        yield from _rest_of_line(text, end)


def _closing_quote(text: bytes, quote: bytes, start: int) -> int:
    """Find the quote that ends a string, skipping those after a backslash."""
    end = text.find(quote, start)
    while end >= 0 and text.endswith(_BACKSLASHES, start, end):
        end = text.find(quote, end + 1)
    return end if end >= 0 else len(text)


_NEWLINE = re.compile(rb"\n|\\{1,15}n")
_NEXT_LINE = re.compile(rb"[\w-]{1,99}:|/|[\r\n\\]|['\"]?\Z")
_BLANKS = re.compile(rb"[ \t]{0,99}")


def _rest_of_line(text: bytes, start: int) -> Iterator[Span]:
    if not _NO_KEY.match(text, start):
        blanks = _BLANKS.match(text, start)
        yield blanks.end() if blanks else start, _line_end(text, start)


def _header_line(text: bytes, start: int) -> Iterator[Span]:
    """Find a value in a canonical string, up to the next header or the path.

    Such a string quotes nothing.
    """
    yield start, _line_end(text, start, _NEXT_LINE)


def _line_end(text: bytes, start: int, next_line: re.Pattern[bytes] = re.compile(b"")) -> int:
    """Find the end of a line, which is written like that of the line before.

    A repr escapes line feeds.
    """
    newline = [b"\n", *_NEWLINE.findall(text, max(0, start - 120), start)][-1]
    end = text.find(newline, start)
    is_escaped = newline != b"\n"
    while end >= 0 and (
        (is_escaped and text.endswith(b"\\", start, end)) or not next_line.match(text, end + len(newline))
    ):
        end = text.find(newline, end + 1)
    if end < 0:
        return len(text)
    carriage_return = newline.replace(b"n", b"r").replace(b"\n", b"\r")
    return end - len(carriage_return) if text.endswith(carriage_return, start, end) else end


_QUERY_END = re.compile(rb"[\s&'\"<>\\]")
_ELEMENT_END = re.compile(rb"<")


def _query(text: bytes, start: int) -> Iterator[Span]:
    end = _end(_QUERY_END, text, start)
    yield start, start + len(text[start:end].rstrip(b",;:)]}"))


def _element(text: bytes, start: int) -> Iterator[Span]:
    yield start, _end(_ELEMENT_END, text, start)


def _end(pattern: re.Pattern[bytes], text: bytes, start: int) -> int:
    found = pattern.search(text, start)
    return found.start() if found else len(text)


# What stands between a name and its value, and how to find that value. The first match counts.
_SEPARATORS: tuple[tuple[re.Pattern[bytes], FindSpans], ...] = tuple(
    (re.compile(pattern), find)
    for pattern, find in (
        (_QUOTE + _COLON, _quoted),
        (_QUOTE + rb"?\s{0,9}[=-]?[=>]\s{0,9}(?=b?\\{0,15}['\"]|bytearray\(|[<\[({])", _quoted),
        (
            _QUOTE + rb"?[,\s]" + _SPACE + rb"{0,99}" + _QUOTE + rb"?\w{0,9}value(?:" + _QUOTE + _COLON + rb"|=)",
            _quoted,
        ),
        (rb",\s{0,9}value:", _rest_of_line),  # an error of botocore about a parameter
        (rb">|</[\w:-]{1,40}>" + _SPACE + rb"{0,99}<[\w:-]{1,40}>", _element),
        (rb":(?=\S)", _header_line),
        (rb"\s{0,9}:|\s{1,9}[=-]?[=>]\s", _rest_of_line),
        (rb"=|" + _PERCENT + rb"3[ad]", _query),
    )
)
_PAIR = re.compile(_QUOTE + rb",(?=\s{0,9}(?:bytearray\()?b?" + _QUOTE + rb")")


def masked(text: _Text) -> _Text:
    """Return text with each key replaced; the same object if there is none."""
    mask: Any = MASK if isinstance(text, str) else _MASK
    parts: list[Any] = []
    end = 0
    for start, stop in _spans(fold(text)):
        parts += [text[end:start], mask]
        end = stop
    return mask[:0].join([*parts, text[end:]]) if parts else text


def _spans(text: bytes) -> Iterator[Span]:
    parts = (*_PARTS_OF_NAMES, *_HEX_DUMPS) if _HEADER in text else _PARTS_OF_NAMES
    end = 0
    for start in heapq.merge(*(_occurrences(text, part) for part in parts)):
        name = _NAME.match(text, start) if start >= end else None
        for span in _values(text, name) if name else ():
            end = span[1]
            if end > span[0] and not text.startswith(_MASK, span[0]):
                yield span


def _occurrences(text: bytes, part: bytes) -> Iterator[int]:
    start = text.find(part)
    while start >= 0:
        yield start
        start = text.find(part, start + len(part))


def _values(text: bytes, name: re.Match[bytes]) -> Iterator[Span]:
    for separator, find in _SEPARATORS:
        found = separator.match(text, name.end())
        if found:
            return find(text, found.end())
    found = _PAIR.match(text, name.end())
    if found and _FIRST_IN_PAIR.search(text, max(0, name.start() - 60), name.start()):  # else a list of names
        return _quoted(text, found.end())
    return iter(())
