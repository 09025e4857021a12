"""The facts of esdk-obs-python: where its calls are hooked, and what they tell.

Two gates. The *method gate* wraps the public methods and sees what the caller means, even an
SSE argument that the SDK would drop, before the SDK does anything at all. The *wire gate*
wraps the two seams through which every request passes, and sees what really leaves: the
final header names, and the connection itself.

The SDK is never imported from here: a gate is made when the SDK is there to be hooked.
"""

from __future__ import annotations

import functools
import http.client
import inspect
import json
import os
import sys
import threading
import urllib.request
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from obs_sse_guard import _reaction
from obs_sse_guard._errors import SSETransportError
from obs_sse_guard._facts import (
    NOTHING_NAMED,
    SDK,
    Facts,
    KeyPlace,
    Named,
    encryption_of,
    header_names,
    named_by,
    text,
)
from obs_sse_guard._ledger import Ledger
from obs_sse_guard._masking import masked
from obs_sse_guard._patching import Target
from obs_sse_guard._settings import POLICY
from obs_sse_guard.rules import Encryption, Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from obs_sse_guard._patching import Gate

    Args = tuple[Any, ...]
    Kwargs = dict[str, Any]
    Reader = Callable[[Args, Kwargs], Any]
    Look = Callable[[Any, Args, Kwargs], "Facts | None"]

__all__ = ["ESDK", "TARGETS", "ledger"]

ledger = Ledger()

_SSE_ARGUMENTS = ("sseHeader", "destSseHeader", "sourceSseHeader")
_FETCH_JOB = "v1/async-fetch/jobs"


# --- the SDK's own words -------------------------------------------------------------------

_NO_KEY_IN_SIGNATURE = (
    "pass the key as a signed header, createSignedUrl(headers=…), and send that header with the request; "
    "keep it out of queryParams= and formParams="
)
_FIXES = {
    "key-misplaced": "leave sseHeader out of modifyFile and renameFile, which cannot encrypt; write the object with "
    "putContent or appendObject, and give metadata no name of an encryption header",
    "key-in-url": _NO_KEY_IN_SIGNATURE,
    "cross-host-redirect": "give the client the endpoint that the service redirects to, ObsClient(server='https://…')",
    "unverified-tls": "let the client verify, ObsClient(ssl_verify='/path/to/ca.pem'); the SDK's default is False",
    "unverified-host": "let the client check the host's name too, ObsClient(use_http_conns=True) of esdk-obs-python>=3.25.3",
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


def _reader(function: Callable[..., Any], name: str) -> Reader:
    """Make a reader of one argument, however it is passed; its position differs among releases.

    Raises:
        LookupError: a wrapper hides the function's parameters, so that positions are unknown.
    """
    parameters = inspect.signature(function).parameters
    if name in parameters:
        position = [*parameters].index(name) - 1  # without self
        return lambda args, kwargs: kwargs[name] if name in kwargs else args[position] if len(args) > position else None
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters.values()):
        raise LookupError(name)
    return lambda args, kwargs: None


def _item(holder: Any, name: str) -> Any:
    """An item of the SDK's header objects, which are dicts, or an attribute of anything else."""
    return holder.get(name) if isinstance(holder, dict) else getattr(holder, name, None)


def _items(*holders: Any) -> Iterator[tuple[Any, Any]]:
    for holder in holders:
        if isinstance(holder, dict):
            yield from list(holder.items())  # a copy: another thread may be changing it


class _Intent(NamedTuple):
    """What one SSE argument means, and what the SDK makes of it."""

    encryption: Encryption
    key: bool  # it holds a customer key
    known: bool  # the SDK does not ignore it


_NO_INTENT = _Intent(Encryption.NONE, key=False, known=True)


def _intent(value: Any) -> _Intent:
    """Tell encryptions apart by class and value, as the SDK does, and see what it would ignore."""
    model: Any = sys.modules["obs.model"]
    key = isinstance(value, dict) and bool(value.get("key"))
    if isinstance(value, model.SseCHeader):
        return _Intent(Encryption.SSE_C, key, known=True)
    if isinstance(value, model.SseKmsHeader):
        kind = encryption_of(value.get("encryption") or "kms")
        return _Intent(kind, key=False, known=True)
    if not value:
        return _NO_INTENT
    is_kms = isinstance(value, dict) and encryption_of(value.get("encryption")) is Encryption.SSE_KMS
    return _Intent(Encryption.NONE, key and not is_kms, known=False)


def _prefix(client: Any) -> str:
    return "x-obs-" if str(getattr(client, "signature", "obs")).lower() == "obs" else "x-amz-"


def _facts(client: Any, call: str, operation: str) -> Facts:
    """The facts that every request of a client shares; its transport is read now, for it can change."""
    return Facts(
        sdk=ESDK,
        call=f"{type(client).__name__}.{call}",
        operation=operation,
        secure=bool(client.is_secure),
        host=str(client.server).rpartition("@")[2],
        port=client.port,
        proxy=_proxy(client),
    )


def _proxy(client: Any) -> str:
    if client.proxy_host is not None and client.proxy_port is not None:
        return str(client.proxy_host)
    session = getattr(getattr(client, "session", None), "session", None)
    if getattr(session, "trust_env", False) and not urllib.request.proxy_bypass(client.server):
        proxy = urllib.request.getproxies().get("https" if client.is_secure else "http", "")
        return urlsplit(proxy if "//" in proxy else f"//{proxy}").hostname or ""
    return ""


# --- the method gate -----------------------------------------------------------------------


@dataclass(frozen=True)
class _Method:
    """A public method through which encryption can be asked for.

    Attributes:
        name: its name on the client.
        operation: the operation whose row judges it, or a name that no row has.
        carrier: the argument that holds the SSE objects; where empty they are arguments themselves.
        target: the SSE object of what is written or read.
        source: the SSE object of a copy's source.
        writes: what it stores would be stored unencrypted if the SDK ignored an SSE argument.
        raw: it sends ``carrier`` as it is, so that an SSE object in it turns into user metadata.
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
    owner: str = "ObsClient"
    optional: bool = False


_PUT, _GET, _INITIATE = Operation.PUT_OBJECT.value, Operation.GET_OBJECT.value, Operation.INITIATE_MULTIPART_UPLOAD.value
_COPY, _COPY_PART = Operation.COPY_OBJECT.value, Operation.UPLOAD_PART_COPY.value

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
    _Method("uploadPart", Operation.UPLOAD_PART.value, writes=True),
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
    _Method("uploadEncryptedPart", Operation.UPLOAD_PART.value, writes=True, owner="CryptoObsClient", optional=True),
)
_OWNERS = {"ObsClient": "obs.client", "CryptoObsClient": "obs.crypto_client"}


def _gate(look: Look, name: str) -> Gate:
    """Make a gate: look at the call, say what there is to say, and let it through or not."""

    def gate(wrapped: Callable[..., Any], client: Any, args: Args, kwargs: Kwargs) -> Any:
        try:
            facts = look(client, args, kwargs)
        except Exception:  # noqa: BLE001  # a bug of ours must never break a call
            _reaction.bug(name)
            facts = None
        if facts is None:
            return wrapped(*args, **kwargs)
        with _reaction.announced(facts):
            return wrapped(*args, **kwargs)

    return gate


_NOT_ASKED = (None, None, None)


def _sse_reader(function: Callable[..., Any], carrier: str) -> Callable[[Args, Kwargs], tuple[Any, Args]]:
    """Make a reader of a call's SSE objects, in the order of `_SSE_ARGUMENTS`, and of what carries them."""
    if not carrier:
        own, destination, source = (_reader(function, argument) for argument in _SSE_ARGUMENTS)
        return lambda args, kwargs: (None, (own(args, kwargs), destination(args, kwargs), source(args, kwargs)))
    read = _reader(function, carrier)

    def in_carrier(args: Args, kwargs: Kwargs) -> tuple[Any, Args]:
        holder = read(args, kwargs)
        if holder is None:
            return None, _NOT_ASKED
        return holder, (_item(holder, "sseHeader"), _item(holder, "destSseHeader"), _item(holder, "sourceSseHeader"))

    return in_carrier


def _method_gate(method: _Method, name: str, function: Callable[..., Any]) -> Gate:
    read = _sse_reader(function, method.carrier)
    extras = [_reader(function, argument) for argument in ("metadata", "extensionHeaders")]
    model: Any = sys.modules["obs.model"]
    understood = (model.SseCHeader, model.SseKmsHeader)
    sent = tuple(not method.raw and argument in (method.target, method.source) for argument in _SSE_ARGUMENTS)

    def is_proper(values: Args) -> bool:
        return all([value is None or (has and isinstance(value, understood)) for value, has in zip(values, sent)])

    def look(client: Any, args: Args, kwargs: Kwargs) -> Facts | None:
        holder, values = read(args, kwargs)
        # Over https only what the SDK would drop or misplace matters here; the wire gate sees the rest.
        if client.is_secure and type(holder) is not dict and (values == _NOT_ASKED or is_proper(values)):
            return None
        intents = dict(zip(_SSE_ARGUMENTS, map(_intent, values)))
        extra = NOTHING_NAMED if client.is_secure else named_by(_items(*(reader(args, kwargs) for reader in extras)))
        return _method_facts(client, method, intents, named_by(_items(holder)), extra)

    return _gate(look, name)


def _method_facts(
    client: Any, method: _Method, intents: dict[str, _Intent], carried: Named, extra: Named
) -> Facts | None:
    target = intents[method.target]
    source = intents.get(method.source, _NO_INTENT)
    sent = carried if method.raw else extra
    key_sent = sent.key or any(intent.known and intent.key for intent in (target, source))
    misplaced = method.raw and any(intent.key for intent in intents.values())
    asked = header_names(target.encryption, source.encryption, _prefix(client))
    if method.raw:
        asked = tuple(f"{_prefix(client)}meta-{argument}" for argument, intent in intents.items() if intent.key)
    dropped = () if misplaced or not method.writes else _dropped(method, intents, carried)
    nothing_asked = (target.encryption, source.encryption) == (Encryption.NONE, Encryption.NONE)
    if nothing_asked and not (asked or sent.headers or dropped):
        return None
    in_metadata = misplaced or sent.metadata_key
    return replace(
        _facts(client, method.name, method.operation),
        target=_stronger(target.encryption, sent.target),
        source=_stronger(source.encryption, sent.source),
        key=_place(in_metadata, key_sent),
        headers=tuple(dict.fromkeys((*asked, *sent.headers))),
        dropped=dropped,
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


def _place(in_metadata: bool, in_header: bool, place: KeyPlace = KeyPlace.HEADER) -> KeyPlace:
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
        if callable(function) and not name.startswith("_") and name not in own
        if "extensionHeaders" in inspect.signature(function).parameters
    ]


def _other_gate(name: str, function: Callable[..., Any]) -> Gate:
    extras = [_reader(function, argument) for argument in ("metadata", "extensionHeaders")]
    operation = name[:1].upper() + name[1:]

    def look(client: Any, args: Args, kwargs: Kwargs) -> Facts | None:
        if client.is_secure:
            return None
        named = named_by(_items(*(read(args, kwargs) for read in extras)))
        return _named_facts(_facts(client, name, operation), named)

    return _gate(look, name)


def _named_facts(facts: Facts, named: Named, place: KeyPlace = KeyPlace.HEADER) -> Facts | None:
    """The facts of a request whose headers (or parameters of these names) are all that is known."""
    if not named.headers:
        return None
    key = _place(named.metadata_key, named.key, place)
    return replace(facts, target=named.target, source=named.source, key=key, headers=named.headers)


# --- signing: nothing is sent, and what is handed on decides what will be -------------------


def _signed_url_gate(name: str, function: Callable[..., Any]) -> Gate:
    names = ("method", "bucketName", "objectKey", "specialParam", "headers", "queryParams")
    readers = [_reader(function, argument) for argument in names]

    def look(client: Any, args: Args, kwargs: Kwargs) -> Facts | None:
        method, bucket, key, special, headers, query = (read(args, kwargs) for read in readers)
        parameters = [special, *(parameter for parameter, _ in _items(query))]
        operation = _operation(client, text(method).upper(), bucket, key, parameters, _items(headers, query))
        place = KeyPlace.URL if named_by(_items(query)).key else KeyPlace.HEADER
        return _named_facts(_facts(client, "createSignedUrl", operation), named_by(_items(headers, query)), place)

    return _gate(look, name)


def _post_signature_gate(name: str, function: Callable[..., Any]) -> Gate:
    form = _reader(function, "formParams")

    def look(client: Any, args: Args, kwargs: Kwargs) -> Facts | None:
        facts = _facts(client, "createPostSignature", Operation.POST_OBJECT.value)
        return _named_facts(facts, named_by(_items(form(args, kwargs))), KeyPlace.POLICY)

    return _gate(look, name)


# --- the wire gate: what really leaves ------------------------------------------------------


class _Request(NamedTuple):
    """The arguments of ``_make_request_with_retry`` that say what is asked for."""

    method: str
    bucket: Any
    key: Any
    parameters: Any
    headers: Any
    entity: Any
    sdk_method: Any
    extension_headers: Any


_REQUEST_ARGUMENTS = (
    "methodType",
    "bucketName",
    "objectKey",
    "pathArgs",
    "headers",
    "entity",
    "methodName",
    "extensionHeaders",
)

# The request under way in this thread. The SDK sends in the thread that asks, and hands the
# method and the parameters no further than to where the path is built.
_under_way = threading.local()

# Parameters that say which bytes, version or form is meant, and leave the operation what it is.
_MODIFIERS = frozenset({"versionId", "x-image-process", "attname", "position", "encoding-type"})
_OPERATIONS: dict[tuple[str, frozenset[str]], Operation] = {
    ("PUT", frozenset()): Operation.PUT_OBJECT,
    ("PUT", frozenset({"modify"})): Operation.PUT_OBJECT,
    ("POST", frozenset({"append"})): Operation.PUT_OBJECT,
    ("POST", frozenset({"uploads"})): Operation.INITIATE_MULTIPART_UPLOAD,
    ("HEAD", frozenset()): Operation.HEAD_OBJECT,
    ("GET", frozenset()): Operation.GET_OBJECT,
    ("PUT", frozenset({"partNumber", "uploadId"})): Operation.UPLOAD_PART,
    ("POST", frozenset({"uploadId"})): Operation.COMPLETE_MULTIPART_UPLOAD,
}
_COPIES = {Operation.PUT_OBJECT: Operation.COPY_OBJECT, Operation.UPLOAD_PART: Operation.UPLOAD_PART_COPY}


def _operation(
    client: Any, method: str, bucket: Any, key: Any, parameters: Iterable[Any], headers: Iterable[tuple[Any, Any]]
) -> str:
    """Tell the operation from what a request consists of, as the service does."""
    names = {text(name) for name in parameters if name}
    if not key or not (bucket or client.is_cname):
        is_form = method == "POST" and bucket and not names
        return Operation.POST_OBJECT.value if is_form else f"{method} bucket"
    choice = frozenset(
        name
        for name in names - _MODIFIERS
        if not name.lower().startswith(("response-", "x-obs-", "x-amz-"))
    )
    operation = _OPERATIONS.get((method, choice))
    if operation is None:
        return f"{method} object" + ("?" + "&".join(sorted(choice)) if choice else "")
    copies = any(text(name).strip().lower() in ("x-obs-copy-source", "x-amz-copy-source") for name, _ in headers)
    return (_COPIES.get(operation, operation) if copies else operation).value


def _request_gate(name: str, function: Callable[..., Any]) -> Gate:
    """The gate before the SDK's retry loop: raises once, at once, before anything is logged or read."""
    readers = [_reader(function, argument) for argument in _REQUEST_ARGUMENTS]

    def gate(wrapped: Callable[..., Any], client: Any, args: Args, kwargs: Kwargs) -> Any:
        try:
            request = _Request(*[read(args, kwargs) for read in readers])
            facts = _request_facts(client, request, secure=bool(client.is_secure))
        except Exception:  # noqa: BLE001  # a bug of ours must never break a call
            _reaction.bug(name)
            return wrapped(*args, **kwargs)
        previous = vars(_under_way).copy()
        vars(_under_way).update(request=request, in_clear=False)
        try:
            answer = wrapped(*args, **kwargs) if facts is None else _announced_request(wrapped, client, args, kwargs, facts)
            _learn(client, request, facts, answer)
            return answer
        except _Abort as abort:
            # `from None`: what the SDK was doing when the gate at the connection stopped it says nothing.
            raise abort.error from None
        finally:
            vars(_under_way).clear()
            vars(_under_way).update(previous)

    return gate


def _announced_request(
    wrapped: Callable[..., Any], client: Any, args: Args, kwargs: Kwargs, facts: Facts
) -> Any:
    with _reaction.announced(facts) as said:
        if facts.tls_gap in said:
            vars(client)[_TLS_NOTICED] = os.environ.get(POLICY, "")
        return wrapped(*args, **kwargs)


def _request_facts(client: Any, request: _Request, *, secure: bool) -> Facts | None:
    is_kms_part = not secure and _is_kms_part(client, request)
    if not is_kms_part and not _needs_a_look(request):
        return None
    headers = [*_items(request.headers, request.extension_headers)]
    query = [*_items(request.parameters)]
    named = named_by([*headers, *query, *_body_items(request)])
    misplaced = _misplaced(request)
    if not (named.headers or misplaced or is_kms_part):
        return None
    place = KeyPlace.URL if named_by(query).key else KeyPlace.HEADER
    parameters = (name for name, _ in query)
    operation = _operation(client, text(request.method), request.bucket, request.key, parameters, headers)
    return replace(
        _facts(client, text(request.sdk_method or request.method or "request"), operation),
        secure=secure,
        target=named.target,
        source=named.source,
        key=_place(named.metadata_key or bool(misplaced), named.key, place),
        headers=(*misplaced, *named.headers),
        kms_upload=is_kms_part and operation == Operation.UPLOAD_PART.value,
        tls_gap=_tls_gap(client) if secure else "",
    )


def _needs_a_look(request: _Request) -> bool:
    """A quick test that most requests do not pass; it may err towards a closer look only."""
    headers, extension, parameters = request.headers, request.extension_headers, request.parameters
    try:
        names = "\n".join((*(headers or ()), *(extension or ()), *(parameters or ()))).lower()
    except TypeError:  # names that are no str
        return True
    if "encryption" in names or request.key == _FETCH_JOB:
        return True
    return isinstance(headers, dict) and any([isinstance(value, dict) for value in headers.values()])


def _misplaced(request: _Request) -> tuple[str, ...]:
    """Names under which the SDK would send the text of a dict with a key in it as user metadata."""
    if request.method not in ("PUT", "POST"):
        return ()  # the SDK leaves headers that it does not know out of other requests
    return tuple(
        text(name) for name, value in _items(request.headers) if isinstance(value, dict) and _intent(value).key
    )


def _body_items(request: _Request) -> Iterator[tuple[Any, Any]]:
    """The headers that a fetch job carries in its JSON: the one body that is ever looked at."""
    if request.key != _FETCH_JOB or request.method != "POST" or not isinstance(request.entity, (str, bytes)):
        return
    try:
        job = json.loads(request.entity)
    except ValueError:
        return
    if isinstance(job, dict):
        yield from _items(job.get("objectheaders"))


def _is_kms_part(client: Any, request: _Request) -> bool:
    parameters = request.parameters
    if not ledger or not isinstance(parameters, dict) or "partNumber" not in parameters:
        return False
    return _upload(client, request, parameters.get("uploadId")) in ledger


def _upload(client: Any, request: _Request, upload_id: Any) -> tuple[str, str, str]:
    # Without scheme and port: one and the same upload is reached over http and https.
    return text(client.server), text(request.bucket), text(upload_id)


# --- TLS that proves less than it seems to --------------------------------------------------

_TLS_NOTICED = "_obs_sse_guard_tls_noticed"


def _tls_gap(client: Any) -> str:
    """What the client's TLS does not verify; said once per client, and again when the policy changes."""
    if vars(client).get(_TLS_NOTICED) == os.environ.get(POLICY, ""):
        return ""
    if not client.ssl_verify:
        return "unverified-tls"
    # http.client is given a context of the SDK's with check_hostname off; requests does check the name.
    return "" if getattr(client, "use_http_conns", False) else "unverified-host"


# --- the connection: every attempt, every redirect hop --------------------------------------


class _Abort(BaseException):
    """Carries a refusal out of the SDK's retry loop, which retries every `Exception` for seconds."""

    def __init__(self, error: SSETransportError) -> None:
        super().__init__()
        self.error = error


_NO_REQUEST = _Request("", None, None, None, None, None, None, None)


def _connection_gate(name: str, function: Callable[..., Any]) -> Gate:
    """The gate where the connection is chosen and the headers are final, and nothing is sent yet."""
    read_host, read_headers, read_redirect = (_reader(function, argument) for argument in ("server", "header", "redirect"))

    def gate(wrapped: Callable[..., Any], client: Any, args: Args, kwargs: Kwargs) -> Any:
        chosen = wrapped(*args, **kwargs)
        connection = chosen[0]
        redirect = read_redirect(args, kwargs)
        if type(connection) is http.client.HTTPSConnection and not redirect:
            return chosen
        try:
            secure = _is_tls(connection)
            _under_way.in_clear = not secure
            facts = _hop_facts(client, read_headers(args, kwargs), read_host(args, kwargs) if redirect else None, secure=secure)
        except Exception:  # noqa: BLE001  # a bug of ours must never break a call
            _reaction.bug(name)
            return chosen
        if facts is not None:
            _react_to_hop(facts, connection)
        return chosen

    return gate


def _is_tls(connection: Any) -> bool:
    """Ask the connection, not the client: a pool hands out what somebody put there."""
    if isinstance(connection, http.client.HTTPConnection):
        return isinstance(connection, http.client.HTTPSConnection)
    request = getattr(connection, "req", None)  # obs.http.Connection, of use_http_conns=True
    if request is not None:
        return str(request.scheme).lower() == "https"
    return getattr(connection, "secure", False) is True  # hyper, of use_http2=True


def _hop_facts(client: Any, headers: Any, redirected_to: Any, *, secure: bool) -> Facts | None:
    under_way = getattr(_under_way, "request", _NO_REQUEST)
    request = under_way._replace(headers=headers, extension_headers=None)
    facts = _request_facts(client, request, secure=secure)
    if facts is None or redirected_to is None:
        return facts
    own = (client.server, f"{request.bucket}.{client.server}")
    return replace(facts, host=text(redirected_to), port=None, other_host=redirected_to not in own)


def _react_to_hop(facts: Facts, connection: Any) -> None:
    try:
        _reaction.react(facts)
    except SSETransportError as error:
        connection.close()  # it may come from the pool, and must neither go back there nor leak
        if getattr(_under_way, "request", None) is None:
            raise  # a private call, with no retry loop around it and no gate to unpack an abort
        raise _Abort(error) from None


# --- what an answer teaches -----------------------------------------------------------------


def _learn(client: Any, request: _Request, facts: Facts | None, answer: Any) -> None:
    try:
        _note_upload(client, request, facts, answer)
        _note_read(client, request, answer)
    except Exception:  # noqa: BLE001  # a bug of ours must never break a call
        _reaction.bug("an answer")


def _note_upload(client: Any, request: _Request, facts: Facts | None, answer: Any) -> None:
    """Keep the ledger: a bucket's default encryption shows in the answer alone."""
    parameters = request.parameters
    if not isinstance(parameters, dict) or not _succeeded(answer):
        return
    if request.method == "POST" and "uploads" in parameters:
        asked = facts is not None and facts.target is Encryption.SSE_KMS
        upload_id = _item(answer.body, "uploadId")
        if upload_id and (asked or _answers_kms(answer)):
            ledger.add(*_upload(client, request, upload_id))
    elif ledger and "uploadId" in parameters and request.method in ("POST", "DELETE"):
        ledger.forget(*_upload(client, request, parameters["uploadId"]))


def _note_read(client: Any, request: _Request, answer: Any) -> None:
    if request.method != "GET" or not request.key or not _under_way.in_clear:
        return
    if _succeeded(answer) and _answers_kms(answer):
        operation = _operation(client, "GET", request.bucket, request.key, request.parameters or (), ())
        call = text(request.sdk_method or "getObject")
        _reaction.react(replace(_facts(client, call, operation), secure=False, read_kms=True))


def _succeeded(answer: Any) -> bool:
    status = getattr(answer, "status", None)
    return isinstance(status, int) and status < 300


def _answers_kms(answer: Any) -> bool:
    # The SDK strips "x-obs-" and "x-amz-" off the names of an answer's headers.
    headers = dict(getattr(answer, "header", None) or ())
    return encryption_of(headers.get("server-side-encryption")) is Encryption.SSE_KMS


# --- worker threads: the SDK swallows what is raised there -----------------------------------

_REFUSAL = "_obs_sse_guard_refusal"


def _part_gate(_: str, __: Callable[..., Any]) -> Gate:
    """Raise a refusal again behind the SDK's ``except Exception``; its pool hands it to the caller."""

    def gate(wrapped: Callable[..., Any], _operation: Any, args: Args, kwargs: Kwargs) -> Any:
        with _reaction.refusals() as refused:
            result = wrapped(*args, **kwargs)
            if refused():
                raise refused()
            return result

    return gate


def _task_gate(name: str, function: Callable[..., Any]) -> Gate:
    """Note a refusal on the progress object that downloadFiles returns."""
    read_state = inspect.signature(function)

    def gate(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
        with _reaction.refusals() as refused:
            result = wrapped(*args, **kwargs)
            if refused():
                vars(read_state.bind(*args, **kwargs).arguments["state"])[_REFUSAL] = refused()
            return result

    return gate


def _tasks_gate(_: str, __: Callable[..., Any]) -> Gate:
    """Give the caller of downloadFiles the refusal of any of its tasks, once all have ended."""

    def gate(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
        state = wrapped(*args, **kwargs)
        refusal = getattr(state, _REFUSAL, None)
        if refusal is not None:
            raise refusal
        return state

    return gate


# --- the SDK's log --------------------------------------------------------------------------


def _log_gate(name: str, __: Callable[..., Any]) -> Gate:
    # The SDK names the caller in each line, skipping frames of functions called "log": so is this one.
    def log(wrapped: Callable[..., Any], log_client: Any, args: Args, kwargs: Kwargs) -> Any:
        try:
            shown = masked(args) if _reaction.armed and _is_written(log_client, *args[:1]) else args
        except Exception:  # noqa: BLE001  # a bug of ours must never break a call
            _reaction.bug(name)
            shown = args
        return wrapped(*shown, **kwargs)

    return log


def _is_written(log_client: Any, level: Any = None) -> bool:
    if not isinstance(level, int):
        return True
    return any([handler.level <= level for handler in log_client.logger.handlers])


# --- the list -------------------------------------------------------------------------------


def _target(path: str, gate: Callable[[str, Callable[..., Any]], Gate], module: str = "obs.client") -> Target:
    return Target(module, path, gate)


TARGETS: tuple[Target, ...] = (
    *(
        Target(_OWNERS[method.owner], f"{method.owner}.{method.name}", functools.partial(_method_gate, method), method.optional)
        for method in _METHODS
    ),
    Target("obs.client", "ObsClient.*", _other_gate, select=_other_methods),
    _target("ObsClient._createV2SignedUrl", _signed_url_gate),
    _target("ObsClient._createV4SignedUrl", _signed_url_gate),
    _target("ObsClient._createPostSignature", _post_signature_gate),
    _target("_BasicClient._make_request_with_retry", _request_gate),
    _target("_BasicClient._parse_request_connection", _connection_gate),
    _target("uploadOperation._upload_part", _part_gate, "obs.transfer"),
    _target("downloadOperation._download_part", _part_gate, "obs.transfer"),
    _target("_download_files", _tasks_gate),
    _target("_task_wrap", _task_gate, "obs.extension"),
    _target("LogClient.log", _log_gate, "obs.ilog"),
)
"""Every place that is hooked in the SDK."""
