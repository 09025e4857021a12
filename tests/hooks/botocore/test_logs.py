"""The DEBUG logs of the botocore family contain customer keys; with the guard active they do not.

Everything else in the logs is unchanged.
"""

from __future__ import annotations

import io
import logging
import re
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
from tests.support.sse import ENCODED, KEY, MD5

LOGGERS = ("botocore", "boto3", "s3transfer", "aiobotocore", "s3fs", "fsspec")
MASK = "******"
MEGABYTE = 1024 * 1024
LARGE = b"0123456789abcdef" * (6 * MEGABYTE // 16)
SOURCE_SSE = {"CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": KEY}


class _Lines(logging.Handler):
    """Collects each record, and its formatted line."""

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
"""Some signers log nothing about a signed URL."""

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


def _text(log: _Lines) -> str:
    return "\n".join([*log.lines, *log.records])


def _leaks(text: str) -> list[str]:
    """Return the forms of the key in the text, whole or in part: a mask may end at a character inside the key."""
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
    for name in ("app", "botocorelike", "urllib3"):
        logging.getLogger(name).warning("%s", line)
    assert [record.getMessage() for record in caplog.records] == [line] * 3


@pytest.mark.parametrize("name", [*LOGGERS, "botocore.made.just.now", "s3transfer.futures"])
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
    """The error of botocore contains the invalid parameter, and its DEBUG log contains the error."""

    def put(client: Any) -> Any:
        return client.put_object(Bucket=BUCKET, Key=OBJECT, SSECustomerKey={"key": KEY}, SSECustomerAlgorithm="AES256")

    assert isinstance(outcome("boto3", https, put), Exception)
    assert not _leaks(_text(log))


def test_refusals_are_logged_without_the_key(log: _Lines, http: RecordingServer) -> None:
    """The endpoint of botocore logs the exceptions that it meets, with their tracebacks."""
    refused(outcome("boto3", http, _by_handler), "table-1/PutObject")
    assert "Exception received when sending HTTP request" in _text(log)
    assert not _leaks(_text(log))
