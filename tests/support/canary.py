"""A canary that reports when an SDK release changes what the guard depends on.

The guard hooks and reads parts of the SDKs that are not public API. ``canary.json`` records each of
these *seams* for every supported release: its parameters, and a hash of its source if more than the
parameters matters. A new release passes if its seams match those of the nearest recorded releases.
A seam that differs needs a review.

    python -m tests.support.canary            reports what the installed releases changed, and what to review
    python -m tests.support.canary --record   records them as reviewed; once per release, with it installed.
                                      Names of distributions limit it to these.
"""

from __future__ import annotations

import ast
import copy
import functools
import hashlib
import importlib
import importlib.util
import inspect
import json
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from obs_sse_guard._hooks import aiobotocore as aiobotocore_hooks
from obs_sse_guard._hooks import crt as crt_hooks
from obs_sse_guard._hooks.botocore import targets as botocore_hooks
from obs_sse_guard._hooks.http import aiohttp as aiohttp_hooks
from obs_sse_guard._hooks.http import httpcore as httpcore_hooks
from obs_sse_guard._hooks.huaweicloud import targets as huaweicloud_hooks
from obs_sse_guard._hooks.minio import targets as minio_hooks
from obs_sse_guard._hooks.obs import targets as obs_hooks

if TYPE_CHECKING:
    from obs_sse_guard._hooks.hook import Target

RECORD = Path(__file__).with_name("canary.json")

Prints = dict[str, Optional[str]]
"""The fingerprint of each seam by name; None if a release has no such seam."""


class Seam(NamedTuple):
    """A part of an SDK that the guard depends on.

    Attributes:
        name: its dotted name.
        print: its fingerprint.
        look_at: the part of the guard that depends on it, for the reviewer.
    """

    name: str
    print: str
    look_at: str


_HOOKS = (
    obs_hooks, botocore_hooks, aiobotocore_hooks, crt_hooks, huaweicloud_hooks, minio_hooks,
    httpcore_hooks, aiohttp_hooks,
)  # fmt: skip


class Sdk(NamedTuple):
    """A watched SDK.

    Attributes:
        distribution: the name to install it by.
        module: the module to import.
        version: the dotted name of its version; empty if its modules do not have it.
        guard: the modules of the guard for it.
        relied_on: what the guard depends on without a hook, each with what to review.
        surface: finds the parts that may carry encryption, including new ones.
        source: whether the source of its seams matters, not only their parameters.
    """

    distribution: str
    module: str
    version: str
    guard: str
    relied_on: Mapping[str, str]
    surface: Callable[[], Iterable[Seam]] = tuple
    source: bool = True

    def installed(self) -> str:
        """Return the installed release."""
        return str(_found(self.version)) if self.version else metadata.version(self.distribution)

    def targets(self) -> list[Target]:
        """Return the methods that the guard hooks in it."""
        return [
            target for guard in _HOOKS for target in guard.TARGETS if target.module.partition(".")[0] == self.module
        ]


# ---------------------------------------------------------------------------- fingerprints


def fingerprint(thing: Any, *, source: bool = True) -> str:
    """Return the parameters, and a hash of the code without comments and docstrings."""
    node = _node(thing)
    parameters = "class" if isinstance(node, ast.ClassDef) else f"({ast.unparse(_without_types(node.args))})"
    return f"{parameters} {hashlib.sha256(_shape(node).encode()).hexdigest()[:16]}" if source else parameters


def _without_types(parameters: ast.arguments) -> ast.arguments:
    bare = copy.deepcopy(parameters)
    for node in ast.walk(bare):
        if isinstance(node, ast.arg):
            node.annotation = None
    return bare


def _node(thing: Any) -> Any:
    function = inspect.unwrap(getattr(thing, "__func__", thing))  # unwrap a staticmethod, and any hook
    return _definitions(function.__module__)[function.__qualname__]


def _home(thing: Any) -> str:
    return str(inspect.unwrap(getattr(thing, "__func__", thing)).__module__)


@functools.cache
def _definitions(module: str) -> dict[str, ast.AST]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in the strings of an SDK
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    return dict(_named(tree, ""))


def _named(parent: ast.AST, prefix: str) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, _DEFINITIONS):
            yield prefix + node.name, node
            local = "" if isinstance(node, ast.ClassDef) else "<locals>."
            yield from _named(node, f"{prefix}{node.name}.{local}")
        elif isinstance(node, (ast.If, ast.Try)):
            yield from _named(node, prefix)


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# The fields that differ among releases of Python for the same source.
_NO_MATTER = ("ctx", "kind", "type_comment", "type_params")


def _shape(value: Any) -> str:
    """Return the syntax as text; unlike `ast.dump`, the same on every Python."""
    if isinstance(value, list):
        return f"[{','.join(map(_shape, value))}]"
    if not isinstance(value, ast.AST):
        return repr(value)
    fields = dict(ast.iter_fields(value))
    if (
        isinstance(value, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        and ast.get_docstring(value) is not None
    ):
        fields["body"] = value.body[1:]
    fields_as_text = [f"{name}={_shape(field)}" for name, field in fields.items() if field and name not in _NO_MATTER]
    return f"{type(value).__name__}({','.join(fields_as_text)})"


# ------------------------------------------------------------------------ finding the seams


def _hooked(sdk: Sdk) -> Iterator[Seam]:
    """Return the seams that the guard hooks."""
    for target in sdk.targets():
        if _imported(target.module) is None:
            continue
        maker = f"{target.make.__module__}.{target.make.__qualname__.partition('.')[0]}"
        look_at = f"{maker}, which makes its hook (row {target.name} of TARGETS)"
        for owner, name in target.places():
            function = vars(owner)[name]
            if _home(function).partition(".")[0] != sdk.module:  # the SDK only imports it from elsewhere
                continue
            # Of the many methods that only take headers, only the parameters matter.
            yield Seam(_name(target, name), fingerprint(function, source=sdk.source and target.select is None), look_at)


def _name(target: Target, attribute: str) -> str:
    return f"{target.module}.{'.'.join([*target.path.split('.')[:-1], attribute])}"


def _relied_on(sdk: Sdk) -> Iterator[Seam]:
    """Return the seams that the guard depends on without a hook."""
    for name, look_at in sdk.relied_on.items():
        found = _found(name)
        if found is not None:
            yield Seam(name.replace(":", "."), fingerprint(found, source=sdk.source), look_at)


def _found(name: str) -> Any:
    module, _, path = name.partition(":")
    return functools.reduce(_attribute, path.split("."), _imported(module))


def _attribute(owner: Any, name: str) -> Any:
    return getattr(owner, "__dict__", {}).get(name)


def _imported(module: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(module)
        except ImportError:  # not in this release
            return None


# -------------------------------------------------------------------------- esdk-obs-python

_WIRE = "_hooks/obs/wire.py: the checked request must be the sent request, every time"
_WORDS = "_hooks/obs/arguments.py and methods.py: what each argument means, and what the SDK drops"
_NAMES = "_policy/headers.py and _hooks/obs/arguments.py: which names and values become headers or metadata"
_ANSWERS = "_hooks/obs/responses.py: what a response shows about the encryption of an upload or an object"
_THREADS = "_hooks/obs/transfers.py: a refusal must leave the worker threads once and unchanged"
_ATTRIBUTES = "_hooks/obs/client.py and _hooks/tls_gaps.py: the attributes of the client that they read"
_LOG = "_hooks/redaction.py and _hooks/obs/logs.py: no key in the SDK's own log"

_ESDK_RELIED_ON = {
    "obs.client:funcCache": _WIRE,
    "obs.client:_BasicClient.__init__": _ATTRIBUTES,
    "obs.client:_BasicClient._make_request_internal": _WIRE,
    "obs.client:_BasicClient._send_request": _WIRE,
    "obs.client:_BasicClient._get_server_connection": _WIRE,
    "obs.client:_BasicClient._get_server_connection_use_http1x": _WIRE,
    "obs.client:_BasicClient._rename_request_headers": _NAMES,
    "obs.client:_BasicClient._rename_request_headers_handle": _NAMES,
    "obs.client:_BasicClient._rename_response_headers": _ANSWERS,
    "obs.client:_BasicClient._parse_xml_internal": _ANSWERS,
    "obs.convertor:Convertor.trans_get_extension_headers": _NAMES,
    "obs.convertor:Convertor.trans_set_bucket_fetch_job": "_hooks/obs/wire.py, _headers_in_body: the only body read",
    "obs.convertor:Convertor._put_key_value": _NAMES,
    "obs.extension:_download_files": _THREADS,
    "obs.bulktasks:ExecuteProgress": _THREADS,
    "obs.transfer:_ThreadPool": _THREADS,
    "obs.http:Connection": _WIRE,
    "obs.http:Request": _WIRE,
    "obs.ilog:LogClient.__init__": _LOG,
    "obs.model:BaseModel": _WORDS,
    "obs.model:SseHeader": _WORDS,
    "obs.model:SseCHeader": _WORDS,
    "obs.model:SseKmsHeader": _WORDS,
    "obs.model:GetResult": _ANSWERS,
}
_ESDK_CLIENTS = ("obs.client:ObsClient", "obs.crypto_client:CryptoObsClient", "obs.workflow:WorkflowClient")
_SSE = re.compile("sse|server.?side", re.IGNORECASE)


def _esdk_surface() -> Iterator[Seam]:
    yield from _methods()
    yield from _converting()
    yield from _carriers()


def _methods() -> Iterator[Seam]:
    """Return every client's public methods, where new ones may carry encryption."""
    look_at = (
        "_hooks/obs/methods.py, METHODS: can it carry an SSE object, a header or metadata? Then it needs an "
        "entry there, or its operation a name; tests/hooks/obs/test_completeness.py tries every parameter"
    )
    for name in _ESDK_CLIENTS:
        client = _found(name)
        for method, function in vars(client).items() if client else ():
            # Python 3.9 cannot call the staticmethod object in vars().
            if callable(getattr(client, method)) and not method.startswith("_"):
                yield Seam(f"{name.replace(':', '.')}.{method}", fingerprint(function, source=False), look_at)
    bucket: Any = _imported("obs.bucket")
    names = " ".join(sorted(set(bucket.BucketClient.allowedMethod)))
    yield Seam("obs.bucket.BucketClient.allowedMethod", names, look_at)


def _converting() -> Iterator[Seam]:
    """Return the functions that convert SSE objects into headers, or drop them."""
    convertor: Any = _imported("obs.convertor")
    for name, function in vars(convertor.Convertor).items():
        if inspect.isfunction(function) and name.startswith(("trans_", "_set")) and _SSE.search(_source(function)):
            yield Seam(f"obs.convertor.Convertor.{name}", fingerprint(function), _WORDS)


def _source(function: Any) -> str:
    return ast.unparse(_node(function))


def _carriers() -> Iterator[Seam]:
    """Return the classes whose objects hold encryption."""
    model: Any = _imported("obs.model")
    for name, found in vars(model).items():
        fields = sorted(getattr(found, "allowedAttr", ()) if inspect.isclass(found) else ())
        if _SSE.search(" ".join(fields)):
            look_at = "_hooks/obs/methods.py, METHODS, and arguments.py: which argument takes such an object"
            yield Seam(f"obs.model.{name}.allowedAttr", " ".join(fields), look_at)


# ------------------------------------------------------------------------ the botocore family

_CALL = "_hooks/botocore/methods.py: what it reads from a client, and what it leaves to botocore's validation"
_SEND = "_hooks/botocore/wire.py: the checked request must be the sent request, at every attempt"
_SIGN = "_hooks/botocore/signing.py: every signer must pass a hook that knows where the key is written"
_HOP = "_hooks/aiobotocore.py: every hop of a redirect must be checked before it is sent"
_CRT = "_hooks/crt.py: the CRT client decides the transport"

_BOTOCORE_RELIED_ON = {
    "botocore.client:BaseClient._convert_to_request_dict": _CALL,
    "botocore.handlers:sse_md5": "_hooks/botocore/methods.py: when a key becomes text",
    "botocore.handlers:copy_source_sse_md5": "_hooks/botocore/methods.py: when a key becomes text",
    "botocore.handlers:validate_bucket_name": _CALL,
    "botocore.utils:S3ArnParamHandler.handle_arn": _CALL,
    "botocore.validate:ParamValidator.validate": _CALL,
    "botocore.endpoint:Endpoint.__init__": _SEND,
    "botocore.endpoint:Endpoint.make_request": _SEND,
    "botocore.endpoint:Endpoint._send_request": _SEND,
    "botocore.endpoint:Endpoint._get_response": _SEND,
    "botocore.endpoint:Endpoint._do_get_response": _SEND,
    "botocore.httpsession:URLLib3Session.__init__": _SEND,
    "botocore.httpsession:URLLib3Session.send": _SEND,
    "botocore.httpsession:ProxyConfiguration.proxy_url_for": "_hooks/botocore/client.py: a proxy is a hop",
    "botocore.signers:generate_presigned_url": _SIGN,
    "botocore.signers:generate_presigned_post": _SIGN,
    "botocore.auth:HmacV1QueryAuth": _SIGN,
    "botocore.auth:SigV4QueryAuth": _SIGN,
}
_AIOBOTOCORE_RELIED_ON = {
    "aiobotocore.endpoint:AioEndpoint._send_request": _SEND,
    "aiobotocore.endpoint:AioEndpoint._do_get_response": _SEND,
    "aiobotocore.httpsession:AIOHTTPSession.__init__": _SEND,
    "aiobotocore.httpsession:AIOHTTPSession.send": _HOP,
}
_AIOHTTP_RELIED_ON = {
    "aiohttp.client:ClientSession._request": _HOP,
    "aiohttp.client_reqrep:ClientRequest.__init__": _HOP,
}
_HTTPCORE_RELIED_ON = dict.fromkeys(
    (
        "httpcore._sync.http11:HTTP11Connection.handle_request",
        "httpcore._async.http11:AsyncHTTP11Connection.handle_async_request",
    ),
    "_hooks/http/httpcore.py: nothing may be sent before its hooks, and a refused connection is closed or free",
)
_S3TRANSFER_RELIED_ON = {
    "s3transfer.crt:CRTTransferManager.__init__": _CRT,
    "s3transfer.crt:create_s3_crt_client": _CRT,
    "s3transfer.crt:BotocoreCRTRequestSerializer.__init__": _CRT,
}


def _botocore_surface() -> Iterator[Seam]:
    """Return the operations with encryption, and every signer of URLs and forms."""
    session: Any = importlib.import_module("botocore.session")
    model = session.Session().get_service_model("s3")
    look_at = "_hooks/botocore: does the operation have a row in the tables, and under which name?"
    for operation in model.operation_names:
        carried = sorted(_carried(model.operation_model(operation).input_shape))
        if carried:
            yield Seam(f"s3.{operation}", " ".join(carried), look_at)
    auth: Any = importlib.import_module("botocore.auth")
    for name, found in vars(auth).items():
        if inspect.isclass(found) and name.endswith(("QueryAuth", "PostAuth")):
            yield Seam(f"botocore.auth.{name}", fingerprint(found), _SIGN)


def _carried(shape: Any) -> Iterator[str]:
    for name, member in shape.members.items() if shape is not None else ():
        header = member.serialization.get("name", "")
        if _SSE.search(f"{name} {header}") and member.serialization.get("location") == "header":
            yield f"{name}={header}"


# --------------------------------------------------------------------------------- minio-py

_MINIO_CLIENT = "_hooks/minio/client.py: the attributes of the client that it reads"
_MINIO_WORDS = "_hooks/minio/methods.py: which arguments become headers"
_MINIO_WORKERS = "_hooks/minio/transfers.py: the parts of an upload, and how a refusal leaves a worker"
_MINIO_WIRE = "_hooks/minio/wire.py: each hop, and the connection that it goes over"

_MINIO_RELIED_ON = {
    "minio.api:Minio.__init__": _MINIO_CLIENT,
    "minio.api:Minio._upload_part": _MINIO_WORKERS,
    "minio.api:Minio._upload_part_task": _MINIO_WORKERS,
    "minio.api:Minio._get_region": "_hooks/minio/wire.py: it sends a request before the one that is refused",
    "minio.api:Minio._calc_part_count": _MINIO_WORDS,
    "minio.api:Minio._create_multipart_upload": "_hooks/minio/responses.py: uploads that are begun",
    "minio.helpers:BaseURL.__init__": _MINIO_CLIENT,
    "minio.helpers:ThreadPool.__init__": _MINIO_WORKERS,
    "minio.helpers:ThreadPool.result": _MINIO_WORKERS,
    "minio.helpers:Worker.run": _MINIO_WORKERS,
    "minio.helpers:genheaders": _MINIO_WORDS,
    "minio.helpers:normalize_headers": _MINIO_WORDS,
    "minio.sse:Sse": _MINIO_WORDS,
    "minio.sse:SseCustomerKey": _MINIO_WORDS,
    "minio.sse:SseKMS": _MINIO_WORDS,
    "minio.datatypes:PostPolicy": "_hooks/minio/signing.py: the conditions of a policy",
}
_URLLIB3_RELIED_ON = {
    "urllib3.poolmanager:PoolManager.__init__": _MINIO_CLIENT,
    "urllib3.poolmanager:PoolManager.urlopen": _MINIO_WIRE,
    "urllib3.connection:HTTPConnection.request": _MINIO_WIRE,
    "urllib3.util.ssl_:resolve_cert_reqs": _MINIO_CLIENT,
}


def _minio_surface() -> Iterator[Seam]:
    """Return the client's public methods, where new ones may carry encryption."""
    look_at = (
        "_hooks/minio/methods.py: does it read a body, or send another request, before the one with encryption? "
        "Then it needs a hook; and an entry in tests/hooks/minio/test_methods.py"
    )
    for method, function in vars(_found("minio.api:Minio")).items():
        if inspect.isfunction(function) and not method.startswith("_"):
            yield Seam(f"minio.api.Minio.{method}", fingerprint(function, source=False), look_at)


# -------------------------------------------------------------------------- huaweicloudsdkobs

_CORE = "_hooks/huaweicloud/wire.py and methods.py: the checked request must be the sent request, at every hop"
_WORKERS = "_hooks/huaweicloud/workers.py: which thread carries out what, and which object passes between them"
_CORE_RELIED_ON = {
    "huaweicloudsdkcore.client:Client._parse_header_params": _CORE,
    "huaweicloudsdkcore.client:Client._url_parse": "_hooks/huaweicloud/methods.py: where a request goes",
    "huaweicloudsdkcore.http.future_session:FutureSession.__init__": _WORKERS,
    "huaweicloudsdkcore.http.http_client:HttpClient.__init__": "_hooks/huaweicloud/methods.py: what TLS verifies",
    "huaweicloudsdkcore.http.http_client:HttpClient._init_session": _CORE,
    "huaweicloudsdkcore.invoker.invoker:SyncInvoker.invoke": "a refusal must not be retried",
    "huaweicloudsdkcore.sdk_response:FutureSdkResponse.result": _WORKERS,
}


def _huaweicloud_surface() -> Iterator[Seam]:
    """Return the fields of each request model that name encryption."""
    models: Any = _imported("huaweicloudsdkobs.v1.model")
    for name, found in vars(models).items():
        fields = getattr(found, "attribute_map", {}).values() if name.endswith("Request") else ()
        carried = sorted(field for field in fields if "encryption" in field)
        if carried:
            look_at = "does the operation have a row in the tables, and is each field in _policy/headers.py?"
            yield Seam(f"huaweicloudsdkobs.v1.model.{name}", " ".join(carried), look_at)


SDKS: tuple[Sdk, ...] = (
    Sdk(
        "esdk-obs-python",
        "obs",
        "obs.const:OBS_SDK_VERSION",
        "obs_sse_guard/_hooks/obs",
        _ESDK_RELIED_ON,
        _esdk_surface,
    ),
    Sdk(
        "botocore",
        "botocore",
        "botocore:__version__",
        "obs_sse_guard/_hooks/botocore",
        _BOTOCORE_RELIED_ON,
        _botocore_surface,
    ),
    Sdk(
        "aiobotocore",
        "aiobotocore",
        "aiobotocore:__version__",
        "obs_sse_guard/_hooks/aiobotocore.py",
        _AIOBOTOCORE_RELIED_ON,
    ),
    # The guard uses little of these, and their source changes with every release.
    Sdk(
        "aiohttp",
        "aiohttp",
        "aiohttp:__version__",
        "obs_sse_guard/_hooks/aiobotocore.py",
        _AIOHTTP_RELIED_ON,
        source=False,
    ),
    Sdk(
        "httpcore",
        "httpcore",
        "httpcore:__version__",
        "obs_sse_guard/_hooks/http/httpcore.py",
        _HTTPCORE_RELIED_ON,
        source=False,
    ),
    Sdk(
        "s3transfer",
        "s3transfer",
        "s3transfer:__version__",
        "obs_sse_guard/_hooks/crt.py",
        _S3TRANSFER_RELIED_ON,
        source=False,
    ),
    Sdk("awscrt", "awscrt", "awscrt:__version__", "obs_sse_guard/_hooks/crt.py", {}, source=False),
    Sdk("minio", "minio", "minio:__version__", "obs_sse_guard/_hooks/minio", _MINIO_RELIED_ON, _minio_surface),
    Sdk("urllib3", "urllib3", "urllib3:__version__", "obs_sse_guard/_hooks/minio", _URLLIB3_RELIED_ON, source=False),
    Sdk("huaweicloudsdkobs", "huaweicloudsdkobs", "", "obs_sse_guard/_hooks/huaweicloud", {}, _huaweicloud_surface),
    Sdk("huaweicloudsdkcore", "huaweicloudsdkcore", "", "obs_sse_guard/_hooks/huaweicloud", _CORE_RELIED_ON),
)


# ------------------------------------------------------------------------------- the record


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


class Record:
    """The seams of every reviewed release.

    In the file, a seam has an entry for each release that changed it.
    """

    def __init__(self, path: Path = RECORD) -> None:
        self._path = path
        self._data: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}

    def releases(self, distribution: str) -> list[str]:
        """Return the recorded releases, in order."""
        return sorted(self._data.get(distribution, {}).get("releases", ()), key=_order)

    def prints(self, distribution: str, release: str) -> Prints:
        """Return the fingerprints of the seams of a recorded release."""
        seams: dict[str, Prints] = self._data.get(distribution, {}).get("seams", {})
        return {name: _as_of(history, release) for name, history in seams.items()}

    def neighbours(self, distribution: str, version: str) -> list[str]:
        """Return the recorded releases to compare with: itself, or one on either side."""
        releases = self.releases(distribution)
        if version in releases:
            return [version]
        older = [release for release in releases if _order(release) < _order(version)]
        return older[-1:] + releases[len(older) :][:1]

    def note(self, distribution: str, version: str, prints: Prints) -> None:
        """Write a release to the record."""
        known = {release: self.prints(distribution, release) for release in self.releases(distribution)}
        known[version] = prints
        releases = sorted(known, key=_order)
        names = sorted({name for release in known.values() for name in release})
        seams = {name: _history([(release, known[release].get(name)) for release in releases]) for name in names}
        self._data[distribution] = {"releases": releases, "seams": seams}
        self._path.write_text(json.dumps(self._data, indent=1) + "\n", "utf-8")


def _as_of(history: Prints, release: str) -> str | None:
    since = [changed for changed in history if _order(changed) <= _order(release)]
    return history[max(since, key=_order)] if since else None


def _history(prints: list[tuple[str, str | None]]) -> Prints:
    history: Prints = {}
    last = None
    for release, now in prints:
        if now != last:
            history[release] = last = now
    return history


# ------------------------------------------------------------------------------ the comparison


def seams_of(sdk: Sdk) -> dict[str, Seam]:
    """Return the seams of the installed release; a hooked seam takes precedence."""
    importlib.import_module(sdk.module)
    return {seam.name: seam for seam in (*sdk.surface(), *_relied_on(sdk), *_hooked(sdk))}


def _unimportable(sdk: Sdk) -> tuple[str, ...]:
    """Return the modules whose dependencies are not installed."""
    modules = {target.module for target in sdk.targets()} | {name.partition(":")[0] for name in sdk.relied_on}
    return tuple(f"{module}." for module in modules if _imported(module) is None and _exists(module))


def _exists(module: str) -> bool:
    parent = module.rpartition(".")[0]
    return _imported(parent) is not None and importlib.util.find_spec(module) is not None


def changes(sdk: Sdk, record: Record) -> list[str]:
    """Return what the installed release changed, each with what to review."""
    version = sdk.installed()
    found = seams_of(sdk)
    known = [record.prints(sdk.distribution, release) for release in record.neighbours(sdk.distribution, version)]
    names = {*found, *(name for prints in known for name in prints)}
    unimportable = _unimportable(sdk)
    changed = []
    for name in sorted(name for name in names if not unimportable or not name.startswith(unimportable)):
        was = [prints.get(name) for prints in known]
        now = found[name].print if name in found else None
        if now not in was:
            changed.append(_change(name, was[-1] if was else None, now, found[name].look_at if name in found else ""))
    return changed


def _change(name: str, was: str | None, now: str | None, look_at: str) -> str:
    lines = [name, f"  was: {was or 'not there'}", f"  is:  {now or 'gone'}"]
    return "\n".join(
        [*lines, f"  look at {look_at or 'the code that hooks or reads it: search the guard for its name'}"]
    )


_ADVICE = """\
{distribution} {version} is not what obs_sse_guard was built on: {count} of its seams changed since {base}.

{changes}

What to do:
 1. Read the change: pip download --no-deps {distribution}=={base}, the same of {version}, unpack and diff them.
 2. For each seam above, review the named part of {guard}: does the guard still check
    the call before it is sent, with the right values? obs_sse_guard.status() must return 'active' for it.
 3. Run the tests against this release, test_completeness.py, test_low_level_requests.py and test_rows.py first.
 4. Fix the guard if necessary, with a test. Then record the release as reviewed, with it installed:
    python -m tests.support.canary --record"""


def advice(sdk: Sdk, record: Record, changed: list[str]) -> str:
    """Return the reviewer's report: what changed, what it affects, what to do."""
    version = sdk.installed()
    base = (record.neighbours(sdk.distribution, version) or ["none"])[0]
    return _ADVICE.format(
        distribution=sdk.distribution,
        version=version,
        base=base,
        count=len(changed),
        changes="\n".join(changed),
        guard=sdk.guard,
    )


def main(words: list[str]) -> int:
    """Compare the installed releases with the record, or add them to it."""
    status = 0
    record = Record()
    for sdk in SDKS:
        if _imported(sdk.module) is None:
            continue
        if words[:1] == ["--record"] and sdk.distribution in (words[1:] or [sdk.distribution]):
            prints: Prints = {name: seam.print for name, seam in seams_of(sdk).items()}
            record.note(sdk.distribution, sdk.installed(), prints)
            sys.stdout.write(f"{sdk.distribution} {sdk.installed()}: {len(prints)} seams recorded\n")
        elif changed := changes(sdk, record):
            status = 1
            sys.stdout.write(advice(sdk, record, changed) + "\n")
        else:
            sys.stdout.write(f"{sdk.distribution} {sdk.installed()}: as recorded\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
