"""Define the calls to measure and the sides to compare.

A *side* is a copy of an SDK with certain hooks: none, empty ones, the guard's, another library's. All sides
live in one process, each imported separately: installing and removing hooks between samples would
measure the interpreter's caches.
"""

from __future__ import annotations

import functools
import http.client
import importlib
import io
import logging
import sys
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import wrapt

import obs_sse_guard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from benchmarks.server import Server

    Call = Callable[[], object]
    Make = Callable[..., Call]

__all__ = ["CALLS", "PEERS", "SIDES", "clients", "copies", "side"]

_BODY = b"x" * 1024
_KEY = "k" * 32
_OBJECT = {"Bucket": "bucket", "Key": "key"}

# Keep findings off the terminal.
logging.getLogger("obs_sse_guard").addHandler(logging.NullHandler())
logging.getLogger("obs_sse_guard").propagate = False

# --- the sides -------------------------------------------------------------------------------

_HOOKED = {
    "obs": (
        ("obs.client", "ObsClient.putContent"),
        ("obs.client", "_BasicClient._make_request_with_retry"),
        ("obs.client", "_BasicClient._parse_request_connection"),
    ),
    "botocore": (
        ("botocore.client", "BaseClient._make_api_call"),
        ("botocore.endpoint", "Endpoint._send"),
        ("botocore.awsrequest", "AWSConnection._send_output"),
    ),
}


def _empty_wrappers(package: str) -> None:
    def call_on(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)

    for module, path in _HOOKED[package]:
        wrapt.wrap_function_wrapper(module, path, call_on)


def _empty_functions(package: str) -> None:
    """Hook with the cheapest function that takes any arguments."""
    for module, path in _HOOKED[package]:
        owner, _, name = path.partition(".")
        holder = getattr(sys.modules[module], owner)
        setattr(holder, name, _call_on(vars(holder)[name]))


def _call_on(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call_on(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call_on


def _guard(_: str) -> None:
    obs_sse_guard.install()
    assert "active" in obs_sse_guard.status().values()


def _opentelemetry(_: str) -> None:
    from opentelemetry.instrumentation.botocore import BotocoreInstrumentor  # noqa: PLC0415  # binds this very copy

    BotocoreInstrumentor().instrument()  # type: ignore[no-untyped-call]


def _x_ray(_: str) -> None:
    from aws_xray_sdk.core import xray_recorder  # noqa: PLC0415
    from aws_xray_sdk.ext.botocore.patch import patch  # noqa: PLC0415  # binds this very copy

    xray_recorder.configure(context_missing="IGNORE_ERROR")
    logging.getLogger("aws_xray_sdk").setLevel(logging.ERROR)  # it warns at every call
    patch()


def _sentry(_: str) -> None:
    import sentry_sdk  # noqa: PLC0415
    from sentry_sdk.integrations.boto3 import Boto3Integration  # noqa: PLC0415  # binds this very copy

    sentry_sdk.init(default_integrations=False, integrations=[Boto3Integration()])


PEERS: dict[str, Callable[[str], None]] = {
    "OpenTelemetry, API only": _opentelemetry,
    "X-Ray, no segment": _x_ray,
    "Sentry, no transaction": _sentry,
}
SIDES: dict[str, Callable[[str], None]] = {
    "unguarded": lambda _: None,
    "copy": lambda _: None,
    "empty functions": _empty_functions,
    "empty wrapt wrappers": _empty_wrappers,
    "guarded": _guard,
}


def side(package: str, name: str) -> None:
    """Import a new copy of an SDK with the hooks of one side, for clients made next."""
    obs_sse_guard.uninstall()
    for module in _modules(package):
        del sys.modules[module]
    importlib.import_module("obs" if package == "obs" else "botocore.session")
    {**SIDES, **PEERS}[name](package)


def _modules(package: str) -> dict[str, ModuleType]:
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] == package}


def copies(package: str, name: str, sides: Sequence[str], server: Server | None) -> dict[str, Call]:
    """Make a call on each side, in this order.

    Args:
        package: ``obs`` or ``botocore``.
        name: the call, a name in `CALLS`.
        sides: names in `SIDES` or `PEERS`.
        server: the server to call, or ``None`` for a stubbed transport.
    """
    calls, guarded = {}, {}
    for one in sides:
        side(package, "unguarded" if one == "guarded" else one)
        calls[one] = CALLS[package][name](server=server)
        if one == "guarded":
            guarded = _modules(package)
    # Last, because the next copy would uninstall the guard; clients that exist already are guarded too.
    for module in _modules(package):
        del sys.modules[module]
    sys.modules.update(guarded)
    _guard(package)
    return calls


# --- ObsClient -------------------------------------------------------------------------------


def _obs_client(scheme: str, server: Server | None, connections: int = 1) -> Any:
    """Make an ObsClient for a server, or with stubbed connections."""
    client = sys.modules["obs"].ObsClient(
        access_key_id="a",
        secret_access_key="b",  # made up
        server=f"{scheme}://127.0.0.1:{server.ports[scheme] if server else 9}",
        signature="v2",
        path_style=True,
        ssl_verify=server.ca if server else True,
        long_conn_mode=True,
    )
    for _ in range(0 if server else connections):
        client.connHolder["connSet"].put(_stubbed_connection(client, scheme))
    return client


def _stubbed_connection(client: Any, scheme: str) -> Any:
    """Make a connection like the client's that sends nothing and has a fixed answer."""
    response = SimpleNamespace(
        status=200,
        reason="OK",
        getheaders=lambda: [("ETag", '"etag"'), ("Content-Length", "0")],
        getheader=lambda _name, default=None: default,
        read=lambda _size=None: b"",
        close=lambda: None,
    )
    connection: Any = http.client.HTTPConnection("127.0.0.1")
    if scheme == "https":
        connection = http.client.HTTPSConnection("127.0.0.1", context=client.context)
    connection.request = lambda *_args, **_kwargs: None
    connection.send = lambda *_args, **_kwargs: None
    connection.getresponse = lambda: response
    return connection


def _put_content(
    scheme: str, server: Server | None = None, *, header: str = "", connections: int = 1, **arguments: Any
) -> Call:
    client, sdk = _obs_client(scheme, server, connections), sys.modules["obs"]
    headers = {
        "": None,
        "content type": sdk.PutObjectHeader(contentType="text/plain"),
        "SSE-C": sdk.PutObjectHeader(sseHeader=sdk.SseCHeader.getInstance(_KEY)),
    }[header]
    return lambda: client.putContent("bucket", "key", _BODY, headers=headers, **arguments)


def _head_object(scheme: str, server: Server | None = None) -> Call:
    client = _obs_client(scheme, server)
    return lambda: client.getObjectMetadata("bucket", "key")


def _head_object_with_kms(scheme: str, server: Server | None = None) -> Call:
    client, kms = _obs_client(scheme, server), sys.modules["obs"].SseKmsHeader.getInstance()
    return lambda: client.getObjectMetadata("bucket", "key", sseHeader=kms)


# --- botocore --------------------------------------------------------------------------------


@functools.lru_cache  # one for each copy: loading its data files takes long
def _session(module: ModuleType) -> Any:
    return module.Session()


def _aws_client(service: str, scheme: str, server: Server | None = None, body: bytes = b"") -> Any:
    """Make a botocore client for a server, or with a stubbed HTTP session."""
    client = _session(sys.modules["botocore.session"]).create_client(
        service,
        region_name="us-east-1",
        endpoint_url=f"{scheme}://127.0.0.1:{server.ports[scheme] if server else 9}",
        aws_access_key_id="a",
        aws_secret_access_key="b",  # made up
        verify=server.ca if server else None,
    )
    if not server:
        client._endpoint.http_session.send = _stubbed_send(body)  # noqa: SLF001  # botocore has no public place for it
    return client


def _stubbed_send(body: bytes) -> Callable[[Any], Any]:
    awsrequest = sys.modules["botocore.awsrequest"]
    headers = {"ETag": '"etag"', "Content-Length": str(len(body))}

    def send(request: Any) -> Any:
        raw = SimpleNamespace(stream=lambda: (body,), read=io.BytesIO(body).read)
        return awsrequest.AWSResponse(request.url, 200, headers, raw)

    return send


def _put_object(scheme: str, server: Server | None = None, **parameters: Any) -> Call:
    client = _aws_client("s3", scheme, server)
    return lambda: client.put_object(**_OBJECT, Body=_BODY, **parameters)


def _complete_upload(scheme: str, server: Server | None = None) -> Call:
    client = _aws_client("s3", scheme, server, b"<CompleteMultipartUploadResult/>")
    parts = {"Parts": [{"ETag": '"etag"', "PartNumber": 1}]}
    arguments: dict[str, Any] = {**_OBJECT, "UploadId": "upload", "MultipartUpload": parts}
    return lambda: client.complete_multipart_upload(**arguments, SSECustomerAlgorithm="AES256")


def _list_tables(scheme: str, server: Server | None = None) -> Call:
    call: Call = _aws_client("dynamodb", scheme, server, b'{"TableNames": []}').list_tables
    return call


_SSE_C: dict[str, Any] = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": _KEY}

_METADATA = {"author": "somebody", "purpose": "a benchmark"}

CALLS: dict[str, dict[str, Make]] = {
    "obs": {
        "putContent, https": partial(_put_content, "https"),
        "putContent, https, header object": partial(_put_content, "https", header="content type"),
        "putContent, https, SSE-C": partial(_put_content, "https", header="SSE-C"),
        "putContent, http": partial(_put_content, "http"),
        "putContent, http, header object": partial(_put_content, "http", header="content type"),
        "putContent, http, metadata": partial(_put_content, "http", metadata=_METADATA),
        "getObjectMetadata, http": partial(_head_object, "http"),
        "getObjectMetadata, http, SSE-KMS: allowed by a row": partial(_head_object_with_kms, "http"),
        "putContent, http, SSE-C: refused": partial(_put_content, "http", header="SSE-C"),
    },
    "botocore": {
        "put_object, https": partial(_put_object, "https"),
        "put_object, https, SSE-C": partial(_put_object, "https", **_SSE_C),
        "put_object, http": partial(_put_object, "http"),
        "complete_multipart_upload, http, SSE-C without the key: allowed by a row": partial(_complete_upload, "http"),
        "dynamodb list_tables, https": partial(_list_tables, "https"),
        "put_object, http, SSE-C: refused": partial(_put_object, "http", **_SSE_C),
    },
}
"""The calls by SDK and name, each as a function that makes it.

The function uses the copy of the SDK that was imported last. It takes the server to call; without one, the transport is
stubbed. Peers are measured by the first.
"""


def clients(package: str, number: int, connections: int = 1) -> list[Call]:
    """Make clients, and return a call on each that uploads over https, stubbed.

    Args:
        package: ``obs`` or ``botocore``.
        number: how many clients.
        connections: how many threads can call on the same client at once.
    """
    if package == "obs":
        return [_put_content("https", connections=connections) for _ in range(number)]
    return [_put_object("https") for _ in range(number)]
