"""The SDK's own log contains customer keys; with the guard active it does not."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import obs
import pytest
from obs.ilog import LogClient, LogConf

import obs_sse_guard
from tests.support import obs_calls
from tests.support.obs_calls import (
    BUCKET,
    CONTENT,
    OBJECT,
    SOURCE_BUCKET,
    SOURCE_OBJECT,
    each_transport,
    needs_https,
    open_client,
)
from tests.support.servers import RecordingServer, leaks
from tests.support.sse import ENCODED, KEY, OBS_KEY_HEADER


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
    logger.removeHandler(handler)


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
    """Applications with central logging let the SDK's logger propagate, without handlers of its own."""
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
    def never(_: object) -> None:
        raise AssertionError("masked a line that no handler writes")

    log.setLevel(logging.INFO)
    client = LogClient(LogConf(), f"obs-sdk-{request.node.name}", "sdk")
    monkeypatch.setattr("obs_sse_guard._hooks.obs.logs.redact_message", never)
    client.log(logging.DEBUG, OBS_KEY_HEADER)
    assert log.lines == []


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
