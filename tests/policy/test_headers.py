"""Header names and values are read in any dialect, letter case, type and order."""

from __future__ import annotations

import itertools

import pytest

from obs_sse_guard._policy.headers import SSEHeaders, encryption_of, header_names, names_kms, names_sse, parse_headers
from obs_sse_guard.rules import Encryption

NONE, SSE_C, SSE_KMS, SSE_OBS = Encryption
PREFIXES = ("x-obs-", "x-amz-", "X-OBS-", "X-Amz-")
KEY = "server-side-encryption-customer-key"


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (KEY, "k", (SSE_C, NONE, True)),
        (KEY, b"k", (SSE_C, NONE, True)),
        (KEY, ["k"], (SSE_C, NONE, True)),
        (KEY, ("", "k"), (SSE_C, NONE, True)),
        (KEY, "", (SSE_C, NONE, False)),
        (KEY, " ", (SSE_C, NONE, False)),
        (KEY, b" ", (SSE_C, NONE, False)),
        (KEY, 5, (SSE_C, NONE, True)),
        (KEY, ["", None], (SSE_C, NONE, False)),
        (KEY, None, (SSE_C, NONE, False)),
        (f"{KEY}-MD5", "m", (SSE_C, NONE, False)),
        ("server-side-encryption-customer-algorithm", "AES256", (SSE_C, NONE, False)),
        (f"copy-source-{KEY}", "k", (NONE, SSE_C, True)),
        (f"copy-source-{KEY}-md5", "m", (NONE, SSE_C, False)),
        ("server-side-encryption", "kms", (SSE_KMS, NONE, False)),
        ("server-side-encryption", "aws:kms", (SSE_KMS, NONE, False)),
        ("server-side-encryption", b"AWS:KMS:DSSE", (SSE_KMS, NONE, False)),
        ("server-side-encryption", "AES256", (SSE_OBS, NONE, False)),
        ("server-side-encryption", "anything", (SSE_OBS, NONE, False)),
        ("server-side-encryption-kms-key-id", "id", (SSE_KMS, NONE, False)),
        ("server-side-encryption-aws-kms-key-id", "id", (SSE_KMS, NONE, False)),
    ],
)
def test_an_encryption_header_is_recognized(
    prefix: str, name: str, value: object, expected: tuple[Encryption, Encryption, bool]
) -> None:
    for spelled in (prefix + name, (prefix + name).encode(), f" {prefix}{name} "):
        named = parse_headers([("Host", "h"), (spelled, value)])
        assert (named.target, named.source, named.key) == expected
        assert named.names == ((prefix + name).lower(),)
        assert not named.key_in_metadata


@pytest.mark.parametrize(
    "name",
    [
        "x-amz-meta-server-side-encryption-customer-key",
        "x-obs-meta-my-server-side-encryption-customer-key",
        "x-obs-server-side-data-encryption",
        "x-other-server-side-encryption",
        "server-side-encryption",
        "x-obs-meta-server-side-encryption",
        "x-obs-server-side-encryption-customer-key-note",
        "a x-obs-server-side-encryption",
        "x-obs-server-side-encryption\nx",
    ],
)
def test_other_header_names_are_ignored(name: str) -> None:
    assert parse_headers([(name, "kms")]) == SSEHeaders()


@pytest.mark.parametrize(
    "name",
    [
        "x-obs-meta-x-amz-server-side-encryption-customer-key",
        "x-amz-meta-%20x-obs-server-side-encryption-customer-key",
        "X-Amz-Meta-X-Obs-Copy-Source-Server-Side-Encryption-Customer-Key",
    ],
)
def test_a_key_under_a_metadata_name_is_detected(name: str) -> None:
    named = parse_headers([(name, "k")])
    assert (named.target, named.key, named.key_in_metadata) == (NONE, False, True)


class _Text(str):
    """Text that prints as something else, as the members of enums do."""

    __slots__ = ()

    def __str__(self) -> str:
        return ""


def test_a_name_or_a_key_of_another_string_type_counts_by_its_content() -> None:
    """The SDKs send the content of a name."""
    named = parse_headers([(_Text(f"x-obs-{KEY}"), _Text("k"))])
    assert (named.target, named.key, named.names) == (SSE_C, True, (f"x-obs-{KEY}",))


def test_the_strictest_encryption_wins_in_any_order() -> None:
    headers = [
        ("x-obs-server-side-encryption", "AES256"),
        ("x-obs-server-side-encryption-kms-key-id", "id"),
        (f"x-obs-{KEY}", "k"),
        (f"x-obs-copy-source-{KEY}", ""),
    ]
    for order in itertools.permutations(headers):
        named = parse_headers(order)
        assert (named.target, named.source, named.key) == (SSE_C, SSE_C, True)
    for order in itertools.permutations(headers[:2]):
        assert parse_headers(order).target is SSE_OBS, "the algorithm decides, not the key id"
    for order in itertools.permutations([*headers[:2], ("x-amz-server-side-encryption", "aws:kms")]):
        assert parse_headers(order).target is SSE_KMS


@pytest.mark.parametrize("value", ["kms", "aws:kms", "aws:kms:dsse", "KMS"])
def test_every_spelling_of_kms_is_recognized(value: str) -> None:
    assert encryption_of(value) is SSE_KMS


@pytest.mark.parametrize("value", ["AES256", "aws:AES256", "obs", "", None])
def test_any_other_algorithm_is_sse_obs(value: object) -> None:
    assert encryption_of(value) is SSE_OBS


@pytest.mark.parametrize(("value", "expected"), [("kms", True), ("AES256", False)])
def test_sse_kms_is_told_from_sse_obs(value: str, expected: bool) -> None:
    assert names_kms([("Content-Length", "3"), ("x-obs-server-side-encryption", value)]) is expected


def test_sse_headers_of_an_encryption_parse_to_it() -> None:
    for target, source in itertools.product(Encryption, Encryption):
        named = parse_headers((name, "kms") for name in header_names(target, source, "x-obs-"))
        expected_target = SSE_KMS if target is SSE_OBS else target  # one header; its value decides
        assert (named.target, named.source) == (expected_target, SSE_C if source is SSE_C else NONE)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], False),
        (["Content-Length", "x-obs-meta-a"], False),
        (["Content-Length", "X-Amz-Server-Side-Encryption"], True),
        (["%78-amz-server-side-encryptio%6e"], True),
        (["Content-Length", b"x"], True),
    ],
)
def test_a_closer_look_is_taken_at_names_that_may_be_of_encryption(names: list[str | bytes], expected: bool) -> None:
    assert names_sse(names) is expected


def test_keys_are_told_apart_wherever_they_are_named() -> None:
    target, source, metadata = f"x-obs-{KEY}", f"x-amz-copy-source-{KEY}", f"x-obs-meta-x-amz-{KEY}"
    ids = {key: parse_headers([(target, key)]).key_ids for key in ("first", "second")}
    assert ids["first"] != ids["second"]
    assert [len(found) for found in ids.values()] == [1, 1]
    both = ids["first"] | ids["second"]
    assert parse_headers([(target, " first "), (source, b"second")]).key_ids == both
    assert parse_headers([(target, "first"), (metadata, "second")]).key_ids == both
    assert parse_headers([(metadata, ["first", "second"])]).key_ids == both
    assert parse_headers([(target, "")]).key_ids == parse_headers([]).key_ids == frozenset()
