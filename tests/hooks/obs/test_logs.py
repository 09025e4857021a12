"""The SDK's own log contains customer keys; with the guard active it does not."""

from __future__ import annotations

import contextlib
import gc
import logging
import warnings
from collections.abc import Iterator
from typing import Any
from unittest import mock
from urllib.parse import quote

import obs
import pytest
from obs.ilog import LogClient, LogConf

import obs_sse_guard
from obs_sse_guard._hooks.redaction import redact_message
from tests.support import obs_calls
from tests.support.obs_calls import (
    BUCKET,
    CONTENT,
    OBJECT,
    SOURCE_BUCKET,
    SOURCE_OBJECT,
    each_transport,
    needs_https,
    needs_requests,
    open_client,
    without_backoff,
)
from tests.support.servers import RecordingServer, leaks
from tests.support.sse import ENCODED, KEY, MD5, OBS_KEY_HEADER

MASK = "******"


@pytest.mark.parametrize(
    "key",
    [
        "0000000000000000000000001234567'",
        "000000000000'}0000000000001234567",
        "00000000'}000\"000000000001234567",
        '00000000"}0000000000000001234567',
        "000000\\'}000000\\\"%7D00000012345\\",
        "é" * 31 + "'",
    ],
)
def test_a_misplaced_key_with_any_characters_is_masked(
    key: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")
    with open_client("v2", http) as client, caplog.at_level(logging.DEBUG):
        client.log_client = LogClient(LogConf(), "obs-sdk-that-flows-on", "sdk")
        client.log_client.logger.propagate = True
        client.putContent(BUCKET, OBJECT, CONTENT, metadata={"sseHeader": obs.SseCHeader.getInstance(key)})
        client.log_client = obs.ilog.NoneLogClient()
    assert "******" in caplog.text
    assert not leaks(caplog.text, key)
    assert quote(key, safe="' ;/?:@&=+$,*") not in caplog.text
    assert quote(key[-8:], safe="' ;/?:@&=+$,*") not in caplog.text


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def log(request: pytest.FixtureRequest) -> Iterator[_Lines]:
    handler = _Lines()
    logger = logging.getLogger(f"obs-sdk-{request.node.name}")
    logger.addHandler(handler)
    yield handler
    # pytest adds a handler to a logger that exists and does not propagate. mutmut runs the tests twice in one process.
    logging.Logger.manager.loggerDict.pop(logger.name)


def _attach(client: Any, request: pytest.FixtureRequest) -> None:
    client.log_client = LogClient(LogConf(), f"obs-sdk-{request.node.name}", "sdk")


def _everything(client: Any) -> None:
    sse = obs.SseCHeader.getInstance(KEY)
    client.putContent(BUCKET, OBJECT, CONTENT, headers=obs.PutObjectHeader(sseHeader=sse))
    copy = obs.CopyObjectHeader(destSseHeader=sse, sourceSseHeader=sse)
    client.copyObject(SOURCE_BUCKET, SOURCE_OBJECT, BUCKET, OBJECT, headers=copy)
    client.getObjectMetadata(BUCKET, OBJECT, extensionHeaders={OBS_KEY_HEADER.upper(): ENCODED})
    if not client.is_signature_negotiation:  # a private request negotiates no signature
        client._make_get_request(BUCKET, OBJECT, pathArgs={OBS_KEY_HEADER: ENCODED})
    in_use = obs_calls.prefix_of(client) + OBS_KEY_HEADER[len("x-obs-") :]
    client.setBucketFetchJob(BUCKET, "http://a.test/", objectHeaders={in_use: ENCODED})


@needs_https
@each_transport
@pytest.mark.parametrize("kind", obs_calls.KINDS)
def test_no_key_in_the_sdks_log(
    kind: str, transport: str, https: RecordingServer, log: _Lines, request: pytest.FixtureRequest
) -> None:
    with open_client(kind, https, transport=transport) as client:
        _attach(client, request)
        _everything(client)
        client.log_client = obs.ilog.NoneLogClient()
    assert not leaks("\n".join(log.lines), KEY)
    assert "******" in "\n".join(log.lines)


@needs_https
def test_without_the_guard_the_keys_are_logged(
    https: RecordingServer, log: _Lines, request: pytest.FixtureRequest
) -> None:
    obs_sse_guard.uninstall()
    with open_client("v2", https) as client:
        _attach(client, request)
        _everything(client)
        client.log_client = obs.ilog.NoneLogClient()
    assert leaks("\n".join(log.lines), KEY)


@needs_https
def test_no_key_in_a_log_that_propagates_to_the_root_logger(
    https: RecordingServer, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    """With central logging, the SDK's logger propagates and has no handlers."""
    logger = logging.getLogger(f"obs-sdk-{request.node.name}")
    with open_client("v2", https) as client, caplog.at_level(logging.DEBUG):
        _attach(client, request)
        logger.propagate = True
        _everything(client)
        client.log_client = obs.ilog.NoneLogClient()
    assert not leaks(caplog.text, KEY)
    assert "******" in caplog.text


def test_in_warn_mode_a_misplaced_key_is_masked_too(
    http: RecordingServer, log: _Lines, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")
    with open_client("v2", http) as client:
        if not hasattr(client, "modifyFile"):
            pytest.skip("not in this release of the SDK")
        _attach(client, request)
        client.modifyFile(BUCKET, OBJECT, 0, CONTENT, headers={"sseHeader": obs.SseCHeader.getInstance(KEY)})
        client.log_client = obs.ilog.NoneLogClient()
    assert not leaks("\n".join(log.lines), KEY)


def test_everything_else_of_the_log_is_unchanged(log: _Lines, request: pytest.FixtureRequest) -> None:
    client = LogClient(LogConf(), f"obs-sdk-{request.node.name}", "sdk")

    def write_records() -> None:
        client.log(
            logging.DEBUG, "method:%s, header:%s", "PUT", {"Host": "h", OBS_KEY_HEADER.replace("key", "algorithm"): "A"}
        )
        client.log(logging.WARNING, "a plain line")
        client.log("ERROR", "a level that the SDK itself gets wrong")

    write_records()
    guarded, log.lines = log.lines, []
    obs_sse_guard.uninstall()
    write_records()
    assert guarded == log.lines
    assert len(guarded) == 2


def test_records_that_no_handler_writes_are_not_masked(
    log: _Lines, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    redact = mock.Mock(wraps=redact_message)
    monkeypatch.setattr("obs_sse_guard._hooks.obs.logs.redact_message", redact)
    log.setLevel(logging.INFO)
    client = LogClient(LogConf(), f"obs-sdk-{request.node.name}", "sdk")
    client.log(logging.DEBUG, OBS_KEY_HEADER)
    assert (redact.call_count, log.lines) == (0, [])
    client.log(logging.INFO, "written")
    assert (redact.call_count, len(log.lines)) == (1, 1)


def test_a_failure_of_the_redaction_does_not_lose_a_line(
    log: _Lines, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("obs_sse_guard._hooks.obs.logs.redact_message")
    LogClient(LogConf(), f"obs-sdk-{request.node.name}", "sdk").log(logging.INFO, "kept")
    assert log.lines[0].endswith("kept")


def test_an_uninstalled_hook_redacts_nothing(log: _Lines, request: pytest.FixtureRequest) -> None:
    client = LogClient(LogConf(), f"obs-sdk-{request.node.name}", "sdk")
    client.logger.addHandler(log)
    hooked = vars(LogClient)["log"]
    hooked(client, logging.WARNING, "%s", {OBS_KEY_HEADER: "a"})
    obs_sse_guard.uninstall()
    hooked(client, logging.WARNING, "%s", {OBS_KEY_HEADER: "b"})
    assert ["******" in line for line in log.lines] == [True, False]


# ------------------------------------------------------------------------ keys of other kinds, and errors


def _parts(key: str) -> list[str]:
    return [key[start : start + 8] for start in range(len(key) - 7)]


def _logged(log: _Lines, server: RecordingServer, request: pytest.FixtureRequest, call: Any, **options: Any) -> str:
    """Make a call, which may fail, and return what is logged."""
    with without_backoff(), warnings.catch_warnings(), open_client("v2", server, **options) as client:
        warnings.simplefilter("ignore", ResourceWarning)  # some errors leave the connection open
        _attach(client, request)
        with contextlib.suppress(Exception):
            call(client)
        client.log_client = obs.ilog.NoneLogClient()
        gc.collect()
    text = "\n".join(log.lines)
    assert MASK in text
    return text


@pytest.mark.thinned(strength=1)
@needs_https
@each_transport
@pytest.mark.parametrize(
    "key",
    [
        KEY,
        f" {KEY}",
        f"{KEY}\nx",
        f"'{KEY}",
        f'[{{"{KEY}',
        f"b'{KEY}'",
        f"\\n/{KEY}",
        f"{KEY}\\\n/b",
        bytearray(KEY.encode()),
    ],
    ids=lambda _: "key",
)
def test_a_raw_key_is_masked(
    key: Any, transport: str, https: RecordingServer, log: _Lines, request: pytest.FixtureRequest
) -> None:
    """The canonical string quotes nothing, and an error may omit a header's name."""

    def call(client: Any) -> None:
        client.getObjectMetadata(BUCKET, OBJECT, extensionHeaders={OBS_KEY_HEADER: key})

    text = _logged(log, https, request, call, transport=transport)
    assert not [part for part in _parts(KEY) if part in text]


@pytest.mark.thinned(strength=1)
@needs_https
@each_transport
@pytest.mark.parametrize("key", [f"{KEY}\nx", f" {KEY}", f"b'{KEY}'\nx", f"{KEY}\\\nx"], ids=lambda _: "key")
def test_a_value_that_an_error_quotes_without_its_name_is_masked(
    key: str, transport: str, https: RecordingServer, log: _Lines, request: pytest.FixtureRequest
) -> None:
    def change(headers: Any, *_: Any) -> Any:
        return {**headers, OBS_KEY_HEADER: key}

    def call(client: Any) -> None:
        with mock.patch.object(client, "_add_auth_headers", change):
            client.getObjectMetadata(BUCKET, OBJECT)

    text = _logged(log, https, request, call, transport=transport)
    assert not [part for part in _parts(KEY) if part in text]


@needs_https
@pytest.mark.parametrize("method", ["putContent", "getObject"])
def test_a_key_that_the_server_returns_is_masked(
    method: str, https: RecordingServer, log: _Lines, request: pytest.FixtureRequest
) -> None:
    dump = ENCODED.encode().hex(" ")
    body = (
        f"<Error><Code>InvalidArgument</Code><Message>{OBS_KEY_HEADER}: {ENCODED}</Message>"
        f"<ArgumentName>{OBS_KEY_HEADER}</ArgumentName><ArgumentValue>{ENCODED}</ArgumentValue>"
        f"<StringToSign>PUT\n{OBS_KEY_HEADER}:{ENCODED}\n/b</StringToSign>"
        f"<StringToSignBytes>{dump}</StringToSignBytes></Error>"
    )
    https.answer(lambda _: True, 400, {OBS_KEY_HEADER: ENCODED, f"{OBS_KEY_HEADER}-MD5": MD5}, body)
    arguments = {"putContent": [CONTENT], "getObject": []}[method]
    text = _logged(log, https, request, lambda client: getattr(client, method)(BUCKET, OBJECT, *arguments))
    assert not leaks(text, KEY)
    assert dump not in text


@needs_https
@needs_requests
def test_a_key_in_a_url_is_masked_in_the_log_of_urllib3(
    https: RecordingServer, log: _Lines, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    def call(client: Any) -> None:
        client._make_get_request(BUCKET, OBJECT, pathArgs={OBS_KEY_HEADER: ENCODED})

    with caplog.at_level(logging.DEBUG):
        _logged(log, https, request, call, transport="requests")
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("urllib3")]
    assert [line for line in lines if f"{OBS_KEY_HEADER}={MASK}" in line]
    assert not leaks("\n".join(lines), KEY)


@pytest.mark.thinned(strength=1)
@pytest.mark.parametrize("key", [KEY, f"'{KEY}", f"'{KEY}\"\\"], ids=lambda _: "key")
@pytest.mark.parametrize("argument", ["versionId", "origin"])
def test_an_sse_object_in_the_place_of_another_argument_is_masked(
    argument: str,
    key: str,
    http: RecordingServer,
    log: _Lines,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")
    sse = obs.SseCHeader.getInstance(key)
    text = _logged(log, http, request, lambda client: client.getObjectMetadata(BUCKET, OBJECT, **{argument: sse}))
    assert not [part for part in _parts(quote(KEY, safe="/")) if part in text]
    assert not leaks(text, KEY)


@needs_https
@pytest.mark.parametrize("content", [CONTENT, f"{OBS_KEY_HEADER}: a text about headers", b"\xff" * 1000])
def test_the_content_of_an_object_is_logged_unchanged(
    content: Any, https: RecordingServer, log: _Lines, request: pytest.FixtureRequest
) -> None:
    with open_client("v2", https) as client:
        _attach(client, request)
        client.putContent(BUCKET, OBJECT, content)
        client.log_client = obs.ilog.NoneLogClient()
    sent = content.encode() if isinstance(content, str) else content
    assert [line for line in log.lines if line.endswith(f"request content:{sent!r}")]
