"""Redact customer keys in the log records of the SDKs.

Their DEBUG logs print request headers, canonical strings and URLs, customer keys and the MD5 of these among them. Only
these values are replaced.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["redacted"]

_MASK = "******"
_NAME = re.compile(
    r"server-side-encryption-customer-key(?:-md5)?|ssecustomerkey(?:md5)?|meta-\w*sseheader", re.IGNORECASE
)
# "name: value" as a dict's repr, JSON, a canonical string or a query writes it. A quoted value ends with its own
# quote, which may occur in it after a backslash, or after an escaped backslash where the repr of a repr was logged. A
# canonical string quotes nothing: there the value ends with its line. The text of a misplaced SSE object is
# percent-encoded, its braces too, but not its single quotes; it is read string by string, for a key may contain quotes
# and braces. After a comma only a quoted text is a value; other text is another name. Every repetition is bounded: a
# stranger may choose what is logged.
_SSE_OBJECT = (
    r"""%7B(?:%22(?:(?!%22).){0,400}%22|'(?:%5C.|%(?!5C)|[^'%]){0,400}'|[^'%]){0,16}%7D|%7B.{0,999}?(?:['"]|%22)%7D"""
)
_IN_TEXT = re.compile(
    rf"""(?P<name>(?:{_NAME.pattern})\\?['"]?\s{{0,9}}(?:[:=]|,(?=\s{{0,9}}b?\\?['"]))\s{{0,9}}(?:[\[(]|%5B|%28)?b?)"""
    r"""(?:(?P<quote>['"])(?:\\.|(?!(?P=quote))[^\\]){0,999}(?P=quote)"""
    r"""|(?P<escaped>\\['"])(?:\\\\(?:\\.|[^\\])|(?!(?P=escaped)).){0,999}(?P=escaped)"""
    rf"""|{_SSE_OBJECT}"""
    r"""|(?<=:)[^\s'"\\{(\[][^\r\n\\]{0,999}"""
    r"""|\\?['"]?[^\s&,;}\])'"\\]+)""",
    re.IGNORECASE | re.DOTALL,
)


def redacted(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the arguments of a log call with customer keys replaced; those without one are returned as they are."""
    return tuple(_redacted(value) for value in values)


def _redacted(value: Any) -> Any:
    if isinstance(value, (int, float)) or value is None:
        return value
    if isinstance(value, dict):
        return _redacted_dict(value)
    written = value if isinstance(value, str) else str(value)
    if not _NAME.search(written):
        return value
    return _IN_TEXT.sub(_mask, written)


def _mask(match: re.Match[str]) -> str:
    quote = match["quote"] or match["escaped"] or ""
    return f"{match['name']}{quote}{_MASK}{quote}"


def _redacted_dict(value: dict[Any, Any]) -> dict[Any, Any]:
    if not _NAME.search(str(value)):  # in nested values too
        return value
    return {name: _MASK if _NAME.search(str(name)) else _redacted(entry) for name, entry in value.items()}
