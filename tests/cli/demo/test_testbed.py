"""The demo's testbed: calls do what they claim, and observations are true."""

from __future__ import annotations

import contextlib
import functools
import socket
import sys
from typing import TYPE_CHECKING, Any

import obs
import pytest

from obs_sse_guard import SSETransportError
from obs_sse_guard.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obs_sse_guard._cli.demo.observation import Observation
    from obs_sse_guard._cli.demo.testbed import Testbed
    from obs_sse_guard.rules import Rule

pytestmark = pytest.mark.skipif(sys.version_info < (3, 10), reason="MiniStack needs 3.10")

STORING = [row for row in RULES if row.operation in ("PutObject", "PostObject", "CopyObject")]


@pytest.fixture(scope="module")
def testbed() -> Iterator[Testbed]:
    """One testbed for all tests of this file."""
    from obs_sse_guard._cli.demo.testbed import set_up

    with set_up() as built:
        yield built


@pytest.mark.parametrize("row", STORING, ids=str)
def test_a_rules_call_stores_what_the_rule_names(testbed: Testbed, row: Rule) -> None:
    for driver in testbed.drivers:
        before = _objects(testbed)
        call = driver.prepare(row)
        if call is None:
            assert (driver.name, row.operation) == ("huaweicloud", "PostObject")
            continue
        assert call("https") in (200, 204)
        (stored,) = _objects(testbed) - before
        key = obs.SseCHeader.getInstance(testbed.key.text) if row.target == "SSE-C" else None
        response = _client(testbed).getObjectMetadata("sse-guard-demo", stored, sseHeader=key)
        named = {"none": (None, None), "SSE-C": ("AES256", None), "SSE-KMS": (None, "aws:kms")}
        assert (response.body.get("sseC"), response.body.get("sseKms")) == named[row.target], driver.name


def _objects(testbed: Testbed) -> set[str]:
    return {item.key for item in _client(testbed).listObjects("sse-guard-demo").body.contents}


def _client(testbed: Testbed, scheme: str = "https") -> Any:
    from obs_sse_guard._cli.demo.drivers.obs import ObsDriver

    driver = testbed.drivers[0]
    assert isinstance(driver, ObsDriver)
    return driver.clients[scheme]


def test_an_upload_is_encrypted_and_can_be_downloaded(testbed: Testbed) -> None:
    for driver in testbed.drivers:
        driver.upload("https", testbed.key)
        assert driver.download(testbed.key).content == b"Nobody on the path may read this."
        for key, status in ((None, 400), (testbed.other_key, 403)):
            content, refused = driver.download(key)
            assert (content[:6], refused) == (b"<?xml " if content else b"", status), driver.name


def test_a_refused_preparation_names_the_reason(testbed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    from obs_sse_guard._cli.demo.drivers import SetupError, huaweicloud, minio
    from obs_sse_guard._cli.demo.drivers import obs as obs_driver
    from obs_sse_guard._cli.demo.drivers import s3 as s3_driver

    for module in (obs_driver, s3_driver, huaweicloud, minio):
        monkeypatch.setattr(module, "BUCKET", "no-such-bucket")
    (row,) = (row for row in RULES if row.id == "table-1/UploadPart")
    for driver in testbed.drivers:
        with pytest.raises(SetupError, match="bucket"):
            driver.prepare(row)


def test_the_others_are_shown_where_they_are_installed(testbed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    from obs_sse_guard._cli.demo.testbed import other_sdks

    assert other_sdks() == ["huaweicloudsdkobs", "minio"]
    assert [driver.name for driver in testbed.drivers[3:]] == ["huaweicloud", "minio"]
    monkeypatch.setitem(sys.modules, "minio", None)
    assert other_sdks() == ["huaweicloudsdkobs"]


def test_the_server_knows_the_dialect_of_obs() -> None:
    from obs_sse_guard._cli.demo.servers import _in_the_s3_dialect

    for obs_header, s3_header in (
        ((b"x-obs-server-side-encryption", b"kms"), (b"x-amz-server-side-encryption", b"aws:kms")),
        (
            (b"x-obs-server-side-encryption-kms-key-id", b"id"),
            (b"x-amz-server-side-encryption-aws-kms-key-id", b"id"),
        ),
        ((b"x-amz-date", b"kms"), (b"x-amz-date", b"kms")),
    ):
        assert _in_the_s3_dialect(*obs_header) == s3_header


def test_a_request_that_reaches_the_server_is_sent(testbed: Testbed) -> None:
    from obs_sse_guard._cli.demo.drivers.obs import open_client

    for scheme in ("http", "https"):
        client = open_client(scheme, testbed.servers)
        observation = testbed.observe(functools.partial(_list_buckets, client))
        assert (observation.summary, observation.outcome, observation.status) == ("sent", "sent", 200)
        assert (observation.connections, observation.requests) == (1, 1)
        assert testbed.servers.requests[-1] == (scheme, "GET", "/")
        assert (b"GET / HTTP/1.1" in observation.recorded) == (scheme == "http")


def _list_buckets(client: Any) -> int:
    return int(client.listBuckets().status)


def test_a_status_that_is_a_failure_is_shown() -> None:
    assert observation_of(requests=1, status=403).outcome == "sent 403"


def test_a_call_that_touches_nothing_is_not_sent(testbed: Testbed) -> None:
    observation = testbed.observe(lambda: 200)
    assert (observation.summary, observation.connections, observation.recorded) == ("nothing sent", 0, b"")


def test_a_refusal_after_a_connection_is_late(testbed: Testbed) -> None:
    def connect_and_refuse() -> int:
        # Left open, unread, silent: the least that can be left behind.
        socket.create_connection(("127.0.0.1", testbed.servers.proxies["http"].port)).close()
        message = "refused"
        raise SSETransportError(message)

    observation = testbed.observe(connect_and_refuse)
    assert (observation.summary, observation.connections) == ("refused late", 1)


def test_any_other_error_is_named(testbed: Testbed) -> None:
    observation = testbed.observe(lambda: 1 // 0)
    assert (observation.summary, observation.outcome) == ("ZeroDivisionError", "ZeroDivisionError")


def test_connections_are_counted_before_they_are_accepted(testbed: Testbed) -> None:
    proxy = testbed.servers.proxies["http"]
    before = proxy.connections
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port)))
        proxy.wait_until_counted()
        assert proxy.connections == before + 20


def test_no_repr_shows_a_key_or_recorded_bytes(testbed: Testbed) -> None:
    assert "secret" not in repr(observation_of(recorded=b"secret"))
    for key in (testbed.key, testbed.other_key):
        for secret in (key.text, key.header, key.md5):
            assert secret not in repr(key)
            assert secret not in repr(testbed)


def is_open(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def observation_of(**seen: Any) -> Observation:
    from obs_sse_guard._cli.demo.observation import Observation

    nothing: dict[str, Any] = {
        "error": None,
        "status": 0,
        "connections": 0,
        "recorded": b"",
        "requests": 0,
        "logged": (),
    }
    return Observation(**{**nothing, **seen})
