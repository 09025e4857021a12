"""Method hooks: the public methods through which encryption can be asked for."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from obs_sse_guard._hooks.obs.arguments import (
    NO_INTENT,
    SSE_ARGUMENTS,
    Arguments,
    intent_of,
    intents_of,
    is_a,
    is_ordinary,
    items,
    keys_as_values,
    positions,
)
from obs_sse_guard._hooks.obs.calls import describing_hook, operation_name
from obs_sse_guard._hooks.obs.client import header_prefix, request_context, upload_key
from obs_sse_guard._hooks.parameters import parameter_names
from obs_sse_guard._policy.headers import NO_SSE_HEADERS, SSEHeaders, header_names, names_sse, parse_headers
from obs_sse_guard._policy.kms_uploads import kms_uploads
from obs_sse_guard._policy.request import KeyLocation
from obs_sse_guard.rules import Encryption, Operation

if TYPE_CHECKING:
    from collections.abc import Callable

    from obs_sse_guard._hooks.obs.arguments import Intent
    from obs_sse_guard._hooks.types import Args, Function, Kwargs
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["METHODS", "Method", "method_hook", "other_method_hook", "other_methods", "with_headers"]


class Method(NamedTuple):
    """A public method through which encryption can be asked for.

    Attributes:
        name: its name on the client.
        operation: the operation whose row judges it, or a name that no row has.
        carrier: the argument that holds the SSE objects; empty if they are arguments themselves.
        target: the SSE object of what is written or read.
        source: the SSE object of a copy's source.
        writes: whether it would store something unencrypted if the SDK ignored an SSE argument.
        raw: whether it sends ``carrier`` as it is, so that an SSE object in it turns into user metadata.
        part: whether it uploads a part, of which `kms_uploads` may know more than its headers show.
        owner: the class that defines it.
        optional: whether some supported releases do not have it.
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

METHODS = (
    Method("putContent", _PUT, "headers", writes=True),
    Method("putObject", _PUT, "headers", writes=True),
    Method("putFile", _PUT, "headers", writes=True),
    Method("appendObject", _PUT, "headers", writes=True),
    Method("modifyFile", _PUT, "headers", writes=True, raw=True, optional=True),
    Method("renameFile", "RenameFile", "headers", writes=True, raw=True, optional=True),
    Method("getObject", _GET, "headers"),
    Method("getObjectMetadata", Operation.HEAD_OBJECT.value),
    Method("initiateMultipartUpload", _INITIATE, writes=True),
    Method("uploadPart", _PART, writes=True, part=True),
    Method("copyObject", _COPY, "headers", "destSseHeader", "sourceSseHeader", writes=True),
    Method("copyPart", _COPY_PART, "", "destSseHeader", "sourceSseHeader", writes=True),
    Method("completeMultipartUpload", Operation.COMPLETE_MULTIPART_UPLOAD.value),
    # A transfer makes several requests; it is judged at the call, by the operation that decides.
    Method("uploadFile", _INITIATE, "headers", writes=True),
    Method("uploadFileAsync", _INITIATE, "headers", writes=True, optional=True),
    Method("downloadFile", _GET, "header"),
    Method("downloadFiles", _GET, "headers"),
    Method("putContent", _PUT, "headers", writes=True, owner="CryptoObsClient", optional=True),
    Method("uploadFile", _INITIATE, "headers", writes=True, owner="CryptoObsClient", optional=True),
    Method("downloadFile", _GET, "header", owner="CryptoObsClient", optional=True),
    Method("initiateEncryptedMultipartUpload", _INITIATE, writes=True, owner="CryptoObsClient", optional=True),
    Method("uploadEncryptedPart", _PART, writes=True, part=True, owner="CryptoObsClient", optional=True),
)
"""The methods with a row of their own, and those of the same kind."""


def method_hook(method: Method) -> Callable[[str, Function], Function]:
    """Return what makes the hook of a method."""

    def make(name: str, function: Function) -> Function:
        if method.carrier and method.carrier not in positions(function):
            raise LookupError(method.carrier)  # a release without it is not supported
        asking = (method.carrier,) if method.carrier else SSE_ARGUMENTS
        # Of a part the record of uploads may know more than the call asks for.
        arguments = Arguments(
            function, *asking, "metadata", "extensionHeaders", *(("uploadId",) if method.part else ())
        )
        return describing_hook(_Describer(method, function).describe, arguments, name, function, method.operation)

    return make


class _Describer:
    """Describes the request that a call of one method asks for."""

    def __init__(self, method: Method, function: Function) -> None:
        model: Any = sys.modules["obs.model"]
        self._method, self._carrier = method, method.carrier
        self._addressed = Arguments(function, "bucketName", "destBucketName", "uploadId")
        # The SDK's very classes: what an application derives from them may do anything when it is read.
        self._header_objects = {
            kind for kind in vars(model).values() if isinstance(kind, type) and issubclass(kind, model.BaseModel)
        }
        self._sse_objects = (model.SseCHeader, model.SseKmsHeader)
        self._sent = () if method.raw else tuple(filter(None, (method.target, method.source)))
        # Called at every request. What an SSE argument that the SDK ignores is called, and what is in an SSE object in
        # place of a header object.
        self._ignores_nothing = frozenset((*SSE_ARGUMENTS, "key")).difference(self._sent).isdisjoint

    def describe(self, client: Any, given: Kwargs, args: Args, kwargs: Kwargs) -> RequestContext | None:
        secure = client.is_secure
        if "metadata" not in given or is_ordinary(given["metadata"]):
            # Over TLS only what the SDK would drop or misplace matters here; the wire hook sees the rest.
            if secure and self._is_proper(given):
                return None
            if not secure and self._asks_nothing(given):
                return self._describe_part(client, args, kwargs)
        return self._describe(client, given, args, kwargs)

    def _is_proper(self, given: Kwargs) -> bool:
        """Return whether the SDK sends all SSE objects of a call as headers."""
        holder, carrier = given, self._carrier
        if carrier:
            if carrier not in given:
                return True
            holder = given[carrier]
            if type(holder) not in self._header_objects:
                return False
        if _holds_no_sse(holder):
            return True
        if not self._ignores_nothing(holder):
            return False
        for argument in self._sent:
            if argument in holder and not isinstance(holder[argument], self._sse_objects):
                return False
        return True

    def _asks_nothing(self, given: Kwargs) -> bool:
        extension_headers = given.get("extensionHeaders")
        if extension_headers and not is_ordinary(extension_headers):
            return False
        if not self._method.carrier:
            return given.keys().isdisjoint(SSE_ARGUMENTS)
        holder = given.get(self._method.carrier)
        return holder is None or (
            type(holder) in self._header_objects and _holds_no_sse(holder) and not names_sse(holder)
        )

    def _is_kms_upload(self, client: Any, args: Args, kwargs: Kwargs) -> bool:
        if not (self._method.part and kms_uploads):
            return False
        upload = self._addressed.given(args, kwargs)
        return upload_key(client, upload.get("bucketName"), upload.get("uploadId")) in kms_uploads

    def _describe_part(self, client: Any, args: Args, kwargs: Kwargs) -> RequestContext | None:
        if not self._is_kms_upload(client, args, kwargs):
            return None
        return request_context(
            client, self._method.name, self._method.operation, self._bucket(args, kwargs), kms_upload=True
        )

    def _bucket(self, args: Args, kwargs: Kwargs) -> Any:
        addressed = self._addressed.given(args, kwargs)
        return addressed.get("destBucketName", addressed.get("bucketName"))

    def _describe(self, client: Any, given: Kwargs, args: Args, kwargs: Kwargs) -> RequestContext | None:
        method = self._method
        metadata, extension_headers = given.get("metadata"), given.get("extensionHeaders")
        holder = given.get(method.carrier)
        intents = intents_of(holder if method.carrier else given)
        if isinstance(holder, dict) and "key" in holder and is_a("SseHeader", holder):  # in place of a header object
            intents[method.carrier] = intent_of(holder)
        return _context(
            client,
            method,
            intents,
            bucket=self._bucket(args, kwargs),
            holder_headers=parse_headers(items(holder)),
            other_headers=NO_SSE_HEADERS if client.is_secure else parse_headers(items(metadata, extension_headers)),
            misplaced=keys_as_values(metadata, extension_headers, holder if method.raw else None),
            kms_upload=self._is_kms_upload(client, args, kwargs),
        )


# What an SSE argument is called in a header object, and what is in an SSE object that is given in its stead.
_holds_no_sse = frozenset((*SSE_ARGUMENTS, "key")).isdisjoint


def _context(  # noqa: PLR0913  # all that the arguments of a method say
    client: Any,
    method: Method,
    intents: dict[str, Intent],
    *,
    bucket: Any,
    holder_headers: SSEHeaders,
    other_headers: SSEHeaders,
    misplaced: tuple[str, ...],
    kms_upload: bool,
) -> RequestContext | None:
    target = intents[method.target]
    source = intents.get(method.source, NO_INTENT)
    sent = holder_headers if method.raw else other_headers
    asked = () if method.raw else header_names(target.encryption, source.encryption, header_prefix(client))
    dropped = () if misplaced or not method.writes else _dropped(method, intents, holder_headers)
    nothing_asked = (target.encryption, source.encryption) == (Encryption.NONE, Encryption.NONE)
    if nothing_asked and not (misplaced or sent.names or dropped or kms_upload):
        return None
    key_sent = sent.key or any(intent.known and intent.key for intent in (target, source) if not method.raw)
    found = sent._replace(key=key_sent, key_in_metadata=sent.key_in_metadata or bool(misplaced))
    return request_context(
        client,
        method.name,
        method.operation,
        bucket,
        target=_stronger(target.encryption, sent.target),
        source=_stronger(source.encryption, sent.source),
        key=found.key_location(),
        headers=tuple(dict.fromkeys((*asked, *sent.names, *misplaced))),
        dropped=dropped,
        kms_upload=kms_upload,
    )


def _dropped(method: Method, intents: dict[str, Intent], holder_headers: SSEHeaders) -> tuple[str, ...]:
    """Return the SSE arguments and headers that the SDK would ignore.

    The object would be stored unencrypted.
    """
    reads = () if method.raw else (method.target, method.source)
    ignored = [
        argument
        for argument, intent in intents.items()
        if not intent.known or (intent is not NO_INTENT and argument not in reads)
    ]
    # A method that converts its header object takes no header by its own name out of it.
    return (*ignored, *(() if method.raw else holder_headers.names))


_STRENGTH = (Encryption.NONE, Encryption.SSE_OBS, Encryption.SSE_KMS, Encryption.SSE_C)


def _stronger(one: Encryption, other: Encryption) -> Encryption:
    return max(one, other, key=_STRENGTH.index)


def other_methods(client: type) -> list[str]:
    """Return the public methods outside `METHODS` that take ``extensionHeaders``."""
    own = {method.name for method in METHODS}
    return [
        name
        for name, function in vars(client).items()
        if callable(function)
        and name[:1] != "_"
        and name not in own
        and "extensionHeaders" in parameter_names(function)
    ]


def other_method_hook(name: str, function: Function) -> Function:
    """Make the hook of a public method without a row of its own."""
    arguments = Arguments(function, "metadata", "extensionHeaders", "objectHeaders")
    addressed = Arguments(function, "bucketName")
    operation = operation_name(name)

    def describe(client: Any, given: Kwargs, args: Args, kwargs: Kwargs) -> RequestContext | None:
        holders = given.values()
        headers = NO_SSE_HEADERS if client.is_secure else parse_headers(items(*holders))
        context = request_context(client, name, operation, addressed.given(args, kwargs).get("bucketName"))
        return with_headers(context, headers, keys_as_values(*holders))

    return describing_hook(describe, arguments, name, function)


def with_headers(
    context: RequestContext,
    headers: SSEHeaders,
    misplaced: tuple[str, ...],
    place: KeyLocation = KeyLocation.HEADER,
) -> RequestContext | None:
    """Add headers to a context; return ``None`` if there is nothing to judge.

    Args:
        context: the context without them.
        headers: the parsed headers.
        misplaced: names under which a customer key would become user metadata.
        place: where a customer key stands that is in neither the query nor metadata.
    """
    if not (headers.names or misplaced or context.kms_upload):
        return None
    key = KeyLocation.METADATA if misplaced else headers.key_location(place)
    return context._replace(target=headers.target, source=headers.source, key=key, headers=(*headers.names, *misplaced))
