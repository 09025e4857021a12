"""polars, deltalake and lance: each function that takes options, on real sockets."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import obs_sse_guard
from obs_sse_guard import SSETransportError
from obs_sse_guard._hooks.hook import is_hooked
from tests.support.guard import TRUSTED, unguarded
from tests.support.programs import run
from tests.support.records import rules
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_silent, leaks, redirect_everything
from tests.support.sse import ENCODED, KEY

CREDENTIALS = {"aws_access_key_id": "access", "aws_secret_access_key": "secret", "aws_region": "here"}
CUSTOMER = {"aws_server_side_encryption": "sse-c", "aws_sse_customer_key_base64": ENCODED}
KMS = {"aws_server_side_encryption": "aws:kms", "aws_sse_kms_key_id": "an id"}
ALLOW = {"aws_allow_http": "true"}
SOON = {"max_retries": "0", "timeout": "2s"}  # the expected answers never come
S3, PARQUET = "s3://bucket/folder", "s3://bucket/folder/part.parquet"


def polars() -> Any:
    return importlib.import_module("polars")


def frame() -> Any:
    return polars().DataFrame({"number": [1, 2, 3]})


def table() -> Any:
    return importlib.import_module("pyarrow").table({"number": [1, 2, 3]})


def module(name: str) -> Any:
    return importlib.import_module(name)


class Call(NamedTuple):
    """A call that hands over options.

    Attributes:
        package: the module to import.
        call: what to do with the options.
        operation: its operation in the rules.
        takes: the function that takes the options.
    """

    package: str
    call: Callable[[dict[str, Any]], Any]
    operation: str = "PutObject"
    takes: str = ""


def _reading(name: str) -> Call:
    def call(options: dict[str, Any]) -> Any:
        return getattr(polars(), name)(PARQUET, storage_options=options)

    return Call("polars", call, "GetObject", f"polars.{name}")


def _writing(name: str) -> Call:
    def call(options: dict[str, Any]) -> Any:
        owner = frame() if name.startswith("write") else frame().lazy()
        return getattr(owner, name)(PARQUET, storage_options=options)

    return Call(
        "polars", call, "PutObject", f"polars.{'DataFrame' if name.startswith('write') else 'LazyFrame'}.{name}"
    )


def _transaction(options: dict[str, Any]) -> Any:
    schema = module("deltalake").Schema.from_arrow(table().schema)
    return module("deltalake.transaction").create_table_with_add_actions(S3, schema, [], storage_options=options)


def _commit(options: dict[str, Any]) -> Any:
    lance = module("lance")
    operation = lance.LanceOperation.Overwrite(table().schema, [])
    return lance.LanceDataset.commit(S3, operation, storage_options=options)


POLARS = {
    **{name: _reading(name) for name in ("scan_csv", "scan_ipc", "scan_lines", "scan_ndjson", "scan_parquet")},
    **{name: _reading(name) for name in ("read_ipc", "read_lines", "read_ndjson", "read_parquet")},
    "read_parquet_metadata": _reading("read_parquet_metadata"),
    **{name: _writing(name) for name in ("write_csv", "write_ipc", "write_parquet")},
    **{name: _writing(name) for name in ("sink_csv", "sink_ipc", "sink_ndjson", "sink_parquet")},
}
DELTALAKE = {
    "DeltaTable": Call("deltalake", lambda options: module("deltalake").DeltaTable(S3, storage_options=options)),
    "is_deltatable": Call(
        "deltalake", lambda options: module("deltalake").DeltaTable.is_deltatable(S3, {**options, **SOON})
    ),
    "create": Call(
        "deltalake", lambda options: module("deltalake").DeltaTable.create(S3, table().schema, storage_options=options)
    ),
    "write_deltalake": Call(
        "deltalake", lambda options: module("deltalake").write_deltalake(S3, table(), storage_options=options)
    ),
    "convert_to_deltalake": Call(
        "deltalake", lambda options: module("deltalake").convert_to_deltalake(S3, storage_options=options)
    ),
    "create_table_with_add_actions": Call("deltalake", _transaction),
    "DeltaStorageHandler": Call(
        "deltalake", lambda options: module("deltalake.fs").DeltaStorageHandler(S3, options).get_file_info(["x"])
    ),
}
LANCE = {
    "dataset": Call("lance", lambda options: module("lance").dataset(S3, storage_options=options)),
    "write_dataset": Call("lance", lambda options: module("lance").write_dataset(table(), S3, storage_options=options)),
    "write_fragments": Call(
        "lance", lambda options: module("lance.fragment").write_fragments(table(), S3, storage_options=options)
    ),
    "LanceFragment.create": Call(
        "lance", lambda options: module("lance").LanceFragment.create(S3, table(), storage_options=options)
    ),
    "commit": Call("lance", _commit),
    "drop": Call("lance", lambda options: module("lance").LanceDataset.drop(S3, storage_options=options)),
    "LanceFileReader": Call(
        "lance", lambda options: module("lance.file").LanceFileReader(PARQUET, storage_options=options), "GetObject"
    ),
    "LanceFileWriter": Call(
        "lance",
        lambda options: module("lance.file").LanceFileWriter(PARQUET, table().schema, storage_options=options),
    ),
    "LanceFileSession": Call(
        "lance", lambda options: module("lance.file").LanceFileSession(S3, storage_options=options).contains("x")
    ),
}
CALLS = {**POLARS, **DELTALAKE, **LANCE}
each_call = pytest.mark.parametrize("name", CALLS)
WRITERS = ("write_parquet", "write_deltalake", "write_dataset")
each_writer = pytest.mark.parametrize("name", WRITERS)


@pytest.fixture
def call(name: str) -> Callable[[dict[str, Any]], Any]:
    pytest.importorskip(CALLS[name].package)
    pytest.importorskip("pyarrow")
    return CALLS[name].call


def outcome(call: Callable[[dict[str, Any]], Any], options: dict[str, Any]) -> Any:
    """Return a call's result, or its error, which the test server may cause."""
    try:
        result = call(options)
        return result.collect() if hasattr(result, "collect") else result
    except BaseException as error:  # noqa: BLE001  # a Rust panic is no Exception
        return error


def refused(call: Callable[[dict[str, Any]], Any], options: dict[str, Any]) -> SSETransportError:
    with pytest.raises(SSETransportError) as caught:
        call(options)
    assert not leaks(repr(vars(caught.value)) + str(caught.value), KEY)
    return caught.value


# What these send first is a listing, which carries no key, or nothing yet.
NO_KEY_AT_FIRST = frozenset((
    "commit", "convert_to_deltalake", "create_table_with_add_actions", "dataset", "DeltaStorageHandler",
    "is_deltatable", "LanceFileSession", "LanceFileWriter",
))  # fmt: skip


@each_call
def test_without_the_guard_the_key_crosses_the_network(name: str, call: Any, http: RecordingServer) -> None:
    with unguarded():
        outcome(call, {**CREDENTIALS, **CUSTOMER, **ALLOW, "aws_endpoint": http.url})
    assert leaks(http.wire, KEY) or name in NO_KEY_AT_FIRST


@each_call
@pytest.mark.parametrize("encryption", ["SSE-C", "SSE-KMS"])
def test_plaintext_is_refused(name: str, encryption: str, call: Any, http: RecordingServer) -> None:
    sse = CUSTOMER if encryption == "SSE-C" else KMS
    error = refused(call, {**CREDENTIALS, **sse, **ALLOW, "aws_endpoint": http.url})
    expected = CALLS[name].operation
    assert error.rule == f"table-{1 if encryption == 'SSE-C' else 2}/{expected}"
    assert error.call.split(".")[0] == CALLS[name].package
    assert error.call_site.startswith(__file__)
    assert 'storage_options={"aws_endpoint": "https://127.0.0.1"}' in str(error)
    assert_silent(http)


HEADER = "x-amz-server-side-encryption-customer-key"


@each_writer
@pytest.mark.parametrize("option", [f"headers.{HEADER}", f"headers.{HEADER.upper()}", f"Headers.{HEADER}", HEADER])
def test_a_header_among_the_options(name: str, option: str, call: Any, http: RecordingServer) -> None:
    """Only lance sends it as a header, and only with the prefix ``headers.``."""
    options = {**CREDENTIALS, **ALLOW, option: ENCODED}
    with unguarded():
        outcome(call, {**options, "aws_endpoint": http.url})
    is_sent = bool(leaks(http.wire, KEY))
    assert is_sent is (name == "write_dataset" and option.startswith("headers."))
    with RecordingServer() as server:
        found = outcome(call, {**options, "aws_endpoint": server.url})
        assert isinstance(found, SSETransportError) is is_sent
        assert bool(server.requests) is not is_sent
        assert not leaks(server.wire, KEY)


@each_writer
@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_endpoint", "aws_endpoint"])
def test_the_environment(
    name: str, variable: str, call: Any, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**CREDENTIALS, **CUSTOMER, **ALLOW, **({"max_retries": 1} if name == "write_parquet" else {})}
    monkeypatch.setenv(variable, http.url)
    with unguarded():
        outcome(call, options)
    is_read = bool(leaks(http.wire, KEY))
    assert is_read or (name, variable) == ("write_parquet", "aws_endpoint")
    with RecordingServer() as server:
        monkeypatch.setenv(variable, server.url)
        error = outcome(call, options)
        assert isinstance(error, SSETransportError) is is_read
        assert_silent(server)


def test_the_endpoint_of_the_aws_configuration(
    http: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of these, only polars reads it, through boto3."""
    pytest.importorskip("polars")
    pytest.importorskip("boto3")
    path = tmp_path / "config"
    path.write_text(f"[default]\nregion = here\nendpoint_url = {http.url}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "access")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with unguarded():
        CALLS["write_parquet"].call(CUSTOMER)
    assert leaks(http.wire, KEY)
    with RecordingServer() as server:
        path.write_text(f"[default]\nregion = here\nendpoint_url = {server.url}\n")
        assert "endpoint_url in the AWS configuration file" in str(refused(CALLS["write_parquet"].call, CUSTOMER))
        assert_silent(server)


@each_writer
@pytest.mark.parametrize("encryption", ["none", "SSE-C", "SSE-KMS"])
def test_what_is_allowed_is_sent_as_without_the_guard(
    name: str, encryption: str, call: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sse = {"none": {}, "SSE-C": CUSTOMER, "SSE-KMS": KMS}[encryption]

    def sent() -> list[Any]:
        with TlsRecordingServer() as server:
            monkeypatch.setenv("SSL_CERT_FILE", str(server.ca))
            outcome(call, {**CREDENTIALS, **sse, "aws_endpoint": server.url})
            # Names of files, signatures and times vary, and so does the order.
            return sorted(
                (request.method, sorted(header for header in request.headers if "encryption" in header[0].lower()))
                for request in server.requests
            )

    with unguarded():
        expected = sent()
    assert sent() == expected
    assert expected
    assert not caplog.records
    if name == "write_parquet":
        assert [bool(headers) for _, headers in expected] == [encryption != "none"]


@each_writer
def test_plaintext_without_encryption_is_allowed(
    name: str, call: Any, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    outcome(call, {**CREDENTIALS, **ALLOW, "aws_endpoint": http.url})
    assert http.requests
    assert not caplog.records


@each_writer
def test_a_trusted_host(
    name: str, call: Any, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(TRUSTED, "127.0.0.1")
    outcome(call, {**CREDENTIALS, **CUSTOMER, **ALLOW, "aws_endpoint": http.url})
    assert leaks(http.wire, KEY)
    assert set(rules(caplog)) == {"trusted-host"}


@pytest.mark.parametrize("name", ["write_parquet", "DeltaTable", "dataset"])
@pytest.mark.parametrize(
    "options", [{"aws_server_side_encryption": "sse-c"}, {"aws_server_side_encryption": "typo"}, 7]
)
def test_bad_input_stays_the_clients_own_error(name: str, options: Any, call: Any, http: RecordingServer) -> None:
    given = options if options == 7 else {**CREDENTIALS, **ALLOW, **options, "aws_endpoint": http.url}
    with unguarded():
        expected = outcome(call, given)
    assert isinstance(expected, Exception)
    assert type(outcome(call, given)) is type(expected)


@pytest.mark.parametrize(("options", "followed"), [({}, True), ({"allow_http": "false"}, False)])
def test_a_redirect_to_plaintext_is_followed_unless_polars_is_told(
    options: dict[str, str], followed: bool, http: RecordingServer, https: TlsRecordingServer, monkeypatch: Any
) -> None:
    """As docs/threat-model.md and the doctor state, the guard cannot see it."""
    pytest.importorskip("polars")
    monkeypatch.setenv("SSL_CERT_FILE", str(https.ca))
    redirect_everything(https, 307, f"{http.url}/bucket/object")
    outcome(CALLS["read_parquet"].call, {**CREDENTIALS, **CUSTOMER, **options, "aws_endpoint": https.url})
    assert bool(leaks(http.wire, KEY)) is followed
    assert https.requests


def test_local_files_are_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pl = pytest.importorskip("polars")
    path = tmp_path / "file.parquet"
    options = {**CUSTOMER, "aws_endpoint": "http://obs.test"}
    frame().write_parquet(path, storage_options=options)
    assert pl.scan_parquet(path, storage_options=options).collect().equals(frame())
    assert not caplog.records


# -------------------------------------------------------------------------------------- completeness

OTHERWISE = {
    "polars.read_csv": "scan_csv, or fsspec",
    "polars.read_ipc_stream": "fsspec",
    "polars.read_delta": "deltalake",
    "polars.scan_delta": "deltalake",
    "polars.scan_iceberg": "pyiceberg",
    "polars.scan_lance": "lance",
    "polars.DataFrame.write_delta": "deltalake",
    "polars.LazyFrame.sink_delta": "deltalake",
    "polars.LazyFrame.sink_iceberg": "pyiceberg",
}
"""The polars functions that pass options to another library or tested function."""


def _takes_options(function: Any) -> bool:
    try:
        return callable(function) and "storage_options" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # polars.col is callable, and has any attribute
        return False


def test_every_function_of_polars_that_takes_options_is_known() -> None:
    pl = pytest.importorskip("polars")
    owners = {"polars": pl, "polars.DataFrame": pl.DataFrame, "polars.LazyFrame": pl.LazyFrame}
    found = {
        f"{name}.{key}" for name, owner in owners.items() for key in dir(owner) if _takes_options(getattr(owner, key))
    }
    assert found - {call.takes for call in POLARS.values()} == set(OTHERWISE) & found


def test_what_a_query_of_polars_reads(http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A query takes its options from the environment."""
    pl = pytest.importorskip("polars")
    for name, value in {**CREDENTIALS, **CUSTOMER, "aws_allow_http": "true", "aws_endpoint": http.url}.items():
        monkeypatch.setenv(name.upper(), value)
    query = "SELECT * FROM read_parquet('s3://bucket/object.parquet')"
    with unguarded():
        outcome(lambda _: pl.sql(query), {})
    assert leaks(http.wire, KEY)
    before = http.wire
    for call in (pl.sql, frame().sql, frame().lazy().sql, pl.SQLContext().execute):
        with pytest.raises(SSETransportError, match="table-1/GetObject"):
            call(query)
    assert http.wire == before


@pytest.mark.parametrize("name", ["polars", "deltalake", "lance"])
def test_every_hook_is_active(name: str) -> None:
    pytest.importorskip(name)
    status = obs_sse_guard.status()
    states = {state for target, state in status.items() if target.startswith(f"{name}.")}
    assert states - {"pending"} == {"active"}  # some modules are imported when they are needed


def test_no_module_of_polars_has_the_unhooked_function() -> None:
    pytest.importorskip("polars")
    builder = "_init_credential_provider_builder"
    found = [vars(module)[builder] for name, module in [*sys.modules.items()] if _of_polars(name, module, builder)]
    assert len(found) > 1
    assert all(is_hooked(function, builder) for function in found)


def _of_polars(name: str, module: Any, attribute: str) -> bool:
    return name.startswith("polars.") and attribute in vars(module)


EARLY = """
from polars import DataFrame, scan_parquet
import obs_sse_guard
for call in (lambda o: scan_parquet("s3://bucket/a", storage_options=o),
             lambda o: DataFrame().write_csv("s3://bucket/a", storage_options=o)):
    try:
        call({"endpoint": "http://obs.test", "server_side_encryption": "sse-c", "sse_customer_key_base64": "a" * 44})
    except obs_sse_guard.SSETransportError as error:
        print(error.rule)
"""
LATE = f"import obs_sse_guard\n{EARLY}"


@pytest.mark.parametrize("code", [EARLY, LATE], ids=["before the guard", "after the guard"])
def test_functions_bound_earlier_are_covered(code: str) -> None:
    pytest.importorskip("polars")
    assert run(code).split() == ["table-1/GetObject", "table-1/PutObject"]
