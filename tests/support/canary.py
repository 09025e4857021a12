"""A canary for the SDKs: it notices when a release changes what the guard builds upon.

The guard hooks and reads parts of the SDKs that nobody promised to keep. ``canary.json`` holds what
each of these *seams* looked like in every supported release: its parameters, and a hash of its source
where more than the parameters matters. A release that nobody has looked at yet passes as long as its
seams are those of its recorded neighbours; where one differs, somebody has to look.

    python -m tests.support.canary            tells what the installed releases changed, and what to look at
    python -m tests.support.canary --record   notes them as reviewed; once per release, with it installed.
                                      Name distributions after it to note these alone.
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
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from obs_sse_guard._hooks import aiobotocore as aiobotocore_hooks
from obs_sse_guard._hooks import crt as crt_hooks
from obs_sse_guard._hooks.botocore import targets as botocore_hooks
from obs_sse_guard._hooks.obs import targets as obs_hooks

if TYPE_CHECKING:
    from obs_sse_guard._hooks.hook import Target

RECORD = Path(__file__).with_name("canary.json")

Prints = dict[str, Optional[str]]
"""What seams look like, by name; nothing where a release has no such seam."""


class Seam(NamedTuple):
    """Something of an SDK that the guard builds upon.

    Attributes:
        name: its dotted name.
        print: what it looks like.
        look_at: what of the guard builds on it, for the person who is woken.
    """

    name: str
    print: str
    look_at: str


class Sdk(NamedTuple):
    """An SDK that is watched.

    Attributes:
        distribution: the name to install it by.
        module: to be imported for it.
        version: the dotted name of what tells the release.
        guard: the guard's modules that know it.
        relied_on: what the guard presumes and does not hook, each with what to look at.
        surface: finds what may let encryption pass that nobody knows of yet.
        source: whether more than the parameters of its seams matters.
    """

    distribution: str
    module: str
    version: str
    guard: str
    relied_on: Mapping[str, str]
    surface: Callable[[], Iterable[Seam]] = tuple
    source: bool = True

    def installed(self) -> str:
        """The release that is installed."""
        return str(_found(self.version))

    def targets(self) -> list[Target]:
        """What the guard hooks in it."""
        return [
            target
            for guard in (obs_hooks, botocore_hooks, aiobotocore_hooks, crt_hooks)
            for target in guard.TARGETS
            if target.module.partition(".")[0] == self.module
        ]


# ---------------------------------------------------------------------------- fingerprints


def fingerprint(thing: Any, *, source: bool = True) -> str:
    """Parameters, and a hash of the source that comments, docstrings and layout do not change."""
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
    function = inspect.unwrap(getattr(thing, "__func__", thing))  # a staticmethod; a hook of ours or of others
    return _definitions(function.__module__)[function.__qualname__]


def _home(thing: Any) -> str:
    return str(inspect.unwrap(getattr(thing, "__func__", thing)).__module__)


@functools.cache
def _definitions(module: str) -> dict[str, ast.AST]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the compiler thinks of an SDK's string escapes
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
# What differs among Python's releases for one and the same source.
_NO_MATTER = ("ctx", "kind", "type_comment", "type_params")


def _shape(value: Any) -> str:
    """The syntax as text that is the same under every Python, which `ast.dump` is not."""
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
    said = [f"{name}={_shape(field)}" for name, field in fields.items() if field and name not in _NO_MATTER]
    return f"{type(value).__name__}({','.join(said)})"


# ------------------------------------------------------------------------ finding the seams


def _hooked(sdk: Sdk) -> Iterator[Seam]:
    """What the guard hooks."""
    for target in sdk.targets():
        if _imported(target.module) is None:
            continue
        maker = f"{target.make.__module__}.{target.make.__qualname__.partition('.')[0]}"
        look_at = f"{maker}, which makes its hook (row {target.name} of TARGETS)"
        for owner, name in target.places():
            function = vars(owner)[name]
            if _home(function).partition(".")[0] != sdk.module:  # hooked under this name, and none of its own
                continue
            # Of the many methods that merely take headers, the parameters are all that matters.
            yield Seam(_name(target, name), fingerprint(function, source=sdk.source and target.select is None), look_at)


def _name(target: Target, attribute: str) -> str:
    return f"{target.module}.{'.'.join([*target.path.split('.')[:-1], attribute])}"


def _relied_on(sdk: Sdk) -> Iterator[Seam]:
    """What the guard does not hook, yet presumes."""
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

_WIRE = (
    "obs_sse_guard._hooks.obs, 'the wire gate' and 'the connection': what is judged must be what is sent, every time"
)
_WORDS = "obs_sse_guard._hooks.obs._intent, _carried and _quick_test: which argument means what, and what the SDK drops"
_NAMES = (
    "obs_sse_guard._policy.request and obs_hooks._needs_a_look: which names and values become headers, which metadata"
)
_ANSWERS = "obs_sse_guard._hooks.obs._learn: what an answer tells of the kind of an upload or an object"
_THREADS = "obs_sse_guard._hooks.obs, 'worker threads': a refusal must come out of them, once and unchanged"
_ATTRIBUTES = "obs_sse_guard._hooks.obs._facts, _proxy and _tls_gap: the client's attributes that they read"
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
    "obs.convertor:Convertor.trans_set_bucket_fetch_job": "_hooks/obs/wire.py, _body_items: the only body that is read",
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
    """Every public method of every client: a new one, or a new parameter, may carry encryption."""
    look_at = (
        "_hooks/obs/methods.py, METHODS: can it carry an SSE object, a header or metadata? Then it needs a row "
        "there, or its operation a name; tests/hooks/obs/test_completeness.py tries every parameter"
    )
    for name in _ESDK_CLIENTS:
        client = _found(name)
        for method, function in vars(client).items() if client else ():
            # Read from the class: Python 3.9 cannot call a staticmethod as it stands there.
            if callable(getattr(client, method)) and not method.startswith("_"):
                yield Seam(f"{name.replace(':', '.')}.{method}", fingerprint(function, source=False), look_at)
    bucket: Any = _imported("obs.bucket")
    names = " ".join(sorted(set(bucket.BucketClient.allowedMethod)))
    yield Seam("obs.bucket.BucketClient.allowedMethod", names, look_at)


def _converting() -> Iterator[Seam]:
    """Where the SDK turns SSE objects into headers, or drops them."""
    convertor: Any = _imported("obs.convertor")
    for name, function in vars(convertor.Convertor).items():
        if inspect.isfunction(function) and name.startswith(("trans_", "_set")) and _SSE.search(_source(function)):
            yield Seam(f"obs.convertor.Convertor.{name}", fingerprint(function), _WORDS)


def _source(function: Any) -> str:
    return ast.unparse(_node(function))


def _carriers() -> Iterator[Seam]:
    """The classes whose objects hold encryption."""
    model: Any = _imported("obs.model")
    for name, found in vars(model).items():
        fields = sorted(getattr(found, "allowedAttr", ()) if inspect.isclass(found) else ())
        if _SSE.search(" ".join(fields)):
            look_at = "obs_sse_guard._hooks.obs._SSE_ARGUMENTS and _METHODS: which argument takes such an object"
            yield Seam(f"obs.model.{name}.allowedAttr", " ".join(fields), look_at)


# ------------------------------------------------------------------------ the botocore family

_CALL = "obs_sse_guard._hooks.botocore.methods: what it reads of a client, and what it leaves to botocore to refuse"
_SEND = "obs_sse_guard._hooks.botocore.wire: what is judged must be what is sent, at every attempt"
_SIGN = "obs_sse_guard._hooks.botocore.signing: every signer must pass a hook, with the key's place known"
_HOP = "obs_sse_guard._hooks.aiobotocore._hop_hook: every hop of a redirect must be checked before it is sent"
_CRT = "obs_sse_guard._hooks.crt: the transport is what the CRT's own client was made with"

_BOTOCORE_RELIED_ON = {
    "botocore.client:BaseClient._convert_to_request_dict": _CALL,
    "botocore.handlers:sse_md5": "obs_sse_guard._hooks.botocore._becomes_text: when a key is made text",
    "botocore.handlers:copy_source_sse_md5": "obs_sse_guard._hooks.botocore._becomes_text: when a key is made text",
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
    "botocore.httpsession:ProxyConfiguration.proxy_url_for": "obs_sse_guard._hooks.botocore._proxy: a proxy is a hop",
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
_S3TRANSFER_RELIED_ON = {
    "s3transfer.crt:CRTTransferManager.__init__": _CRT,
    "s3transfer.crt:create_s3_crt_client": _CRT,
    "s3transfer.crt:BotocoreCRTRequestSerializer.__init__": _CRT,
}


def _botocore_surface() -> Iterator[Seam]:
    """Every operation that carries encryption by the service model, and every signer of what others send."""
    session: Any = importlib.import_module("botocore.session")
    model = session.Session().get_service_model("s3")
    look_at = (
        "obs_sse_guard._hooks.botocore: has the operation a row of the law, and if so by which name (_OPERATIONS)?"
    )
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
    # Of these three little is used, and what is inside changes with every release.
    Sdk(
        "aiohttp",
        "aiohttp",
        "aiohttp:__version__",
        "obs_sse_guard/_hooks/aiobotocore.py",
        _AIOHTTP_RELIED_ON,
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
)


# ------------------------------------------------------------------------------- the record


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


class Record:
    """What every release that somebody has looked at was like.

    On disk a seam has an entry for each release that changed it, so that the file reads as its history.
    """

    def __init__(self, path: Path = RECORD) -> None:
        self._path = path
        self._data: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}

    def releases(self, distribution: str) -> list[str]:
        """The releases that are recorded, in order."""
        return sorted(self._data.get(distribution, {}).get("releases", ()), key=_order)

    def prints(self, distribution: str, release: str) -> Prints:
        """What the seams of a recorded release look like."""
        seams: dict[str, Prints] = self._data.get(distribution, {}).get("seams", {})
        return {name: _as_of(history, release) for name, history in seams.items()}

    def neighbours(self, distribution: str, version: str) -> list[str]:
        """The recorded releases that one is compared with: itself, or the nearest on both sides."""
        releases = self.releases(distribution)
        if version in releases:
            return [version]
        older = [release for release in releases if _order(release) < _order(version)]
        return older[-1:] + releases[len(older) :][:1]

    def note(self, distribution: str, version: str, prints: Prints) -> None:
        """Write a release down."""
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


# ------------------------------------------------------------------------------ the verdict


def seams_of(sdk: Sdk) -> dict[str, Seam]:
    """The seams of the installed release by name; what hooks one counts before what merely knows it."""
    importlib.import_module(sdk.module)
    return {seam.name: seam for seam in (*sdk.surface(), *_relied_on(sdk), *_hooked(sdk))}


def _out_of_sight(sdk: Sdk) -> tuple[str, ...]:
    """Parts of the release that cannot be imported here, for what they need is not installed."""
    modules = {target.module for target in sdk.targets()} | {name.partition(":")[0] for name in sdk.relied_on}
    return tuple(f"{module}." for module in modules if _imported(module) is None and _is_there(module))


def _is_there(module: str) -> bool:
    parent = module.rpartition(".")[0]
    return _imported(parent) is not None and importlib.util.find_spec(module) is not None


def changes(sdk: Sdk, record: Record) -> list[str]:
    """What the installed release changed, each with what to look at. Nothing: it is as the guard presumes."""
    version = sdk.installed()
    found = seams_of(sdk)
    known = [record.prints(sdk.distribution, release) for release in record.neighbours(sdk.distribution, version)]
    names = {*found, *(name for prints in known for name in prints)}
    out_of_sight = _out_of_sight(sdk)
    told = []
    for name in sorted(name for name in names if not out_of_sight or not name.startswith(out_of_sight)):
        was = [prints.get(name) for prints in known]
        now = found[name].print if name in found else None
        if now not in was:
            told.append(_change(name, was[-1] if was else None, now, found[name].look_at if name in found else ""))
    return told


def _change(name: str, was: str | None, now: str | None, look_at: str) -> str:
    lines = [name, f"  was: {was or 'not there'}", f"  is:  {now or 'gone'}"]
    return "\n".join([*lines, f"  look at {look_at or 'whoever hooks or reads it: search the guard for its name'}"])


_ADVICE = """\
{distribution} {version} is not what obs_sse_guard was built on: {count} of its seams changed since {base}.

{changes}

What to do:
 1. Read the change: pip download --no-deps {distribution}=={base}, the same of {version}, unpack and diff them.
 2. For each seam above ask what it says to look at in {guard}: does the guard still see
    the call, in time, and with the right facts? obs_sse_guard.status() must say 'active' for its row.
 3. Run the tests against this release, first of all test_completeness.py, test_wire.py and test_ways.py.
 4. Mend the guard, if need be, with a test of its own. Then note the release as looked at, with it installed:
    python -m tests.support.canary --record"""


def advice(sdk: Sdk, record: Record, told: list[str]) -> str:
    """What to tell the person who is woken: what happened, what it means, what to do."""
    version = sdk.installed()
    base = (record.neighbours(sdk.distribution, version) or ["none"])[0]
    return _ADVICE.format(
        distribution=sdk.distribution,
        version=version,
        base=base,
        count=len(told),
        changes="\n".join(told),
        guard=sdk.guard,
    )


def main(words: list[str]) -> int:
    """Compare what is installed with the record, or extend the record by it."""
    status = 0
    record = Record()
    for sdk in SDKS:
        if _imported(sdk.module) is None:
            continue
        if words[:1] == ["--record"] and sdk.distribution in (words[1:] or [sdk.distribution]):
            prints: Prints = {name: seam.print for name, seam in seams_of(sdk).items()}
            record.note(sdk.distribution, sdk.installed(), prints)
            sys.stdout.write(f"{sdk.distribution} {sdk.installed()}: {len(prints)} seams recorded\n")
        elif told := changes(sdk, record):
            status = 1
            sys.stdout.write(advice(sdk, record, told) + "\n")
        else:
            sys.stdout.write(f"{sdk.distribution} {sdk.installed()}: as recorded\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
