"""The demo neither reads the caller's settings nor leaves anything behind."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import logging
import os
import socket
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import obs_sse_guard
from tests.cli.demo.test_testbed import is_open

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(sys.version_info < (3, 10), reason="MiniStack needs 3.10")


@pytest.mark.parametrize("leave", [contextlib.nullcontext, KeyboardInterrupt])
def test_everything_is_as_before_after_the_testbed(leave: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from obs_sse_guard._cli.demo.testbed import set_up

    # What clients import when they are made shows in status(), and stays imported.
    for module in ("s3fs", "boto3.s3.inject", "huaweicloudsdkobs.v1", "minio"):
        importlib.import_module(module)
    monkeypatch.setenv("OBS_SSE_GUARD_POLICY", "strict")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    before = surroundings()
    with socket.socket() as idle:
        idle.settimeout(10)
        with contextlib.suppress(KeyboardInterrupt), set_up() as testbed:
            proxies, ca = testbed.servers.proxies, testbed.servers.ca
            assert surroundings() != before
            for driver, scheme in itertools.product(testbed.drivers, ("http", "https")):
                driver.upload(scheme, None)
            idle.connect(("127.0.0.1", proxies["http"].port))
            proxies["http"].wait_until_counted()
            assert ca.exists()
            if leave is KeyboardInterrupt:
                raise leave
        assert idle.recv(1) == b""
    assert surroundings() == before
    assert len(proxies) == 2
    assert not any(is_open(proxy.port) for proxy in proxies.values())
    assert not ca.parent.exists()


def surroundings() -> tuple[object, ...]:
    guard, root = logging.getLogger("obs_sse_guard"), logging.getLogger()
    return (
        dict(os.environ),
        {thread.name for thread in threading.enumerate()},
        (guard.handlers[:], guard.level, guard.propagate),
        root.handlers[:],
        warnings.filters[:],
        obs_sse_guard.status(),
    )


@pytest.mark.parametrize(
    ("change", "undo"),
    [(obs_sse_guard.install, obs_sse_guard.uninstall), (obs_sse_guard.uninstall, obs_sse_guard.install)],
)
def test_the_guard_is_left_as_it_was(change: Callable[[], None], undo: Callable[[], None]) -> None:
    from obs_sse_guard._cli.demo.isolation import guard_restored

    change()
    before = obs_sse_guard.status()
    with guard_restored():
        undo()
        assert obs_sse_guard.status() != before
    assert obs_sse_guard.status() == before


def test_the_callers_settings_are_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from obs_sse_guard._cli.demo.isolation import own_environment

    removed = (
        *("OBS_SSE_GUARD", "OBS_SSE_GUARD_POLICY", "OBS_SSE_GUARD_TRUSTED_HOSTS"),
        *("http_proxy", "HTTPS_PROXY", "ALL_PROXY", "no_proxy"),
        *("AWS_ENDPOINT_URL", "AWS_PROFILE", "MINISTACK_HOST", "LOCALSTACK_PERSISTENCE"),
        *("S3FS_LOGGING_LEVEL", "FSSPEC_S3_ANON"),
        *("S3_PERSIST", "PERSIST_STATE", "LOG_LEVEL", "GATEWAY_PORT", "EDGE_PORT", "CLOUDTRAIL_RECORDING"),
    )
    replaced = {
        "SERVICES": "s3",
        "S3_DATA_DIR": str(tmp_path / "s3"),
        "STATE_DIR": str(tmp_path / "state"),
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }
    for name in (*removed, *replaced, "HOME_OF_SOMETHING_ELSE"):
        monkeypatch.setenv(name, "foreign")
    with own_environment(tmp_path):
        assert [name for name in removed if name in os.environ] == []
        assert {name: os.environ[name] for name in replaced} == replaced
        assert os.environ["HOME_OF_SOMETHING_ELSE"] == "foreign"
    assert {os.environ[name] for name in (*removed, *replaced)} == {"foreign"}


def test_no_other_handler_sees_the_guards_records() -> None:
    from obs_sse_guard._cli.demo.isolation import guard_log

    other = logging.Handler()
    other.emit = lambda record: pytest.fail(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger().addHandler(other)
    try:
        with guard_log() as logged:
            logging.getLogger("obs_sse_guard").warning("noticed", extra={"rule": "key-in-url"})
    finally:
        logging.getLogger().removeHandler(other)
    assert logged == ["key-in-url"]
    assert logging.getLogger("obs_sse_guard").propagate


def test_a_failure_of_the_guard_itself_is_collected_by_its_message() -> None:
    from obs_sse_guard._cli.demo.isolation import guard_log

    with guard_log() as logged:
        logging.getLogger("obs_sse_guard").error("could not judge %s", "this")
        logging.getLogger("obs_sse_guard").warning("noticed", extra={"rule": "table-3/SSE-C-to-none"})
    assert logged == ["could not judge this", "table-3/SSE-C-to-none"]
