"""Keys in log arguments are redacted, and nothing else is."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.support.sse import ENCODED, MD5, OBS_KEY_HEADER, S3_KEY_HEADER


@pytest.mark.parametrize(
    "piece",
    [
        "meta-sseheader:%7B&",
        "meta-sseheader:%7B'",
        "meta-sseheader:%7B%22",
        f'{S3_KEY_HEADER}":"',
        f"{S3_KEY_HEADER}=&",
        "meta-a",
    ],
)
def test_masking_takes_linear_time(piece: str) -> None:
    text = piece * (400_000 // len(piece))
    start = time.process_time()
    redacted((text,))
    assert time.process_time() - start < 5  # a quadratic pattern takes half a minute


@pytest.mark.parametrize(
    "line",
    [
        "{{'{name}': \"%5B'{value}'%5D\"}}",
        "x-obs-meta-sseheader:%7B'encryption': 'AES256', 'key': 'a}}b{value}'%7D\nnext",
        '{{"{name}": "{value}',
    ],
)
def test_masking_finds_every_value(line: str) -> None:
    [shown] = redacted((line.format(name=S3_KEY_HEADER, value=ENCODED),))
    assert ENCODED not in shown
    assert "******" in shown


@pytest.mark.parametrize(
    "name",
    [
        OBS_KEY_HEADER,
        OBS_KEY_HEADER.replace("obs", "amz"),
        f"{OBS_KEY_HEADER}-MD5",
        OBS_KEY_HEADER.upper(),
        "x-obs-copy-source-" + OBS_KEY_HEADER[6:],
    ],
)
@pytest.mark.parametrize("value", [ENCODED, MD5, ENCODED.replace("=", "%3D").replace("+", "%2B")])
@pytest.mark.parametrize(
    "line",
    [
        "{name}:{value}\nx-obs-date:today",
        "{{'{name}': '{value}', 'a': 'b'}}",
        '{{"{name}": "{value}"}}',
        "/k?{name}={value}&a=b",
        "{{'{name}': ['{value}'], 'a': 'b'}}",
        "('{name}', '{value}')",
        "{{'{name}': b'{value}'}}",
        '{{\\"{name}\\": \\"{value}\\"}}',
    ],
)
def test_only_the_value_is_masked(name: str, value: str, line: str) -> None:
    text = line.format(name=name, value=value)
    [shown] = redacted((text,))
    assert shown == text.replace(value, "******")


def test_a_dict_is_masked_in_a_copy() -> None:
    headers = {OBS_KEY_HEADER: "raw 'key' with, anything;", "Host": "h"}
    [shown] = redacted((headers,))
    assert shown == {OBS_KEY_HEADER: "******", "Host": "h"}
    assert headers[OBS_KEY_HEADER].startswith("raw")


@pytest.mark.parametrize(
    "value", [1, 1.5, None, {"a": "b"}, "plain", [1], f"SignedHeaders=host;{OBS_KEY_HEADER};range"]
)
def test_an_argument_without_a_key_is_returned_unchanged(value: Any) -> None:
    [shown] = redacted((value,))
    assert shown is value or shown == value
