"""Every method that takes encryption is refused before anything is read or sent."""

from __future__ import annotations

import inspect
import io
import pickle
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import minio
import pytest
from minio.commonconfig import ComposeSource, CopySource, Tags
from minio.sse import Sse, SseCustomerKey

from obs_sse_guard import SSETransportError
from tests.support.guard import POLICY, unguarded
from tests.support.minio_calls import (
    BUCKET,
    CONTENT,
    OBJECT,
    PART_SIZE,
    SERVERS,
    SOURCE,
    Body,
    client_for,
    normal,
    outcome,
    raw_headers,
    read,
    refused,
    sse_c,
    sse_of,
)
from tests.support.records import audited, rules
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_silent, leaks
from tests.support.sse import KEY

HAS = frozenset(vars(minio.Minio))
_TAKES_HEADERS = "extra_headers" in inspect.signature(minio.Minio.stat_object).parameters


def _file(folder: Path) -> str:
    path = folder / "upload.bin"
    path.write_bytes(CONTENT)
    return str(path)


def _snowball(client: Any, sse: Any, **more: Any) -> Any:
    from minio.commonconfig import SnowballObject

    when = datetime(2025, 1, 6, tzinfo=timezone.utc)
    objects = [SnowballObject("one", data=Body(CONTENT), length=len(CONTENT), mod_time=when)]
    return client.upload_snowball_objects(BUCKET, objects, sse=sse, **more)


def _copy(client: Any, sse: Any, ssec: Any = None) -> Any:
    return client.copy_object(BUCKET, OBJECT, CopySource(*SOURCE, ssec=ssec), sse=sse)


def _compose(client: Any, sse: Any, ssec: Any = None, *, parts: int = 2) -> Any:
    sources = [ComposeSource(*SOURCE, ssec=ssec, offset=0, length=PART_SIZE) for _ in range(parts)]
    return client.compose_object(BUCKET, OBJECT, sources, sse=sse)


def _put(client: Any, sse: Any, body: Any = None, **more: Any) -> Any:
    return client.put_object(BUCKET, OBJECT, body or Body(CONTENT), len(CONTENT), sse=sse, **more)


Method = Callable[[Any, Path], Any]
CALLS: dict[str, tuple[Method, str]] = {
    "put_object": (lambda client, _: _put(client, sse_c()), "table-1/PutObject"),
    "put_object: positional": (
        lambda client, _: client.put_object(BUCKET, OBJECT, Body(CONTENT), len(CONTENT), "text/plain", None, sse_c()),
        "table-1/PutObject",
    ),
    "put_object: SSE-KMS": (lambda client, _: _put(client, sse_of("SSE-KMS")), "table-2/PutObject"),
    "put_object: metadata": (
        lambda client, _: _put(client, None, metadata=raw_headers("SSE-C")),
        "table-1/PutObject",
    ),
    "put_object: of unknown length": (
        lambda client, _: client.put_object(BUCKET, OBJECT, Body(CONTENT), -1, sse=sse_c(), part_size=PART_SIZE),
        "table-1/PutObject",
    ),
    "fput_object": (
        lambda client, folder: client.fput_object(BUCKET, OBJECT, _file(folder), sse=sse_c()),
        "table-1/PutObject",
    ),
    "upload_snowball_objects": (lambda client, _: _snowball(client, sse_c()), "table-1/PutObject"),
    "upload_snowball_objects: staged": (
        lambda client, folder: _snowball(client, sse_c(), staging_filename=str(folder / "staged.tar")),
        "table-1/PutObject",
    ),
    "copy_object": (lambda client, _: _copy(client, sse_c()), "table-3/none-to-SSE-C"),
    "copy_object: SSE-KMS": (lambda client, _: _copy(client, sse_of("SSE-KMS")), "table-3/none-to-SSE-KMS"),
    "copy_object: both": (lambda client, _: _copy(client, sse_c(), sse_c()), "table-3/SSE-C-to-SSE-C"),
    "copy_object: SSE-C to SSE-KMS": (
        lambda client, _: _copy(client, sse_of("SSE-KMS"), sse_c()),
        "table-3/SSE-C-to-SSE-KMS",
    ),
    # minio-py asks for the source first, with its key.
    "copy_object: source": (lambda client, _: _copy(client, None, sse_c()), "table-1/HeadObject"),
    "copy_object: source to SSE-S3": (
        lambda client, _: _copy(client, sse_of("SSE-OBS"), sse_c()),
        "table-1/HeadObject",
    ),
    "compose_object": (lambda client, _: _compose(client, sse_c()), "table-1/InitiateMultipartUpload"),
    "compose_object: SSE-KMS": (
        lambda client, _: _compose(client, sse_of("SSE-KMS")),
        "table-2/InitiateMultipartUpload",
    ),
    "compose_object: both": (lambda client, _: _compose(client, sse_c(), sse_c()), "table-1/InitiateMultipartUpload"),
    "compose_object: source": (lambda client, _: _compose(client, None, sse_c()), "table-1/HeadObject"),
    "append_object": (
        lambda client, _: client.append_object(
            BUCKET, OBJECT, Body(CONTENT), len(CONTENT), extra_headers=raw_headers("SSE-C")
        ),
        "table-1/PutObject",
    ),
    "get_object": (lambda client, _: read(client.get_object(BUCKET, OBJECT, ssec=sse_c())), "table-1/GetObject"),
    "get_object: range": (
        lambda client, _: read(client.get_object(BUCKET, OBJECT, offset=1, length=2, ssec=sse_c())),
        "table-1/GetObject",
    ),
    "get_object: query": (
        lambda client, _: read(client.get_object(BUCKET, OBJECT, extra_query_params=raw_headers("SSE-C"))),
        "table-1/GetObject",
    ),
    "fget_object": (
        lambda client, folder: client.fget_object(BUCKET, OBJECT, str(folder / "down"), ssec=sse_c()),
        "table-1/GetObject",
    ),
    "fget_object: query": (
        lambda client, folder: client.fget_object(
            BUCKET, OBJECT, str(folder / "down"), extra_query_params=raw_headers("SSE-C")
        ),
        "table-1/GetObject",
    ),
    "stat_object": (lambda client, _: client.stat_object(BUCKET, OBJECT, ssec=sse_c()), "table-1/HeadObject"),
    "stat_object: headers": (
        lambda client, _: client.stat_object(BUCKET, OBJECT, extra_headers=raw_headers("SSE-C", "x-obs-")),
        "table-1/HeadObject",
    ),
    "prompt_object": (
        lambda client, _: read(client.prompt_object(BUCKET, OBJECT, "what is it?", ssec=sse_c())),
        "key-in-clear",
    ),
}
each_call = pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=pytest.mark.skipif(
                name.partition(":")[0] not in HAS or (name == "stat_object: headers" and not _TAKES_HEADERS),
                reason="this release does not have it",
            ),
        )
        for name in CALLS
    ],
)


@pytest.mark.parametrize("region", ["us-east-1", None], ids=["region", "no region"])
@each_call
def test_refused_over_http(
    name: str, region: str | None, http: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a region, the SDK would ask the service for the bucket's first."""
    bodies: list[Body] = []

    def made(body: Body, content: bytes) -> None:
        bodies.append(body)
        io.BytesIO.__init__(body, content)

    monkeypatch.setattr(Body, "__init__", made)
    call, rule = CALLS[name]
    client = client_for(http, region=region)
    error = refused(outcome(client, lambda client: call(client, tmp_path)), rule)
    assert_silent(http)
    assert sum(body.reads for body in bodies) == 0
    assert {path.name for path in tmp_path.iterdir()} <= {"upload.bin"}, "no file is made"
    assert Path(__file__).name in error.call_site
    assert error.call.startswith("Minio.") == (rule != "key-in-clear")
    assert pickle.loads(pickle.dumps(error)).rule == rule  # noqa: S301  # our own


@each_call
def test_what_is_allowed_is_sent_as_without_the_guard(name: str, tmp_path: Path) -> None:
    def sent() -> list[str]:
        with TlsRecordingServer() as server:
            server.object = bytes(PART_SIZE)
            server.answer(lambda request: request.method == "HEAD", headers={"Content-Length": str(PART_SIZE)})
            result = outcome(client_for(server), lambda client: CALLS[name][0](client, tmp_path))
            # 7.1.15 to 7.2.0 or so cannot upload small archives.
            assert not isinstance(result, Exception) or "snowball" in name, repr(result)
            return normal(server)

    with unguarded():
        expected = sent()
    assert sent() == expected
    assert expected or "snowball" in name


def test_nothing_is_found_about_a_call_without_encryption(
    http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_for(http)
    tags = Tags(for_object=True)
    tags["x-amz-server-side-encryption-customer-key"] = "a tag, not a header"
    _put(client, None, metadata={"encryption": "a word"}, tags=tags)
    _copy(client, None)
    assert not caplog.records
    assert len(http.requests) == 3


@pytest.mark.parametrize("scheme", SERVERS)
@pytest.mark.parametrize(
    "name",
    ["x-obs-server-side-encryption-customer-key", "X-Amz-Meta-x-amz-server-side-encryption-customer-key"],
)
def test_a_key_in_metadata_is_misplaced(name: str, scheme: str) -> None:
    with SERVERS[scheme]() as server:
        body = Body(CONTENT)
        error = outcome(client_for(server), lambda client: _put(client, None, body, metadata={name: KEY}))
        refused(error, "key-misplaced")
        assert_silent(server)
        assert not body.reads


class _OwnSse(Sse):
    """A class of the application."""

    def headers(self) -> dict[str, str]:
        return raw_headers("SSE-C")

    def copy_headers(self) -> dict[str, str]:
        return {}


class _OwnKey(SseCustomerKey):
    pass


@pytest.mark.parametrize("sse", [_OwnSse(), _OwnKey(KEY.encode())], ids=lambda sse: type(sse).__name__)
def test_a_class_of_the_application(sse: Any, http: RecordingServer) -> None:
    refused(outcome(client_for(http), lambda client: _put(client, sse)), "table-1/PutObject")
    assert_silent(http)


class _OwnMinio(minio.Minio):
    def put_object(self, *args: Any, **kwargs: Any) -> Any:
        return super().put_object(*args, **kwargs)


def test_a_subclass_is_covered(http: RecordingServer) -> None:
    client = _OwnMinio(http.url.partition("://")[2], "access", "secret", secure=False, region="us-east-1")
    refused(outcome(client, lambda client: _put(client, sse_c())), "table-1/PutObject")
    assert_silent(http)


# -------------------------------------------------------------------- what the SDK itself refuses

BAD: dict[str, Callable[[Any], Any]] = {
    "bucket": lambda client: client.put_object("Bad Bucket", OBJECT, Body(CONTENT), 1, sse=sse_c()),
    "object": lambda client: client.put_object(BUCKET, "", Body(CONTENT), 1, sse=sse_c()),
    "sse": lambda client: client.put_object(BUCKET, OBJECT, Body(CONTENT), 1, sse=raw_headers("SSE-C")),
    "tags": lambda client: client.put_object(BUCKET, OBJECT, Body(CONTENT), 1, sse=sse_c(), tags={"a": "b"}),
    "retention": lambda client: client.put_object(BUCKET, OBJECT, Body(CONTENT), 1, sse=sse_c(), retention="no"),
    "data": lambda client: client.put_object(BUCKET, OBJECT, b"no stream", 1, sse=sse_c()),
    "length": lambda client: client.put_object(BUCKET, OBJECT, Body(CONTENT), -1, sse=sse_c()),
    "part size": lambda client: client.put_object(BUCKET, OBJECT, Body(CONTENT), 1, sse=sse_c(), part_size=1),
    "metadata": lambda client: client.put_object(BUCKET, OBJECT, Body(CONTENT), 1, sse=sse_c(), metadata={"a": "ä"}),
    "missing argument": lambda client: client.put_object(BUCKET, OBJECT, sse=sse_c()),
    "unknown argument": lambda client: client.put_object(BUCKET, OBJECT, Body(CONTENT), 1, sse=sse_c(), nonsense=1),
    "source": lambda client: client.copy_object(BUCKET, OBJECT, "source/object", sse=sse_c()),
    "directive": lambda client: client.copy_object(
        BUCKET, OBJECT, CopySource(*SOURCE), sse=sse_c(), metadata_directive="NONE"
    ),
    "sources": lambda client: client.compose_object(BUCKET, OBJECT, [], sse=sse_c()),
    "a folder": lambda client: client.fget_object(BUCKET, OBJECT, "/", ssec=sse_c()),
    "ssec": lambda client: client.get_object(BUCKET, OBJECT, ssec=sse_of("SSE-KMS")),
    "no objects": lambda client: client.upload_snowball_objects(BUCKET, None, sse=sse_c()),
    "no client": lambda _: minio.Minio.put_object(sse=sse_c()),  # type: ignore[call-arg]
    "a file that is not there": lambda client: client.fput_object(BUCKET, OBJECT, "/nowhere/at/all", sse=sse_c()),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_stay_the_errors_of_the_sdk(
    name: str, http: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD_AUDIT", str(tmp_path / "audit"))
    client = client_for(http)

    def shown() -> str:
        error = outcome(client, BAD[name])
        assert isinstance(error, Exception), error
        return f"{type(error)} {error}"

    with unguarded():
        expected = shown()
    assert shown() == expected
    assert "SSETransportError" not in expected
    assert [line for line in audited(tmp_path / "audit") if line.get("event") == "finding"] == []
    assert not caplog.records
    assert_silent(http)


def test_the_arguments_of_a_refused_call_are_left_alone(http: RecordingServer) -> None:
    class _Progress:
        calls = 0

        def set_meta(self, object_name: str, total_length: int) -> None:
            self.calls += 1

        def update(self, length: int) -> None:
            self.calls += 1

    metadata, progress = {"name": "value"}, _Progress()
    client = client_for(http)
    with pytest.raises(SSETransportError):
        _put(client, sse_c(), metadata=metadata, progress=progress)
    assert (metadata, progress.calls) == ({"name": "value"}, 0)
    with unguarded():
        _put(client, None)  # its connections are not closed either
    assert len(http.requests) == 1


@pytest.mark.skipif("upload_snowball_objects" not in HAS, reason="this release does not have it")
def test_an_existing_staging_file_of_a_refused_call_is_left_alone(http: RecordingServer, tmp_path: Path) -> None:
    staged = tmp_path / "staged.tar"
    staged.write_bytes(b"what was there")
    with pytest.raises(SSETransportError):
        _snowball(client_for(http), sse_c(), staging_filename=str(staged))
    assert staged.read_bytes() == b"what was there"


def test_hooks_look_like_the_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    guarded = {
        name: str(inspect.signature(getattr(minio.Minio, name))) for name in HAS if callable(getattr(minio.Minio, name))
    }
    with unguarded():
        assert guarded == {name: str(inspect.signature(getattr(minio.Minio, name))) for name in guarded}


def test_strict_and_sse_s3(http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POLICY, "strict")
    body = Body(CONTENT)
    refused(
        outcome(client_for(http), lambda client: _copy(client, sse_of("SSE-OBS"))),
        "table-3/none-to-SSE-OBS",
    )
    assert not isinstance(outcome(client_for(http), lambda client: _put(client, sse_of("SSE-OBS"), body)), Exception)
    assert body.reads


def test_warn_mode_reports_a_call_once(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")
    _copy(client_for(http), sse_c(), sse_c())
    assert rules(caplog) == ["table-3/SSE-C-to-SSE-C", "table-1/HeadObject"]
    assert not leaks(caplog.text, KEY)
