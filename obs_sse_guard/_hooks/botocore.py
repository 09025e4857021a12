"""The facts of botocore: where its calls are hooked, and what they tell.

boto3 and s3transfer call nothing but botocore, so that they are guarded with it. Two gates, as
on ObsClient. The *method gate* wraps the one method through which every operation of every
client goes. The *wire gate* wraps the last step of every attempt, after the event handlers that
may change URL and headers. Signed URLs and POST forms are judged where they are signed.

Refusals are raised as they are, with no abort around them: botocore hands every `Exception` that
it does not know on, once and unchanged, while a `BaseException` makes ``upload_file`` return as
if it had succeeded.
"""

from __future__ import annotations

import contextlib
import functools
import os
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from obs_sse_guard._enforcement import enforce as _reaction
from obs_sse_guard._hooks.installer import Target, expect
from obs_sse_guard._hooks.redaction import masked
from obs_sse_guard._hooks.tls_gaps import note_gap, unsaid_gap
from obs_sse_guard._policy.headers import Named, encryption_of, named_by, text
from obs_sse_guard._policy.kms_uploads import kms_uploads
from obs_sse_guard._policy.operations import bucket_operation, object_operation
from obs_sse_guard._policy.request import SDK, Facts, KeyPlace
from obs_sse_guard.rules import Encryption, Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Function = Callable[..., Any]
    Params = Mapping[str, Any]
    Items = list[tuple[Any, Any]]

__all__ = [
    "BOTOCORE",
    "SIGNED_POST",
    "SIGNED_URL",
    "TARGETS",
    "Signing",
    "advise",
    "announced",
    "call_facts",
    "is_https",
    "judge_url",
    "learn",
    "names_encryption",
    "needs_a_look",
    "never_raises",
    "only_serialized",
    "post_facts",
    "request_facts",
    "signing",
    "signing_facts",
]


# --- the SDK's own words -------------------------------------------------------------------

_FIXES = {
    "key-misplaced": "pass the key as SSECustomerKey=, and keep the names of encryption headers out of Metadata=",
    "key-in-url": "sign with Config(signature_version='s3v4'), which signs the key's header instead of writing it into "
    "the URL, and send that header with the request; keep the key out of Fields= and Conditions=",
    "downgraded-redirect": "give the client the endpoint that the service redirects to, over https, endpoint_url='https://…'",
    "cross-host-redirect": "give the client the endpoint that the service redirects to, endpoint_url='https://…'",
    "unverified-tls": "let the client verify, verify='/path/to/ca.pem' (or verify=True) instead of verify=False",
}
_USE_HTTPS = (
    "give the client an https endpoint, endpoint_url='https://…', or leave endpoint_url= out and use_ssl= at True; "
    "the http "
)
_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


def advise(facts: Facts, finding: str) -> str:
    """How to mend a finding, in botocore's words; where the http came from, if it can be told."""
    return _FIXES.get(finding) or _USE_HTTPS + (facts.origin or _origin(facts))


def _origin(facts: Facts) -> str:
    """Where a client got its plaintext endpoint; botocore itself does not keep it."""
    for variable in _VARIABLES:
        if _names_host(os.environ.get(variable), facts):
            return f"comes from the environment variable {variable}"
    if facts.host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return "comes from use_ssl=False, for this is the SDK's own endpoint"
    if any(_names_host(url, facts) for url in _configured_endpoints(*map(os.environ.get, _CONFIGURATION))):
        return "comes from endpoint_url in the AWS configuration file"
    return "comes from endpoint_url="


_CONFIGURATION = ("AWS_CONFIG_FILE", "AWS_PROFILE", "AWS_DEFAULT_PROFILE")


@functools.lru_cache(maxsize=8)
def _configured_endpoints(*_: str | None) -> tuple[Any, ...]:
    """The endpoints in the AWS configuration file; read once for each, as botocore's own sessions do."""
    import botocore.session  # noqa: PLC0415  # the application has it imported

    # Only a guess is lost if it cannot be read: it decides what is said, not what is done.
    with contextlib.suppress(Exception):
        session = botocore.session.get_session()
        profile = session.get_scoped_config()
        services = session.full_config.get("services", {}).get(profile.get("services"), {})
        return profile.get("endpoint_url"), services.get("s3", {}).get("endpoint_url")
    return ()


def _names_host(url: Any, facts: Facts) -> bool:
    parts = urlsplit(url or "")
    return bool(parts.hostname) and not is_https(url) and _within(facts.host, str(parts.hostname))


def _within(host: str, endpoint: str) -> bool:
    """Whether a host is the endpoint's, or a bucket's below it."""
    return host == endpoint or host.endswith(f".{endpoint}")


BOTOCORE = SDK("botocore", advise)


def never_raises(read: Callable[..., Facts | None]) -> Callable[..., Facts | None]:
    """Make a reader of facts safe to call from a gate: a bug of ours must never break a call."""

    @functools.wraps(read)
    def safe(*args: Any, **kwargs: Any) -> Facts | None:
        try:
            return read(*args, **kwargs)
        except Exception:  # noqa: BLE001  # see above
            _reaction.bug(read.__name__)
            return None

    return safe


# --- the transport ---------------------------------------------------------------------------


def is_https(url: Any) -> bool:
    """Whether a URL leads over TLS."""
    return text(url).strip().lower().startswith("https:")


def is_verified(endpoint: Any) -> bool:
    """Whether the endpoint's HTTP session verifies certificates; an application's own session is taken at its word."""
    return bool(getattr(endpoint.http_session, "_verify", True))


class _Address(NamedTuple):
    """Where a URL leads."""

    host: str
    port: int | None
    bucket: str
    key: str
    query: Items

    @property
    def parameters(self) -> list[str]:
        return [name for name, _ in self.query]


def _address(url: Any, endpoint_url: Any = "") -> _Address:
    """Read a URL; a bucket's host below the endpoint's counts as the endpoint's own."""
    # urllib3's parser, which botocore's own session asks: the host that is judged is the host that is called.
    from urllib3.exceptions import LocationParseError  # noqa: PLC0415  # botocore has it imported
    from urllib3.util import parse_url  # noqa: PLC0415

    try:
        parts = parse_url(text(url).strip())
    except LocationParseError:  # yarl, which aiohttp asks, reads more: a host that nobody trusts
        return _Address("", None, "", text(url), [])
    host, path = _bare(parts.host), (parts.path or "").lstrip("/")
    query = parse_qsl(parts.query or "", keep_blank_values=True)
    home = _bare(urlsplit(text(endpoint_url)).hostname)
    if home and host == home:
        return _Address(host, parts.port, *path.partition("/")[::2], query)
    if home and host.endswith(f".{home}"):
        return _Address(home, parts.port, host[: -len(home) - 1], path, query)
    return _Address(host, parts.port, "", path, query)


def _bare(host: Any) -> str:
    return text(host or "").lower().strip("[]").rstrip(".")


def _proxy(endpoint: Any, url: Any) -> str:
    """The HTTP proxy that a request goes through, if any."""
    configuration = getattr(endpoint.http_session, "_proxy_config", None)
    proxy = configuration.proxy_url_for(url) if configuration is not None else None
    return _address(proxy).host if proxy else ""


# --- the method gate -------------------------------------------------------------------------

# Set while s3transfer has botocore serialize a request that the CRT's own client will send.
only_serialized: ContextVar[bool] = ContextVar("obs_sse_guard_only_serialized", default=False)

_INITIATE, _PART, _GET = "CreateMultipartUpload", "UploadPart", "GetObject"
_ENDINGS = ("CompleteMultipartUpload", "AbortMultipartUpload")
_TEACHES = frozenset((_INITIATE, *_ENDINGS))
_OPERATIONS = {_INITIATE: Operation.INITIATE_MULTIPART_UPLOAD.value}


def needs_a_look(client: Any, operation: str, params: Params) -> bool:
    """A quick test that most calls do not pass; it may err towards a closer look only."""
    try:
        endpoint = client._endpoint
        if (
            endpoint.host.startswith("https://")
            and endpoint.http_session._verify
            and operation not in _TEACHES
            and "Metadata" not in params
        ):
            return False
    except Exception:  # noqa: BLE001, S110  # of an endpoint of the application's own making, perhaps
        pass
    return _is_s3(client)  # asked last: it costs as much as all of the rest


def _is_s3(client: Any) -> bool:
    try:
        return bool(client._service_model.service_name == "s3")
    except Exception:  # noqa: BLE001  # of a client of the application's own making
        return True


@never_raises
def call_facts(sdk: SDK, client: Any, operation: str, params: Params) -> Facts | None:
    """The facts of a call on an S3 client, or nothing where there is nothing to say."""
    endpoint = client._endpoint
    secure = is_https(endpoint.host)
    if only_serialized.get() or operation not in client._service_model.operation_names:  # botocore says that itself
        return None
    model = client._service_model.operation_model(operation)
    named = _named_by_params(model, params)
    kms_upload = not secure and operation == _PART and _upload(client, params) in kms_uploads
    gap = "" if not named.key or not secure or is_verified(endpoint) else unsaid_gap(endpoint, "unverified-tls")
    if not _is_worth_a_word(named, secure=secure, kms_upload=kms_upload, gap=gap) or _is_invalid(client, model, params):
        return None
    address = _address(endpoint.host)
    return Facts(
        sdk=sdk,
        call=f"S3.{_snake_case(operation)}",
        operation=_OPERATIONS.get(operation, operation),
        secure=secure,
        host=address.host,
        port=address.port,
        proxy=_proxy(endpoint, endpoint.host),
        target=named.target,
        source=named.source,
        key=_place(named),
        headers=named.headers,
        kms_upload=kms_upload,
        tls_gap=gap,
    )


def _is_worth_a_word(named: Named, *, secure: bool, kms_upload: bool, gap: str | bool) -> bool:
    # Over TLS nothing but a key in the wrong place, or one for nobody knows whom, can be wrong.
    return bool(named.metadata_key or (named.key and gap) if secure else named.headers or kms_upload)


def _place(named: Named, place: KeyPlace = KeyPlace.HEADER) -> KeyPlace:
    return KeyPlace.METADATA if named.metadata_key else place if named.key else KeyPlace.NOWHERE


def _snake_case(operation: str) -> str:
    from botocore import xform_name  # noqa: PLC0415  # botocore calls us

    return str(xform_name(operation))


_MEMBERS = "_obs_sse_guard_members"


def _named_by_params(model: Any, params: Params) -> Named:
    """Read which encryption a call's parameters name, by the headers that botocore turns them into."""
    headers: Items = []
    for member, header in _members(model):
        value = params.get(member)
        if isinstance(value, dict):  # Metadata: a header for each entry
            headers.extend((f"{header}{name}", entry) for name, entry in value.items())
        elif value is not None:
            headers.append((header, value))
    return named_by(headers)


def _members(model: Any) -> list[tuple[str, str]]:
    """An operation's parameters that may name encryption, with their headers, as its service model has them."""
    members: list[tuple[str, str]] | None = vars(model).get(_MEMBERS)
    if members is None:  # kept where it lives as long as the model, and is found at the cost of one look-up
        members = vars(model)[_MEMBERS] = list(_find_members(model.input_shape))
    return members


def _find_members(shape: Any) -> Iterator[tuple[str, str]]:
    for member, inner in shape.members.items() if shape is not None else ():
        place, header = inner.serialization.get("location"), inner.serialization.get("name", member)
        if place == "headers" or (place == "header" and named_by([(header, "")]).headers):
            yield member, header


def _is_invalid(client: Any, model: Any, params: Params) -> bool:
    """Whether botocore itself is going to refuse the parameters, before anything is sent, in words of its own."""
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415  # botocore calls us
    from botocore.handlers import validate_ascii_metadata, validate_bucket_name  # noqa: PLC0415
    from botocore.utils import S3ArnParamHandler  # noqa: PLC0415
    from botocore.validate import ParamValidator  # noqa: PLC0415

    # Handlers turn these into text before botocore looks at them.
    checked = {name: "text" if _becomes_text(name, value) else value for name, value in params.items()}
    if client.meta.config.parameter_validation and ParamValidator().validate(checked, model.input_shape).has_errors():
        return True
    try:
        validate_bucket_name(checked)
        validate_ascii_metadata(checked)
        S3ArnParamHandler().handle_arn(checked, model, {})
    except BotoCoreError:
        return True
    return False


def _becomes_text(name: str, value: Any) -> bool:
    return (name == "CopySource" and isinstance(value, dict)) or (
        name.endswith("SSECustomerKey") and isinstance(value, (bytes, bytearray))
    )


@contextlib.contextmanager
def announced(facts: Facts | None, sender: Any) -> Iterator[None]:
    """React to the facts of a client's call or an endpoint's request, if there are any, while it is made."""
    if facts is None:
        yield
        return
    with _reaction.announced(facts) as said:
        note_gap(getattr(sender, "_endpoint", sender), facts, said)
        yield


def _call_gate(_: str, function: Function) -> Function:
    expect(function, "self operation_name api_params")

    def gate(client: Any, operation_name: Any, api_params: Any) -> Any:
        if not needs_a_look(client, operation_name, api_params):
            return function(client, operation_name, api_params)
        with announced(call_facts(BOTOCORE, client, operation_name, api_params), client):
            answer = function(client, operation_name, api_params)
        learn(BOTOCORE, client, operation_name, api_params, answer)
        return answer

    return gate


# --- what an answer teaches ------------------------------------------------------------------


def learn(sdk: SDK, client: Any, operation: str, params: Params, answer: Any) -> None:
    """Keep the ledger, and say so when what was read in clear turns out to be encrypted with SSE-KMS."""
    try:
        if client._service_model.service_name == "s3" and not only_serialized.get():
            _learn(sdk, client, operation, params, answer)
    except Exception:  # noqa: BLE001  # a bug of ours must never break a call
        _reaction.bug("an answer")


def _learn(sdk: SDK, client: Any, operation: str, params: Params, answer: Any) -> None:
    # A bucket's default encryption shows in the answer alone.
    is_kms = Encryption.SSE_KMS in (
        encryption_of(params.get("ServerSideEncryption")),
        encryption_of(answer.get("ServerSideEncryption")),
    )
    if operation == _INITIATE and is_kms:
        kms_uploads.add(*_upload(client, {**params, "UploadId": answer.get("UploadId")}))
    elif operation in _ENDINGS:
        kms_uploads.forget(*_upload(client, params))
    elif operation == _GET and is_kms and not is_https(client._endpoint.host):
        address = _address(client._endpoint.host)
        facts = Facts(sdk, "S3.get_object", _GET, secure=False, host=address.host, port=address.port, read_kms=True)
        _reaction.react(facts)


def _upload(client: Any, params: Params) -> tuple[str, str, str]:
    # Without scheme and port: one and the same upload is reached over http and https.
    return _address(client._endpoint.host).host, text(params.get("Bucket")), text(params.get("UploadId"))


# --- the wire gate ---------------------------------------------------------------------------


def _send_gate(_: str, function: Function) -> Function:
    expect(function, "self request")

    def gate(endpoint: Any, request: Any) -> Any:
        if _is_private(endpoint, request) or not names_encryption(request):
            return function(endpoint, request)
        facts = request_facts(BOTOCORE, endpoint, request.method, request.url, request.headers)
        with announced(facts, endpoint):
            return function(endpoint, request)

    return gate


def _is_private(endpoint: Any, request: Any) -> bool:
    """A quick test that requests over verified TLS pass, of which there is nothing to say."""
    try:
        return bool(request.url.startswith("https://") and endpoint.http_session._verify)
    except Exception:  # noqa: BLE001  # of a session of the application's own making, perhaps
        return False


def names_encryption(request: Any) -> bool:
    """A quick test that most requests do not pass; it may err towards a closer look only."""
    try:
        url = request.url
        names = "\n".join(request.headers)
        return "ncryption" in f"{url}\n{names}".lower() or bool(kms_uploads and "partNumber" in url)
    except Exception:  # noqa: BLE001  # of a request of the application's own making, perhaps
        return True


@never_raises
def request_facts(  # noqa: PLR0913, PLR0917  # what a request consists of
    sdk: SDK, endpoint: Any, method: Any, url: Any, headers: Any, first_url: Any = ""
) -> Facts | None:
    """The facts of a request that is about to be sent, as it will be, or nothing where there is nothing to say.

    Args:
        sdk: the SDK that sends.
        endpoint: the client's endpoint.
        method: the request's method.
        url: where it is sent.
        headers: its headers.
        first_url: where it was sent first, if this is a redirect of it.
    """
    items = list((headers or {}).items())
    secure = is_https(url)
    address = _address(url, endpoint.host)
    named = named_by([*items, *address.query])
    asked = _address(first_url or url, endpoint.host)  # a redirect is of what was asked for, wherever it leads
    kms_upload = not secure and _is_kms_part(asked)
    gap = "" if not named.key or not secure or is_verified(endpoint) else unsaid_gap(endpoint, "unverified-tls")
    other_host = address.host != asked.host
    if not _is_worth_a_word(named, secure=secure, kms_upload=kms_upload, gap=gap or other_host):
        return None
    operation = _operation(method, asked, items)
    return Facts(
        sdk=sdk,
        call="an S3 request",
        operation=operation,
        secure=secure,
        host=address.host,
        port=address.port,
        proxy=_proxy(endpoint, url),
        target=named.target,
        source=named.source,
        key=_place(named),
        headers=named.headers,
        kms_upload=kms_upload and operation == Operation.UPLOAD_PART.value,
        other_host=other_host,
        downgraded=not secure and is_https(first_url),
        tls_gap=gap,
        origin=_REWRITTEN if not secure and is_https(endpoint.host) else "",
    )


_REWRITTEN = (
    "was written into the URL by an event handler, a redirect or use_ssl=False, for the client's own endpoint is https"
)


def _operation(method: Any, address: _Address, headers: Items) -> str:
    if address.key:
        return object_operation(text(method), address.parameters, headers)
    return bucket_operation(text(method), has_parameters=bool(address.query))


def _is_kms_part(address: _Address) -> bool:
    """Whether a URL leads to an upload that was begun with SSE-KMS."""
    if not kms_uploads or "partNumber" not in address.parameters:
        return False
    return (address.host, address.bucket, dict(address.query).get("uploadId", "")) in kms_uploads


# --- signing: nothing is sent, and what is handed on decides what will be ---------------------


@never_raises
def signing_facts(who: Signing, request: Params) -> Facts | None:
    """The facts of a request that is about to be signed for somebody else to send."""
    headers = [*request["headers"].items()]
    address = _address(request["url"])
    query: Any = request.get("query_string")
    in_query = [*address.query, *(query.items() if hasattr(query, "items") else ())]
    operation = _OPERATIONS.get(who.operation, who.operation) or _operation(request["method"], address, headers)
    place = KeyPlace.URL if named_by(in_query).key else KeyPlace.HEADER
    return _signed(who, operation, request["url"], named_by([*headers, *in_query]), place)


@never_raises
def _url_facts(who: Signing, url: Any) -> Facts | None:
    named = named_by(_address(url).query)
    if not named.key:
        return None
    return _signed(who, _OPERATIONS.get(who.operation, who.operation) or "a signed URL", url, named, KeyPlace.URL)


@never_raises
def post_facts(who: Signing, request: Params, fields: Any, conditions: Any) -> Facts | None:
    """The facts of a POST form that is about to be signed."""
    named = named_by([*_conditions([fields]), *_conditions(conditions)])
    return _signed(who, Operation.POST_OBJECT.value, request["url"], named, KeyPlace.POLICY)


def _conditions(conditions: Any) -> Iterator[tuple[Any, Any]]:
    """The fields that a POST policy names: ``{"name": "value"}`` or ``["eq", "$name", "value"]``."""
    for condition in conditions or ():
        if hasattr(condition, "items"):
            yield from condition.items()
        elif isinstance(condition, (list, tuple)) and len(condition) == 3:  # noqa: PLR2004  # see above
            yield text(condition[1]).lstrip("$"), condition[2]


def _signed(who: Signing, operation: str, url: Any, named: Named, place: KeyPlace) -> Facts | None:
    secure = is_https(url)
    if not named.headers:
        return None
    key = _place(named, place)
    if secure and key in (KeyPlace.NOWHERE, KeyPlace.HEADER):
        return None
    address = _address(url)
    return Facts(
        sdk=who.sdk,
        call=who.call,
        operation=operation,
        secure=secure,
        host=address.host,
        port=address.port,
        target=named.target,
        source=named.source,
        key=key,
        headers=named.headers,
    )


SIGNED_URL, SIGNED_POST = "S3.generate_presigned_url", "S3.generate_presigned_post"


class Signing:
    """Who signs. A client knows of a request what the signer that it uses cannot tell.

    Attributes:
        sdk: the SDK.
        call: the method that the application called, for the message.
        operation: the operation, where it is known.
        judged: whether a signer's own gate has seen the request as it was signed.
    """

    def __init__(self, sdk: SDK, call: str, operation: str = "") -> None:
        self.sdk = sdk
        self.call = call
        self.operation = operation
        self.judged = False


_client_signs: ContextVar[Signing | None] = ContextVar("obs_sse_guard_client_signs", default=None)


@contextlib.contextmanager
def signing(facts: Facts | None, who: Signing) -> Iterator[None]:
    """React to the facts of what a client is about to sign, if there are any, while it is signed."""
    token = _client_signs.set(who)
    try:
        with _announced(facts):
            yield
    finally:
        _client_signs.reset(token)


def _announced(facts: Facts | None) -> contextlib.AbstractContextManager[Any]:
    return contextlib.nullcontext() if facts is None else _reaction.announced(facts)


def judge_url(who: Signing, url: Any) -> None:
    """React to a URL that was just signed, unless the signer's own gate has.

    Raises:
        SSETransportError: it must not be handed out.
    """
    facts = None if who.judged else _url_facts(who, url)
    who.judged = True
    if facts is not None:
        _reaction.react(facts)


def _presign_gate(_: str, function: Function) -> Function:
    expect(function, "self request_dict operation_name")

    def gate(signer: Any, request_dict: Any, operation_name: Any, *args: Any, **kwargs: Any) -> Any:
        who = Signing(BOTOCORE, SIGNED_URL, operation_name)
        with signing(signing_facts(who, request_dict), who):
            url = function(signer, request_dict, operation_name, *args, **kwargs)
            judge_url(who, url)
        return url

    return gate


def _post_gate(_: str, function: Function) -> Function:
    expect(function, "self request_dict fields conditions")

    def gate(  # the SDK's parameters
        presigner: Any, request_dict: Any, fields: Any = None, conditions: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        who = Signing(BOTOCORE, SIGNED_POST)
        with signing(post_facts(who, request_dict, fields, conditions), who):
            return function(presigner, request_dict, fields, conditions, *args, **kwargs)

    return gate


def _query_auth_gate(_: str, function: Function) -> Function:
    """The gate of the signers themselves: they see what event handlers made of a client's request.

    And applications may have them sign a request of their own.
    """
    expect(function, "self request")

    def gate(auth: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        who = _client_signs.get() or Signing(BOTOCORE, f"{type(auth).__name__}.add_auth")
        with _announced(signing_facts(who, _parts(request))):
            result = function(auth, request, *args, **kwargs)
            judge_url(who, request.url)
        return result

    return gate


def _parts(request: Any) -> Params:
    return {"url": request.url, "method": request.method, "headers": request.headers, "query_string": request.params}


def _post_auth_gate(_: str, function: Function) -> Function:
    expect(function, "self request")

    def gate(auth: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        who = _client_signs.get() or Signing(BOTOCORE, f"{type(auth).__name__}.add_auth")
        policy = request.context.get("s3-presign-post-policy") or {}
        fields = request.context.get("s3-presign-post-fields")
        with _announced(post_facts(who, {"url": request.url}, fields, policy.get("conditions"))):
            return function(auth, request, *args, **kwargs)

    return gate


# --- the SDK's log ---------------------------------------------------------------------------

_LOGGERS = frozenset(("aiobotocore", "boto3", "botocore", "fsspec", "s3fs", "s3transfer"))


def _log_gate(place: str, function: Function) -> Function:
    """Mask keys where a log record is made: filters would not reach loggers that are made later."""
    expect(function, "self name level fn lno msg args")

    def make_record(  # noqa: PLR0913, PLR0917  # logging's parameters
        logger: Any, name: str, level: Any, fn: Any, lno: Any, msg: Any, args: Any, *more: Any, **kwargs: Any
    ) -> Any:
        try:
            if name.partition(".")[0] in _LOGGERS and _reaction.armed:
                (msg,), args = masked((msg,)), masked(args)
        except Exception:  # noqa: BLE001  # a bug of ours must never break a call
            _reaction.bug(place)
        return function(logger, name, level, fn, lno, msg, args, *more, **kwargs)

    return make_record


# --- the list --------------------------------------------------------------------------------

TARGETS: tuple[Target, ...] = (
    Target("botocore.client", "BaseClient._make_api_call", _call_gate),
    Target("botocore.endpoint", "Endpoint._send", _send_gate),
    Target("botocore.signers", "RequestSigner.generate_presigned_url", _presign_gate),
    Target("botocore.signers", "S3PostPresigner.generate_presigned_post", _post_gate),
    # What the query signers define themselves; the rest of signing they share with ordinary requests.
    Target("botocore.auth", "HmacV1QueryAuth._inject_signature", _query_auth_gate),
    Target("botocore.auth", "SigV4QueryAuth._modify_request_before_signing", _query_auth_gate),
    Target("botocore.auth", "HmacV1PostAuth.add_auth", _post_auth_gate),
    Target("botocore.auth", "S3SigV4PostAuth.add_auth", _post_auth_gate),
    Target("botocore.auth", "S3ExpressQueryAuth._modify_request_before_signing", _query_auth_gate, optional=True),
    Target("botocore.auth", "S3ExpressPostAuth.add_auth", _post_auth_gate, optional=True),
    Target("botocore.crt.auth", "CrtSigV4QueryAuth._modify_request_before_signing", _query_auth_gate),
    Target(
        "botocore.crt.auth", "CrtSigV4AsymQueryAuth._modify_request_before_signing", _query_auth_gate, optional=True
    ),
    # Of logging itself, by the name that it has in botocore: a process without botocore is left alone.
    Target("botocore.endpoint", "logging.Logger.makeRecord", _log_gate),
)
"""Every place that is hooked in the SDK."""
