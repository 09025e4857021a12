"""The botocore family logs customer keys at DEBUG; with the guard it does not.

Everything else in the logs is unchanged.
"""

from __future__ import annotations

import gc
import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import botocore.auth
import pytest
from boto3.s3.transfer import TransferConfig

from tests.support.guard import unguarded
from tests.support.s3_calls import (
    BUCKET,
    OBJECT,
    SOURCE,
    UPLOAD_ID,
    Call,
    asking,
    boto3_resource,
    customer,
    each_sdk,
    outcome,
    posting,
    raw_headers,
    refused,
    succeeded,
)
from tests.support.servers import RecordingServer, TlsRecordingServer, leaks
from tests.support.sse import ENCODED, KEY, MD5, S3_KEY_HEADER

LOGGERS = ("botocore", "boto3", "s3transfer", "aiobotocore", "s3fs", "fsspec", "urllib3", "aiohttp")
MASK = "******"
MEGABYTE = 1024 * 1024
LARGE = b"0123456789abcdef" * (6 * MEGABYTE // 16)
SOURCE_SSE = {"CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": KEY}


class _Lines(logging.Handler):
    """Collect each record and its formatted line."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name} {record.levelname} {self.format(record)}")
        self.records.append(f"{record.msg!r} {record.args!r}")


@pytest.fixture
def log() -> Iterator[_Lines]:
    handler = _Lines()
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    yield handler
    for logger, level in zip(loggers, levels):
        logger.removeHandler(handler)
        logger.setLevel(level)


# ------------------------------------------------------------------------------ the logged calls


def _list_parts(client: Any) -> Any:
    """The call sends the key as given: not encoded, and without an MD5."""
    return client.list_parts(Bucket=BUCKET, Key=OBJECT, UploadId=UPLOAD_ID, **customer())


def _presigned(client: Any) -> Any:
    return client.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": OBJECT, **customer()})


def _by_handler(client: Any) -> Any:
    def add(params: Any, **_: Any) -> None:
        params["headers"].update(raw_headers("SSE-C"))

    client.meta.events.register("before-call.s3.PutObject", add)
    return asking("PutObject")(client)


CALLS: dict[str, Call] = {
    "put_object": asking("PutObject", "SSE-C"),
    "get_object": asking("GetObject", "SSE-C"),
    "head_object": asking("HeadObject", "SSE-C"),
    "create_multipart_upload": asking("InitiateMultipartUpload", "SSE-C"),
    "upload_part": asking("UploadPart", "SSE-C"),
    "complete_multipart_upload": asking("CompleteMultipartUpload", "SSE-C"),
    "copy_object": asking("CopyObject", "SSE-C", "SSE-C"),
    "upload_part_copy": asking("UploadPartCopy", "SSE-C", "SSE-C"),
    "list_parts": _list_parts,
    "generate_presigned_url": _presigned,
    "generate_presigned_post": posting(raw_headers("SSE-C")),
    "headers of a handler's": _by_handler,
    "the key as bytes": asking("PutObject", SSECustomerAlgorithm="AES256", SSECustomerKey=KEY.encode()),
}
PRINTED = [name for name in CALLS if not name.startswith("generate")]
"""The calls that are always logged: some signers log nothing about a signed URL."""

each_call = pytest.mark.parametrize("name", CALLS)


@pytest.fixture(params=["s3", "s3v4", "s3v4 by the CRT"])
def signature(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Use the CRT's signers, if installed, and botocore's own, which log more."""
    name, _, crt = request.param.partition(" by ")
    if crt:
        pytest.importorskip("awscrt", reason="awscrt is not installed here")
    else:
        monkeypatch.setitem(botocore.auth.AUTH_TYPE_MAPS, "s3v4", botocore.auth.S3SigV4Auth)
        monkeypatch.setitem(botocore.auth.AUTH_TYPE_MAPS, "s3v4-query", botocore.auth.S3SigV4QueryAuth)
    return str(name)


def _transfer(call: Callable[[Any, Path], Any]) -> Callable[[RecordingServer, Path], Any]:
    def run(server: RecordingServer, folder: Path) -> Any:
        with boto3_resource(server) as resource:
            return call(resource.meta.client, folder)

    return run


_IN_PARTS = TransferConfig(multipart_threshold=5 * MEGABYTE, multipart_chunksize=5 * MEGABYTE, use_threads=False)

TRANSFERS: dict[str, Callable[[RecordingServer, Path], Any]] = {
    "upload_fileobj": _transfer(
        lambda client, _: client.upload_fileobj(io.BytesIO(b"small"), BUCKET, OBJECT, ExtraArgs=customer())
    ),
    "upload_fileobj in parts": _transfer(
        lambda client, _: client.upload_fileobj(
            io.BytesIO(LARGE), BUCKET, OBJECT, ExtraArgs=customer(), Config=_IN_PARTS
        )
    ),
    "download_file": _transfer(
        lambda client, folder: client.download_file(BUCKET, OBJECT, str(folder / "down"), ExtraArgs=customer())
    ),
    "copy": _transfer(lambda client, _: client.copy(SOURCE, BUCKET, OBJECT, ExtraArgs={**customer(), **SOURCE_SSE})),
}
each_transfer = pytest.mark.parametrize("name", TRANSFERS)


def _upload(client: Any, arguments: dict[str, Any], config: TransferConfig | None = None) -> None:
    client.upload_fileobj(io.BytesIO(LARGE if config else b"small"), BUCKET, OBJECT, ExtraArgs=arguments, Config=config)


TRANSFERS_OF_ANY_KEY: dict[str, Callable[[Any, dict[str, Any]], None]] = {
    "upload_fileobj": _upload,
    "upload_fileobj in parts": lambda client, arguments: _upload(client, arguments, _IN_PARTS),
    "copy": lambda client, arguments: client.copy(
        SOURCE, BUCKET, OBJECT, ExtraArgs={**arguments, **{f"CopySource{name}": arguments[name] for name in arguments}}
    ),
}


def _text(log: _Lines) -> str:
    return "\n".join([*log.lines, *log.records])


def _leaks(text: str) -> list[str]:
    """Return the forms of the key in the text, in part too: a mask may end inside it."""
    return [*leaks(text, KEY), *(part for part in (KEY[:16], KEY[8:24], KEY[16:]) if part in text)]


# ---------------------------------------------------------------------------- without the guard


@pytest.mark.thinned(strength=1)
@each_sdk
@pytest.mark.parametrize("name", PRINTED)
def test_without_the_guard_the_key_is_in_the_log(
    name: str, sdk: str, signature: str, https: TlsRecordingServer, log: _Lines
) -> None:
    with unguarded():
        assert not isinstance(outcome(sdk, https, CALLS[name], signature_version=signature), Exception)
    assert leaks("\n".join(log.lines), KEY)


@each_transfer
def test_without_the_guard_transfers_log_the_key(
    name: str, https: TlsRecordingServer, log: _Lines, tmp_path: Path
) -> None:
    with unguarded():
        TRANSFERS[name](https, tmp_path)
    assert leaks("\n".join(line for line in log.lines if line.startswith("s3transfer")), KEY)


# ------------------------------------------------------------------------------- with the guard


@pytest.mark.thinned
@each_sdk
@each_call
def test_no_key_is_in_the_log(name: str, sdk: str, signature: str, https: TlsRecordingServer, log: _Lines) -> None:
    assert not isinstance(outcome(sdk, https, CALLS[name], signature_version=signature), Exception)
    assert not _leaks(_text(log))
    assert name not in PRINTED or MASK in _text(log)
    assert leaks(https.received, KEY) or name.startswith("generate"), "the sent request is not masked"


@each_transfer
def test_no_key_is_in_the_log_of_transfers(name: str, https: TlsRecordingServer, log: _Lines, tmp_path: Path) -> None:
    TRANSFERS[name](https, tmp_path)
    assert not _leaks(_text(log))
    assert MASK in _text(log)
    assert leaks(https.received, KEY)


@each_sdk
@each_call
def test_a_refused_call_logs_no_key(name: str, sdk: str, http: RecordingServer, log: _Lines) -> None:
    outcome(sdk, http, CALLS[name])
    assert not _leaks(_text(log))


@each_sdk
def test_a_retried_call_is_masked_each_time(sdk: str, https: TlsRecordingServer, log: _Lines) -> None:
    https.answer("PUT", 503, times=1)
    retries = {"mode": "standard", "max_attempts": 2}
    assert succeeded(outcome(sdk, https, CALLS["put_object"], retries=retries))
    assert not _leaks(_text(log))


@each_sdk
def test_in_warn_mode_the_key_is_masked_too(
    sdk: str, http: RecordingServer, log: _Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")
    assert succeeded(outcome(sdk, http, CALLS["put_object"]))
    assert not _leaks(_text(log))
    assert MASK in _text(log)


# --------------------------------------------------------------------------------- the rest

_VARIES = (
    (re.compile(r"0x[0-9a-f]{6,}"), "ADDRESS"),
    (re.compile(r"\d{8}T\d{6}Z"), "DATE"),
    (re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d(?: GMT)?"), "DATE"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:]+Z|\b2\d{7}/(?=us-east-1)"), "DATE"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f-]{21}"), "UUID"),
    (re.compile(r"(?i)(?<=signature=)[^&'\s]+|(?<=ACCESSKEYOFTHETEST:)\S+(?=['\"])|(?<=expires=)\d+"), "SIGNATURE"),
    (re.compile(r"\b[0-9a-f]{64}\b|(?<=\n)[A-Za-z0-9+/]{27}=$|(?<=signature:\n)\S+", re.IGNORECASE), "SIGNATURE"),
    (re.compile(r"(?<=\n)\d{10}(?=\n)"), "EXPIRY"),
    (re.compile(r"(?<=transfer_id=)\d+|\bport=\d+|fd=\d+"), "NUMBER"),
    (re.compile(r"(?<= m/)[A-Za-z0-9,]+"), "FEATURES"),  # a set, so the order varies
)
_FORMS = sorted(
    {form for text in (KEY, ENCODED, MD5) for form in (text, quote(text), quote(text, safe=""), quote_plus(text))},
    key=len,
    reverse=True,
)


def _steady(log: _Lines, server: RecordingServer) -> list[str]:
    """Return the lines without times, random values, the server's port and the key."""
    lines = []
    for line in log.lines:
        steady = line.replace(str(server.port), "PORT")
        for form in _FORMS:
            steady = steady.replace(form, MASK)
        for pattern, word in _VARIES:
            steady = pattern.sub(word, steady)
        lines.append(steady)
    log.lines.clear()
    return sorted(lines)


@pytest.mark.thinned(strength=1)
@each_sdk
@each_call
def test_everything_else_of_the_log_is_unchanged(name: str, sdk: str, signature: str, log: _Lines) -> None:
    def logged() -> list[str]:
        with TlsRecordingServer() as server:
            outcome(sdk, server, CALLS[name], signature_version=signature)
            return _steady(log, server)

    with unguarded():
        logged()  # the first call logs more, because botocore caches what it reads
        expected = logged()
    assert logged() == expected
    assert expected


@each_transfer
def test_everything_else_of_a_transfers_log_is_unchanged(name: str, log: _Lines, tmp_path: Path) -> None:
    def logged() -> list[str]:
        with TlsRecordingServer() as server:
            TRANSFERS[name](server, tmp_path)
            return _steady(log, server)

    with unguarded():
        logged()
        expected = logged()
    assert logged() == expected


def test_records_of_other_loggers_are_unchanged(caplog: pytest.LogCaptureFixture) -> None:
    line = f"x-amz-server-side-encryption-customer-key: {ENCODED}"
    for name in ("app", "botocorelike", "root"):
        logging.getLogger(name).warning("%s", line)
    assert [record.getMessage() for record in caplog.records] == [line] * 3


@pytest.mark.parametrize("name", [*LOGGERS, "botocore.made.just.now", "s3transfer.futures", "smart_open.s3"])
def test_records_of_every_logger_of_the_family_are_masked(name: str, caplog: pytest.LogCaptureFixture) -> None:
    arguments = {"Bucket": "b", "SSECustomerKey": KEY, "nested": [{"CopySourceSSECustomerKey": KEY}]}
    logger = logging.getLogger(name)
    logger.warning("params: %s", arguments)
    logger.warning("params: %(SSECustomerKey)s", arguments)
    logger.warning(f"x-amz-server-side-encryption-customer-key:{ENCODED}")  # noqa: G004  # as some libraries do
    logger.warning("%s of %d", "plain", 1)
    assert not _leaks(caplog.text + repr([vars(record) for record in caplog.records]))
    assert arguments["SSECustomerKey"] == KEY
    assert caplog.records[-1].getMessage() == "plain of 1"


_ODD_KEYS = (
    b"'\"\\'\"'SECRETPART0123456789abcde",
    bytes(range(20)) + b"SECRETPART\xff\xfe",
    "'\"\\' SECRETPART \"' ,}])&;SECRETPART",
    "\\'SECRETPART\\\\'SECRETPART",
)


@pytest.mark.parametrize("key", _ODD_KEYS)
def test_keys_with_any_characters_are_masked(
    key: str | bytes, signature: str, https: TlsRecordingServer, log: _Lines
) -> None:
    sse: dict[str, Any] = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": key}
    assert succeeded(outcome("boto3", https, asking("PutObject", **sse), signature_version=signature))
    assert "SECRETPART" not in _text(log)
    assert not leaks(_text(log), key)


@pytest.mark.parametrize("key", _ODD_KEYS)
def test_unusual_keys_of_transfers_are_masked(key: str | bytes, https: TlsRecordingServer, log: _Lines) -> None:
    sse: dict[str, Any] = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": key}
    with boto3_resource(https) as resource:
        resource.meta.client.upload_fileobj(io.BytesIO(b"small"), BUCKET, OBJECT, ExtraArgs=sse)
    assert "SECRETPART" not in _text(log)


@each_sdk
@pytest.mark.parametrize(
    "key", ["a raw key, with blanks; and SECRETPART", "a&SECRETPART", "a'SECRETPART", 'a"SECRETPART']
)
def test_a_key_that_is_sent_raw_is_masked(
    key: str, sdk: str, signature: str, https: TlsRecordingServer, log: _Lines
) -> None:
    def call(client: Any) -> Any:
        return client.list_parts(Bucket=BUCKET, Key=OBJECT, UploadId=UPLOAD_ID, SSECustomerKey=key)

    assert succeeded(outcome(sdk, https, call, signature_version=signature))
    assert "SECRETPART" not in _text(log)


def test_the_text_of_an_exception_is_masked(log: _Lines, https: TlsRecordingServer) -> None:
    """Botocore's error contains the invalid parameter, and its DEBUG log the error."""

    def put(client: Any) -> Any:
        return client.put_object(Bucket=BUCKET, Key=OBJECT, SSECustomerKey={"key": KEY}, SSECustomerAlgorithm="AES256")

    assert isinstance(outcome("boto3", https, put), Exception)
    assert not _leaks(_text(log))


def test_refusals_are_logged_without_the_key(log: _Lines, http: RecordingServer) -> None:
    """Botocore's endpoint logs the exceptions it meets, with their tracebacks."""
    refused(outcome("boto3", http, _by_handler), "table-1/PutObject")
    assert "Exception received when sending HTTP request" in _text(log)
    assert not _leaks(_text(log))


# ------------------------------------------------------------------------ keys of other kinds, and errors


class _Secret(str):
    __slots__ = ()

    def __repr__(self) -> str:
        return f"<Secret {self!s}>"


@pytest.mark.parametrize(
    "key", [bytearray(KEY.encode()), memoryview(KEY.encode()), _Secret(KEY), f"b'{KEY}"[:32]], ids=lambda _: "key"
)
@pytest.mark.parametrize("name", TRANSFERS_OF_ANY_KEY)
def test_keys_of_other_kinds_are_masked(name: str, key: Any, https: TlsRecordingServer, log: _Lines) -> None:
    with boto3_resource(https) as resource:
        arguments = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": key}
        TRANSFERS_OF_ANY_KEY[name](resource.meta.client, arguments)
    assert not _leaks(_text(log))
    assert MASK in _text(log)


@each_sdk
def test_a_key_in_a_signed_url_is_masked(sdk: str, https: TlsRecordingServer, log: _Lines) -> None:
    """urllib3 logs each request's path, into which this signature puts the headers."""
    assert succeeded(outcome(sdk, https, asking("GetObject", "SSE-C"), signature_version="s3-query"))
    assert not _leaks(_text(log))
    assert sdk != "boto3" or any(f"customer-key={MASK}" in line for line in log.lines if "urllib3" in line)


@pytest.mark.thinned(strength=1)
@each_sdk
@pytest.mark.parametrize("key", [f"{KEY}\nb", f"'{KEY}'\nb", f'"{KEY}\\\n/b', f"\n{KEY}"], ids=lambda _: "key")
def test_a_value_that_an_error_quotes_without_its_name_is_masked(
    key: str, sdk: str, signature: str, https: TlsRecordingServer, log: _Lines
) -> None:
    def call(client: Any) -> Any:
        return client.list_parts(Bucket=BUCKET, Key=OBJECT, UploadId=UPLOAD_ID, SSECustomerKey=key)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # such an error leaves the connection open
        assert isinstance(outcome(sdk, https, call, signature_version=signature), Exception)
        gc.collect()
    assert not _leaks(_text(log))


_ERRORS = (
    "<Error><Code>InvalidArgument</Code><ArgumentName>{name}</ArgumentName><ArgumentValue>{key}</ArgumentValue></Error>",
    "<Error><StringToSign>PUT\n\n{name}:{key}\n/b/k</StringToSign><StringToSignBytes>{bytes}</StringToSignBytes></Error>",
    "<Error><Code>InvalidArgument</Code><Message>{name}: {key}</Message></Error>",
    '{{"headers": {{"{name}": "{key}"}}}}',
)


@each_sdk
@pytest.mark.parametrize("body", _ERRORS)
def test_a_key_that_the_server_returns_is_masked(body: str, sdk: str, https: TlsRecordingServer, log: _Lines) -> None:
    dump = ENCODED.encode().hex(" ")
    written = body.format(name=S3_KEY_HEADER, key=ENCODED, bytes=dump)
    https.answer("PUT", 400, {"X-Echo": f"{S3_KEY_HEADER}={ENCODED}"}, written)
    assert isinstance(outcome(sdk, https, CALLS["put_object"]), Exception)
    assert not _leaks(_text(log))
    assert dump not in _text(log)


def test_an_exception_without_a_key_is_unchanged(log: _Lines, caplog: pytest.LogCaptureFixture) -> None:
    errors = [ValueError("Invalid header value b'a\\nb'"), ValueError("encryption"), ValueError("")]
    for error in errors:
        logging.getLogger("botocore").warning("failed: %r", error, exc_info=error)
    assert [record.exc_info[1] for record in caplog.records if record.exc_info] == errors
    assert "failed: ValueError(\"Invalid header value b'a\\\\nb'\")" in _text(log)


def _fail(headers: Any) -> None:
    message = f"Invalid header value {headers[S3_KEY_HEADER]!r}"
    raise ValueError(message)


@pytest.mark.parametrize("key", [KEY, KEY.encode(), f"é{KEY}", f"\\'{KEY}\n"], ids=lambda _: "key")
def test_a_traceback_is_masked(key: str | bytes, log: _Lines) -> None:
    headers = {S3_KEY_HEADER: key, f"{S3_KEY_HEADER}-MD5": "="}
    try:
        try:
            _fail(headers)
        except ValueError as error:
            logging.getLogger("s3fs").warning("failed: %s", error)
            raise LookupError from error
    except LookupError:
        logging.getLogger("botocore").warning("failed", exc_info=True)
    assert not _leaks(_text(log))
    assert log.lines[0] == f"s3fs WARNING failed: Invalid header value {_quoted(key)}"
    assert f"ValueError: Invalid header value {_quoted(key)}\n" in log.lines[1]
    assert "LookupError" in log.lines[1]


def _quoted(key: str | bytes) -> str:
    return repr(key).replace(repr(key).strip("b")[1:-1], MASK)


def test_a_failure_of_the_redaction_does_not_lose_a_record(log: _Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("obs_sse_guard._hooks.redaction._contents")
    logging.getLogger("botocore").warning("kept")
    assert "kept" in log.lines[0]


def test_a_failing_repr_is_left_to_logging(log: _Lines) -> None:
    class Failing:
        def __repr__(self) -> str:
            raise ValueError("no repr")

    with pytest.raises(ValueError, match="no repr"):
        logging.getLogger("botocore").warning("%s", Failing())
    assert log.lines == []
