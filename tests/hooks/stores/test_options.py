"""The options of a store are read as Rust's ``object_store`` reads them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from obs_sse_guard._hooks.stores.options import StoreOptions, gives_endpoint, read_options
from obs_sse_guard.rules import Encryption

HTTP, HTTPS = "http://plain.test:9000", "https://tls.test"
CUSTOMER = {"aws_server_side_encryption": "sse-c", "aws_sse_customer_key_base64": "a key"}


def read(
    given: Mapping[str, object], environment: Mapping[str, str] | None = None, *, any_case: bool = False
) -> StoreOptions:
    return read_options(given.items(), environment or {}, any_case=any_case)


@pytest.mark.parametrize("prefix", ["aws_", "AWS_", "Aws_", ""])
@pytest.mark.parametrize("name", ["endpoint", "endpoint_url", "ENDPOINT_URL", "endpoint_url_s3"])
def test_every_name_of_the_endpoint(name: str, prefix: str) -> None:
    options = read({f"{prefix}{name}": HTTP})
    assert (options.endpoint, options.origin, options.secure) == (HTTP, f"{prefix}{name}", False)
    assert gives_endpoint([(f"{prefix}{name}", HTTP)])


@pytest.mark.parametrize(
    ("endpoint", "secure"),
    [(HTTP, False), ("HTTP://plain.test", False), (HTTPS, True), ("", True), ("plain.test", True), (" http://x", True)],
)
def test_only_http_is_plaintext(endpoint: str, secure: bool) -> None:
    """Clients refuse what is no URL, and use https if there is no endpoint."""
    assert read({"endpoint": endpoint}).secure is secure


def test_options_without_an_endpoint() -> None:
    assert read({"allow_http": "true", "region": "here"}) == StoreOptions()
    assert not gives_endpoint([("allow_http", "true"), ("endpoint", None), ("endpoint_url", "")])


@pytest.mark.parametrize(
    ("environment", "given", "origin"),
    [
        ({"AWS_ENDPOINT": HTTP}, {}, "AWS_ENDPOINT"),
        ({"AWS_ENDPOINT_URL": HTTP}, {}, "AWS_ENDPOINT_URL"),
        ({"AWS_ENDPOINT_URL_S3": HTTP}, {}, "AWS_ENDPOINT_URL_S3"),
        ({"AWS_ENDPOINT_URL": HTTPS, "AWS_ENDPOINT": HTTP}, {}, "AWS_ENDPOINT"),
        ({"AWS_ENDPOINT_URL_S3": HTTP}, {"endpoint": HTTPS}, "AWS_ENDPOINT_URL_S3"),
        ({"AWS_ENDPOINT_URL": HTTPS}, {"endpoint": HTTP}, "endpoint"),
        ({"AWS_ENDPOINT_URL": HTTPS}, {"endpoint": HTTPS, "aws_endpoint_url": HTTP}, "aws_endpoint_url"),
        ({}, {"endpoint": HTTPS, "endpoint_url_s3": HTTP}, "endpoint_url_s3"),
    ],
)
def test_which_plaintext_endpoint_counts(environment: dict[str, str], given: dict[str, object], origin: str) -> None:
    options = read(given, environment)
    assert (options.endpoint, options.origin, options.secure) == (HTTP, origin, False)


@pytest.mark.parametrize(
    ("environment", "given"),
    [
        ({"AWS_ENDPOINT_URL": HTTP}, {"endpoint": HTTPS}),
        ({"AWS_ENDPOINT_URL_S3": HTTPS}, {"endpoint": HTTP}),
        ({"AWS_ENDPOINT_URL_S3": HTTPS, "AWS_ENDPOINT_URL": HTTP}, {}),
        ({"AWS_ENDPOINT_URL_S3": HTTP}, {"endpoint_url_s3": HTTPS}),
        ({"ENDPOINT": HTTP, "endpoint_url": HTTP, "aws_endpoint": HTTP}, {}),
    ],
)
def test_which_plaintext_endpoint_does_not_count(environment: dict[str, str], given: dict[str, object]) -> None:
    assert read(given, environment).secure


@pytest.mark.parametrize("any_case", [False, True])
def test_a_variable_in_lower_case(any_case: bool) -> None:
    assert read({}, {"aws_endpoint_url": HTTP}, any_case=any_case).secure is not any_case
    assert read({}, {"endpoint_url": HTTP}, any_case=any_case).secure


@pytest.mark.parametrize("name", ["AWS_endpoint_url", "AWS_Endpoint", "AWS_ENDPOINT"])
@pytest.mark.parametrize("any_case", [False, True])
def test_a_variable_whose_prefix_is_in_upper_case(any_case: bool, name: str) -> None:
    assert not read({}, {name: HTTP}, any_case=any_case).secure


def test_the_configuration_file_stands_between_options_and_environment() -> None:
    environment = {"AWS_ENDPOINT_URL": HTTPS}
    assert read_options([], environment, configured=HTTP).origin == "endpoint_url in the AWS configuration file"
    assert read_options([("endpoint", HTTPS)], {}, configured=HTTP).secure
    assert read_options([], {"AWS_ENDPOINT_URL_S3": HTTPS}, configured=HTTP).secure


@pytest.mark.parametrize("prefix", ["aws_", "AWS_", ""])
@pytest.mark.parametrize(
    ("named", "target"),
    [
        ("sse-c", Encryption.SSE_C),
        ("aws:kms", Encryption.SSE_KMS),
        ("aws:kms:dsse", Encryption.SSE_KMS),
        ("AES256", Encryption.SSE_OBS),
        ("SSE-C", Encryption.NONE),
        ("sse:kms", Encryption.NONE),
    ],
)
def test_encryption_is_read_under_every_prefix(named: str, target: Encryption, prefix: str) -> None:
    key = {f"{prefix}sse_customer_key_base64": "a key"} if target is Encryption.SSE_C else {}
    given = {f"{prefix}server_side_encryption": named, **key}
    for options in (
        read(given),
        read({f"aws_{name}".upper().replace("AWS_AWS", "AWS"): given[name] for name in given}),
    ):
        assert (options.headers.target, options.headers.key) == (target, target is Encryption.SSE_C)
        assert options.dropped == ()


def test_sse_c_without_a_key_is_left_to_the_client() -> None:
    assert read({"server_side_encryption": "sse-c"}) == StoreOptions()


@pytest.mark.parametrize(
    ("given", "dropped"),
    [
        ({"sse_customer_key_base64": "a key"}, ("sse_customer_key_base64",)),
        ({"sse_customer_key_base64": "a key", "server_side_encryption": "AES256"}, ("sse_customer_key_base64",)),
        ({"AWS_SSE_KMS_KEY_ID": "an id"}, ("AWS_SSE_KMS_KEY_ID",)),
        ({"sse_kms_key_id": "an id", **CUSTOMER}, ("sse_kms_key_id",)),
        ({"sse_kms_key_id": "an id", "server_side_encryption": "aws:kms:dsse"}, ()),
        ({"sse_customer_key_base64": "a key", "server_side_encryption": "a typo"}, ()),
        (CUSTOMER, ()),
    ],
)
def test_options_without_effect(given: dict[str, object], dropped: tuple[str, ...]) -> None:
    assert read(given).dropped == dropped


@pytest.mark.parametrize(("value", "unverified"), [(True, True), ("TRUE", True), ("y", True), (1, True), ("0", False)])
def test_certificates_that_are_not_verified(value: object, unverified: bool) -> None:
    assert read({"allow_invalid_certificates": value}).unverified is unverified


def test_the_proxy_of_the_options_overrides_the_environment() -> None:
    assert read({}, {"AWS_PROXY_URL": "http://of.the.environment"}).proxy == "http://of.the.environment"
    assert read({"proxy_url": "http://of.the.options"}, {"AWS_PROXY_URL": HTTP}).proxy == "http://of.the.options"


def test_the_endpoint_of_s3_in_a_release_that_does_not_know_it() -> None:
    options = {"endpoint": HTTP, "endpoint_url_s3": HTTPS}
    assert not read_options(options.items(), {}, s3_endpoint=False).secure
    assert read_options([("endpoint", HTTPS)], {"AWS_ENDPOINT_URL_S3": HTTP}, s3_endpoint=False).secure
