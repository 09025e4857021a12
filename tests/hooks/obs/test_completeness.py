"""No parameter of any public method sends a key in clear.

The methods and parameters are read from the installed SDK, not from a list. Every parameter is tried with
every object that holds a key, unless it is listed below as plain text of the application.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
import warnings
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import obs
import obs.bucket
import obs.client
import obs.model
import pytest

import obs_sse_guard
from obs_sse_guard import SSETransportError
from obs_sse_guard._hooks.hook import is_hook
from tests.support import obs_calls, oracle
from tests.support.obs_calls import BUCKET, OBJECT, sse_c
from tests.support.servers import RecordingServer, leaks
from tests.support.sse import ENCODED, KEY


def test_every_method_that_takes_headers_is_hooked() -> None:
    """The methods are read from the SDK, so that a new one is not missed."""
    carriers = {"headers", "header", "sseHeader", "destSseHeader", "sourceSseHeader", "extensionHeaders", "metadata"}
    unguarded = [
        name
        for name, function in vars(obs.ObsClient).items()
        if callable(function) and not name.startswith("_")
        if carriers & set(inspect.signature(function).parameters) and not is_hook(function)
    ]
    signed_beneath = {"createSignedUrl", "createV2SignedUrl", "createV4SignedUrl"}
    send_nothing_themselves = {"createVirtualBucket", "add_metadata_from_content"}
    assert set(unguarded) <= signed_beneath | send_nothing_themselves


# After an unexpected argument, the SDK leaves its files and sockets open.
pytestmark = pytest.mark.leaves_open


KEY_HEADER = "server-side-encryption-customer-key"


# Free text of the application. The guard cannot recognize a key in it.
_TEXT = {
    "the name of a thing": """
        bucketName bucketName1 bucketName2 objectKey sourceBucketName sourceObjectKey destBucketName destObjectKey
        newObjectKey copySource versionId uploadId inventoryId prefix folderName domainName accesslabel bucketAlias
        jobId object bucket graphName graphNamePrefix templateName templateNamePrefix executionName""",
    "a file's path": "uploadFile downloadFile downloadPath downloadFolder file_path checkpointFile",
    "a body, or a part of one": """
        content crypto_cipher policyJSON rules inputs tags retainUntilDate quota status payer days encryption key
        location blockPublicAcls ignorePublicAcls blockPublicPolicy restrictPublicBuckets agency description parameters
        states""",
    "one parameter of a query, or the value of one header": """
        partNumber crc64 md5 contentType expires websiteRedirectLocation copySourceRange origin requestHeaders
        encoding_type marker max_keys maxKeys delimiter maxParts partNumberMarker bucketType start limit executionType
        nextMarker executionState""",
}


TEXT = frozenset(name for names in _TEXT.values() for name in names.split())


NO_CALLS = frozenset({"close", "initLog", "refresh", "bucketClient", "get_shadow_client"})
"""Methods that send no request."""


def _header_objects() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Return the SDK's classes whose objects hold an SSE object."""
    arguments = {"sseHeader", "destSseHeader", "sourceSseHeader"}
    for name, found in vars(obs.model).items():
        holds = arguments & set(getattr(found, "allowedAttr", ()))
        if inspect.isclass(found) and holds:
            yield name, lambda found=found, holds=holds: found(**{argument: sse_c() for argument in holds})  # type: ignore[misc]


MATERIAL: dict[str, Callable[[], Any]] = {
    "an SSE object": sse_c,
    "a dict of SSE objects": lambda: dict.fromkeys(("sseHeader", "destSseHeader", "sourceSseHeader"), sse_c()),
    "a list of SSE objects": lambda: [sse_c()],
    "headers of OBS": lambda: {f"x-obs-{KEY_HEADER}": ENCODED},
    "headers of S3": lambda: {f"x-amz-{KEY_HEADER}": ENCODED},
    "headers of a copy's source": lambda: {f"X-Amz-Copy-Source-{KEY_HEADER}": ENCODED},
    "misspelled headers": lambda: {f"{KEY_HEADER} ": ENCODED, f" x-obs-{KEY_HEADER}": ENCODED},
    **dict(_header_objects()),
}


def _needed() -> dict[str, Any]:
    """Return the arguments that the SDK requires before it sends a call."""
    return {
        "bucketName": BUCKET,
        "objectKey": OBJECT,
        "method": "PUT",
        "partNumber": 1,
        "position": 0,
        "days": 1,
        "content": "content",
        "file_path": "file",
        "uploadFile": "file",
        "downloadFile": "folder/got",
        "downloadFolder": "folder",
        "copySource": "source/object",
        "completeMultipartUploadRequest": obs.CompleteMultipartUploadRequest([obs.CompletePart(1, "etag")]),
        "url": "http://fetched.test/",
    }


_NEEDED_BY: dict[str, Callable[[], dict[str, Any]]] = {
    "appendObject": lambda: {"content": obs.AppendObjectContent(content="content", position=0)},
    "uploadEncryptedPart": lambda: {"crypto_cipher": _cipher().new("content")},
    "initiateEncryptedMultipartUpload": lambda: {"crypto_cipher": _cipher().new("content")},
}


def _cipher() -> Any:
    make: Any = obs.CTRCipherGenerator
    return make("0" * 32)


@contextlib.contextmanager
def _obs_client(kind: str, server: RecordingServer) -> Iterator[Any]:
    with obs_calls.open_client(kind, server, max_retry_count=0) as client:
        yield client


@contextlib.contextmanager
def _bucket_client(kind: str, server: RecordingServer) -> Iterator[Any]:
    with _obs_client(kind, server) as client:
        yield client.bucketClient(BUCKET)


@contextlib.contextmanager
def _crypto_client(kind: str, server: RecordingServer) -> Iterator[Any]:
    settings = {"server": server.named_url if kind == "obs" else server.url, "signature": kind, "max_retry_count": 0}
    client = obs.CryptoObsClient(_cipher(), access_key_id="a", secret_access_key="b", **settings)
    yield client
    client.close()


@contextlib.contextmanager
def _workflow_client(_: str, server: RecordingServer) -> Iterator[Any]:
    client = obs.WorkflowClient(access_key_id="a", secret_access_key="b", server=server.url, max_retry_count=0)
    yield client
    client.close()


_CLIENTS: dict[str, Callable[[str, RecordingServer], contextlib.AbstractContextManager[Any]]] = {
    "ObsClient": _obs_client,
    "BucketClient": _bucket_client,
    "CryptoObsClient": _crypto_client,
    "WorkflowClient": _workflow_client,
}


def _public(client: str) -> list[str]:
    """Return the public methods; of a subclass of ObsClient, only its own."""
    if client == "BucketClient":
        return sorted({name for name in obs.bucket.BucketClient.allowedMethod if hasattr(obs.ObsClient, name)})
    found = getattr(obs, client, None)
    return [
        name
        for name in (dir(found) if client == "ObsClient" else vars(found) if found else ())
        if not name.startswith("_") and name not in NO_CALLS and callable(getattr(found, name))
    ]


def _parameters(client: str, method: str) -> list[inspect.Parameter]:
    owner = obs.ObsClient if client == "BucketClient" else getattr(obs, client)
    static = isinstance(inspect.getattr_static(owner, method), staticmethod)
    parameters = list(inspect.signature(getattr(owner, method)).parameters.values())[0 if static else 1 :]
    return [given for given in parameters if client != "BucketClient" or given.name != "bucketName"]


def _arguments(method: str, parameters: list[inspect.Parameter]) -> dict[str, Any]:
    needed = {**_needed(), **_NEEDED_BY.get(method, dict)()}
    wanted = [given.name for given in parameters if given.default is given.empty or given.name in needed]
    return {name: needed.get(name, "text") for name in wanted}


_METHODS = [(client, method) for client in _CLIENTS for method in _public(client)]


def _attempt(call: Callable[..., Any], arguments: dict[str, Any]) -> str:
    """Make the call, and return its result as text; the call may fail with any error."""
    try:
        answer = call(**arguments)
        if callable(getattr(answer, "wait_for_completion", None)):
            answer.wait_for_completion(10)
    except Exception as error:  # noqa: BLE001  # any error is fine: only the sent bytes count
        return str(error) if isinstance(error, SSETransportError) else ""
    signed = ("signedUrl", "actualSignedRequestHeaders", "originPolicy", "policy")
    return repr([getattr(answer, name, "") for name in signed])


def _passed(server: RecordingServer, before: int) -> list[str]:
    """Return the later requests that carried a key where no row allows it."""
    return [
        f"{request.method} {request.target}"
        for request in server.requests[before:]
        if leaks(repr(request), KEY) and not oracle.may_carry_key(request)
    ]


def _what_passes(
    client: Any,
    server: RecordingServer,
    parameters: list[inspect.Parameter],
    method: str,
    tried: Collection[str],
) -> list[str]:
    passed = []
    for parameter, (name, make) in itertools.product(tried, MATERIAL.items()):
        before = len(server.requests)
        returned = _attempt(getattr(client, method), {**_arguments(method, parameters), parameter: make()})
        wrong = [*_passed(server, before), *(["what is returned"] if leaks(returned, KEY) else [])]
        passed += [f"{parameter}={name}: {place}" for place in wrong]
    return passed


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("content")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("content")


@pytest.fixture(autouse=True)
def _without_waiting() -> Iterator[None]:
    with obs_calls.without_backoff(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from the SDK's TLS context
        yield


@pytest.mark.parametrize("kind", ["obs", pytest.param("v2", marks=pytest.mark.full)])
@pytest.mark.parametrize(("client", "method"), _METHODS)
def test_no_parameter_lets_a_key_pass(client: str, method: str, kind: str) -> None:
    parameters = _parameters(client, method)
    tried = [given.name for given in parameters if given.name not in TEXT]
    with RecordingServer() as server, _CLIENTS[client](kind, server) as made:
        assert _what_passes(made, server, parameters, method, tried) == []


@pytest.mark.parametrize(
    ("method", "parameter"),
    [
        ("putContent", "headers"),
        ("putContent", "metadata"),
        ("putContent", "extensionHeaders"),
        ("appendObject", "headers"),
        ("getObject", "headers"),
        ("getObjectMetadata", "sseHeader"),
        ("initiateMultipartUpload", "sseHeader"),
        ("uploadPart", "sseHeader"),
        ("copyObject", "headers"),
        ("copyPart", "destSseHeader"),
        ("uploadFile", "headers"),
        ("downloadFile", "header"),
        ("downloadFiles", "headers"),
        ("deleteObject", "extensionHeaders"),
        ("getBucketAcl", "extensionHeaders"),
        ("createSignedUrl", "queryParams"),
        ("createSignedUrl", "headers"),
        ("createPostSignature", "formParams"),
        ("setBucketFetchJob", "objectHeaders"),
    ],
)
def test_without_the_guard_the_key_passes(method: str, parameter: str, http: RecordingServer) -> None:
    obs_sse_guard.uninstall()
    tried = {given.name: given for given in _parameters("ObsClient", method)}
    with _obs_client("v2", http) as client:
        if parameter == "extensionHeaders" and not obs_calls.passes_raw_headers(client):
            pytest.skip("this release of the SDK passes no raw headers")
        assert _what_passes(client, http, [*tried.values()], method, tried=[parameter])


def test_every_text_parameter_exists() -> None:
    """A misspelled or removed parameter would exempt nothing."""
    from tests.support.canary import Record

    if Record().releases("esdk-obs-python")[-1] != obs.const.OBS_SDK_VERSION:
        pytest.skip("the list matches the newest release")
    known = {given.name for client, method in _METHODS for given in _parameters(client, method)}
    assert known >= TEXT - {"bucketName"}
