"""Hooks on the public methods that read a body or send something else first.

Only then do these send the request with encryption. Every other method begins with its request, and there the hook on
`Minio._execute` is early enough.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from obs_sse_guard._enforcement.decision import is_reported
from obs_sse_guard._hooks.hook import judging
from obs_sse_guard._hooks.minio.client import (
    is_https,
    is_safe,
    is_safe_transport,
    pool_gap,
    request_context,
    unjudged,
    unreported,
)
from obs_sse_guard._hooks.minio.wire import enforcing_on
from obs_sse_guard._policy.headers import names_sse, parse_headers
from obs_sse_guard.rules import Encryption, Operation

if TYPE_CHECKING:
    from obs_sse_guard._hooks.types import Args, Function, Items, Kwargs
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["is_invalid", "method_hook"]

_PLAIN = frozenset((bool, bytes, int, str, type(None)))


class _Method(NamedTuple):
    """What a method does.

    Attributes:
        operation: the request that carries the encryption of the object.
        is_metadata: whether its mapping has user metadata; otherwise it has headers, or a query that stands for them.
    """

    operation: Operation
    is_metadata: bool = True


_METHODS = {
    "append_object": _Method(Operation.PUT_OBJECT, is_metadata=False),
    "compose_object": _Method(Operation.INITIATE_MULTIPART_UPLOAD),
    "copy_object": _Method(Operation.COPY_OBJECT),
    "fget_object": _Method(Operation.GET_OBJECT, is_metadata=False),
    "put_object": _Method(Operation.PUT_OBJECT),
    "upload_snowball_objects": _Method(Operation.PUT_OBJECT),
}


def method_hook(name: str, function: Function) -> Function:
    """Make the hook of a method of `_METHODS`."""

    def hook(*args: Any, **kwargs: Any) -> Any:
        context = None
        values = (*args[1:], *kwargs.values())
        if args and _may_carry_sse(args[0], values):  # without args self= is a keyword
            context = _describe(name, args[0], values)
        if context is None or (is_reported(context) and is_invalid(function, args, kwargs)):
            return function(*args, **kwargs)
        with enforcing_on(args[0], context):
            return function(*args, **kwargs)

    return hook


def _may_carry_sse(client: Any, values: Args) -> bool:
    """Return whether any argument may ask for encryption that matters.

    It errs only on the side of a closer look.
    """
    unusual = [value for value in values if type(value) not in _PLAIN]
    if any(isinstance(value, Mapping) and names_sse(value) for value in unusual):
        return True
    return any(map(_is_carrier, unusual)) and not is_safe_transport(client)


def _is_carrier(value: Any) -> bool:
    return isinstance(value, (list, tuple, sys.modules["minio.sse"].Sse)) or hasattr(value, "ssec")


@judging(lambda name, client, _: unjudged(client, f"Minio.{name}", _METHODS[name].operation.value))
def _describe(name: str, client: Any, values: Args) -> RequestContext | None:
    method = _METHODS[name]
    target = [item for value in values for item in _target_headers(value, method)]
    source = [item for value in values for item in _source_headers(value)]
    operation, sse = method.operation, parse_headers(target)
    if source:
        if operation is Operation.COPY_OBJECT:
            sse = parse_headers([*target, *source])
        if sse.target not in (Encryption.SSE_C, Encryption.SSE_KMS):  # the request about the source comes first
            operation, sse = Operation.HEAD_OBJECT, parse_headers(_without_copy(source))
    secure = is_https(client)
    gap = unreported(client, sse, pool_gap(client)) if secure else ""
    if not sse.names or is_safe(sse, gap, secure=secure):
        return None
    return request_context(client, operation.value, sse, secure=secure, tls_gap=gap, call=f"Minio.{name}")


def _target_headers(value: Any, method: _Method) -> Items:
    """Return the headers about the encryption of the object that an argument becomes."""
    if isinstance(value, sys.modules["minio.sse"].Sse):
        return list(value.headers().items())
    # Tags are a mapping too, whose names become a value.
    if not isinstance(value, Mapping) or isinstance(value, sys.modules["minio.commonconfig"].Tags):
        return []
    return [(_metadata_name(name) if method.is_metadata else name, entry) for name, entry in value.items()]


def _metadata_name(name: Any) -> str:
    text = str(name)
    return text if text.lower().startswith("x-amz-") else f"x-amz-meta-{text}"


def _source_headers(value: Any) -> Items:
    """Return the headers about the encryption of the sources that an argument names."""
    sources = value if isinstance(value, (list, tuple)) else [value]
    keys = [getattr(source, "ssec", None) for source in sources]
    return [item for key in keys if key is not None for item in key.copy_headers().items()]


def _without_copy(headers: Items) -> Items:
    return [(name.lower().replace("copy-source-", ""), value) for name, value in headers]


# --- what the SDK itself refuses --------------------------------------------------------------


class _ReachedError(BaseException):
    """The SDK accepted the arguments and is about to read a body or send a request."""


class _Body:
    """In place of what is read."""

    def read(self, *_: Any) -> Any:
        raise _ReachedError

    def __iter__(self) -> Any:
        raise _ReachedError


def is_invalid(function: Function, args: Args, kwargs: Kwargs) -> bool:
    """Return whether the SDK refuses the arguments of a call with its own error.

    The SDK's own code decides: it runs with a client that can send nothing, and a body that cannot be read.

    Args:
        function: the method.
        args: the positional arguments, the client first.
        kwargs: the keyword arguments.
    """
    is_refused = False
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
        given = bound.arguments
        for name, needed in (("data", "read"), ("object_list", "__iter__")):
            if callable(getattr(given.get(name), needed, None)):
                given[name] = _Body()
        for name in ("metadata", "extra_headers", "extra_query_params"):
            if isinstance(given.get(name), dict):  # the SDK adds to them
                given[name] = dict(given[name])
        for name in ("progress", "staging_filename"):
            given.pop(name, None)
        client, *others = bound.args
        function(_idle(client), *others, **bound.kwargs)
    except _ReachedError:
        pass
    except Exception:  # noqa: BLE001  # whatever the SDK raises, it raises again
        is_refused = True
    return is_refused


def _idle(client: Any) -> Any:
    """Return a client with the same settings that cannot send anything."""
    copied: Any = object.__new__(_idle_class(sys.modules["minio.api"].Minio))
    vars(copied).update(vars(client))
    return copied


@functools.lru_cache(maxsize=1)
def _idle_class(minio: type) -> type:
    def reached(*_: Any, **__: Any) -> Any:
        raise _ReachedError

    # Without __del__, which would close the connections of the other client.
    stubs = dict.fromkeys(("_execute", "_url_open", "_get_region"), reached)
    return type("Minio", (minio,), {**stubs, "__del__": lambda _: None})
