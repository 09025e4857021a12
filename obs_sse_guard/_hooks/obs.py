"""The facts of esdk-obs-python: where its calls are hooked, and what they tell.

Two gates. The *method gate* wraps the public methods and sees what the caller means, even an
SSE argument that the SDK would drop, before the SDK does anything at all. The *wire gate*
wraps the two seams through which every request passes, and sees what really leaves: the
final header names, and the connection itself.

The SDK is never imported from here: a gate is made when the SDK is there to be hooked.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from obs_sse_guard._enforcement import enforce as _reaction
from obs_sse_guard._errors import SSETransportError
from obs_sse_guard._hooks.installer import Target, expect
from obs_sse_guard._hooks.redaction import masked
from obs_sse_guard._hooks.tls_gaps import note_gap, unsaid_gap
from obs_sse_guard._policy.headers import NOTHING_NAMED, Named, encryption_of, header_names, named_by, text
from obs_sse_guard._policy.kms_uploads import kms_uploads as ledger
from obs_sse_guard._policy.operations import bucket_operation, object_operation
from obs_sse_guard._policy.request import SDK, Facts, KeyPlace
from obs_sse_guard.rules import Encryption, Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Args = tuple[Any, ...]
    Kwargs = dict[str, Any]
    Function = Callable[..., Any]
    Reader = Callable[[Args, Kwargs], Any]
    Look = Callable[[Any, Args, Kwargs], "Facts | None"]

__all__ = ["ESDK", "TARGETS", "ledger"]

_SSE_ARGUMENTS = ("sseHeader", "destSseHeader", "sourceSseHeader")
# Of a header object, which is a dict of what was set; "key" is what an SSE object itself has, given in its stead.
_holds_no_sse = frozenset((*_SSE_ARGUMENTS, "key")).isdisjoint
_FETCH_JOB = "v1/async-fetch/jobs"


# --- the SDK's own words -------------------------------------------------------------------

_FIXES = {
    "key-misplaced": "leave sseHeader out of modifyFile and renameFile, which cannot encrypt; write the object with "
    "putContent or appendObject, and give metadata neither an SSE object nor the name of an encryption header",
    "key-in-url": "pass the key as a signed header, createSignedUrl(headers=…), and send that header with the request; "
    "keep it out of queryParams= and formParams=",
    "downgraded-redirect": "give the client the endpoint that the service redirects to, over https, "
    "ObsClient(server='https://…')",
    "cross-host-redirect": "give the client the endpoint that the service redirects to, ObsClient(server='https://…')",
    "unverified-tls": "let the client verify, ObsClient(ssl_verify='/path/to/ca.pem'); the SDK's default is False",
    "unverified-host": "let the client check the host's name too, ObsClient(use_http_conns=True); "
    "esdk-obs-python>=3.25.3 has it",
    "sse-dropped": "pass an SseCHeader or SseKmsHeader object in the argument that this method reads: sseHeader, or "
    "destSseHeader and sourceSseHeader for a copy",
}


def _advise(_: Facts, finding: str) -> str:
    return _FIXES.get(finding) or _use_https(_sdk_version(), sys.version_info[:2])


def _use_https(sdk: tuple[int, ...], python: tuple[int, ...]) -> str:
    fix = "give the client an https endpoint, ObsClient(server='https://…'); a scheme in server= wins over is_secure="
    # These releases pass check_hostname to HTTPSConnection, which Python 3.12 no longer takes.
    if sdk <= (3, 23, 12) and python >= (3, 12):
        fix += (
            f", and upgrade to esdk-obs-python>=3.24.3: HTTPS of {'.'.join(map(str, sdk))} "
            "is broken on Python 3.12 and newer"
        )
    return fix


def _sdk_version() -> tuple[int, ...]:
    version = str(getattr(sys.modules.get("obs.const"), "OBS_SDK_VERSION", ""))
    return tuple(int(part) for part in version.split(".") if part.isdigit()) or (sys.maxsize,)


ESDK = SDK("esdk-obs-python", _advise)


# --- reading a call ------------------------------------------------------------------------


@functools.cache
def _positions(function: Function) -> dict[str, int]:
    """Where the parameters of a method stand after its first; releases of the SDK differ.

    Raises:
        LookupError: a wrapper hides them.
    """
    parameters = [*inspect.signature(function).parameters.values()]
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        raise LookupError(function)
    return {parameter.name: position for position, parameter in enumerate(parameters, start=-1)}


def _reader(function: Function, name: str) -> Reader:
    """Make a reader of one argument, however it is passed; ``None`` where the release has none of the name."""
    position = _positions(function).get(name, sys.maxsize)
    return lambda args, kwargs: kwargs[name] if name in kwargs else args[position] if len(args) > position else None


def _items(*holders: Any) -> Iterator[tuple[Any, Any]]:
    for holder in holders:
        if hasattr(holder, "items"):
            yield from list(holder.items())  # a copy: another thread may be changing it


class _Intent(NamedTuple):
    """What one SSE argument means, and what the SDK makes of it."""

    encryption: Encryption
    key: bool  # it holds a customer key
    known: bool  # the SDK does not ignore it


_NO_INTENT = _Intent(Encryption.NONE, key=False, known=True)


def _intent(value: Any) -> _Intent:
    """Tell encryptions apart by class and value, as the SDK does, and see what it would ignore."""
    key = isinstance(value, dict) and bool(value.get("key")) and (_is_a("SseHeader", value) or "encryption" in value)
    if _is_a("SseCHeader", value):
        return _Intent(Encryption.SSE_C, key, known=True)
    if _is_a("SseKmsHeader", value):
        return _Intent(encryption_of(value.get("encryption") or "kms"), key=False, known=True)
    if not value:
        return _NO_INTENT
    is_kms = isinstance(value, dict) and encryption_of(value.get("encryption")) is Encryption.SSE_KMS
    return _Intent(Encryption.NONE, key and not is_kms, known=False)


def _is_a(name: str, value: Any) -> bool:
    # By name: the SDK may have been imported anew, and its older clients are still in use.
    return any((kind.__module__, kind.__name__) == ("obs.model", name) for kind in type(value).__mro__)


def _holds_key(value: Any) -> bool:
    """Whether a value that the SDK would turn into text is an SSE object with a key, or has one in it."""
    if isinstance(value, dict):
        return _intent(value).key or any(_intent(inner).key for inner in value.values())
    return isinstance(value, (list, tuple)) and any(_intent(inner).key for inner in value)


def _keys_as_values(*holders: Any) -> tuple[str, ...]:
    """Names under which the SDK would send the text of an SSE object, key and all, as user metadata."""
    # Given in place of the mapping, the object is taken for one, of a header "key". By its class alone: such
    # names in a dict of the application's own may mean anything.
    itself = ("key" for holder in holders if _is_a("SseHeader", holder) and _intent(holder).key)
    return (*itself, *(text(name) for name, value in _items(*holders) if _holds_key(value)))


_PREFIXES = ("x-obs-", "x-amz-")


def _prefix(client: Any) -> str:
    return _PREFIXES[str(getattr(client, "signature", "obs")).lower() != "obs"]


def _facts(client: Any, call: str, operation: str, **known: Any) -> Facts:
    """The facts of a client's request; its transport is read now, for it can change."""
    shared = {
        "secure": bool(client.is_secure),
        "host": _bare(client.server),
        "port": client.port,
        "proxy": _proxy(client),
    }
    return Facts(sdk=ESDK, call=f"{type(client).__name__}.{call}", operation=operation, **{**shared, **known})


def _bare(server: Any) -> str:
    """A host without the user and password that somebody may have put before it."""
    return text(server).rpartition("@")[2]


def _proxy(client: Any) -> str:
    """The HTTP proxy that the client's requests go through, if any."""
    if client.proxy_host is not None and client.proxy_port is not None:
        return str(client.proxy_host)
    session = getattr(getattr(client, "session", None), "session", None)
    return _proxy_of_session(client, session) if session is not None else ""


def _proxy_of_session(client: Any, session: Any) -> str:
    # Asked of requests itself: its own settings, the environment with its exceptions, and ALL_PROXY.
    from urllib.parse import urlsplit  # noqa: PLC0415  # rarely needed

    from requests.utils import select_proxy  # noqa: PLC0415  # the SDK has it imported

    url = f"{'https' if client.is_secure else 'http'}://{client.server}:{client.port}/"
    proxies = session.merge_environment_settings(url, {}, None, None, None)["proxies"]
    proxy = select_proxy(url, proxies) or ""
    return urlsplit(proxy if "//" in proxy else f"//{proxy}").hostname or ""


# --- the method gate -----------------------------------------------------------------------


class _Method(NamedTuple):
    """A public method through which encryption can be asked for.

    Attributes:
        name: its name on the client.
        operation: the operation whose row judges it, or a name that no row has.
        carrier: the argument that holds the SSE objects; where empty they are arguments themselves.
        target: the SSE object of what is written or read.
        source: the SSE object of a copy's source.
        writes: what it stores would be stored unencrypted if the SDK ignored an SSE argument.
        raw: it sends ``carrier`` as it is, so that an SSE object in it turns into user metadata.
        part: it uploads a part, of which the ledger may know more than its headers show.
        owner: the class that defines it.
        optional: not in every supported release.
    """

    name: str
    operation: str
    carrier: str = ""
    target: str = "sseHeader"
    source: str = ""
    writes: bool = False
    raw: bool = False
    part: bool = False
    owner: str = "ObsClient"
    optional: bool = False


_PUT, _GET, _PART = Operation.PUT_OBJECT.value, Operation.GET_OBJECT.value, Operation.UPLOAD_PART.value
_COPY, _COPY_PART = Operation.COPY_OBJECT.value, Operation.UPLOAD_PART_COPY.value
_INITIATE = Operation.INITIATE_MULTIPART_UPLOAD.value

_METHODS = (
    _Method("putContent", _PUT, "headers", writes=True),
    _Method("putObject", _PUT, "headers", writes=True),
    _Method("putFile", _PUT, "headers", writes=True),
    _Method("appendObject", _PUT, "headers", writes=True),
    _Method("modifyFile", _PUT, "headers", writes=True, raw=True, optional=True),
    _Method("renameFile", "RenameFile", "headers", writes=True, raw=True, optional=True),
    _Method("getObject", _GET, "headers"),
    _Method("getObjectMetadata", Operation.HEAD_OBJECT.value),
    _Method("initiateMultipartUpload", _INITIATE, writes=True),
    _Method("uploadPart", _PART, writes=True, part=True),
    _Method("copyObject", _COPY, "headers", "destSseHeader", "sourceSseHeader", writes=True),
    _Method("copyPart", _COPY_PART, "", "destSseHeader", "sourceSseHeader", writes=True),
    _Method("completeMultipartUpload", Operation.COMPLETE_MULTIPART_UPLOAD.value),
    # The transfers ask for several operations; they are judged by the one that decides, at the call.
    _Method("uploadFile", _INITIATE, "headers", writes=True),
    _Method("uploadFileAsync", _INITIATE, "headers", writes=True, optional=True),
    _Method("downloadFile", _GET, "header"),
    _Method("downloadFiles", _GET, "headers"),
    _Method("putContent", _PUT, "headers", writes=True, owner="CryptoObsClient", optional=True),
    _Method("uploadFile", _INITIATE, "headers", writes=True, owner="CryptoObsClient", optional=True),
    _Method("downloadFile", _GET, "header", owner="CryptoObsClient", optional=True),
    _Method("initiateEncryptedMultipartUpload", _INITIATE, writes=True, owner="CryptoObsClient", optional=True),
    _Method("uploadEncryptedPart", _PART, writes=True, part=True, owner="CryptoObsClient", optional=True),
)
_OWNERS = {"ObsClient": "obs.client", "CryptoObsClient": "obs.crypto_client"}


def _gate(look: Look, name: str, function: Function) -> Function:
    """Make a gate: look at the call, say what there is to say, and let it through or not."""

    def gate(*args: Any, **kwargs: Any) -> Any:
        facts = None
        try:
            if args:  # else self= is a keyword, and the wire gate sees the request
                facts = look(args[0], args[1:], kwargs)
        except Exception:  # noqa: BLE001  # a bug of ours must never break a call
            _reaction.bug(name)
        if facts is None:
            return function(*args, **kwargs)
        with _reaction.announced(facts):
            return function(*args, **kwargs)

    return gate


def _carried(holder: Any) -> Args:
    """The SSE objects that a header object carries, in the order of `_SSE_ARGUMENTS`."""
    if isinstance(holder, dict) or hasattr(holder, "items"):  # as all of the SDK's header objects are
        get = holder.get  # once: their __getattr__ makes every attribute dear
        return get("sseHeader"), get("destSseHeader"), get("sourceSseHeader")
    return tuple([getattr(holder, argument, None) for argument in _SSE_ARGUMENTS])


def _method_gate(method: _Method, name: str, function: Function) -> Function:
    read = [_reader(function, argument) for argument in _SSE_ARGUMENTS]
    metadata, extension_headers = _reader(function, "metadata"), _reader(function, "extensionHeaders")
    upload = [_reader(function, argument) for argument in ("bucketName", "uploadId")]
    held = _reader(function, method.carrier)
    if method.carrier:
        _positions(function)[method.carrier]  # a release without it is not supported
    model: Any = sys.modules["obs.model"]
    understood = (model.SseCHeader, model.SseKmsHeader)
    header_objects = {
        kind for kind in vars(model).values() if isinstance(kind, type) and issubclass(kind, model.BaseModel)
    }
    sends, sends_target, sends_source = [
        not method.raw and argument in (method.target, method.source) for argument in _SSE_ARGUMENTS
    ]

    def is_proper(sse: Any, target: Any, source: Any) -> bool:
        # Written out, not a loop: this is what a call with a header object costs.
        return (
            (sse is None or (sends and isinstance(sse, understood)))
            and (target is None or (sends_target and isinstance(target, understood)))
            and (source is None or (sends_source and isinstance(source, understood)))
        )

    def holds_proper(holder: Any) -> bool:
        # Of the SDK's very classes: what an application makes of them may do anything when it is read.
        return holder is None or (
            type(holder) in header_objects
            and (_holds_no_sse(holder) or ("key" not in holder and is_proper(*_carried(holder))))
        )

    def look(client: Any, args: Args, kwargs: Kwargs) -> Facts | None:
        holder, notes, extra = held(args, kwargs), metadata(args, kwargs), extension_headers(args, kwargs)
        values = _carried(holder) if method.carrier else tuple([reader(args, kwargs) for reader in read])
        # Over https only what the SDK would drop or misplace matters here; the wire gate sees the rest.
        is_itself = isinstance(holder, dict) and "key" in holder and _is_a("SseHeader", holder)
        is_private = client.is_secure and type(holder) is not dict and not notes and not is_itself
        if is_private and is_proper(*values):
            return None
        intents = dict(zip(_SSE_ARGUMENTS, map(_intent, values)))
        if is_itself:
            intents[method.carrier] = _intent(holder)
        misplaced = _keys_as_values(notes, extra, holder if method.raw else None)
        kms_upload = (
            method.part and bool(ledger) and _upload(client, *(reader(args, kwargs) for reader in upload)) in ledger
        )
        beside = NOTHING_NAMED if client.is_secure else named_by(_items(notes, extra))
        return _method_facts(client, method, intents, named_by(_items(holder)), beside, misplaced, kms_upload)

    gate = _gate(look, name, function)
    if getattr(function, "__globals__", {}).get("__name__") != _OWNERS[method.owner]:
        return gate  # somebody else's wrapper, which may tell positions from keywords
    if not _is_simple(function):
        return gate  # a later release, whose parameters cannot be written out as below
    return _spelled_out(_quick_test(method, function), function, gate, _is_proper=is_proper, _holds_proper=holds_proper)


def _quick_test(method: _Method, function: Function) -> str:
    """What most calls pass, in words of their own parameters: nothing is asked for, or over https all is in order."""
    client, *known = _positions(function)
    asking = (method.carrier,) if method.carrier else _SSE_ARGUMENTS
    nothing = [f"{name} is None" for name in (*asking, "metadata", "extensionHeaders") if name in known]
    sse = ", ".join(name if name in known else "None" for name in _SSE_ARGUMENTS)
    proper = f"_holds_proper({method.carrier})" if method.carrier else f"_is_proper({sse})"
    private = [f"{client}.is_secure", *(["metadata is None"] if "metadata" in known else ()), proper]
    tests = [private] if method.part else [nothing, private]  # of a part the ledger may know more
    return f"({' or '.join(' and '.join(test) for test in tests)})"


_ABSENT: Any = object()


def _is_simple(function: Function) -> bool:
    """Whether each parameter may be given by position and by name, and bears no name of `_spelled_out`'s own."""
    parameters = inspect.signature(function).parameters.values()
    return all(each.kind is each.POSITIONAL_OR_KEYWORD and not each.name.startswith("_") for each in parameters)


def _spelled_out(test: str, function: Function, gate: Function, **names: Any) -> Function:
    """Make a function with the parameters of an SDK's own, which calls that or, where the test fails, its gate.

    To take any arguments and hand them on costs more than all that is asked of most calls. So it is written out:
    ``lambda self, bucketName, …: function(self, bucketName, …) if <test> else closer(self, bucketName, …)``.
    """
    parameters = inspect.signature(function).parameters
    client, *own = parameters
    defaults = [
        _ABSENT if parameters[name].default is inspect.Parameter.empty else parameters[name].default for name in own
    ]
    # Absent ones are left to the SDK, which has an exception of its own for some of them.
    present = [f"{name} is not _absent" for name, default in zip(own, defaults) if default is _ABSENT]

    def closer(client: Any, values: Args, more: Args, others: Kwargs) -> Any:
        if more:  # too many: all are given, and the SDK says so itself
            return gate(client, *values, *more, **others)
        given = {name: value for name, value in zip(own, values) if value is not _ABSENT}
        return gate(client, **given, **others)

    listed = ", ".join((client, *own))
    # What fails in the tests fails in the gate too, which says so and lets the call through.
    code = (
        f"def made({listed}, *_more, **_others):\n"
        f" try: _passes = not _more and not _others and {' and '.join((*present, test))}\n"
        f" except Exception: _passes = False\n"
        f" return _function({listed}) if _passes else _closer({client}, ({', '.join(own)},), _more, _others)\n"
    )
    known = {"_function": function, "_closer": closer, "_absent": _ABSENT, **names}
    # By its file and lines it is this very function's, for tracebacks and whoever looks for the application's frames.
    code = "\n" * (_spelled_out.__code__.co_firstlineno - 1) + code
    exec(compile(code, __file__, "exec"), known)  # noqa: S102  # the SDK's parameters, and tests of ours
    made: Any = known["made"]
    made.__code__ = made.__code__.replace(co_name=function.__name__)  # Python 3.9 names it so to who calls it wrongly
    made.__defaults__ = tuple(defaults)
    made.__signature__ = inspect.signature(function)  # getfullargspec() would show the absent ones as defaults
    return made  # type: ignore[no-any-return]


def _method_facts(  # noqa: PLR0913, PLR0917  # all that a method's arguments tell
    client: Any,
    method: _Method,
    intents: dict[str, _Intent],
    carried: Named,
    beside: Named,
    misplaced: tuple[str, ...],
    kms_upload: bool,  # noqa: FBT001
) -> Facts | None:
    target = intents[method.target]
    source = intents.get(method.source, _NO_INTENT)
    sent = carried if method.raw else beside
    key_sent = sent.key or any(intent.known and intent.key for intent in (target, source) if not method.raw)
    asked = () if method.raw else header_names(target.encryption, source.encryption, _prefix(client))
    dropped = () if misplaced or not method.writes else _dropped(method, intents, carried)
    nothing_asked = (target.encryption, source.encryption) == (Encryption.NONE, Encryption.NONE)
    if nothing_asked and not (misplaced or sent.headers or dropped or kms_upload):
        return None
    return _facts(
        client,
        method.name,
        method.operation,
        target=_stronger(target.encryption, sent.target),
        source=_stronger(source.encryption, sent.source),
        key=_place(in_metadata=bool(misplaced) or sent.metadata_key, in_header=key_sent),
        headers=tuple(dict.fromkeys((*asked, *sent.headers, *misplaced))),
        dropped=dropped,
        kms_upload=kms_upload,
    )


def _dropped(method: _Method, intents: dict[str, _Intent], carried: Named) -> tuple[str, ...]:
    """The SSE arguments that the SDK would ignore, leaving the object unencrypted."""
    reads = () if method.raw else (method.target, method.source)
    ignored = [
        argument
        for argument, intent in intents.items()
        if not intent.known or (intent is not _NO_INTENT and argument not in reads)
    ]
    # A method that converts its header object takes no header by its own name out of it.
    return (*ignored, *(() if method.raw else carried.headers))


def _place(*, in_metadata: bool, in_header: bool, place: KeyPlace = KeyPlace.HEADER) -> KeyPlace:
    return KeyPlace.METADATA if in_metadata else place if in_header else KeyPlace.NOWHERE


_STRENGTH = (Encryption.NONE, Encryption.SSE_OBS, Encryption.SSE_KMS, Encryption.SSE_C)


def _stronger(one: Encryption, other: Encryption) -> Encryption:
    return max(one, other, key=_STRENGTH.index)


def _other_methods(client: type) -> list[str]:
    """The public methods without a row of their own that take headers of any name."""
    own = {method.name for method in _METHODS}
    return [
        name
        for name, function in vars(client).items()
        if callable(function) and not name.startswith("_") and name not in own and _takes_headers(function)
    ]


def _takes_headers(function: Function) -> bool:
    # Of its code, not its signature: this is asked of some 150 methods while the SDK is imported.
    code = getattr(inspect.unwrap(function), "__code__", None)
    return code is not None and "extensionHeaders" in code.co_varnames[: code.co_argcount]


def _other_gate(name: str, function: Function) -> Function:
    extras = [_reader(function, argument) for argument in ("metadata", "extensionHeaders", "objectHeaders")]
    operation = name[:1].upper() + name[1:]

    def look(client: Any, args: Args, kwargs: Kwargs) -> Facts | None:
        holders = [value for value in (reader(args, kwargs) for reader in extras) if value]
        if not holders:
            return None
        named = NOTHING_NAMED if client.is_secure else named_by(_items(*holders))
        misplaced = _keys_as_values(*holders)
        return _named_facts(_facts(client, name, operation), named, misplaced=misplaced)

    return _gate(look, name, function)


def _named_facts(
    facts: Facts, named: Named, place: KeyPlace = KeyPlace.HEADER, misplaced: tuple[str, ...] = ()
) -> Facts | None:
    """The facts of a request whose headers (or parameters of these names) are all that is known."""
    if not named.headers and not misplaced:
        return None
    key = _place(in_metadata=named.metadata_key or bool(misplaced), in_header=named.key, place=place)
    return facts._replace(target=named.target, source=named.source, key=key, headers=(*named.headers, *misplaced))


# --- signing: nothing is sent, and what is handed on decides what will be -------------------


def _signed_url_gate(name: str, function: Function) -> Function:
    names = ("method", "bucketName", "objectKey", "specialParam", "headers", "queryParams")
    readers = [_reader(function, argument) for argument in names]

    def look(client: Any, args: Args, kwargs: Kwargs) -> Facts | None:
        method, bucket, key, special, headers, query = (read(args, kwargs) for read in readers)
        parameters = [special, *(parameter for parameter, _ in _items(query))]
        operation = _operation(client, text(method).upper(), bucket, key, parameters, _items(headers, query))
        place = KeyPlace.URL if named_by(_items(query)).key else KeyPlace.HEADER
        named, misplaced = named_by(_items(headers, query)), _keys_as_values(headers, query)
        return _named_facts(_facts(client, "createSignedUrl", operation), named, place, misplaced)

    return _gate(look, name, function)


def _post_signature_gate(name: str, function: Function) -> Function:
    form = _reader(function, "formParams")

    def look(client: Any, args: Args, kwargs: Kwargs) -> Facts | None:
        facts = _facts(client, "createPostSignature", Operation.POST_OBJECT.value)
        fields = form(args, kwargs)
        return _named_facts(facts, named_by(_items(fields)), KeyPlace.POLICY, _keys_as_values(fields))

    return _gate(look, name, function)


# --- the wire gate: what really leaves ------------------------------------------------------


class _Request(NamedTuple):
    """What matters of the arguments of ``_make_request_with_retry``, under names that say what they are."""

    method: Any
    bucket: Any
    key: Any = None
    parameters: Any = None
    headers: Any = None
    body: Any = None
    sdk_method: Any = None
    extension_headers: Any = None


class _UnderWay(threading.local):
    """The requests under way in this thread, the innermost last.

    The SDK sends in the thread that asks, and hands the method and the parameters no further
    than to where the path is built.
    """

    def __init__(self) -> None:
        # Each is a list, the fields of a `_Request` after where it left in clear, if it did, and this is a list of
        # them: on the hot path an attribute of a thread-local is dear, and so is every object.
        self.requests: list[list[Any]] = []


_under_way = _UnderWay()


def _operation(  # noqa: PLR0913, PLR0917  # what a request consists of
    client: Any, method: str, bucket: Any, key: Any, parameters: Iterable[Any], headers: Iterable[tuple[Any, Any]]
) -> str:
    """Tell the operation from what a request consists of, as the service does."""
    if key and (bucket or client.is_cname):
        return object_operation(method, parameters, headers)
    return bucket_operation(method, has_parameters=any(parameters) or not (bucket or client.is_cname))


_REQUEST_PARAMETERS = (
    "self methodType bucketName objectKey pathArgs headers entity chunkedMode methodName readable "
    "parseMethod redirectLocation skipAuthentication extensionHeaders"
)
_CONNECTION_PARAMETERS = "self server port scheme connection_key redirect header"


def _request_gate(name: str, function: Function) -> Function:
    """The gate before the SDK's retry loop: raises once, at once, before anything is logged or read."""
    expect(function, _REQUEST_PARAMETERS)

    def gate(  # noqa: PLR0913, PLR0917  # the SDK's parameters, by the SDK's names
        client: Any,
        methodType: Any,  # noqa: N803
        bucketName: Any,  # noqa: N803
        objectKey: Any = None,  # noqa: N803
        pathArgs: Any = None,  # noqa: N803
        headers: Any = None,
        entity: Any = None,
        chunkedMode: Any = False,  # noqa: FBT002, N803
        methodName: Any = None,  # noqa: N803
        readable: Any = False,  # noqa: FBT002
        parseMethod: Any = None,  # noqa: N803
        redirectLocation: Any = None,  # noqa: N803
        skipAuthentication: Any = False,  # noqa: FBT002, N803
        extensionHeaders: Any = None,  # noqa: N803
        **more: Any,
    ) -> Any:
        sent: list[Any] = [
            None,
            methodType,
            bucketName,
            objectKey,
            pathArgs,
            headers,
            entity,
            methodName,
            extensionHeaders,
        ]
        facts = None
        try:
            # What most requests pass is asked here, without a call.
            if (
                pathArgs or extensionHeaders or objectKey == _FETCH_JOB or (headers and not _are_harmless(headers))
            ) and _needs_a_look(client, objectKey, pathArgs, headers, extensionHeaders, client.is_secure):
                facts = _request_facts(client, _Request(*sent[1:]), secure=bool(client.is_secure))
        except Exception:  # noqa: BLE001  # a bug of ours must never break a call
            _reaction.bug(name)
        requests = _under_way.requests
        try:
            requests.append(sent)  # in here, or an interrupt right after it would leave it there
            if facts is None and not more:
                # Spelled out once more: Python calls a function far faster so than with `*` and `**`.
                answer = function(
                    client, methodType, bucketName, objectKey, pathArgs, headers, entity, chunkedMode, methodName,
                    readable, parseMethod, redirectLocation, skipAuthentication, extensionHeaders,
                )  # fmt: skip
            else:
                call = functools.partial(
                    function, client, methodType, bucketName, objectKey, pathArgs, headers, entity, chunkedMode,
                    methodName, readable, parseMethod, redirectLocation, skipAuthentication, extensionHeaders, **more,
                )  # fmt: skip
                answer = call() if facts is None else _announced_request(call, client, facts)
            if pathArgs or sent[0]:
                _learn(client, _Request(*sent[1:]), answer, in_clear_to=sent[0])
            return answer  # noqa: TRY300  # an else clause would part it from what it returns
        except _Abort as abort:
            # `from None`: what the SDK was doing when the gate at the connection stopped it says nothing.
            raise abort.error from None
        finally:
            requests.pop()

    return gate


def _announced_request(call: Callable[[], Any], client: Any, facts: Facts) -> Any:
    with _reaction.announced(facts) as said:
        note_gap(client, facts, said)
        return call()


# Names that most requests have and no more: one look at a set instead of a search in text.
_HARMLESS = ("Content-Type", "Content-Length", "Content-MD5", "Range")
_are_harmless = frozenset(_HARMLESS).issuperset
# Beside them a customer key's headers, as the SDK itself writes them.
_are_proper = frozenset(
    (*_HARMLESS, *(name for prefix in _PREFIXES for name in header_names(Encryption.SSE_C, Encryption.SSE_C, prefix)))
).issuperset
_are_text = frozenset((str,)).issuperset


def _needs_a_look(  # noqa: PLR0913, PLR0917  # the SDK's parameters
    client: Any, key: Any, parameters: Any, headers: Any, extension_headers: Any, secure: Any
) -> bool:
    """A quick test that most requests do not pass; it may err towards a closer look only."""
    if (
        secure
        and not (parameters or extension_headers or key == _FETCH_JOB)
        and type(headers) is dict
        and _are_proper(headers)
        and _are_text(map(type, headers.values()))
    ):
        return bool(_tls_gap(client))
    return _names_encryption(client, key, parameters, headers, extension_headers, secure)


def _names_encryption(  # noqa: PLR0913, PLR0917  # the SDK's parameters
    client: Any, key: Any, parameters: Any, headers: Any, extension_headers: Any, secure: Any
) -> bool:
    """Whether anything names encryption that is not private."""
    names = ""
    try:
        if headers and not _are_harmless(headers):
            names = "\n".join(headers)
            for value in headers.values():
                if type(value) is not str and isinstance(value, (dict, list, tuple)):  # it would be sent as text
                    return True
        if parameters or extension_headers:
            if (ledger and not secure) or (extension_headers and type(extension_headers) is not dict):
                return True
            names = "\n".join((names, *(parameters or ()), *(extension_headers or ())))
            for value in extension_headers.values() if extension_headers else ():
                if not isinstance(value, str):
                    return True
    except TypeError:  # names that are no str
        return True
    names = names.lower()
    if "ncryption" in names:
        return not (secure and key != _FETCH_JOB and _is_private(client, names, parameters))
    return bool(key == _FETCH_JOB)


_KEY_IN_METADATA = re.compile("meta-.*ncryption")


def _is_private(client: Any, names: str, parameters: Any) -> bool:
    """Whether all that names encryption are headers, over TLS of which there is nothing (more) to say."""
    if "%" in names or ("meta-" in names and _KEY_IN_METADATA.search(names)):  # "%": it may be encoded
        return False
    if parameters and "ncryption" in "\n".join(parameters).lower():
        return False
    return not _tls_gap(client)


def _request_facts(client: Any, request: _Request, *, secure: bool) -> Facts | None:
    headers = [*_items(request.headers, request.extension_headers)]
    query = [*_items(request.parameters)]
    is_kms_part = not secure and _is_kms_part(client, request)
    named = named_by([*headers, *query, *_body_items(request)])
    # The SDK leaves headers that it does not know out of requests without a body.
    metadata = request.headers if request.method in ("PUT", "POST") else None
    misplaced = (*_keys_as_values(metadata, request.extension_headers), *_keys_in_body(request))
    if not (named.headers or misplaced or is_kms_part):
        return None
    place = KeyPlace.URL if named_by(query).key else KeyPlace.HEADER
    key = _place(in_metadata=named.metadata_key or bool(misplaced), in_header=named.key, place=place)
    tls_gap = _tls_gap(client) if secure and named.key else ""
    if secure and key in (KeyPlace.NOWHERE, KeyPlace.HEADER) and not tls_gap:
        return None
    parameters = (name for name, _ in query)
    operation = _operation(client, text(request.method), request.bucket, request.key, parameters, headers)
    return _facts(
        client,
        text(request.sdk_method or request.method or "request"),
        operation,
        secure=secure,
        target=named.target,
        source=named.source,
        key=key,
        headers=(*misplaced, *named.headers),
        kms_upload=is_kms_part and operation == Operation.UPLOAD_PART.value,
        tls_gap=tls_gap,
    )


def _keys_in_body(request: _Request) -> tuple[str, ...]:
    return tuple(text(name) for name, value in _body_items(request) if _holds_key(value))


def _body_items(request: _Request) -> Iterator[tuple[Any, Any]]:
    """The headers that a fetch job carries in its JSON: the one body that is ever looked at."""
    import json  # noqa: PLC0415  # rarely needed

    if request.key != _FETCH_JOB or request.method != "POST" or not isinstance(request.body, (str, bytes)):
        return
    try:
        job = json.loads(request.body)
    except ValueError:
        return
    if isinstance(job, dict):
        yield from _items(job.get("objectheaders"))


def _is_kms_part(client: Any, request: _Request) -> bool:
    parameters = request.parameters
    if not ledger or not isinstance(parameters, dict) or "partNumber" not in parameters:
        return False
    return _upload(client, request.bucket, parameters.get("uploadId")) in ledger


def _upload(client: Any, bucket: Any, upload_id: Any) -> tuple[str, str, str]:
    # Without scheme and port: one and the same upload is reached over http and https.
    return text(client.server).lower().rstrip("."), text(bucket), text(upload_id)


# --- TLS that proves less than it seems to --------------------------------------------------


def _tls_gap(client: Any) -> str:
    """What the client's TLS does not verify; said once per client, and again when a change of the policy matters."""
    if not client.ssl_verify:
        gap = "unverified-tls"
    elif getattr(client, "use_http_conns", False):
        return ""  # requests does check the name
    else:
        gap = "unverified-host"  # http.client is given a context of the SDK's with check_hostname off
    return unsaid_gap(client, gap)


# --- the connection: every attempt, every redirect hop --------------------------------------


class _Abort(BaseException):
    """Carries a refusal out of the SDK's retry loop, which retries every `Exception` for seconds."""

    def __init__(self, error: SSETransportError) -> None:
        super().__init__()
        self.error = error


_NO_REQUEST = (None, "", *[None] * 7)


def _connection_gate(name: str, function: Function) -> Function:
    """The gate where the connection is chosen and the headers are final, and nothing is sent yet."""
    from http.client import HTTPSConnection  # noqa: PLC0415  # the SDK has it imported

    expect(function, _CONNECTION_PARAMETERS)

    def gate(  # noqa: PLR0913, PLR0917  # the SDK's parameters, by the SDK's names
        client: Any, server: Any, port: Any, scheme: Any, connection_key: Any, redirect: Any, header: Any, **more: Any
    ) -> Any:
        # Without `**`, and that is with any release so far, Python calls a function far faster.
        if more:
            chosen = function(client, server, port, scheme, connection_key, redirect, header, **more)
        else:
            chosen = function(client, server, port, scheme, connection_key, redirect, header)
        if type(chosen[0]) is HTTPSConnection and not redirect:
            return chosen
        try:
            facts = _hop_facts(client, chosen[0], header, (server, port) if redirect else None)
        except Exception:  # noqa: BLE001  # a bug of ours must never break a call
            _reaction.bug(name)
            return chosen
        if facts is not None:
            _react_to_hop(facts, chosen[0])
        return chosen

    return gate


def _hop_facts(client: Any, connection: Any, headers: Any, redirect: tuple[Any, Any] | None) -> Facts | None:
    secure = _is_tls(connection)
    sent = _under_way.requests[-1] if _under_way.requests else [*_NO_REQUEST]
    method, bucket, key, parameters, _, body, sdk_method, _ = sent[1:]
    host, port = redirect or _where(client, connection, bucket)
    sent[0] = None if secure else (host, port)
    own = (client.server, f"{bucket}.{client.server}")
    stays = redirect is None or (secure and host in own)
    if not _needs_a_look(client, key, parameters, headers, None, secure and stays):
        return None
    request = _Request(method, bucket, key, parameters, headers, body, sdk_method)
    # To another host there is more to say than of TLS, so that even a secure hop needs its facts.
    facts = _request_facts(client, request, secure=secure and stays)
    return facts and facts._replace(
        secure=secure,
        host=_bare(host),
        port=port,
        other_host=redirect is not None and host not in own,
        downgraded=redirect is not None and not secure and bool(client.is_secure),
    )


_BUCKET = re.compile(r"[\w.-]+")


def _where(client: Any, connection: Any, bucket: Any) -> tuple[Any, Any]:
    """The host and port that the connection leads to: the client's, or whatever it is instead."""
    request = getattr(connection, "req", connection)
    host = getattr(connection, "_tunnel_host", None) or getattr(request, "server", getattr(connection, "host", ""))
    bucket = text(bucket or "")
    if host == client.server or (host == f"{bucket}.{client.server}" and _BUCKET.fullmatch(bucket)):
        return client.server, client.port
    return host, getattr(request, "port", None)


def _is_tls(connection: Any) -> bool:
    """Ask the connection, not the client: a pool hands out what somebody put there."""
    from http.client import HTTPConnection, HTTPSConnection  # noqa: PLC0415  # the SDK has it imported

    if isinstance(connection, HTTPConnection):
        return isinstance(connection, HTTPSConnection)
    request = getattr(connection, "req", None)  # obs.http.Connection, of use_http_conns=True
    if request is not None:
        return str(request.scheme).lower() == "https"
    return getattr(connection, "secure", False) is True  # hyper, of use_http2=True


def _react_to_hop(facts: Facts, connection: Any) -> None:
    try:
        _reaction.react(facts)
    except SSETransportError as error:
        connection.close()  # it may come from the pool, and must neither go back there nor leak
        if not _under_way.requests:
            raise  # a private call, with no retry loop around it and no gate to unpack an abort
        raise _Abort(error) from None


# --- what an answer teaches -----------------------------------------------------------------


def _learn(client: Any, request: _Request, answer: Any, *, in_clear_to: tuple[Any, Any] | None) -> None:
    try:
        _note_upload(client, request, answer)
        if in_clear_to is not None:
            _note_read(client, request, answer, *in_clear_to)
    except Exception:  # noqa: BLE001  # a bug of ours must never break a call
        _reaction.bug("an answer")


def _note_upload(client: Any, request: _Request, answer: Any) -> None:
    """Keep the ledger: a bucket's default encryption shows in the answer alone."""
    parameters = request.parameters
    if not isinstance(parameters, dict) or not _succeeded(answer):
        return
    if request.method == "POST" and "uploads" in parameters:
        asked = named_by(_items(request.headers, request.extension_headers)).target is Encryption.SSE_KMS
        upload_id = getattr(answer.body, "uploadId", None)
        if upload_id and (asked or _answers_kms(answer)):
            ledger.add(*_upload(client, request.bucket, upload_id))
    elif ledger and "uploadId" in parameters and request.method in ("POST", "DELETE"):
        ledger.forget(*_upload(client, request.bucket, parameters["uploadId"]))


def _note_read(client: Any, request: _Request, answer: Any, host: Any, port: Any) -> None:
    if request.method != "GET" or not request.key:
        return
    if _succeeded(answer) and _answers_kms(answer):
        operation = _operation(client, "GET", request.bucket, request.key, request.parameters or (), ())
        call = text(request.sdk_method or "getObject")
        _reaction.react(_facts(client, call, operation, secure=False, host=_bare(host), port=port, read_kms=True))


def _succeeded(answer: Any) -> bool:
    status = getattr(answer, "status", None)
    return isinstance(status, int) and status < HTTPStatus.MULTIPLE_CHOICES


def _answers_kms(answer: Any) -> bool:
    # The SDK strips "x-obs-" and "x-amz-" off the names of an answer's headers.
    headers = dict(getattr(answer, "header", None) or ())
    return encryption_of(headers.get("server-side-encryption")) is Encryption.SSE_KMS


# --- worker threads: the SDK swallows what is raised there -----------------------------------

_REFUSAL = "_obs_sse_guard_refusal"


def _part_gate(_: str, function: Function) -> Function:
    """Raise a refusal again behind the SDK's ``except Exception``; its pool hands it to the caller."""
    expect(function, "self part")

    def gate(operation: Any, part: Any, *args: Any, **kwargs: Any) -> Any:
        with _reaction.refusals() as refused:
            result = function(operation, part, *args, **kwargs)
            refusal = refused()
        # Not one that the application itself asked for and handled on the way.
        if refusal is not None and not part["isCompleted"]:
            raise refusal
        return result

    return gate


def _task_gate(_: str, function: Function) -> Function:
    """Note a refusal of a task on the progress object that downloadFiles returns."""
    expect(function, "obsClient func key taskCallback state")

    def gate(  # the SDK's parameters, by the SDK's names
        obsClient: Any,  # noqa: N803
        func: Function,
        key: Any,
        taskCallback: Any = None,  # noqa: N803
        state: Any = None,
        **kwargs: Any,
    ) -> Any:
        def watched(**arguments: Any) -> Any:
            try:
                return func(**arguments)
            except SSETransportError as refusal:
                vars(state)[_REFUSAL] = refusal
                raise

        return function(obsClient, watched, key, taskCallback, state, **kwargs)

    return gate


def _tasks_gate(_: str, function: Function) -> Function:
    """Give the caller of downloadFiles the refusal of any of its tasks, once all have ended."""

    def gate(*args: Any, **kwargs: Any) -> Any:
        state = function(*args, **kwargs)
        refusal = getattr(state, _REFUSAL, None)
        if refusal is not None:
            raise refusal
        return state

    return gate


# --- the SDK's log --------------------------------------------------------------------------


def _log_gate(name: str, function: Function) -> Function:
    # The SDK names the caller in each line, skipping frames of functions called "log": so is this one.
    def log(log_client: Any, /, *args: Any, **kwargs: Any) -> Any:
        try:
            shown = masked(args) if _reaction.armed and _is_written(log_client, *args[:1]) else args
        except Exception:  # noqa: BLE001  # a bug of ours must never break a call
            _reaction.bug(name)
            shown = args
        return function(log_client, *shown, **kwargs)

    return log


def _is_written(log_client: Any, level: Any = None) -> bool:
    if not isinstance(level, int):
        return True
    logger = log_client.logger
    # The SDK keeps its log to its own handlers, but an application may have it flow to those of the root logger.
    return logger.propagate or any(handler.level <= level for handler in logger.handlers)


# --- the list -------------------------------------------------------------------------------


TARGETS: tuple[Target, ...] = (
    *(
        Target(
            _OWNERS[method.owner],
            f"{method.owner}.{method.name}",
            functools.partial(_method_gate, method),
            method.optional,
        )
        for method in _METHODS
    ),
    Target("obs.client", "ObsClient.*", _other_gate, select=_other_methods),
    Target("obs.client", "ObsClient._createV2SignedUrl", _signed_url_gate),
    Target("obs.client", "ObsClient._createV4SignedUrl", _signed_url_gate),
    Target("obs.client", "ObsClient._createPostSignature", _post_signature_gate),
    Target("obs.client", "_BasicClient._make_request_with_retry", _request_gate),
    Target("obs.client", "_BasicClient._parse_request_connection", _connection_gate),
    Target("obs.transfer", "uploadOperation._upload_part", _part_gate),
    Target("obs.transfer", "downloadOperation._download_part", _part_gate),
    Target("obs.client", "_download_files", _tasks_gate),
    Target("obs.extension", "_task_wrap", _task_gate),
    Target("obs.ilog", "LogClient.log", _log_gate),
)
"""Every place that is hooked in the SDK."""
