"""SSE-C over https, on a real object store, works as it does without the guard."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import minio
import pytest
import urllib3
from minio.commonconfig import CopySource

from obs_sse_guard import SSETransportError
from tests.support.guard import unguarded
from tests.support.minio_calls import PART_SIZE, read, sse_c

pytest.importorskip("ministack", reason="MiniStack is not installed here")
servers = pytest.importorskip("obs_sse_guard._cli.demo.servers", reason="hypercorn is not installed here")

pytestmark = pytest.mark.server
CONTENT = bytes(range(256)) * (PART_SIZE // 256) + b"the rest"


@pytest.fixture(scope="module")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with servers.running(tmp_path_factory.mktemp("ministack")) as running:
        yield running


def _client(ministack: Any, scheme: str) -> Any:
    pool = urllib3.PoolManager(cert_reqs="CERT_REQUIRED", ca_certs=str(ministack.ca), timeout=20, maxsize=10)
    host = ministack.url(scheme).partition("://")[2]
    return minio.Minio(host, "test", "test", secure=scheme == "https", region="us-east-1", http_client=pool)


def _round_trip(client: Any, bucket: str, folder: Path) -> list[bytes]:
    key = sse_c()
    client.make_bucket(bucket)
    client.put_object(bucket, "small", io.BytesIO(b"small"), 5, sse=key)
    client.put_object(bucket, "large", io.BytesIO(CONTENT), len(CONTENT), sse=key, part_size=PART_SIZE)
    client.copy_object(bucket, "copy", CopySource(bucket, "small", ssec=key), sse=key)
    client.fget_object(bucket, "large", str(folder / bucket), ssec=key)
    names = ("small", "large", "copy")
    assert [client.stat_object(bucket, name, ssec=key).size for name in names] == [5, len(CONTENT), 5]
    return [read(client.get_object(bucket, name, ssec=key)) for name in names] + [(folder / bucket).read_bytes()]


def test_a_round_trip_over_https(ministack: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    client = _client(ministack, "https")
    with unguarded():
        expected = _round_trip(client, "without", tmp_path)
    assert _round_trip(client, "with", tmp_path) == expected == [b"small", CONTENT, b"small", CONTENT]
    assert not [record for record in caplog.records if record.name == "obs_sse_guard"]


def test_over_http_nothing_arrives(ministack: Any) -> None:
    ministack.wait_until_counted()
    before = len(ministack.requests)
    with pytest.raises(SSETransportError):
        _client(ministack, "http").put_object("with", "small", io.BytesIO(b"small"), 5, sse=sse_c())
    ministack.wait_until_counted()
    assert len(ministack.requests) == before
