"""Wire hooks: what really leaves, at every attempt and every redirect hop."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPSConnection
from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.enforce import enforce, enforcing
from obs_sse_guard._errors import SSETransportError
from obs_sse_guard._hooks.hook import Abort, judging
from obs_sse_guard._hooks.obs.arguments import is_ordinary, items, keys_as_values, may_hold_sse
from obs_sse_guard._hooks.obs.client import (
    destination,
    is_tls,
    operation_of,
    proxy_of,
    request_context,
    server_host,
    tls_gap,
    unjudged,
    upload_key,
)
from obs_sse_guard._hooks.obs.responses import record_response
from obs_sse_guard._hooks.parameters import expect_parameters
from obs_sse_guard._hooks.sending import Sending, sending
from obs_sse_guard._hooks.tls_gaps import mark_reported
from obs_sse_guard._policy.headers import NO_SSE_HEADERS, header_names, names_sse, parse_headers
from obs_sse_guard._policy.kms_uploads import kms_uploads
from obs_sse_guard._policy.request import KeyLocation
from obs_sse_guard._util.failure import attempt
from obs_sse_guard._util.text import to_text
from obs_sse_guard.rules import Encryption, Operation

if TYPE_CHECKING:
    from obs_sse_guard._hooks.types import Args, Function
    from obs_sse_guard._policy.headers import SSEHeaders
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["Request", "connection_hook", "request_hook"]

FETCH_JOB = "v1/async-fetch/jobs"

_REQUEST_PARAMETERS = (
    "self methodType bucketName objectKey pathArgs headers entity chunkedMode methodName readable "
    "parseMethod redirectLocation skipAuthentication extensionHeaders"
)
_CONNECTION_PARAMETERS = "self server port scheme connection_key redirect header"


def _argument(name: str) -> Any:
    position = _REQUEST_PARAMETERS.split().index(name)
    return property(lambda request: request.arguments[position])


class Request(Sending):
    """A request in progress, whose method and parameters the connection hook lacks.

    Attributes:
        arguments: the arguments of ``_make_request_with_retry``, in order; most other names are these.
        plaintext: the plaintext connection that it left over, if any, with the redirect that led there, if any.
    """

    arguments: Args = (None, "", *[None] * 12)
    plaintext: tuple[Any, Any] | None = None

    method = _argument("methodType")
    bucket = _argument("bucketName")
    key = _argument("objectKey")
    parameters = _argument("pathArgs")
    headers = _argument("headers")
    body = _argument("entity")
    sdk_method = _argument("methodName")
    extension_headers = _argument("extensionHeaders")

    @property
    def call(self) -> str:
        """The method that the application called; the HTTP method where that is unknown."""
        return attempt(lambda: to_text(self.sdk_method or self.method or "request"), "request")

    def sse(self) -> SSEHeaders:
        """Return what the headers and the parameters of the request name."""
        given = (self.headers, self.extension_headers)
        return attempt(lambda: parse_headers(items(*given), items(self.parameters)), NO_SSE_HEADERS)

    def with_headers(self, headers: Any) -> Request:
        """Return the request with the headers that it leaves with."""
        arguments = dict(zip(_REQUEST_PARAMETERS.split(), self.arguments))
        request = Request()
        request.arguments = tuple({**arguments, "headers": headers, "extensionHeaders": None}.values())
        return request


def _current() -> Request | None:
    request = sending.get()
    return request if isinstance(request, Request) and not request.is_over else None


# --- the request: before the retry loop, and before anything is logged or read -----------------


def request_hook(_: str, function: Function) -> Function:
    """Make the hook of ``_make_request_with_retry``, where a refusal is not retried."""
    expect_parameters(function, _REQUEST_PARAMETERS)

    def hook(  # noqa: PLR0913, PLR0917  # the SDK's; *args instead would cost 2 % of a call
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
    ) -> Any:
        request = Request()
        request.arguments = (
            client, methodType, bucketName, objectKey, pathArgs, headers, entity, chunkedMode, methodName, readable,
            parseMethod, redirectLocation, skipAuthentication, extensionHeaders,
        )  # fmt: skip
        request.plaintext = None  # as in the class, but faster to read
        context, secure = None, False
        try:  # inline, to save a call: most requests have only harmless headers
            secure = client.is_secure
            is_harmless = type(objectKey) is str and objectKey != FETCH_JOB and "ncryption" not in objectKey
            is_harmless = is_harmless and not (pathArgs or extensionHeaders)
            if is_harmless and headers:
                for name in headers:
                    if name not in _HARMLESS or "ncryption" in headers[name]:
                        is_harmless = False
        except Exception:  # noqa: BLE001  # custom headers or a custom client
            is_harmless = False
        if not is_harmless and _may_carry_sse(client, secure, objectKey, pathArgs, headers, extensionHeaders):
            context = _describe(client, request, secure)
        token = sending.set(request)
        try:
            if context is None:
                answer = function(
                    client, methodType, bucketName, objectKey, pathArgs, headers, entity, chunkedMode, methodName,
                    readable, parseMethod, redirectLocation, skipAuthentication, extensionHeaders,
                )  # fmt: skip  # spelled out again, which is faster
            else:
                with enforcing(context) as reported:
                    mark_reported(client, context, reported)
                    answer = function(*request.arguments)
        except Abort as abort:
            # Without the frames of the SDK, which do not help to find the call.
            raise abort.error.with_traceback(None) from None
        finally:
            sending.reset(token)
            request.is_over = True  # its end(), without a call
        if pathArgs or request.plaintext:
            record_response(client, request, answer)
        return answer

    return hook


# The names that most requests have: a set is faster to check than text.
_HARMLESS = frozenset((
    "Accept-Encoding", "Authorization", "Connection", "Content-Length", "Content-MD5", "Content-Type", "Date", "Host",
    "Proxy-Connection", "Range", "User-Agent", "x-amz-date", "x-obs-date",
))  # fmt: skip
_are_harmless = _HARMLESS.issuperset
# The headers of customer keys, as the SDK itself writes them.
_KEY_HEADERS = (
    *header_names(Encryption.SSE_C, Encryption.SSE_C, "x-obs-"),
    *header_names(Encryption.SSE_C, Encryption.SSE_C, "x-amz-"),
)
_are_of_keys = frozenset(_KEY_HEADERS).issuperset
_are_proper = frozenset((*_HARMLESS, *_KEY_HEADERS)).issuperset


def _may_carry_sse(  # noqa: PLR0913, PLR0917  # what a request consists of
    client: Any, secure: Any, key: Any, parameters: Any, headers: Any, extension_headers: Any, connection: Any = None
) -> bool:
    """Return whether a request needs a closer look; if in doubt, it does."""
    try:
        if (
            (key and (type(key) is not str or key == FETCH_JOB or "ncryption" in key))
            or (parameters and (names_sse(parameters) or may_hold_sse(parameters) or (kms_uploads and not secure)))
            or (extension_headers and not is_ordinary(extension_headers))
        ):
            return True
        if not headers:
            return False
        if secure and (_are_of_keys(headers) or (_are_proper(headers) and not may_hold_sse(headers))):
            return bool(tls_gap(client, connection))
        if may_hold_sse(headers):
            return True
        return names_sse(headers) and not (secure and _is_safe_transport(client, headers, connection))
    except Exception:  # noqa: BLE001  # custom headers or a custom client
        return True


def _is_safe_transport(client: Any, headers: Any, connection: Any) -> bool:
    """Return whether encryption headers are in place and TLS has no unreported gap."""
    names = "\n".join(headers).lower()
    if "%" in names:  # it may be encoded
        return False
    # No pattern such as "meta-.*ncryption": a name that repeats "meta-" would take quadratic time.
    if "meta-" in names and any("ncryption" in name.partition("meta-")[2] for name in names.split("\n")):
        return False
    return not tls_gap(client, connection)


def _unjudged(client: Any, request: Request, secure: Any, _connection: Any = None) -> RequestContext:
    return unjudged(client, request.call, secure=secure is True)


@judging(_unjudged)
def _describe(client: Any, request: Request, secure: Any, connection: Any = None) -> RequestContext | None:
    headers = [*items(request.headers, request.extension_headers)]
    query = [*items(request.parameters)]
    body = _headers_in_body(request)
    is_kms_part = not secure and _is_kms_part(client, request)
    found = parse_headers([*headers, *items(body)], query)
    address = {"objectKey": request.key}
    misplaced = keys_as_values(address, request.headers, request.extension_headers, request.parameters, body)
    if not (found.names or misplaced or is_kms_part):
        return None
    key = KeyLocation.METADATA if misplaced else found.key_location()
    gap = tls_gap(client, connection) if secure and found.key else ""
    if secure and key.is_private_over_tls and not gap:
        return None
    parameters = (name for name, _ in query)
    operation = operation_of(client, to_text(request.method), request.bucket, request.key, parameters, headers)
    return request_context(
        client,
        request.call,
        operation,
        request.bucket,
        secure=bool(secure),
        target=found.target,
        source=found.source,
        key=key,
        key_ids=found.key_ids,
        headers=(*misplaced, *found.names),
        kms_upload=is_kms_part and operation == Operation.UPLOAD_PART.value,
        tls_gap=gap,
    )


def _headers_in_body(request: Request) -> Any:
    """Return the headers in the JSON of a fetch job, the only body that is ever read."""
    if request.key != FETCH_JOB or request.method != "POST" or not isinstance(request.body, (str, bytes)):
        return None
    try:
        job = json.loads(request.body)
    except ValueError:
        return None
    return job.get("objectheaders") if isinstance(job, dict) else None


def _is_kms_part(client: Any, request: Request) -> bool:
    parameters = request.parameters
    if not kms_uploads or not isinstance(parameters, dict) or "partNumber" not in parameters:
        return False
    return upload_key(client, request.bucket, parameters.get("uploadId")) in kms_uploads


# --- the connection: at every attempt and every redirect hop -------------------------------------


def connection_hook(_: str, function: Function) -> Function:
    """Make the hook of ``_parse_request_connection``, which runs just before sending."""
    expect_parameters(function, _CONNECTION_PARAMETERS)

    def hook(  # noqa: PLR0913, PLR0917  # the SDK's parameters, spelled out as above
        client: Any, server: Any, port: Any, scheme: Any, connection_key: Any, redirect: Any, header: Any
    ) -> Any:
        chosen = function(client, server, port, scheme, connection_key, redirect, header)
        connection = chosen[0]
        kind = type(connection)
        if not redirect:
            try:  # the request hook has judged the client's own context, unless a private method is called
                is_judged = kind is HTTPSConnection and connection._context is client.context  # noqa: SLF001
            except AttributeError:  # a custom client
                is_judged = False
            if (is_judged and type(sending.get()) is Request) or _is_plaintext_without_sse(connection, header):
                return chosen
        context = _describe_hop(client, connection, header, (server, port) if redirect else None)
        if context is not None:
            _enforce_hop(client, context, connection)
        return chosen

    return hook


def _is_plaintext_without_sse(connection: Any, headers: Any) -> bool:
    """Return whether a request certainly is plaintext and names no encryption.

    Note its connection if it is plaintext. The values of its headers are text by now.
    """
    request = _current()
    if request is None or request.parameters or request.key == FETCH_JOB or type(connection) is not HTTPConnection:
        return False
    request.plaintext = (connection, None)
    return _are_harmless(headers) or not names_sse(headers)


@judging(
    lambda client, connection, *_: _unjudged(
        client, _current() or Request(), attempt(lambda: is_tls(connection), default=False)
    )
)
def _describe_hop(
    client: Any, connection: Any, headers: Any, redirect: tuple[Any, Any] | None
) -> RequestContext | None:
    request = _current() or Request()
    secure = is_tls(connection)
    request.plaintext = None if secure else (connection, redirect)
    sent = (request.key, request.parameters, headers, None, connection)
    if redirect is None and not _may_carry_sse(client, secure, *sent):
        return None
    host, port = destination(client, connection, request.bucket, redirect)
    home = server_host(client.server)
    other_host = redirect is not None and host != home
    # To another host, a key matters even over TLS.
    private = secure and not other_host
    if redirect is not None and not _may_carry_sse(client, private, *sent):
        return None
    context = _describe(client, request.with_headers(headers), private, connection)
    return context and context._replace(
        secure=secure,
        host=host,
        port=port,
        proxy=proxy_of(client, request.bucket, redirect, secure=secure),
        other_host=other_host,
        downgraded=redirect is not None and not secure and bool(client.is_secure),
    )


def _enforce_hop(client: Any, context: RequestContext, connection: Any) -> None:
    request = _current()
    try:
        mark_reported(client, context, enforce(context))
        if request is not None:
            request.hops = (context,)
    except SSETransportError as error:
        connection.close()  # it may come from the pool, and must neither go back there nor leak
        if request is None:
            raise  # a private call, with no retry loop around it and no request hook to unpack an abort
        raise Abort(error) from None  # an `Exception` would be retried for seconds
