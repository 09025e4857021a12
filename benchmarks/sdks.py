"""What is measured: calls on stubbed transports, made with copies of an SDK that differ in what is hooked into them.

An SDK is imported anew for each *side* of a comparison, all in one process: installing and removing
hooks between samples would measure the interpreter's caches instead.
"""

from __future__ import annotations

import functools
import http.client
import importlib
import io
import logging
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import wrapt

import obs_sse_guard

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    Call = Callable[[], object]
    Make = Callable[..., Call]

__all__ = ["CALLS", "PEERS", "SIDES", "clients", "side"]

_BODY = b"x" * 1024
_KEY = "k" * 32
_OBJECT = {"Bucket": "bucket", "Key": "key"}

# Findings are logged once per client, and not to the terminal.
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
    ),
}


def _empty_wrappers(package: str) -> None:
    def call_on(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)

    for module, path in _HOOKED[package]:
        wrapt.wrap_function_wrapper(module, path, call_on)


def _empty_functions(package: str) -> None:
    """The least that a hook can be which takes any arguments."""
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
    "empty functions": _empty_functions,
    "empty wrapt wrappers": _empty_wrappers,
    "guarded": _guard,
}


def side(package: str, name: str) -> None:
    """Import an SDK anew, as one side of a comparison; what is made of it next is made of this copy."""
    obs_sse_guard.uninstall()
    for module in [module for module in sys.modules if module.partition(".")[0] == package]:
        del sys.modules[module]
    importlib.import_module("obs" if package == "obs" else "botocore.session")
    {**SIDES, **PEERS}[name](package)


# --- ObsClient -------------------------------------------------------------------------------


def _obs_client(scheme: str = "https", port: int = 9, ca: str = "", connections: int = 1) -> Any:
    """Make an ObsClient; with its connections stubbed, unless there is a certificate to trust."""
    client = sys.modules["obs"].ObsClient(
        access_key_id="a",
        secret_access_key="b",  # made up
        server=f"{scheme}://127.0.0.1:{port}",
        signature="v2",
        path_style=True,
        ssl_verify=ca or True,
        long_conn_mode=True,
    )
    for _ in range(0 if ca else connections):
        client.connHolder["connSet"].put(_stubbed_connection(scheme))
    return client


def _stubbed_connection(scheme: str) -> Any:
    """A connection that answers itself: what is left is what the SDK does."""
    response = SimpleNamespace(
        status=200,
        reason="OK",
        getheaders=lambda: [("ETag", '"etag"'), ("Content-Length", "0")],
        getheader=lambda _name, default=None: default,
        read=lambda _size=None: b"",
        close=lambda: None,
    )
    kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    connection: Any = kind("127.0.0.1")
    connection.request = lambda *_args, **_kwargs: None
    connection.send = lambda *_args, **_kwargs: None
    connection.getresponse = lambda: response
    return connection


def _put_content(encryption: str = "", **connection: Any) -> Call:
    client, sdk = _obs_client(**connection), sys.modules["obs"]
    headers = {
        "": None,
        "header object": sdk.PutObjectHeader(contentType="text/plain"),
        "SSE-C": sdk.PutObjectHeader(sseHeader=sdk.SseCHeader.getInstance(_KEY)),
    }[encryption]
    return lambda: client.putContent("bucket", "key", _BODY, headers=headers)


def _head_object(**connection: Any) -> Call:
    client, kms = _obs_client(**connection), sys.modules["obs"].SseKmsHeader.getInstance()
    return lambda: client.getObjectMetadata("bucket", "key", sseHeader=kms)


# --- botocore --------------------------------------------------------------------------------


@functools.lru_cache  # one for each copy, as it is dear to make
def _session(module: ModuleType) -> Any:
    return module.Session()


def _s3_client(service: str = "s3", scheme: str = "https", body: bytes = b"") -> Any:
    """Make a botocore client whose HTTP session answers itself."""
    awsrequest = sys.modules["botocore.awsrequest"]
    client = _session(sys.modules["botocore.session"]).create_client(
        service,
        region_name="us-east-1",
        endpoint_url=f"{scheme}://127.0.0.1:9",
        aws_access_key_id="a",
        aws_secret_access_key="b",  # made up
    )
    headers = {"ETag": '"etag"', "Content-Length": str(len(body))}

    def send(request: Any) -> Any:
        raw = SimpleNamespace(stream=lambda: (body,), read=io.BytesIO(body).read)
        return awsrequest.AWSResponse(request.url, 200, headers, raw)

    client._endpoint.http_session.send = send  # noqa: SLF001  # there is no public place for it
    return client


def _put_object(scheme: str = "https", **parameters: str) -> Call:
    client = _s3_client(scheme=scheme)
    return lambda: client.put_object(**_OBJECT, Body=_BODY, **parameters)


def _complete_upload() -> Call:
    client = _s3_client(scheme="http", body=b"<CompleteMultipartUploadResult/>")
    parts = {"Parts": [{"ETag": '"etag"', "PartNumber": 1}]}
    arguments: dict[str, Any] = {**_OBJECT, "UploadId": "upload", "MultipartUpload": parts}
    return lambda: client.complete_multipart_upload(**arguments, SSECustomerAlgorithm="AES256")


def _list_tables() -> Call:
    client = _s3_client("dynamodb", body=b'{"TableNames": []}')
    call: Call = client.list_tables
    return call


_SSE_C = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": _KEY}

CALLS: dict[str, dict[str, Make]] = {
    "obs": {
        "putContent, https": _put_content,
        "putContent, https, header object": functools.partial(_put_content, "header object"),
        "putContent, https, SSE-C": functools.partial(_put_content, "SSE-C"),
        "putContent, http": functools.partial(_put_content, scheme="http"),
        "getObjectMetadata, http, SSE-KMS: allowed by a row": functools.partial(_head_object, scheme="http"),
        "putContent, http, SSE-C: refused": functools.partial(_put_content, "SSE-C", scheme="http"),
    },
    "botocore": {
        "put_object, https": _put_object,
        "put_object, https, SSE-C": functools.partial(_put_object, **_SSE_C),
        "put_object, http": functools.partial(_put_object, scheme="http"),
        "complete_multipart_upload, http, SSE-C without the key: allowed by a row": _complete_upload,
        "dynamodb list_tables, https": _list_tables,
        "put_object, http, SSE-C: refused": functools.partial(_put_object, scheme="http", **_SSE_C),
    },
}
"""The calls, by SDK; each is made for the copy that was imported last. The first is what peers are measured by."""


def clients(package: str, number: int, connections: int = 1) -> list[Call]:
    """Make clients that upload over https, each with a call of its own.

    Args:
        package: ``obs`` or ``botocore``.
        number: how many.
        connections: how many of them may call at once on the same client.
    """
    if package == "obs":
        return [_put_content(connections=connections) for _ in range(number)]
    return [_put_object() for _ in range(number)]
