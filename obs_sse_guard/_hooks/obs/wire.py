"""Wire hooks: what really leaves, at every attempt and every redirect hop."""

from __future__ import annotations

import functools
import json
import re
from contextvars import ContextVar
from http.client import HTTPSConnection
from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.enforce import enforce, enforcing
from obs_sse_guard._errors import SSETransportError
from obs_sse_guard._hooks.hook import expect_parameters, never_raises
from obs_sse_guard._hooks.obs.arguments import holds_key, items, keys_as_values, names_sse
from obs_sse_guard._hooks.obs.client import (
    destination,
    is_tls,
    operation_of,
    request_context,
    server_host,
    tls_gap,
    upload_key,
)
from obs_sse_guard._hooks.obs.responses import record_response
from obs_sse_guard._hooks.tls_gaps import mark_reported
from obs_sse_guard._policy.headers import parse_headers
from obs_sse_guard._policy.kms_uploads import kms_uploads
from obs_sse_guard._policy.request import KeyLocation
from obs_sse_guard._util.text import to_text
from obs_sse_guard.rules import Operation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obs_sse_guard._hooks.types import Args, Function
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["Request", "connection_hook", "request_hook"]

FETCH_JOB = "v1/async-fetch/jobs"

_REQUEST_PARAMETERS = (
    "self methodType bucketName objectKey pathArgs headers entity chunkedMode methodName readable "
    "parseMethod redirectLocation skipAuthentication extensionHeaders"
)
_CONNECTION_PARAMETERS = "self server port scheme connection_key redirect header"


class Request:
    """A request under way: what matters of the arguments of ``_make_request_with_retry``.

    Attributes:
        plaintext: the connection it left over in plaintext, if it did, and the redirect that led there, if one did.
    """

    __slots__ = (
        "body",
        "bucket",
        "extension_headers",
        "headers",
        "key",
        "method",
        "parameters",
        "plaintext",
        "sdk_method",
    )

    def __init__(  # noqa: PLR0913, PLR0917  # what a request consists of
        self,
        method: Any = None,
        bucket: Any = "",
        key: Any = None,
        parameters: Any = None,
        headers: Any = None,
        body: Any = None,
        sdk_method: Any = None,
        extension_headers: Any = None,
    ) -> None:
        self.method = method
        self.bucket = bucket
        self.key = key
        self.parameters = parameters
        self.headers = headers
        self.body = body
        self.sdk_method = sdk_method
        self.extension_headers = extension_headers
        self.plaintext: tuple[Any, Any] | None = None

    def with_headers(self, headers: Any) -> Request:
        """Return the request with the headers that it leaves with."""
        return Request(self.method, self.bucket, self.key, self.parameters, headers, self.body, self.sdk_method)


# The innermost request under way. The SDK sends in the thread that asks, and hands the method and the parameters no
# further than to where the path is built.
_current: ContextVar[Request | None] = ContextVar("obs_sse_guard_request", default=None)


class _Abort(BaseException):
    """Carries a refusal out of the SDK's retry loop, which retries every `Exception` for seconds."""

    def __init__(self, error: SSETransportError) -> None:
        super().__init__()
        self.error = error


# --- the request: before the retry loop, and before anything is logged or read -----------------


def request_hook(_: str, function: Function) -> Function:
    """Make the hook of ``_make_request_with_retry``, where a refusal is raised once and immediately."""
    expect_parameters(function, _REQUEST_PARAMETERS)

    def hook(  # noqa: PLR0913, PLR0917  # the SDK's parameters: spelled out, a call costs a third
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
        request = Request(methodType, bucketName, objectKey, pathArgs, headers, entity, methodName, extensionHeaders)
        arguments = (
            client, methodType, bucketName, objectKey, pathArgs, headers, entity, chunkedMode, methodName, readable,
            parseMethod, redirectLocation, skipAuthentication, extensionHeaders,
        )  # fmt: skip
        send = functools.partial(function, **more) if more else function  # parameters of a later release
        if pathArgs or extensionHeaders or objectKey == FETCH_JOB or (headers and not _are_harmless(headers)):
            context = _describe_request(client, request)
            if context is not None:
                with enforcing(context) as reported:
                    mark_reported(client, context, reported)
                    return _send(send, client, request, arguments)
        return _send(send, client, request, arguments)

    return hook


def _send(send: Function, client: Any, request: Request, arguments: Args) -> Any:
    token = _current.set(request)
    try:
        answer = send(*arguments)
    except _Abort as abort:
        # `from None`: what the SDK was doing when the connection hook stopped it says nothing.
        raise abort.error from None
    finally:
        _current.reset(token)
    if request.parameters or request.plaintext:
        record_response(client, request, answer)
    return answer


# Names that most requests have and no others: one look at a set instead of a search in text.
_are_harmless = frozenset(("Content-Type", "Content-Length", "Content-MD5", "Range")).issuperset
_are_text = frozenset((str,)).issuperset
_KEY_IN_METADATA = re.compile("meta-.*ncryption")


@never_raises("judge a request of ObsClient")
def _describe_request(client: Any, request: Request) -> RequestContext | None:
    secure = bool(client.is_secure)
    return _describe(client, request, secure=secure) if _may_carry_sse(client, request, secure=secure) else None


def _may_carry_sse(client: Any, request: Request, *, secure: bool) -> bool:
    """A quick test that most requests do not pass. It may err only towards a closer look."""
    headers, parameters, extension_headers = request.headers, request.parameters, request.extension_headers
    if request.key == FETCH_JOB or (extension_headers and type(extension_headers) is not dict):
        return True
    if parameters and kms_uploads and not secure:
        return True
    if (headers and _has_container(headers)) or (extension_headers and _has_container(extension_headers)):
        return True
    if not names_sse(headers, parameters, extension_headers):
        return False
    return not (secure and _is_safe_transport(client, headers, parameters, extension_headers))


def _has_container(mapping: Any) -> bool:
    """Whether a value may be an SSE object, which would be sent as text."""
    return not _are_text(map(type, mapping.values())) and any(
        isinstance(value, (dict, list, tuple)) for value in mapping.values()
    )


def _is_safe_transport(client: Any, headers: Any, parameters: Any, extension_headers: Any) -> bool:
    """Whether all that names encryption is headers, over TLS without a gap that was not reported yet."""
    if names_sse(parameters):
        return False
    names = "\n".join((*(headers or ()), *(extension_headers or ()))).lower()
    if "%" in names or ("meta-" in names and _KEY_IN_METADATA.search(names)):  # "%": it may be encoded
        return False
    return not tls_gap(client)


def _describe(client: Any, request: Request, *, secure: bool) -> RequestContext | None:
    headers = [*items(request.headers, request.extension_headers)]
    query = [*items(request.parameters)]
    body = [*_body_items(request)]
    is_kms_part = not secure and _is_kms_part(client, request)
    found = parse_headers([*headers, *body], query)
    # The SDK leaves unknown headers out of requests without a body.
    metadata = request.headers if request.method in ("PUT", "POST") else None
    misplaced = (
        *keys_as_values(metadata, request.extension_headers),
        *(to_text(name) for name, value in body if holds_key(value)),
    )
    if not (found.names or misplaced or is_kms_part):
        return None
    key = KeyLocation.METADATA if misplaced else found.key_location()
    gap = tls_gap(client) if secure and found.key else ""
    if secure and key in (KeyLocation.NOWHERE, KeyLocation.HEADER) and not gap:
        return None
    parameters = (name for name, _ in query)
    operation = operation_of(client, to_text(request.method), request.bucket, request.key, parameters, headers)
    return request_context(
        client,
        to_text(request.sdk_method or request.method or "request"),
        operation,
        secure=secure,
        target=found.target,
        source=found.source,
        key=key,
        headers=(*misplaced, *found.names),
        kms_upload=is_kms_part and operation == Operation.UPLOAD_PART.value,
        tls_gap=gap,
    )


def _body_items(request: Request) -> Iterator[tuple[Any, Any]]:
    """The headers that a fetch job carries in its JSON: the one body that is ever looked at."""
    if request.key != FETCH_JOB or request.method != "POST" or not isinstance(request.body, (str, bytes)):
        return
    try:
        job = json.loads(request.body)
    except ValueError:
        return
    if isinstance(job, dict):
        yield from items(job.get("objectheaders"))


def _is_kms_part(client: Any, request: Request) -> bool:
    parameters = request.parameters
    if not kms_uploads or not isinstance(parameters, dict) or "partNumber" not in parameters:
        return False
    return upload_key(client, request.bucket, parameters.get("uploadId")) in kms_uploads


# --- the connection: at every attempt and every redirect hop -------------------------------------


def connection_hook(_: str, function: Function) -> Function:
    """Make the hook of ``_parse_request_connection``: the headers are final, and nothing is sent yet."""
    expect_parameters(function, _CONNECTION_PARAMETERS)

    def hook(  # noqa: PLR0913, PLR0917  # the SDK's parameters, spelled out as above
        client: Any, server: Any, port: Any, scheme: Any, connection_key: Any, redirect: Any, header: Any, **more: Any
    ) -> Any:
        choose = functools.partial(function, **more) if more else function  # parameters of a later release
        chosen = choose(client, server, port, scheme, connection_key, redirect, header)
        if type(chosen[0]) is HTTPSConnection and not redirect:
            return chosen
        context = _describe_hop(client, chosen[0], header, (server, port) if redirect else None)
        if context is not None:
            _enforce_hop(context, chosen[0])
        return chosen

    return hook


@never_raises("judge a connection of ObsClient")
def _describe_hop(
    client: Any, connection: Any, headers: Any, redirect: tuple[Any, Any] | None
) -> RequestContext | None:
    request = _current.get() or Request()
    secure = is_tls(connection)
    request.plaintext = None if secure else (connection, redirect)
    hop = request.with_headers(headers)
    if redirect is None and not _may_carry_sse(client, hop, secure=secure):
        return None
    host, port = destination(client, connection, request.bucket, redirect)
    home = server_host(client.server)
    other_host = redirect is not None and host not in (home, f"{request.bucket}.{home}")
    # Another host makes even a secure hop a matter of more than TLS.
    private = secure and not other_host
    if redirect is not None and not _may_carry_sse(client, hop, secure=private):
        return None
    context = _describe(client, hop, secure=private)
    return context and context._replace(
        secure=secure,
        host=host,
        port=port,
        other_host=other_host,
        downgraded=redirect is not None and not secure and bool(client.is_secure),
    )


def _enforce_hop(context: RequestContext, connection: Any) -> None:
    try:
        enforce(context)
    except SSETransportError as error:
        connection.close()  # it may come from the pool, and must neither go back there nor leak
        if _current.get() is None:
            raise  # a private call, with no retry loop around it and no request hook to unpack an abort
        raise _Abort(error) from None
