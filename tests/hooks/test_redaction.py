"""Keys in an SDK's logs are redacted, and nothing else is, in linear time."""

from __future__ import annotations

import html
import json
import logging
import pickle
import re
import sys
from collections import OrderedDict
from types import FrameType
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from obs_sse_guard._hooks import key_scanner
from obs_sse_guard._hooks.key_scanner import masked
from obs_sse_guard._hooks.redaction import redact_message, redact_traceback
from tests.support.sse import ENCODED, KEY, MD5, OBS_KEY_HEADER, S3_KEY_HEADER
from tests.support.strategies import any_case, keys

MASK = "******"
NAMES = (
    OBS_KEY_HEADER,
    S3_KEY_HEADER,
    f"{OBS_KEY_HEADER}-MD5",
    OBS_KEY_HEADER.upper(),
    "x-obs-copy-source-" + OBS_KEY_HEADER[6:],
    "SSECustomerKey",
    "CopySourceSSECustomerKey",
    "SSECustomerKeyMD5",
)


class Secret(str):
    """A key with a repr of its own."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<Secret {self!s}>"


# --------------------------------------------------------------------------- forms of text

FORMS = {
    "a canonical string": "{name}:{value}\nx-obs-date:today",
    "the repr of a canonical string": "PUT\\n\\n{name}:{value}\\n/bucket/key",
    "a request": "b'PUT / HTTP/1.1\\r\\n{name}: {value}\\r\\nHost: h\\r\\n'",
    "a dict": "{{'{name}': '{value}', 'a': 'b'}}",
    "a dict of bytes": "{{b'{name}': b'{value}', b'a': b'b'}}",
    "a dict of lists": "{{'{name}': ['{value}'], 'a': ['b']}}",
    "a dict of bytearrays": "{{'{name}': bytearray(b'{value}'), 'a': 1}}",
    "a pair": "('{name}', '{value}')",
    "pairs": "[('a', 'b'), (b'{name}', b'{value}'), ('c', 'd')]",
    "arguments": "f(SSECustomerAlgorithm='AES256', {name}='{value}', a=1)",
    "an assignment": "{name} = {value}\nnext",
    "an arrow": "{name} -> {value}\nnext",
    "a double arrow": '"{name}"=>"{value}", "a"=>"b"',
    "attributes without quotes": "<header name={name} value={value}\n>",
    "JSON": '{{"{name}": "{value}", "a": 1}}',
    "indented JSON": '{{\n            "{name}": [\n                "{value}"\n            ]\n}}',
    "JSON in JSON": '{{\\"{name}\\": \\"{value}\\"}}',
    "JSON with names in values": '{{"h": [{{"name": "{name}",\n    "value": "{value}"}}, {{"name": "a"}}]}}',
    "pairs in JSON": '[["{name}", "{value}"], ["a", "b"]]',
    "a query": "/k?{name}={value}&a=b",
    "the query of a URL": "url=https://h/k?a=b&{name}={value}, headers={{'a': 'b'}}>",
    "an element": "<{name}>{value}</{name}>",
    "an error of S3": "<ArgumentName>{name}</ArgumentName>\n  <ArgumentValue>{value}</ArgumentValue>",
    "its repr": "<ArgumentName>{name}</ArgumentName>\\n  <ArgumentValue>{value}</ArgumentValue>",
    "attributes": '<header name="{name}" value="{value}" a="b"/>',
    "escaped quotes": "&quot;{name}&quot;: &quot;{value}&quot;, &quot;a&quot;",
    "an error of botocore": "Invalid type for parameter {name}, value: {value}\nnext",
}


@pytest.mark.parametrize("form", FORMS)
def test_only_the_value_is_masked(form: str) -> None:
    for name in NAMES:
        for value in (ENCODED, MD5, quote(ENCODED, safe="")):
            text = FORMS[form].format(name=name, value=value)
            assert masked(text) == text.replace(value, MASK)
            assert masked(text.encode()) == text.replace(value, MASK).encode()


@pytest.mark.parametrize(
    "text",
    [
        f"SignedHeaders=host;{OBS_KEY_HEADER};range",
        f"['host', '{OBS_KEY_HEADER}', 'range']",
        f"host;{OBS_KEY_HEADER}\n64 digits",
        f"{OBS_KEY_HEADER}s: no key",
        f"{OBS_KEY_HEADER}:\nx-obs-date:today",
        "{'SSECustomerKey': None, 'a': 'b'}",
        '{"SSECustomerKey": null, "a": "b"}',
        "{'SSECustomerKey': '', 'a': 'b'}",
        "{'SSECustomerKey': <memory at 0x7f12>, 'a': 'b'}",
        "{'encryption': 'AES256', 'a': 'b'}",
        "x-obs-server-side-encryption-customer-algorithm: AES256",
        "<StringToSignBytes>47 45 54</StringToSignBytes>",
    ],
)
def test_text_without_a_key_is_unchanged(text: str) -> None:
    assert masked(text) is text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{'SSECustomerKey': <Secret of 'a'>, 'a': 1}\nnext", "{'SSECustomerKey': ******\nnext"),
        ("{'SSECustomerKey': {'key': 'a', 'b': [1]}}", "{'SSECustomerKey': {'******': '******', '******'******"),
        ("SSECustomerKey=<Secret a>\nnext", "SSECustomerKey=******\nnext"),
        (f"{S3_KEY_HEADER}:a\nb\nx-amz-date:today", f"{S3_KEY_HEADER}:******\nx-amz-date:today"),
        (f"{S3_KEY_HEADER}:'a\\nb:'\n/bucket", f"{S3_KEY_HEADER}:******\n/bucket"),
        (f"{S3_KEY_HEADER}:[a\\", f"{S3_KEY_HEADER}:******"),
        (f"a\\n{S3_KEY_HEADER}:\\\\n/a\\n/bucket", f"a\\n{S3_KEY_HEADER}:******\\n/bucket"),
        (f"'{S3_KEY_HEADER}': 'never closed", f"'{S3_KEY_HEADER}': '******"),
        (f"?a={S3_KEY_HEADER}%3Da%26b c", f"?a={S3_KEY_HEADER}%3D****** c"),
        ("versionId=%7B%27encryption%27%3A+%27AES256%27%2C+%27key%27%3A+%27a%5C%27b%27%7D&c", None),
        ("{'encryption': None, 'key': \"a'b\"}", "{'encryption': None, 'key': \"******\"}"),
        ("x-obs-meta-sseHeader:%7B'key': 'a'%7D\n/bucket", "x-obs-meta-sseHeader:******\n/bucket"),
        (f"<StringToSignBytes>6b 65</StringToSignBytes>{S3_KEY_HEADER}:a", None),
    ],
)
def test_what_is_in_doubt_is_masked(text: str, expected: str | None) -> None:
    shown = masked(text)
    assert expected in {shown, None}
    assert MASK in shown
    assert "%5C" not in shown
    assert "6b" not in shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{S3_KEY_HEADER}:a\nx-amz-date:b\\nc", f"{S3_KEY_HEADER}:******\nx-amz-date:b\\nc"),
        (f"\\n{S3_KEY_HEADER}:a\\n/bucket", f"\\n{S3_KEY_HEADER}:******\\n/bucket"),
        (f"{S3_KEY_HEADER}:a\\\nx-amz-date:b", f"{S3_KEY_HEADER}:******\nx-amz-date:b"),
        (f"{S3_KEY_HEADER}:a\nb\nx-amz-date:b\nx-amz-e:f", f"{S3_KEY_HEADER}:******\nx-amz-date:b\nx-amz-e:f"),
        (f"PUT /\r\n{S3_KEY_HEADER}: a\r\nHost: h\r\n", f"PUT /\r\n{S3_KEY_HEADER}: ******\r\nHost: h\r\n"),
    ],
)
def test_a_value_ends_with_its_line(text: str, expected: str) -> None:
    assert masked(text) == expected


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


WRITERS: dict[str, Any] = {
    "a canonical string": lambda name, key: (f"PUT\n\n{name}:{key}\n/bucket/key", key),
    "the repr of a canonical string": lambda name, key: (
        repr(f"PUT\n\n{name}:{key}\n/bucket/key"),
        repr(f"'\"{key}")[4:-1],
    ),
    "a dict": lambda name, key: (repr({"a": 1, name: key, "b": "c"}), repr(key)[1:-1]),
    "the repr of a dict's repr": lambda name, key: (repr(repr({name: key, "b": "c"})), repr(repr(key)[1:-1])[1:-1]),
    "a dict of bytes": lambda name, key: (repr({name: key.encode(), "b": "c"}), repr(key.encode())[2:-1]),
    "a dict of bytearrays": lambda name, key: (
        repr({name: bytearray(key.encode()), "b": "c"}),
        repr(bytearray(key.encode()))[12:-2],
    ),
    "a dict of lists": lambda name, key: (repr({name: [key, key], "b": "c"}), repr(key)[1:-1]),
    "another repr": lambda name, key: (repr({name: Secret(key), "b": "c"}), key),
    "JSON": lambda name, key: (_json({name: key, "b": "c"}), _json(key)[1:-1]),
    "the repr of JSON": lambda name, key: (repr(_json({name: key, "b": "c"})), repr(_json(key))[2:-2]),
    "JSON in JSON": lambda name, key: (_json(_json({name: key, "b": "c"})), _json(_json(key))[3:-3]),
    "a query": lambda name, key: (f"/k?{name}={quote_plus(key)}&a=b", quote_plus(key)),
    "XML": lambda name, key: (
        f"<ArgumentName>{name}</ArgumentName><ArgumentValue>{html.escape(key)}</ArgumentValue>",
        html.escape(key),
    ),
    "an error of botocore": lambda name, key: (f"parameter {name}, value: {key}, type: <class 'a'>\nnext", key),
}


def _parts(text: str) -> set[str]:
    return {text[start : start + 9] for start in range(len(text) - 8)}


@pytest.mark.unmeasured
@given(key=keys, name=st.sampled_from(NAMES).flatmap(any_case), form=st.sampled_from([*WRITERS]), text=st.text())
@example("b'\"\\{[<SECRET" + "-" * 18 + "\\", S3_KEY_HEADER, "the repr of JSON", "")
@example('"SECRET"SECRET' + "-" * 18, S3_KEY_HEADER, "a query", "")
@example("\\n/bucket\\nx-amz-date:SECRET-------", S3_KEY_HEADER, "a canonical string", "")
def test_no_part_of_a_key_is_left(key: str, name: str, form: str, text: str) -> None:
    written, secret = WRITERS[form](name, key)
    left = masked(f"{text} {written} {text}")
    assert not _parts(secret) & (_parts(left) - _parts(text) - _parts(WRITERS[form](name, MASK)[0]))
    assert masked(left) == left


_other_text = st.text(st.characters(exclude_characters="kK"))  # a name of a key has a "k"


@given(_other_text)
def test_any_other_text_is_unchanged(text: str) -> None:
    assert masked(text) is text


# ------------------------------------------------------------------------------ linear time

PIECES = (
    *(name.lower() for name in NAMES[1:6]),
    *("meta-sseheader", "encryption", "'encryption': 'AES256', 'key': '", "stringtosignbytes>", "key", "-md5", "value"),
    *("'", '"', "\\", "\\'", "%27", "%5c", "&quot;", "b'", "bytearray(b'", "\n", "\\n", "\r", " ", "+", "%20", "\t"),
    *(":", "%3a", "=", "%253d", ",", "(", "[", "{", "%5b", ")", "]", "}", "<", ">", "</a><a>", "/", "a", "é", "******"),
)


def _steps(text: str) -> int:
    """Return the number of functions called, built-ins included, to mask a text."""
    steps = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal steps
        steps += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        masked(text)
    finally:
        sys.setprofile(None)
    return steps


def _widths() -> dict[str, int]:
    parse: Any = getattr(re, "_parser", None) or __import__("sre_parse")
    patterns = {name: value for name, value in vars(key_scanner).items() if isinstance(value, re.Pattern)}
    patterns |= {f"separator {number}": pattern for number, (pattern, _) in enumerate(key_scanner._SEPARATORS)}
    return {name: int(parse.parse(pattern.pattern).getwidth()[1]) for name, pattern in patterns.items()}


def test_every_pattern_has_a_bounded_width() -> None:
    """Each step of a pattern then takes bounded time, so counting steps is enough."""
    widths = _widths()
    assert len(widths) > 15
    assert max(widths.values()) < 5000


def _assert_linear(piece: str, length: int) -> None:
    few, many = (piece * (number // len(piece)) for number in (length, 4 * length))
    assert _steps(few) < 10 * length
    assert _steps(many) < 5 * _steps(few) + 100


def test_the_steps_are_counted() -> None:
    assert _steps(f"'{S3_KEY_HEADER}': 'a'" * 100) > 1000


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join))
@settings(max_examples=60, deadline=None)
@example(f"{S3_KEY_HEADER}:\\'" + "\\" * 60)
@example("\\")
@example(f"'{S3_KEY_HEADER}':")
def test_the_number_of_steps_grows_with_the_text_only(piece: str) -> None:
    _assert_linear(piece, 1000)
    _assert_linear(f"{S3_KEY_HEADER}:{piece}", 1000)


@given(
    start=st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
    piece=st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map("".join),
)
@settings(max_examples=400, deadline=None)
@pytest.mark.full
def test_the_number_of_steps_grows_with_long_texts_only(start: str, piece: str) -> None:
    few, many = (start + piece * (length // len(piece) + 1) for length in (10_000, 40_000))
    assert _steps(few) < 10 * len(few)
    assert _steps(many) < 5 * _steps(few) + 100


@pytest.mark.full
@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("start", ["", f"{S3_KEY_HEADER}:", f"'{S3_KEY_HEADER}': '", f"{S3_KEY_HEADER}:\\'"])
def test_a_megabyte_takes_as_many_steps_per_character(start: str, piece: str) -> None:
    text = start + piece * (1_000_000 // len(piece))
    assert _steps(text) < 10 * len(text)


# ---------------------------------------------------------------------------------- records


def _record(message: Any, *args: Any) -> logging.LogRecord:
    message, args = redact_message(message, args)
    return logging.LogRecord("a", logging.INFO, "a", 1, message, args, None)


def _is_clean(record: logging.LogRecord) -> bool:
    text = record.getMessage() + repr(record.args) + repr(record.msg)
    return MASK in text and not any(form in text for form in (KEY, ENCODED, MD5))


def test_a_dict_is_masked_in_a_copy() -> None:
    headers = {OBS_KEY_HEADER: "raw 'key' with, anything;", "Host": "h"}
    assert redact_message("%s", (headers,)) == ("%s", ({OBS_KEY_HEADER: MASK, "Host": "h"},))
    assert headers[OBS_KEY_HEADER].startswith("raw")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (KEY.encode(), MASK.encode()),
        (bytearray(KEY.encode()), MASK),
        (Secret(KEY), MASK),
        ([KEY, KEY.encode()], [MASK, MASK.encode()]),
        ({"key": KEY}, MASK),
        (None, None),
        ("", ""),
        (b"", b""),
        (False, False),
    ],
)
def test_the_value_of_a_key_keeps_its_kind(value: Any, expected: Any) -> None:
    [shown] = redact_message("%s", ({"SSECustomerKey": value, "a": b"x"},))[1]
    assert shown == {"SSECustomerKey": expected, "a": b"x"}


@pytest.mark.parametrize(
    ("message", "args"),
    [
        ("%s", ({"a": [{"SSECustomerKey": KEY}]},)),
        ("%s", (OrderedDict({S3_KEY_HEADER: KEY}),)),
        ("%s", ([("a", "b"), (S3_KEY_HEADER, KEY)],)),
        ("%s", ({(S3_KEY_HEADER, "a"): "b", S3_KEY_HEADER: KEY},)),
        ("%(SSECustomerKey)s", ({"SSECustomerKey": KEY},)),
        (f"{S3_KEY_HEADER}: %(value)s", ({"value": KEY},)),
        ("%s: %s", (S3_KEY_HEADER, KEY)),
        ("Adding (%s, %s)", (S3_KEY_HEADER.encode(), KEY.encode())),
        (f"{S3_KEY_HEADER}: %s, %d", (KEY, 1)),
        (f"{S3_KEY_HEADER}:{KEY} 100%", ()),
        ("%r", (f"{S3_KEY_HEADER}: {KEY}".encode(),)),
        ("%r", (ValueError(f"{S3_KEY_HEADER}: {KEY}"),)),
        (ValueError(f"{S3_KEY_HEADER}: {KEY}"), ()),
        ("%s", ({"SSECustomerKey": {"deep": [[[[[[[[[[[[[[[[[[[[[[[[KEY]]]]]]]]]]]]]]]]]]]]]]]]}},)),
        ("%s", ([[[[[[[[[[[[[[[[[[[[[[[[{S3_KEY_HEADER: KEY}]]]]]]]]]]]]]]]]]]]]]]]],)),
        ("%s", ({"é": [f"{S3_KEY_HEADER}: {KEY}"]},)),
        ("%s", (f"x-obs-meta-sseHeader:%7B'key': '{KEY}'%7D\n/bucket",)),
    ],
)
def test_no_key_is_in_a_record(message: Any, args: Any) -> None:
    assert KEY in repr((message, args)) or KEY in str(message)
    record = _record(message, *args)
    assert _is_clean(record)
    assert _is_clean(pickle.loads(pickle.dumps(record)))  # noqa: S301  # a record of this test


def test_what_contains_itself_is_masked() -> None:
    loop: dict[str, Any] = {S3_KEY_HEADER: KEY}
    loop["self"] = [loop]
    assert _is_clean(_record("%s", loop))


def test_arguments_that_do_not_fit_are_masked_too() -> None:
    message, args = redact_message("%d %d", ({S3_KEY_HEADER: KEY},))
    assert (message, args) == ("%d %d", ({S3_KEY_HEADER: MASK},))
    message, args = redact_message("%d %d", (_Worded(f"'SSECustomerKey': '{KEY}'"),))
    assert (message, repr(args)) == ("%d %d", f"('SSECustomerKey': '{MASK}',)")
    message, args = redact_message("%d %d", ((S3_KEY_HEADER, KEY),))
    assert (message, args) == ("%d %d", ((S3_KEY_HEADER, MASK),))
    for name in (S3_KEY_HEADER.encode(), _Worded("SSECustomerKey")):
        message, args = redact_message("%d %d", ({name: KEY, "a": "SSECustomerKey"},))
        assert (message, args) == ("%d %d", ({name: MASK, "a": "SSECustomerKey"},))


class _Plain:
    def method(self) -> None:
        """Do nothing."""


class _Worded:
    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def method(self) -> None:
        """Do nothing."""


class _Shown(_Worded):
    """An object whose text has no key, and whose repr has one."""

    def __str__(self) -> str:
        return "shown"


def test_the_repr_of_an_object_is_masked() -> None:
    assert redact_message("%r", (_Shown(f"{{'SSECustomerKey': '{KEY}'}}"),)) == ("%r", ("shown",))
    assert _is_clean(_record("%r", _Worded(f"{{'SSECustomerKey': '{KEY}'}}")))
    assert _is_clean(_record("calling %s", _Worded(f"{{'SSECustomerKey': '{KEY}'}}").method))


@pytest.mark.parametrize(
    "value",
    [
        1,
        1.5,
        None,
        True,
        "plain",
        "é",
        b"x",
        {"a": "b"},
        [1],
        {1},
        len,
        int,
        _Plain(),
        _Plain().method,
        _Worded("x"),
        ValueError("x"),
        {"a": _Worded("'encryption': x")},
        f"SignedHeaders=host;{OBS_KEY_HEADER};range",
    ],
)
def test_an_argument_without_a_key_is_the_same_object(value: Any) -> None:
    message, [shown] = redact_message("%s", (value,))
    assert message == "%s"
    assert shown is value or shown == value


# ---------------------------------------------------------------------------------- errors


def _raise(error: Exception, _headers: Any = None) -> None:
    raise error


def _traceback(error: Exception, headers: Any = None) -> logging.LogRecord:
    """Return a record with an error raised by a function that knows the headers."""
    try:
        _raise(error, headers)
    except Exception:  # noqa: BLE001  # the error
        record = logging.LogRecord("a", logging.ERROR, "a", 1, "failed", (), sys.exc_info())
    redact_traceback(record)
    return record


def _with_context(context: Exception) -> Exception:
    error = ValueError("failed")
    error.__context__ = context
    return error


def _with_cause(cause: Exception, context: Exception) -> Exception:
    error = _with_context(context)
    error.__cause__ = cause
    return error


_QUOTING = ValueError(f"{S3_KEY_HEADER}: {KEY}")
_SELF = ValueError("failed")
_SELF.__cause__ = ValueError("failed before")
_SELF.__cause__.__context__ = _SELF


def test_an_error_with_a_key_is_replaced_by_its_text() -> None:
    record = _traceback(ValueError(f"{S3_KEY_HEADER}: {KEY}"))
    assert record.exc_info is None
    assert str(record.exc_text).startswith("Traceback (most recent call last):\n")
    assert str(record.exc_text).endswith(f"ValueError: {S3_KEY_HEADER}: {MASK}")


@pytest.mark.parametrize(
    "error",
    [_with_context(_QUOTING), _with_cause(_QUOTING, context=ValueError("failed"))],
    ids=["a context", "a cause beside a context"],
)
def test_an_error_whose_traceback_shows_one_with_a_key_is_replaced(error: Exception) -> None:
    record = _traceback(error)
    assert record.exc_info is None
    assert KEY not in str(record.exc_text)
    assert f"ValueError: {S3_KEY_HEADER}: {MASK}" in str(record.exc_text)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="an older Python shows no groups")
def test_a_group_of_errors_is_replaced() -> None:
    record = _traceback(ExceptionGroup("failed", [ValueError("a"), _with_context(_QUOTING)]))  # type: ignore[name-defined]  # noqa: F821
    assert KEY not in str(record.exc_text)
    assert f"ValueError: {S3_KEY_HEADER}: {MASK}" in str(record.exc_text)


@pytest.mark.parametrize("error", [ValueError("failed"), _SELF], ids=["one error", "a cycle"])
def test_an_error_without_a_key_is_left(error: Exception) -> None:
    record = _traceback(error, {S3_KEY_HEADER: KEY})
    assert record.exc_info is not None
    assert record.exc_info[1] is error
    assert record.exc_text is None


def test_a_record_without_an_error_is_left() -> None:
    record = logging.LogRecord("a", logging.ERROR, "a", 1, "failed", (), None)
    redact_traceback(record)
    assert (record.exc_info, record.exc_text) == (None, None)


QUOTERS: dict[str, Any] = {
    "as it is": str,
    "as its repr": lambda key: repr(key)[1:-1],
    "as UTF-8": lambda key: repr(key.encode("utf-8", "replace"))[2:-1],
    "as Latin-1": lambda key: repr(key.encode("latin-1", "replace"))[2:-1],
}


@pytest.mark.parametrize("key", ["12345678", "s\u00e9cret\\key\n1", "s\u20accret\\key", "\ud800 secret\\key"])
@pytest.mark.parametrize("quoter", QUOTERS)
def test_a_quoted_header_value_is_masked(key: str, quoter: str) -> None:
    quoted = QUOTERS[quoter](key)
    record = _traceback(ValueError(f"Invalid header value: {quoted}."), {"Host": "h", S3_KEY_HEADER: key})
    assert str(record.exc_text).endswith(f"ValueError: Invalid header value: {MASK}.")
    try:
        _raise(ValueError("Invalid header value"), {S3_KEY_HEADER: key})
    except ValueError:
        assert redact_message("failed: %s", (f"header part {quoted}",)) == (f"failed: header part {MASK}", ())


@pytest.mark.parametrize("value", [b"s\xe9cret\\key", bytearray(b"s\xe9cret\\key")])
def test_a_quoted_header_value_of_bytes_is_masked(value: bytes) -> None:
    record = _traceback(ValueError(f"Invalid header value {bytes(value)!r}"), {S3_KEY_HEADER: value})
    assert str(record.exc_text).endswith(f"ValueError: Invalid header value b'{MASK}'")


def test_of_two_quoted_values_the_longer_one_is_masked() -> None:
    headers = {S3_KEY_HEADER: "zzzzzzzz", "x-amz-copy-source-" + S3_KEY_HEADER[6:]: "a-zzzzzzzz-b"}
    record = _traceback(ValueError("Invalid header value: a-zzzzzzzz-b"), headers)
    assert str(record.exc_text).endswith(f"ValueError: Invalid header value: {MASK}")


def test_a_value_that_is_too_short_for_a_key_is_left() -> None:
    error = ValueError("Invalid header value: 1234567")
    assert _traceback(error, {S3_KEY_HEADER: "1234567"}).exc_text is None


_leaves = st.none() | st.integers() | st.binary() | _other_text | st.sampled_from(["encryption", "sseHeader"])
_values = st.recursive(
    _leaves,
    lambda inner: st.lists(inner) | st.dictionaries(_other_text, inner) | st.tuples(inner, inner),
)


@given(_other_text, st.lists(_values).map(tuple))
def test_a_record_without_a_key_is_unchanged(message: str, args: tuple[Any, ...]) -> None:
    shown = redact_message(message, args)
    assert shown == (message, args)
    assert repr(shown) == repr((message, args))


def test_a_record_of_a_logger_that_unpacks_its_argument_is_redacted() -> None:
    assert redact_message("%(SSECustomerKey)s", {"SSECustomerKey": KEY})[1] == {"SSECustomerKey": MASK}
    shown = redact_message("%(a)s", {"a": f"SSECustomerKey='{KEY}'"})
    assert shown == ("%(a)s", {"a": f"SSECustomerKey='{MASK}'"})


def test_the_str_of_an_object_is_redacted() -> None:
    class Shown:
        def __str__(self) -> str:
            return f"SSECustomerKey='{KEY}'"

    message, args = redact_message("%s", (Shown(),))
    assert message % args == f"SSECustomerKey='{MASK}'"


def test_arguments_without_a_key_are_not_copied() -> None:
    args = (b"a body", ["a"], {"a": 1})
    assert redact_message("%r %s %s", args)[1] is args


@pytest.mark.parametrize("key", ["a\\'b", "a\\'", "a\\\\\\'\\'"])
def test_an_escaped_quote_does_not_end_a_key(key: str) -> None:
    assert masked(f"{{'SSECustomerKey': '{key}', 'c': 'd'}}") == f"{{'SSECustomerKey': '{MASK}', 'c': 'd'}}"


def test_what_is_redacted_already_is_the_same_object() -> None:
    text = f"a=1 SSECustomerKey='{MASK}' b=2"
    assert masked(text) is text
