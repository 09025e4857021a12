"""Masking of customer keys in other people's log records.

The SDKs' DEBUG logs print request headers, canonical strings and URLs, customer keys and
their MD5 among them. Only these values are replaced; everything else stays as it was.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["masked"]

_MASK = "******"
_NAME = re.compile(
    r"server-side-encryption-customer-key(?:-md5)?|ssecustomerkey(?:md5)?|meta-\w*sseheader", re.IGNORECASE
)
# "name: value" as a dict's repr, JSON, a canonical string or a query write it. A quoted value ends with its own quote,
# which may occur in it after a backslash, or after one that is itself escaped where the repr of a repr was logged. A
# canonical string quotes nothing: there the value ends with its line. The text of a misplaced SSE object is
# percent-encoded braces and all, but for its single quotes; it is read string by string, for a key may hold quotes and
# braces of its own. After a comma stands a value only if it is quoted: else another name. Bounded everywhere: what is
# logged may be a stranger's to choose.
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


def masked(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """A log call's arguments with the customer keys masked, themselves where there are none."""
    return tuple(_masked(value) for value in values)


def _masked(value: Any) -> Any:
    if isinstance(value, (int, float)) or value is None:
        return value
    if isinstance(value, dict):
        return _masked_dict(value)
    written = value if isinstance(value, str) else str(value)
    if not _NAME.search(written):
        return value
    return _IN_TEXT.sub(_hidden, written)


def _hidden(match: re.Match[str]) -> str:
    quote = match["quote"] or match["escaped"] or ""
    return f"{match['name']}{quote}{_MASK}{quote}"


def _masked_dict(value: dict[Any, Any]) -> dict[Any, Any]:
    if not _NAME.search(str(value)):  # also in what it holds
        return value
    return {name: _MASK if _NAME.search(str(name)) else _masked(entry) for name, entry in value.items()}
