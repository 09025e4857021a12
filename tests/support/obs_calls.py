"""Every call of ObsClient with server-side encryption.

`drive` makes the plainest call for each row of the tables. `ALTERNATIVES` are all the other variants:
other methods, raw headers, user metadata that becomes headers, signed URLs, and other types of the
same argument.

Old releases lack some methods: check `CallVariant.available` first.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import http.client
import inspect
import io
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Union
from unittest import mock

import obs
import obs.client
import pytest
from obs import const

from obs_sse_guard import SSETransportError
from tests.support.expected_rules import OPERATIONS, Row
from tests.support.sse import KEY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import RecordingServer

BUCKET = "bucket"
OBJECT = "folder/object"
SOURCE_BUCKET = "source"
SOURCE_OBJECT = "folder/source"
UPLOAD_ID = "begun-elsewhere"
"""An upload that no test server began, so the guard remembers nothing about it."""
CONTENT = "what is stored"
KMS_KEY_ID = "region:domain:key/0c6e1f1e"
ACCESS_KEY = "ACCESSKEYOFTHETEST"
SECRET_KEY = "secret-key-of-the-test"

Key = Union[str, bytes]


# ------------------------------------------------------------------------------------ clients

KINDS = ("obs", "v2", "v4")
TRANSPORTS: dict[str, dict[str, bool]] = {
    "http.client": {},
    "requests": {"use_http_conns": True},
    "long": {"long_conn_mode": True},
}


def has_transport(name: str) -> bool:
    """Return whether this release has the option for the transport."""
    known = inspect.signature(obs.client._BasicClient.__init__).parameters
    return all(option in known for option in TRANSPORTS[name])


def https_works() -> bool:
    """Return whether HTTPS works: before 3.24, it needs a Python before 3.12."""
    release = tuple(int(part) for part in const.OBS_SDK_VERSION.split("."))
    return release >= (3, 24) or sys.version_info < (3, 12)


needs_https = pytest.mark.skipif(not https_works(), reason="HTTPS of this release is broken on this Python")
needs_requests = pytest.mark.skipif(not has_transport("requests"), reason="not in this release of the SDK")
each_transport = pytest.mark.parametrize("transport", ["http.client", pytest.param("requests", marks=needs_requests)])


def make_client(kind: str, server: RecordingServer, /, *, transport: str = "http.client", **options: Any) -> Any:
    """Create an ObsClient for this server.

    ``"obs"`` needs an endpoint with a name, or ObsClient falls back to v2: it negotiates, uses
    virtual hosting, and must be used inside `tests.support.servers.loopback_names`. ``"v2"`` and ``"v4"``
    take the address and path style. Certificates are verified if the server has any.
    """
    settings: dict[str, Any] = {
        "access_key_id": ACCESS_KEY,
        "secret_access_key": SECRET_KEY,
        "server": server.named_url if kind == "obs" else server.url,
        "signature": kind,
        "ssl_verify": server.ca or False,
        "timeout": 10,
        **TRANSPORTS[transport],
        **options,
    }
    with warnings.catch_warnings():  # it builds its TLS context with deprecated functions
        warnings.simplefilter("ignore", DeprecationWarning)
        return obs.ObsClient(**settings)


def close_client(client: Any) -> None:
    """Close a client and its requests session, which `ObsClient.close` leaves open."""
    client.close()
    session = getattr(client, "session", None)
    if session is not None:
        session.session.close()


@contextlib.contextmanager
def open_client(
    kind: str, server: RecordingServer, /, *, transport: str = "http.client", **options: Any
) -> Iterator[Any]:
    """Open a client for a ``with`` statement; see `make_client`."""
    client = make_client(kind, server, transport=transport, **options)
    try:
        yield client
    finally:
        close_client(client)


@contextlib.contextmanager
def without_backoff() -> Iterator[list[float]]:
    """Make the SDK retry and redirect without sleeping; yield the requested sleeps."""
    sleeps: list[float] = []
    clock = SimpleNamespace(time=time.time, sleep=sleeps.append)
    with mock.patch.object(obs.client, "time", clock):
        yield sleeps


def sse_c() -> Any:
    """Return the SDK's object for SSE-C with the key of the tests."""
    return obs.SseCHeader.getInstance(KEY)


def put_sse_c(client: Any, bucket: str = BUCKET, key: str = OBJECT, **arguments: Any) -> Any:
    """Put an object with SSE-C, which the guard refuses over plaintext."""
    return client.putContent(bucket, key, CONTENT, headers=obs.PutObjectHeader(sseHeader=sse_c()), **arguments)


def refused_at_once(call: Callable[..., Any], *args: Any, redirects: int = 0) -> SSETransportError:
    """Make a call, and return its refusal: raised unwrapped, and never retried.

    The SDK sleeps before each retry, and once before it follows a redirect.
    """
    with mock.patch("time.sleep") as sleep, pytest.raises(SSETransportError) as caught:
        call(*args)
    assert sleep.call_count == redirects, sleep.call_count
    assert caught.value.__cause__ is None
    return caught.value


def refusal(client: Any) -> SSETransportError:
    """Put an object with SSE-C, and return the refusal."""
    with pytest.raises(SSETransportError) as caught:
        put_sse_c(client)
    return caught.value


def is_guarded(client: Any) -> bool:
    """Return whether putting an object with SSE-C is refused."""
    try:
        put_sse_c(client)
    except SSETransportError:
        return True
    return False


def point_at(client: Any, server: RecordingServer) -> None:
    """Point a client at another server, with that server's scheme."""
    client.is_secure, client.port = server.scheme == "https", server.port


def plaintext_connection(server: RecordingServer) -> http.client.HTTPConnection:
    """Return a connection to put into a client's pool."""
    return http.client.HTTPConnection("127.0.0.1", server.port)


def prefix_of(client: Any) -> str:
    """Return ``x-obs-`` or ``x-amz-``, by the client's signature."""
    return str(client.ha._get_header_prefix())


# ------------------------------------------------------------------- the encryption, as object

Make = Callable[[str, Key], Any]


def sse(encryption: str, key: Key) -> Any:
    """Return the SDK's object for an encryption; SSE-OBS uses the class for KMS."""
    if encryption == "SSE-C":
        return obs.SseCHeader(encryption="AES256", key=key)
    if encryption == "SSE-KMS":
        return obs.SseKmsHeader(encryption="kms", key=KMS_KEY_ID)
    if encryption == "SSE-OBS":
        return obs.SseKmsHeader(encryption="AES256")
    return None


class OwnSseCHeader(obs.SseCHeader):  # type: ignore[misc,name-defined,unused-ignore]
    """A subclass of the application."""


class OwnSseKmsHeader(obs.SseKmsHeader):  # type: ignore[misc,name-defined,unused-ignore]
    """A subclass of the application."""


def _subclassed(encryption: str, key: Key) -> Any:
    plain = sse(encryption, key)
    own = OwnSseCHeader if encryption == "SSE-C" else OwnSseKmsHeader
    return None if plain is None else own(**plain)


def _by_attributes(encryption: str, key: Key) -> Any:
    plain = sse(encryption, key)
    if plain is None:
        return None
    late = type(plain)()
    late.encryption, late.key = plain.encryption, plain.key
    return late


def _by_items(encryption: str, key: Key) -> Any:
    plain = sse(encryption, key)
    if plain is None:
        return None
    late = type(plain)()
    for name, value in plain.items():
        late[name] = value
    return late


def _with_bytes(encryption: str, key: Key) -> Any:
    return sse(encryption, key.encode() if isinstance(key, str) else key)


SHAPES: dict[str, Make] = {
    "a subclass": _subclassed,
    "attributes set later": _by_attributes,
    "items set later": _by_items,
    "the key as bytes": _with_bytes,
}


# --------------------------------------------------------------- the argument that holds it

Fill = Callable[..., Any]


def _construct(cls: Any, **values: Any) -> Any:
    return cls(**values)


def _set_attributes(cls: Any, **values: Any) -> Any:
    header = cls()
    for name, value in values.items():
        setattr(header, name, value)
    return header


def _set_items(cls: Any, **values: Any) -> Any:
    header = cls()
    header.update(values)
    return header


class OwnHeaders(dict[str, Any]):
    """A dict of the application, which the SDK accepts as headers."""

    range = None


def _own_dict(_: Any, **values: Any) -> Any:
    return OwnHeaders(values)


FILLS: dict[str, Fill] = {
    "headers by attribute": _set_attributes,
    "headers by item": _set_items,
    "headers of a foreign class": _own_dict,
}


# ------------------------------------------------------------------ the encryption, as headers

SPELLINGS: dict[str, tuple[str, Callable[[str], str]]] = {
    "x-obs-": ("x-obs-", str),
    "x-amz-": ("x-amz-", str),
    "X-OBS-": ("x-obs-", str.upper),
    "X-Amz-": ("x-amz-", str.title),
}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _customer_headers(stem: str, key: Key) -> dict[str, str]:
    raw = key.encode() if isinstance(key, str) else key
    return {
        f"{stem}server-side-encryption-customer-algorithm": "AES256",
        f"{stem}server-side-encryption-customer-key": _base64(raw),
        f"{stem}server-side-encryption-customer-key-MD5": _base64(hashlib.md5(raw).digest()),  # noqa: S324
    }


def raw_headers(row: Row, key: Key, prefix: str = "x-obs-") -> dict[str, str]:
    """Return the headers of a row; a source under SSE-KMS has none."""
    headers: dict[str, str] = {}
    if row.target == "SSE-C":
        headers.update(_customer_headers(prefix, key))
    elif row.target == "SSE-KMS":
        vendor = "" if prefix == "x-obs-" else "aws-"
        headers[f"{prefix}server-side-encryption"] = "kms" if prefix == "x-obs-" else "aws:kms"
        headers[f"{prefix}server-side-encryption-{vendor}kms-key-id"] = KMS_KEY_ID
    elif row.target == "SSE-OBS":
        headers[f"{prefix}server-side-encryption"] = "AES256"
    if row.source == "SSE-C":
        headers.update(_customer_headers(f"{prefix}copy-source-", key))
    return headers


def spelled_headers(row: Row, key: Key, spelling: str) -> dict[str, str]:
    """Return `raw_headers` in one of the `SPELLINGS`."""
    prefix, spell = SPELLINGS[spelling]
    return {spell(name): value for name, value in raw_headers(row, key, prefix).items()}


# ---------------------------------------------------------------------------------- variants

ALL = frozenset({"none", "SSE-C", "SSE-KMS"})
CUSTOMER = frozenset({"SSE-C"})
NAMED_BY_HEADERS = frozenset({"none", "SSE-C"})


@dataclass(frozen=True)
class CallVariant:
    """One call of an operation with encryption.

    Attributes:
        name: its name in test ids.
        operation: the operation of the tables whose rows it can express.
        call: makes the call: ``call(client, row, key, folder)``, with an empty ``folder``.
        targets: the encryptions of the target that it can express.
        sources: the same for the source of a copy.
        requests: the operations that are sent, in order; ``""`` for one outside the tables.
            Empty if the variant only signs: then the result of ``call`` contains the key.
        drops: encryptions of the target that the SDK accepts, but never sends.
        misplaces: the SDK sends the key as user metadata.
        needs: methods that the release must have.
        raw: needs a release that passes on any ``extensionHeaders``.
    """

    name: str
    operation: str
    call: Callable[[Any, Row, Key, Path], Any]
    targets: frozenset[str] = ALL
    sources: frozenset[str] = ALL
    requests: tuple[str, ...] = ()
    drops: frozenset[str] = frozenset()
    misplaces: bool = False
    needs: tuple[str, ...] = ()
    raw: bool = False

    @property
    def id(self) -> str:
        """Return the test id."""
        return f"{self.operation}:{self.name}" if self.operation else self.name

    @property
    def only_signs(self) -> bool:
        """Return whether nothing is sent, because the result is a signature."""
        return not self.requests

    def can_express(self, row: Row) -> bool:
        """Return whether it can express this row."""
        return row.operation == self.operation and row.target in self.targets and row.source in self.sources

    def available(self, client: Any) -> bool:
        """Return whether this release of the SDK supports it."""
        return all(hasattr(client, name) for name in self.needs) and (not self.raw or passes_raw_headers(client))


def passes_raw_headers(client: Any) -> bool:
    """Return whether any ``extensionHeaders`` are sent; before 3.23.5, only two are."""
    return bool(client.convertor.trans_get_extension_headers({"x-obs-any": "1"}))


# ---------------------------------------------------------------------------- plain variants


def _put(client: Any, row: Row, key: Key, make: Make = sse, fill: Fill = _construct) -> Any:
    headers = fill(obs.PutObjectHeader, sseHeader=make(row.target, key))
    return client.putContent(BUCKET, OBJECT, content=CONTENT, headers=headers)


def _post(client: Any, row: Row, key: Key) -> Any:
    form = raw_headers(row, key, prefix_of(client))
    return client.createPostSignature(BUCKET, OBJECT, expires=300, formParams=form)


def _initiate(client: Any, row: Row, key: Key, make: Make = sse) -> Any:
    return client.initiateMultipartUpload(BUCKET, OBJECT, sseHeader=make(row.target, key))


def _head(client: Any, row: Row, key: Key, make: Make = sse) -> Any:
    return client.getObjectMetadata(BUCKET, OBJECT, sseHeader=make(row.target, key))


def _get(client: Any, row: Row, key: Key, make: Make = sse, fill: Fill = _construct) -> Any:
    headers = fill(obs.GetObjectHeader, sseHeader=make(row.target, key))
    return client.getObject(BUCKET, OBJECT, headers=headers, loadStreamInMemory=True)


def _part(client: Any, row: Row, key: Key, make: Make = sse) -> Any:
    sse_header = make(row.target, key)
    return client.uploadPart(BUCKET, OBJECT, 1, UPLOAD_ID, content=CONTENT, sseHeader=sse_header)


def _parts() -> Any:
    return obs.CompleteMultipartUploadRequest([obs.CompletePart(1, "etag")])


def _complete(client: Any, row: Row, key: Key) -> Any:
    """Pass raw headers, because the method has no argument for encryption."""
    headers = raw_headers(row, key, prefix_of(client))
    return client.completeMultipartUpload(BUCKET, OBJECT, UPLOAD_ID, _parts(), extensionHeaders=headers)


def _sides(row: Row, key: Key, make: Make) -> dict[str, Any]:
    return {
        "destSseHeader": make(row.target, key),
        "sourceSseHeader": make(row.source, key),
    }


def _copy(client: Any, row: Row, key: Key, make: Make = sse, fill: Fill = _construct) -> Any:
    headers = fill(obs.CopyObjectHeader, **_sides(row, key, make))
    return client.copyObject(SOURCE_BUCKET, SOURCE_OBJECT, BUCKET, OBJECT, headers=headers)


_SOURCE = f"{SOURCE_BUCKET}/{SOURCE_OBJECT}"


def _copy_part(client: Any, row: Row, key: Key, make: Make = sse) -> Any:
    return client.copyPart(BUCKET, OBJECT, 1, UPLOAD_ID, _SOURCE, **_sides(row, key, make))


_PLAIN_CALLS: dict[str, Callable[..., Any]] = {
    "PutObject": _put,
    "PostObject": _post,
    "InitiateMultipartUpload": _initiate,
    "HeadObject": _head,
    "GetObject": _get,
    "UploadPart": _part,
    "CompleteMultipartUpload": _complete,
    "CopyObject": _copy,
    "UploadPartCopy": _copy_part,
}
_DROPS_KMS = ("HeadObject", "GetObject", "UploadPart")


def drive(client: Any, row: Row, key: Key = KEY) -> Any:
    """Make the plain call for a row, and return the result of the SDK."""
    return _PLAIN_CALLS[row.operation](client, row, key)


def _ignoring_folder(call: Callable[..., Any], **fixed: Any) -> Callable[..., Any]:
    return lambda client, row, key, _folder: call(client, row, key, **fixed)


def _plain_variant(operation: str, name: str = "plain", **fixed: Any) -> CallVariant:
    """Return the plain variant, or one with another SSE object or container type."""
    return CallVariant(
        name,
        operation,
        _ignoring_folder(_PLAIN_CALLS[operation], **fixed),
        requests=() if operation == "PostObject" else (operation,),
        drops=frozenset({"SSE-KMS"}) if operation in _DROPS_KMS else frozenset(),
        raw=operation == "CompleteMultipartUpload",
    )


PLAIN: dict[str, CallVariant] = {operation: _plain_variant(operation) for operation in OPERATIONS}


# ----------------------------------------------------------- other types of the same argument

_WITH_OBJECT = tuple(o for o in OPERATIONS if o not in ("PostObject", "CompleteMultipartUpload"))
_WITH_HEADERS = ("PutObject", "GetObject", "CopyObject")


def _shape_variants() -> Iterator[CallVariant]:
    for operation in _WITH_OBJECT:
        for name, make in SHAPES.items():
            yield _plain_variant(operation, name, make=make)
    for operation in _WITH_HEADERS:
        for name, fill in FILLS.items():
            yield _plain_variant(operation, name, fill=fill)
    for operation in ("PutObject", "CopyObject"):
        yield _plain_variant(operation, "headers as plain dict", fill=lambda _, **values: values)


# ------------------------------------------------------------------------------- raw headers


def _raw_callers() -> dict[str, dict[str, Callable[[Any, dict[str, str]], Any]]]:
    """Return the methods that accept ``extensionHeaders``, by operation."""
    return {
        "PutObject": {
            "putContent": lambda c, h: c.putContent(BUCKET, OBJECT, CONTENT, extensionHeaders=h),
            "putObject": lambda c, h: c.putObject(BUCKET, OBJECT, CONTENT, extensionHeaders=h),
        },
        "InitiateMultipartUpload": {
            "initiateMultipartUpload": lambda c, h: c.initiateMultipartUpload(BUCKET, OBJECT, extensionHeaders=h),
        },
        "HeadObject": {
            "getObjectMetadata": lambda c, h: c.getObjectMetadata(BUCKET, OBJECT, extensionHeaders=h),
            "headObject": lambda c, h: c.headObject(BUCKET, OBJECT, extensionHeaders=h),
        },
        "GetObject": {
            "getObject": lambda c, h: c.getObject(BUCKET, OBJECT, loadStreamInMemory=True, extensionHeaders=h),
        },
        "UploadPart": {
            "uploadPart": lambda c, h: c.uploadPart(BUCKET, OBJECT, 1, UPLOAD_ID, CONTENT, extensionHeaders=h),
        },
        "CompleteMultipartUpload": {
            "completeMultipartUpload": lambda c, h: c.completeMultipartUpload(
                BUCKET, OBJECT, UPLOAD_ID, _parts(), extensionHeaders=h
            ),
        },
        "CopyObject": {
            "copyObject": lambda c, h: c.copyObject(SOURCE_BUCKET, SOURCE_OBJECT, BUCKET, OBJECT, extensionHeaders=h),
        },
        "UploadPartCopy": {
            "copyPart": lambda c, h: c.copyPart(BUCKET, OBJECT, 1, UPLOAD_ID, _SOURCE, extensionHeaders=h),
        },
    }


def _raw_variants() -> Iterator[CallVariant]:
    for operation, callers in _raw_callers().items():
        for method, send in callers.items():
            for spelling in SPELLINGS:
                yield CallVariant(
                    f"{method} with raw {spelling}",
                    operation,
                    functools.partial(_send_raw, send, spelling),
                    sources=NAMED_BY_HEADERS,
                    requests=(operation,),
                    raw=True,
                )


def _send_raw(
    send: Callable[[Any, dict[str, str]], Any],
    spelling: str,
    client: Any,
    row: Row,
    key: Key,
    _folder: Path,
) -> Any:
    return send(client, spelled_headers(row, key, spelling))


# ---------------------------------------------------------------------------------- metadata


def _active_metadata(client: Any, row: Row, key: Key) -> dict[str, str]:
    """Return metadata with the client's own prefix, which the SDK sends as headers."""
    return {name.title(): value for name, value in raw_headers(row, key, prefix_of(client)).items()}


def _put_metadata(client: Any, row: Row, key: Key, _: Path) -> Any:
    return client.putContent(BUCKET, OBJECT, CONTENT, metadata=_active_metadata(client, row, key))


def _initiate_metadata(client: Any, row: Row, key: Key, _: Path) -> Any:
    metadata = _active_metadata(client, row, key)
    return client.initiateMultipartUpload(BUCKET, OBJECT, metadata=metadata)


def _copy_metadata(client: Any, row: Row, key: Key, _: Path) -> Any:
    metadata = _active_metadata(client, row, key)
    return client.copyObject(SOURCE_BUCKET, SOURCE_OBJECT, BUCKET, OBJECT, metadata=metadata)


def _metadata_variants() -> Iterator[CallVariant]:
    calls = {
        "PutObject": _put_metadata,
        "InitiateMultipartUpload": _initiate_metadata,
        "CopyObject": _copy_metadata,
    }
    for operation, call in calls.items():
        yield CallVariant(
            "metadata that is headers",
            operation,
            call,
            sources=NAMED_BY_HEADERS,
            requests=(operation,),
        )


# -------------------------------------------------------------------------------- signatures

_SIGNED: dict[str, tuple[str, str | None, dict[str, str]]] = {
    "PutObject": ("PUT", None, {}),
    "InitiateMultipartUpload": ("POST", "uploads", {}),
    "HeadObject": ("HEAD", None, {}),
    "GetObject": ("GET", None, {}),
    "UploadPart": ("PUT", None, {"partNumber": "1", "uploadId": UPLOAD_ID}),
    "CompleteMultipartUpload": ("POST", None, {"uploadId": UPLOAD_ID}),
    "CopyObject": ("PUT", None, {}),
    "UploadPartCopy": ("PUT", None, {"partNumber": "1", "uploadId": UPLOAD_ID}),
}


def _sign_headers(signer: str, client: Any, row: Row, key: Key, _folder: Path) -> Any:
    method, special, query = _SIGNED[row.operation]
    prefix = prefix_of(client)
    headers = raw_headers(row, key, prefix)
    if row.table in (3, 4):
        headers[f"{prefix}copy-source"] = f"/{_SOURCE}"
    return getattr(client, signer)(method, BUCKET, OBJECT, special, 300, headers, query)


def _sign_query(signer: str, client: Any, row: Row, key: Key, _folder: Path) -> Any:
    """Sign a URL that contains the key."""
    method, special, query = _SIGNED[row.operation]
    prefix = prefix_of(client)
    params = {**query, **raw_headers(row, key, prefix)}
    if row.table in (3, 4):
        params[f"{prefix}copy-source"] = f"/{_SOURCE}"
    return getattr(client, signer)(method, BUCKET, OBJECT, special, 300, queryParams=params)


def _sign_form(signer: str, spelling: str, client: Any, row: Row, key: Key, _: Path) -> Any:
    form = spelled_headers(row, key, spelling)
    return getattr(client, signer)(BUCKET, OBJECT, 300, form)


def _signing_variants() -> Iterator[CallVariant]:
    for signer in ("createSignedUrl", "createV2SignedUrl", "createV4SignedUrl"):
        for operation in _SIGNED:
            for where, sign in (("headers", _sign_headers), ("query", _sign_query)):
                call = functools.partial(sign, signer)
                yield CallVariant(f"{signer} with {where}", operation, call, sources=NAMED_BY_HEADERS)
    for signer in ("createPostSignature", "createV4PostSignature"):
        for spelling in ("x-obs-", "X-OBS-"):
            call = functools.partial(_sign_form, signer, spelling)
            yield CallVariant(f"{signer} with {spelling}", "PostObject", call)


# ------------------------------------------------------------------------------ other methods


def _file(folder: Path, name: str = "local.txt") -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(CONTENT)
    return str(path)


def _put_header(row: Row, key: Key) -> Any:
    return obs.PutObjectHeader(sseHeader=sse(row.target, key))


def _put_positional(client: Any, row: Row, key: Key, _: Path) -> Any:
    return client.putContent(BUCKET, OBJECT, CONTENT, None, _put_header(row, key))


def _put_unbound(client: Any, row: Row, key: Key, _: Path) -> Any:
    headers = _put_header(row, key)
    return obs.ObsClient.putContent(client, BUCKET, OBJECT, CONTENT, headers=headers)


def _put_bound_bucket(client: Any, row: Row, key: Key, _: Path) -> Any:
    headers = _put_header(row, key)
    return client.bucketClient(BUCKET).putContent(OBJECT, CONTENT, headers=headers)


def _put_chunked(client: Any, row: Row, key: Key, _: Path) -> Any:
    stream = io.BytesIO(CONTENT.encode())
    return client.putContent(BUCKET, OBJECT, stream, headers=_put_header(row, key))


def _put_stream(client: Any, row: Row, key: Key, _: Path) -> Any:
    headers = _put_header(row, key)
    headers.contentLength = len(CONTENT)
    return client.putContent(BUCKET, OBJECT, io.BytesIO(CONTENT.encode()), headers=headers)


def _put_object(client: Any, row: Row, key: Key, _: Path) -> Any:
    return client.putObject(BUCKET, OBJECT, CONTENT, headers=_put_header(row, key))


def _put_object_positional(client: Any, row: Row, key: Key, _: Path) -> Any:
    return client.putObject(BUCKET, OBJECT, CONTENT, None, _put_header(row, key))


def _put_file(client: Any, row: Row, key: Key, folder: Path) -> Any:
    return client.putFile(BUCKET, OBJECT, _file(folder), headers=_put_header(row, key))


def _put_folder(client: Any, row: Row, key: Key, folder: Path) -> Any:
    _file(folder, "tree/one.txt")
    _file(folder, "tree/two.txt")
    headers = _put_header(row, key)
    return client.putFile(BUCKET, "tree", str(folder / "tree"), headers=headers)


def _append(client: Any, row: Row, key: Key, _: Path) -> Any:
    content = obs.AppendObjectContent(content=CONTENT, position=0)
    headers = obs.AppendObjectHeader(sseHeader=sse(row.target, key))
    return client.appendObject(BUCKET, OBJECT, content, headers=headers)


def _append_file(client: Any, row: Row, key: Key, folder: Path) -> Any:
    content = obs.AppendObjectContent(content=_file(folder), position=0, isFile=True)
    headers = obs.AppendObjectHeader(sseHeader=sse(row.target, key))
    return client.appendObject(BUCKET, OBJECT, content, None, headers)


def _modify_raw(client: Any, row: Row, key: Key, _: Path) -> Any:
    headers = raw_headers(row, key, prefix_of(client))
    return client.modifyFile(BUCKET, OBJECT, 0, CONTENT, headers=headers)


def _modify(client: Any, row: Row, key: Key, _: Path) -> Any:
    return client.modifyFile(BUCKET, OBJECT, 0, CONTENT, headers=_put_header(row, key))


def _initiate_positional(client: Any, row: Row, key: Key, _: Path) -> Any:
    sse_header = sse(row.target, key)
    return client.initiateMultipartUpload(BUCKET, OBJECT, None, None, None, None, None, sse_header)


def _initiate_bound_bucket(client: Any, row: Row, key: Key, _: Path) -> Any:
    sse_header = sse(row.target, key)
    return client.bucketClient(BUCKET).initiateMultipartUpload(OBJECT, sseHeader=sse_header)


def _upload_header(row: Row, key: Key) -> Any:
    return obs.UploadFileHeader(sseHeader=sse(row.target, key))


def _upload_file(client: Any, row: Row, key: Key, folder: Path) -> Any:
    return client.uploadFile(BUCKET, OBJECT, _file(folder), headers=_upload_header(row, key))


def _upload_file_resumable(client: Any, row: Row, key: Key, folder: Path) -> Any:
    headers = _upload_header(row, key)
    return client.uploadFile(BUCKET, OBJECT, _file(folder), taskNum=2, enableCheckpoint=True, headers=headers)


def _upload_file_raw(client: Any, row: Row, key: Key, folder: Path) -> Any:
    headers = raw_headers(row, key, prefix_of(client))
    return client.uploadFile(BUCKET, OBJECT, _file(folder), extensionHeaders=headers)


def _upload_file_async(client: Any, row: Row, key: Key, folder: Path) -> Any:
    task = client.uploadFileAsync(BUCKET, OBJECT, _file(folder), headers=_upload_header(row, key))
    return task.wait_for_completion(timeout=10)


def _head_positional(client: Any, row: Row, key: Key, _: Path) -> Any:
    return client.getObjectMetadata(BUCKET, OBJECT, None, sse(row.target, key))


def _head_bound_bucket(client: Any, row: Row, key: Key, _: Path) -> Any:
    return client.bucketClient(BUCKET).getObjectMetadata(OBJECT, sseHeader=sse(row.target, key))


def _get_header(row: Row, key: Key) -> Any:
    return obs.GetObjectHeader(sseHeader=sse(row.target, key))


def _get_to_file(client: Any, row: Row, key: Key, folder: Path) -> Any:
    path = str(folder / "got.txt")
    return client.getObject(BUCKET, OBJECT, path, None, _get_header(row, key))


def _get_stream(client: Any, row: Row, key: Key, _: Path) -> Any:
    result = client.getObject(BUCKET, OBJECT, headers=_get_header(row, key))
    if result.status < 300:
        result.body.response.close()
    return result


def _get_bound_bucket(client: Any, row: Row, key: Key, _: Path) -> Any:
    headers = _get_header(row, key)
    return client.bucketClient(BUCKET).getObject(OBJECT, headers=headers, loadStreamInMemory=True)


def _download_file(client: Any, row: Row, key: Key, folder: Path) -> Any:
    path = str(folder / "got.txt")
    return client.downloadFile(BUCKET, OBJECT, path, header=_get_header(row, key))


def _download_files(client: Any, row: Row, key: Key, folder: Path) -> Any:
    return client.downloadFiles(BUCKET, "folder/", str(folder), headers=_get_header(row, key))


def _part_positional(client: Any, row: Row, key: Key, _: Path) -> Any:
    sse_header = sse(row.target, key)
    return client.uploadPart(BUCKET, OBJECT, 1, UPLOAD_ID, CONTENT, False, None, 0, sse_header)


def _part_of_file(client: Any, row: Row, key: Key, folder: Path) -> Any:
    sse_header = sse(row.target, key)
    path = _file(folder)
    return client.uploadPart(BUCKET, OBJECT, 1, UPLOAD_ID, path, isFile=True, sseHeader=sse_header)


def _part_chunked(client: Any, row: Row, key: Key, _: Path) -> Any:
    stream, sse_header = io.BytesIO(CONTENT.encode()), sse(row.target, key)
    return client.uploadPart(BUCKET, OBJECT, 1, UPLOAD_ID, stream, sseHeader=sse_header)


def _part_bound_bucket(client: Any, row: Row, key: Key, _: Path) -> Any:
    bucket = client.bucketClient(BUCKET)
    return bucket.uploadPart(OBJECT, 1, UPLOAD_ID, CONTENT, sseHeader=sse(row.target, key))


def _copy_positional(client: Any, row: Row, key: Key, _: Path) -> Any:
    headers = obs.CopyObjectHeader(**_sides(row, key, sse))
    return client.copyObject(SOURCE_BUCKET, SOURCE_OBJECT, BUCKET, OBJECT, None, headers)


def _copy_bound_bucket(client: Any, row: Row, key: Key, _: Path) -> Any:
    headers = obs.CopyObjectHeader(**_sides(row, key, sse))
    bucket = client.bucketClient(BUCKET)
    return bucket.copyObject(SOURCE_BUCKET, SOURCE_OBJECT, destObjectKey=OBJECT, headers=headers)


def _copy_part_positional(client: Any, row: Row, key: Key, _: Path) -> Any:
    target, source = _sides(row, key, sse).values()
    return client.copyPart(BUCKET, OBJECT, 1, UPLOAD_ID, _SOURCE, None, target, source)


def _copy_part_bound_bucket(client: Any, row: Row, key: Key, _: Path) -> Any:
    bucket = client.bucketClient(BUCKET)
    return bucket.copyPart(OBJECT, 1, UPLOAD_ID, _SOURCE, **_sides(row, key, sse))


_UPLOAD = ("", "InitiateMultipartUpload", "UploadPart", "CompleteMultipartUpload")
_KMS = frozenset({"SSE-KMS"})


def _other_put_variants() -> Iterator[CallVariant]:
    put = functools.partial(CallVariant, operation="PutObject", requests=("PutObject",))
    yield put("putContent by position", call=_put_positional)
    yield put("putContent of the class", call=_put_unbound)
    yield put("BucketClient.putContent", call=_put_bound_bucket)
    yield put("putContent of a stream, chunked", call=_put_chunked)
    yield put("putContent of a stream", call=_put_stream)
    yield put("putObject", call=_put_object)
    yield put("putObject by position", call=_put_object_positional)
    yield put("putFile", call=_put_file)
    yield put("putFile of a folder", call=_put_folder, requests=("PutObject", "PutObject"))
    yield put("appendObject", call=_append)
    yield put("appendObject of a file", call=_append_file)
    yield put("modifyFile with raw headers", call=_modify_raw, needs=("modifyFile",))
    yield put("modifyFile", call=_modify, needs=("modifyFile",), misplaces=True, drops=ALL - {"none"})


def _other_upload_variants() -> Iterator[CallVariant]:
    initiate = functools.partial(CallVariant, operation="InitiateMultipartUpload")
    alone = ("InitiateMultipartUpload",)
    yield initiate("by position", call=_initiate_positional, requests=alone)
    yield initiate("BucketClient", call=_initiate_bound_bucket, requests=alone)
    yield initiate("uploadFile", call=_upload_file, requests=_UPLOAD)
    yield initiate("uploadFile, resumable", call=_upload_file_resumable, requests=_UPLOAD)
    yield initiate("uploadFile with raw headers", call=_upload_file_raw, requests=_UPLOAD, raw=True)
    asynchronous = functools.partial(initiate, needs=("uploadFileAsync",))
    yield asynchronous("uploadFileAsync", call=_upload_file_async, requests=_UPLOAD)
    part = functools.partial(CallVariant, operation="UploadPart", requests=("UploadPart",), drops=_KMS)
    yield part("by position", call=_part_positional)
    yield part("of a file", call=_part_of_file)
    yield part("of a stream, chunked", call=_part_chunked)
    yield part("BucketClient", call=_part_bound_bucket)


def _other_read_variants() -> Iterator[CallVariant]:
    head = functools.partial(CallVariant, operation="HeadObject", requests=("HeadObject",), drops=_KMS)
    yield head("by position", call=_head_positional)
    yield head("BucketClient", call=_head_bound_bucket)
    get = functools.partial(CallVariant, operation="GetObject", requests=("GetObject",), drops=_KMS)
    yield get("to a file, by position", call=_get_to_file)
    yield get("as a stream", call=_get_stream)
    yield get("BucketClient", call=_get_bound_bucket)
    yield get("downloadFile", call=_download_file, requests=("HeadObject", "GetObject"))
    yield get("downloadFiles", call=_download_files, requests=("", "GetObject"))


def _other_copy_variants() -> Iterator[CallVariant]:
    copy = functools.partial(CallVariant, operation="CopyObject", requests=("CopyObject",))
    yield copy("by position", call=_copy_positional)
    yield copy("BucketClient", call=_copy_bound_bucket)
    part = functools.partial(CallVariant, operation="UploadPartCopy", requests=("UploadPartCopy",))
    yield part("by position", call=_copy_part_positional)
    yield part("BucketClient", call=_copy_part_bound_bucket)


def _alternatives() -> dict[str, tuple[CallVariant, ...]]:
    variants = [
        *_shape_variants(),
        *_raw_variants(),
        *_metadata_variants(),
        *_signing_variants(),
        *_other_put_variants(),
        *_other_upload_variants(),
        *_other_read_variants(),
        *_other_copy_variants(),
    ]
    return {name: tuple(variant for variant in variants if variant.operation == name) for name in OPERATIONS}


ALTERNATIVES: dict[str, tuple[CallVariant, ...]] = _alternatives()


# ---------------------------------------------------------------- requests outside the tables


def _rowless_variants() -> Iterator[CallVariant]:
    calls: dict[str, Callable[[Any, dict[str, str]], Any]] = {
        "deleteObject": lambda c, h: c.deleteObject(BUCKET, OBJECT, extensionHeaders=h),
        "listParts": lambda c, h: c.listParts(BUCKET, OBJECT, UPLOAD_ID, extensionHeaders=h),
        "abortMultipartUpload": lambda c, h: c.abortMultipartUpload(BUCKET, OBJECT, UPLOAD_ID, extensionHeaders=h),
        "restoreObject": lambda c, h: c.restoreObject(BUCKET, OBJECT, 1, extensionHeaders=h),
        "setObjectMetadata": lambda c, h: c.setObjectMetadata(BUCKET, OBJECT, extensionHeaders=h),
        "headBucket": lambda c, h: c.headBucket(BUCKET, extensionHeaders=h),
        "listObjects": lambda c, h: c.listObjects(BUCKET, extensionHeaders=h),
    }
    for method, send in calls.items():
        call = functools.partial(_send_raw, send, "x-obs-")
        yield CallVariant(f"{method} with raw headers", "", call, targets=CUSTOMER, requests=("",), raw=True)
    rename = functools.partial(CallVariant, operation="", targets=CUSTOMER, requests=("",))
    yield rename("renameFile with raw headers", call=_rename_raw, needs=("renameFile",))
    yield rename("renameFile", call=_rename, needs=("renameFile",), misplaces=True, drops=CUSTOMER)


def _rename_raw(client: Any, row: Row, key: Key, _: Path) -> Any:
    headers = raw_headers(row, key, prefix_of(client))
    return client.renameFile(BUCKET, OBJECT, "renamed", headers=headers)


def _rename(client: Any, row: Row, key: Key, _: Path) -> Any:
    headers = {"sseHeader": sse(row.target, key)}
    return client.renameFile(BUCKET, OBJECT, "renamed", headers=headers)


ROWLESS: tuple[CallVariant, ...] = tuple(_rowless_variants())
ROWLESS_ROW = Row(0, "", "none", "SSE-C", frozenset())
"""The row to pass to a variant of `ROWLESS`."""
