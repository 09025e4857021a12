"""What a call hands over, shown with small functions in place of a client's."""

from __future__ import annotations

import functools
import io
import logging
import os
import sys
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest

from obs_sse_guard import SSETransportError
from obs_sse_guard._hooks.stores import advice, calls
from obs_sse_guard._hooks.stores.advice import DELTALAKE, LANCE, POLARS
from obs_sse_guard.rules import Operation
from tests.support import expected_rules, oracle
from tests.support.guard import MODE, POLICY, TRUSTED
from tests.support.records import fields_of, rules
from tests.support.servers import leaks
from tests.support.sse import ENCODED, KEY

HTTP, HTTPS = "http://obs.test:9000", "https://obs.test"
ENCRYPTIONS: dict[str, dict[str, str]] = {
    "none": {},
    "SSE-C": {"aws_server_side_encryption": "sse-c", "aws_sse_customer_key_base64": ENCODED},
    "SSE-KMS": {"aws_server_side_encryption": "aws:kms", "aws_sse_kms_key_id": "an id"},
    "SSE-OBS": {"aws_server_side_encryption": "AES256"},
}
CUSTOMER = ENCRYPTIONS["SSE-C"]
PLAIN = {"aws_endpoint": HTTP, **CUSTOMER}
RESULT = object()


def open_table(self: Any, table_uri: Any, version: Any = None, storage_options: Any = None) -> object:
    return RESULT


def hooked(client: Any = DELTALAKE, operation: Operation = Operation.PUT_OBJECT, function: Any = open_table) -> Any:
    return calls.hands_over(client, "deltalake.DeltaTable.*", operation)("open_table", function)


def refusal(hook: Any, *args: Any, **kwargs: Any) -> SSETransportError:
    with pytest.raises(SSETransportError) as caught:
        hook(*args, **kwargs)
    assert not leaks(repr(vars(caught.value)) + str(caught.value), KEY)
    return caught.value


@pytest.mark.parametrize("policy", ["documented", "strict"])
@pytest.mark.parametrize("endpoint", [HTTP, HTTPS])
@pytest.mark.parametrize("encryption", ENCRYPTIONS)
@pytest.mark.parametrize("operation", [Operation.PUT_OBJECT, Operation.GET_OBJECT])
def test_the_rows(
    operation: Operation, encryption: str, endpoint: str, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POLICY, policy)
    hook = hooked(operation=operation)
    options = {"aws_endpoint": endpoint, **ENCRYPTIONS[encryption]}
    row = next((row for row in expected_rules.ROWS if row[1:4] == (operation.value, "none", encryption)), None)
    if row is None or oracle.outcome(row, endpoint.partition(":")[0], policy) == oracle.SILENT:
        assert hook(None, "s3://bucket/table", storage_options=options) is RESULT
    else:
        error = refusal(hook, None, "s3://bucket/table", storage_options=options)
        assert (error.rule, error.sdk, error.scheme, error.endpoint) == (row.id, "deltalake", "http", HTTP)
        assert (error.operation, error.call) == (operation.value, "deltalake.DeltaTable.open_table")


@pytest.mark.parametrize(
    "uri", ["s3://bucket/table", "s3a://bucket/table", "S3://b", "s3+ddb://b", PurePosixPath("s3:/b")]
)
@pytest.mark.parametrize("positional", [False, True])
def test_a_place_in_s3(uri: Any, positional: bool) -> None:
    call = (None, uri, None, PLAIN) if positional else (None, uri)
    assert refusal(hooked(), *call, **({} if positional else {"storage_options": PLAIN})).rule == "table-1/PutObject"


@pytest.mark.parametrize(
    "uri", ["/folder/table", "gs://bucket/table", "file:///s3://b", None, 7, b"s3://b", io.BytesIO(), []]
)
def test_another_place(uri: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert hooked()(None, uri, storage_options=PLAIN) is RESULT
    assert not caplog.records


@pytest.mark.parametrize("options", [None, [("aws_endpoint", HTTP)], "text", {}, {1: 2, "endpoint": None}])
def test_options_that_the_client_judges_itself(options: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert hooked()(None, "s3://bucket/table", storage_options=options) is RESULT
    assert not caplog.records


def test_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PLAIN.items():
        monkeypatch.setenv(name.upper(), value)
    error = refusal(hooked(), None, "s3://bucket/table")
    assert "the http comes from AWS_ENDPOINT" in str(error)
    assert hooked()(None, "s3://bucket/table", storage_options={"endpoint": HTTPS}) is RESULT


@pytest.mark.parametrize(
    ("options", "fix"),
    [
        ({"endpoint": HTTP}, 'storage_options={"aws_endpoint": "https://obs.test"}   the http comes from endpoint'),
        (
            {"endpoint_url_s3": HTTP},
            '{"aws_endpoint_url_s3": "https://obs.test"}   the http comes from endpoint_url_s3',
        ),
    ],
)
def test_the_fix_names_the_option_of_the_endpoint(options: dict[str, str], fix: str) -> None:
    assert fix in str(refusal(hooked(), None, "s3://bucket/table", storage_options={**CUSTOMER, **options}))


def test_an_endpoint_that_is_no_url_is_still_plaintext() -> None:
    options = {**CUSTOMER, "endpoint": "http://[::1"}
    assert refusal(hooked(), None, "s3://bucket/table", storage_options=options).endpoint == "http://"


def test_warn_mode_logs_and_makes_the_call(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv(MODE, "warn")
    with caplog.at_level(logging.WARNING):
        assert hooked()(None, "s3://bucket/table", storage_options=PLAIN) is RESULT
    assert rules(caplog) == ["table-1/PutObject"]
    assert not leaks(repr(fields_of(caplog)), KEY)


@pytest.mark.parametrize(
    ("trusted", "environment", "options", "allowed"),
    [
        ("obs.test", {}, {}, True),
        ("other.test", {}, {}, False),
        ("obs.test", {}, {"proxy_url": "http://proxy.test:3128"}, False),
        ("obs.test,proxy.test", {}, {"proxy_url": "http://proxy.test:3128"}, True),
        ("obs.test", {"AWS_PROXY_URL": "http://proxy.test"}, {}, False),
        ("obs.test", {"http_proxy": "http://proxy.test:3128"}, {}, False),
        ("obs.test", {"ALL_PROXY": "proxy.test:3128"}, {}, False),
        ("obs.test,proxy.test", {"ALL_PROXY": "proxy.test:3128"}, {}, True),
        ("obs.test", {"http_proxy": "http://proxy.test:3128", "no_proxy": "obs.test"}, {}, True),
        ("obs.test", {"http_proxy": "http://[::1"}, {}, False),
    ],
)
def test_plaintext_is_allowed_if_the_host_and_its_proxy_are_trusted(
    trusted: str,
    environment: dict[str, str],
    options: dict[str, str],
    allowed: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name, value in {TRUSTED: trusted, **environment}.items():
        monkeypatch.setenv(name, value)
    if allowed:
        assert hooked()(None, "s3://bucket/table", storage_options={**PLAIN, **options}) is RESULT
        assert rules(caplog) == ["trusted-host"]
    else:
        assert refusal(hooked(), None, "s3://b", storage_options={**PLAIN, **options}).rule == "table-1/PutObject"


def test_a_key_over_unverified_tls_is_logged_or_refused(policy: str, caplog: pytest.LogCaptureFixture) -> None:
    options = {"aws_endpoint": HTTPS, "allow_invalid_certificates": "true"}
    assert hooked()(None, "s3://bucket/table", storage_options={**options, **ENCRYPTIONS["SSE-KMS"]}) is RESULT
    assert not caplog.records
    if policy == "strict":
        error = refusal(hooked(), None, "s3://bucket/table", storage_options={**options, **CUSTOMER})
        assert error.rule == "unverified-tls"
        assert "SSL_CERT_FILE" in str(error)
    else:
        assert hooked()(None, "s3://bucket/table", storage_options={**options, **CUSTOMER}) is RESULT
        assert rules(caplog) == ["unverified-tls"]


@pytest.mark.parametrize("endpoint", [HTTP, HTTPS])
def test_a_dropped_key(endpoint: str, policy: str, caplog: pytest.LogCaptureFixture) -> None:
    options = {"aws_endpoint": endpoint, "aws_sse_customer_key_base64": ENCODED}
    if policy == "strict":
        error = refusal(hooked(), None, "s3://bucket/table", storage_options=options)
        assert error.rule == "sse-dropped"
        assert "aws_sse_customer_key_base64" in str(error)
        assert 'storage_options={"aws_server_side_encryption": "sse-c"}' in str(error)
    else:
        assert hooked()(None, "s3://bucket/table", storage_options=options) is RESULT
        assert rules(caplog) == ["sse-dropped"]
    assert not leaks(caplog.text, KEY)


def test_a_failure_of_the_guard(policy: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.delattr(calls, "read_options")
    if policy == "strict":
        assert refusal(hooked(), None, "s3://bucket/table", storage_options=PLAIN).rule == "cannot-judge"
    else:
        assert hooked()(None, "s3://bucket/table", storage_options=PLAIN) is RESULT
        assert rules(caplog) == ["cannot-judge"]
        assert "report this" in caplog.text


def test_one_call_is_reported_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv(MODE, "warn")
    outer = hooked(function=functools.partial(hooked(), None))
    assert outer(table_uri="s3://bucket/table", storage_options=PLAIN) is RESULT
    assert rules(caplog) == ["table-1/PutObject"]


# ------------------------------------------------------------------------------- kinds of functions


def test_a_function_without_a_place() -> None:
    hook = hooked(function=lambda self, storage_options=None: RESULT)
    assert refusal(hook, None, PLAIN).rule == "table-1/PutObject"
    assert hook(None) is RESULT


def test_a_native_function_that_takes_any_keyword() -> None:
    hook = hooked(function=lambda dest, reader, **kwargs: RESULT)
    assert refusal(hook, "s3://bucket/table", None, storage_options=PLAIN).rule == "table-1/PutObject"
    assert hook("s3://bucket/table", None) is RESULT


def test_a_function_that_takes_no_options_is_not_supported() -> None:
    with pytest.raises(LookupError):
        hooked(function=lambda table_uri, version: None)


def test_a_private_method_has_the_name_of_its_class() -> None:
    hook = calls.hands_over(LANCE, "lance.LanceDataset.*")("__init__", open_table)
    assert refusal(hook, None, "s3://bucket/table", storage_options=PLAIN).call == "lance.LanceDataset"


class Methods:
    """Methods of every kind."""

    value = "storage_options"

    def plain(self, storage_options: Any) -> None:
        """Take options."""

    @staticmethod
    def static(uri: Any, storage_options: Any = None) -> None:
        """Take options."""

    @classmethod
    def of_class(cls, options: Any) -> None:
        """Take options."""

    def other(self, uri: Any) -> None:
        """Take none."""


def test_the_methods_that_take_options() -> None:
    assert calls.takes_options(Methods) == ["plain", "static", "of_class"]


# --------------------------------------------------------------------------------------------- lance


def write_dataset(reader: Any, dest: Any, options: Any) -> object:
    return RESULT


@pytest.mark.parametrize(
    "parameters",
    [
        {"storage_options": PLAIN},
        {"storage_options": CUSTOMER, "base_store_params": {"s3://base": {"endpoint": HTTP}}},
        {"storage_options": {**CUSTOMER, "base_2.aws_endpoint": HTTP}},
        {"storage_options": {"aws_endpoint": HTTP, **{f"base_1.{name}": CUSTOMER[name] for name in CUSTOMER}}},
    ],
)
def test_the_options_of_each_base(parameters: dict[str, Any]) -> None:
    hook = calls.write_dataset_hook("", write_dataset)
    for place in ("s3://bucket/data", SimpleNamespace(uri="s3://bucket/data")):
        error = refusal(hook, None, place, parameters)
        assert (error.rule, error.call, error.sdk) == ("table-1/PutObject", "lance.write_dataset", "pylance")
    assert hook(None, "/folder/data", parameters) is RESULT


@pytest.mark.parametrize("prefix", ["", "base_1."])
def test_a_header_among_the_options_of_lance(prefix: str) -> None:
    """Lance takes request headers as options with the prefix ``headers.``."""
    hook = calls.write_dataset_hook("", write_dataset)
    name = "x-amz-server-side-encryption-customer-key"
    options = {"aws_endpoint": HTTP, f"{prefix}headers.{name}": ENCODED}
    error = refusal(hook, None, "s3://bucket/data", {"storage_options": options})
    assert (error.rule, error.headers) == ("table-1/PutObject", (name,))
    assert hook(None, "s3://bucket/data", {"storage_options": {**options, "aws_endpoint": HTTPS}}) is RESULT
    other = {"aws_endpoint": HTTP, f"{prefix}Headers.{name}": ENCODED, name: ENCODED, 7: "no name"}
    assert hook(None, "s3://bucket/data", {"storage_options": other}) is RESULT
    assert hooked()(None, "s3://bucket/table", storage_options=options) is RESULT, "not of deltalake"


def test_a_base_with_its_own_endpoint() -> None:
    options = {**PLAIN, "base_1.aws_endpoint": HTTPS}
    hook = calls.write_dataset_hook("", write_dataset)
    assert refusal(hook, None, "s3://bucket/data", {"storage_options": options}).endpoint == HTTP
    allowed = {"aws_endpoint": HTTPS, **CUSTOMER, "base_1.aws_endpoint": HTTPS}
    assert hook(None, "s3://bucket/data", {"storage_options": allowed}) is RESULT


@pytest.mark.parametrize(
    "first",
    [
        {"aws_endpoint": HTTPS, **CUSTOMER, "allow_invalid_certificates": "true"},
        {"aws_endpoint": HTTP, "aws_sse_customer_key_base64": ENCODED},
        {"aws_endpoint": "http://trusted.test", **CUSTOMER},
    ],
)
def test_every_base_is_judged(
    first: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(TRUSTED, "trusted.test")
    hook = calls.write_dataset_hook("", write_dataset)
    assert hook(None, "s3://bucket/data", {"storage_options": first}) is RESULT
    assert len(caplog.records) == 1
    both = {"storage_options": first, "base_store_params": {"s3://base": PLAIN}}
    assert refusal(hook, None, "s3://bucket/data", both).endpoint == HTTP


def test_the_options_of_a_base_are_only_its_own_and_the_common_ones() -> None:
    """Otherwise, the time would grow with the square of the number of options."""
    options = {**PLAIN, **{f"base_{number}.aws_endpoint": HTTP for number in range(100)}}
    assert [len(store) for store in calls._option_sets(options, None)] == [len(PLAIN)] * 101


def test_another_write_dataset_is_not_supported() -> None:
    with pytest.raises(LookupError):
        calls.write_dataset_hook("", lambda reader, dest: None)


# -------------------------------------------------------------------------------------------- polars


def execute(self: Any, query: Any, *, eager: Any = None) -> object:
    return RESULT


QUERY = "SELECT * FROM read_parquet('s3://bucket/object')"


def test_what_a_query_reads(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    hook = calls.sql_hook("execute", execute)
    assert hook(None, QUERY) is RESULT
    for name, value in PLAIN.items():
        monkeypatch.setenv(name.upper(), value)
    for call in ((None, QUERY), (None, QUERY.upper())):
        error = refusal(hook, *call)
        assert (error.rule, error.call) == ("table-1/GetObject", "polars.SQLContext.execute")
    assert refusal(hook, None, query=QUERY, eager=True).rule == "table-1/GetObject"
    for other in ("SELECT * FROM self", "SELECT * FROM read_csv('/s3/file')", None, 7, b"s3://"):
        assert hook(None, other) is RESULT
    assert not caplog.records


def test_another_execute_is_not_supported() -> None:
    with pytest.raises(LookupError):
        calls.sql_hook("execute", lambda query: None)


def builder(credential_provider: Any, source: Any, storage_options: Any, caller_name: Any) -> object:
    return RESULT


@pytest.mark.parametrize(
    ("caller", "operation"),
    [("scan_parquet", "GetObject"), ("read_csv", "GetObject"), ("sink_ipc", "PutObject"), ("write_delta", "PutObject")],
)
def test_what_polars_does(caller: str, operation: str) -> None:
    error = refusal(calls.polars_hook("", builder), "auto", ["/folder/a", "s3://bucket/b"], PLAIN, caller)
    assert (error.rule, error.call, error.sdk) == (f"table-1/{operation}", f"polars.{caller}", "polars")


def test_partitions_of_polars() -> None:
    hook = calls.polars_hook("", builder)
    parts = SimpleNamespace(_pl_partition_by=SimpleNamespace(base_path="s3://bucket/parts"))
    assert refusal(hook, "auto", parts, PLAIN, "sink_parquet").rule == "table-1/PutObject"
    parts._pl_partition_by.base_path = "/folder/parts"
    assert hook("auto", parts, PLAIN, "sink_parquet") is RESULT


@pytest.mark.parametrize(("release", "allowed"), [((1, 36, 1), False), ((1, 99), True)])
def test_a_release_that_does_not_know_the_endpoint_of_s3(
    release: tuple[int, ...], allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advice, "_release", lambda _: release)
    hook = calls.polars_hook("", builder)
    options = {**PLAIN, "aws_endpoint_url_s3": HTTPS}
    if allowed:
        assert hook("auto", "s3://bucket/b", options, "sink_csv") is RESULT
    else:
        assert refusal(hook, "auto", "s3://bucket/b", options, "sink_csv").endpoint == HTTP


def test_another_builder_is_not_supported() -> None:
    with pytest.raises(LookupError):
        calls.polars_hook("", lambda source, storage_options: None)


def profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, endpoint: str) -> None:
    path = tmp_path / "config"
    path.write_text(f"[default]\nregion = here\n[profile own]\nendpoint_url = {endpoint}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))


def test_the_endpoint_of_a_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    pytest.importorskip("boto3")
    profile(monkeypatch, tmp_path, HTTP)
    hook = calls.polars_hook("", builder)
    error = refusal(hook, "auto", "s3://bucket/b", {"aws_profile": "own", **CUSTOMER}, "sink_csv")
    assert "the http comes from endpoint_url in the AWS configuration file" in str(error)
    assert hook("auto", "s3://bucket/b", CUSTOMER, "sink_csv") is RESULT
    assert hook("auto", "s3://bucket/b", {"profile": "own"}, "sink_csv") is RESULT
    assert hook("auto", "s3://bucket/b", {"profile": "own", "endpoint": HTTPS, **CUSTOMER}, "sink_csv") is RESULT
    assert hook("auto", "s3://bucket/b", {"profile": "missing", **CUSTOMER}, "sink_csv") is RESULT


def test_the_endpoint_of_a_providers_session() -> None:
    session = SimpleNamespace(_session=SimpleNamespace(get_scoped_config=lambda: {"endpoint_url": HTTP}))
    provider = SimpleNamespace(_session=lambda: session)
    hook = calls.polars_hook("", builder)
    assert refusal(hook, provider, "s3://bucket/b", CUSTOMER, "sink_csv").endpoint == HTTP
    assert hook(None, "s3://bucket/b", CUSTOMER, "sink_csv") is RESULT


def test_boto3_is_not_imported_without_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    hook = calls.polars_hook("", builder)
    assert hook("auto", "s3://bucket/b", {}, "sink_csv") is RESULT
    assert hook("auto", "s3://bucket/b", CUSTOMER, "sink_csv") is RESULT
    assert POLARS.sdk.name == "polars"
    assert "AWS_ENDPOINT_URL" not in os.environ


# ------------------------------------------------------------------------------------------- obstore


@pytest.mark.parametrize(
    "kwargs",
    [
        PLAIN,
        {"config": PLAIN},
        {"config": CUSTOMER, "endpoint": HTTP},
        {"config": {"endpoint": HTTP}, "client_options": None, **CUSTOMER},
    ],
)
def test_the_options_of_a_store(kwargs: dict[str, Any]) -> None:
    error = refusal(calls.store_hook("__new__", lambda cls, **_: RESULT), object, "bucket", **kwargs)
    assert (error.rule, error.call, error.sdk) == ("table-1/PutObject", "obstore.store.S3Store", "obstore")
    assert 'S3Store(..., endpoint="https://obs.test")' in str(error)


def test_the_client_options_of_a_store(caplog: pytest.LogCaptureFixture) -> None:
    hook = calls.store_hook("__new__", lambda cls, **_: RESULT)
    assert hook(object, client_options={"allow_invalid_certificates": True}, **CUSTOMER) is RESULT
    assert rules(caplog) == ["unverified-tls"]


def test_the_headers_of_an_http_store() -> None:
    hook = calls.http_store_hook("", lambda cls, *args, **kwargs: RESULT)
    name = "x-amz-server-side-encryption-customer-key"
    options = {"client_options": {"default_headers": {name: ENCODED}}}
    for args, kwargs in [((HTTP,), {}), ((), {"url": HTTP})]:
        error = refusal(hook, object, *args, **kwargs, **options)
        assert (error.rule, error.call) == ("table-1/PutObject", "obstore.store.HTTPStore")
        assert 'HTTPStore("https://obs.test/...")' in str(error)
    assert hook(object, HTTPS, **options) is RESULT
    assert hook(object, HTTP) is hook(object) is RESULT
