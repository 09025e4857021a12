"""Hooks where options are handed over, and the requests that these would serve."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from obs_sse_guard._enforcement.enforce import enforcing
from obs_sse_guard._hooks.hook import judging
from obs_sse_guard._hooks.parameters import expect_parameters
from obs_sse_guard._hooks.stores.advice import HTTP_STORE, LANCE, OBSTORE, POLARS
from obs_sse_guard._hooks.stores.options import HEADER, gives_endpoint, read_options
from obs_sse_guard._policy.request import UNKNOWN_PROXY, RequestContext, normalize_host
from obs_sse_guard._util.failure import attempt
from obs_sse_guard.rules import Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from obs_sse_guard._hooks.stores.advice import Client
    from obs_sse_guard._hooks.stores.options import StoreOptions
    from obs_sse_guard._hooks.types import Args, Function, Items, Kwargs, MakeHook

__all__ = [
    "hands_over",
    "http_store_hook",
    "polars_hook",
    "sql_hook",
    "store_hook",
    "takes_options",
    "write_dataset_hook",
]

_OPTIONS = ("storage_options", "options")
_PLACES = ("table_uri", "uri", "base_uri", "dataset_uri", "target_uri", "dest", "path")
_BASES = "base_store_params"
_ANYWHERE = "s3://"
"""In place of a URL, for functions that take none: their options always count."""
_S3_URL = re.compile(r"s3[a-z]*(\+[a-z]+)?:/", re.IGNORECASE)
_ADDRESSES = ("uri", "table_uri", "base_path")
"""The attributes in which datasets, tables and partitions keep theirs."""
_BASE_OPTION = re.compile(r"(base_\d+)\.(.+)", re.DOTALL)
_WRITE_DATASET_PARAMETERS = 3  # what is written, where to, and all arguments of lance.write_dataset()
_SCHEME = re.compile(r"\A(https?:)/*", re.IGNORECASE)
_IN_URLS = str.maketrans("\\", "/", "\t\r\n")
_AROUND_URLS = "".join(map(chr, range(ord(" ") + 1)))
_PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")


class _Call(NamedTuple):
    """A call that hands over options.

    Attributes:
        client: the client.
        name: the function's public name.
        operation: what the options are for.
    """

    client: Client
    name: str
    operation: Operation = Operation.PUT_OBJECT


class _HandOver(NamedTuple):
    """What a call hands over.

    Attributes:
        place: the URL, path or object that the options are for, or several in a list.
        options: names and values of the options of each store.
        configured: returns the endpoint that the client finds in the AWS configuration file.
    """

    place: Any
    options: list[Items]
    configured: Callable[[], str] = lambda: ""


def hands_over(client: Client, name: str, operation: Operation = Operation.PUT_OBJECT) -> MakeHook:
    """Return what makes the hook of a function that takes options, and maybe a URL.

    Args:
        client: the client.
        name: the function's public name; ``*`` stands for the name of a method.
        operation: what the options are for.
    """

    def make(attribute: str, function: Function) -> Function:
        signature = inspect.signature(function).parameters
        parameters = [*signature]
        # A native function may take any keyword.
        is_open = any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.values())
        options = _first(_OPTIONS, parameters) or (_OPTIONS[0] if is_open else None)
        if options is None:
            raise LookupError(attribute)
        call = _Call(client, name.replace(".*", "" if attribute.startswith("_") else f".{attribute}"), operation)
        place = _first(_PLACES, parameters)

        def read(args: Args, kwargs: Kwargs) -> _HandOver:
            arguments = {**dict(zip(parameters, args)), **kwargs}
            where = arguments.get(place) if place else _ANYWHERE
            return _HandOver(where, _option_sets(arguments.get(options), arguments.get(_BASES)))

        return _hook(call, read, function)

    return make


def _first(names: tuple[str, ...], among: Iterable[str]) -> str | None:
    known = {*among}
    return next((name for name in names if name in known), None)


def takes_options(owner: type) -> list[str]:
    """Return the methods of a class that take options."""
    methods = ((name, getattr(found, "__func__", found)) for name, found in vars(owner).items())
    return [
        name
        for name, method in methods
        if inspect.isfunction(method) and _first(_OPTIONS, inspect.signature(method).parameters)
    ]


def store_hook(_: str, function: Function) -> Function:
    """Make the hook of ``S3Store.__new__``, called by constructors and unpickling."""

    def read(_: Args, kwargs: Kwargs) -> _HandOver:
        sources = (kwargs.get("config"), kwargs.get("client_options"), kwargs)
        options = [pair for source in sources for pair in _pairs(source)]
        return _HandOver(_ANYWHERE, [[*options, *_default_headers(kwargs)]])

    return _hook(_Call(OBSTORE, "obstore.store.S3Store"), read, function)


def http_store_hook(_: str, function: Function) -> Function:
    """Make the hook of ``HTTPStore.__new__``; its headers may name encryption too."""

    def read(args: Args, kwargs: Kwargs) -> _HandOver:
        endpoint = ("endpoint", _spelled_out(kwargs.get("url", args[1] if args[1:] else "")))
        return _HandOver(_ANYWHERE, [[endpoint, *_pairs(kwargs.get("client_options")), *_default_headers(kwargs)]])

    return _hook(_Call(HTTP_STORE, "obstore.store.HTTPStore"), read, function)


def _spelled_out(url: Any) -> str:
    r"""Return a URL as the client parses it: ``"\n http:\host"`` is ``http://host``."""
    return _SCHEME.sub(r"\1//", str(url).translate(_IN_URLS).strip(_AROUND_URLS))


def _default_headers(kwargs: Kwargs) -> Items:
    headers = dict(_pairs(kwargs.get("client_options"))).get("default_headers")
    return [(f"{HEADER}{name}", value) for name, value in _pairs(headers)]


def write_dataset_hook(_: str, function: Function) -> Function:
    """Make the hook of lance's ``_write_dataset``."""
    if len(inspect.signature(function).parameters) != _WRITE_DATASET_PARAMETERS:
        raise LookupError(function)

    def read(args: Args, _: Kwargs) -> _HandOver:
        _reader, place, options = args
        return _HandOver(place, _option_sets(options.get(_OPTIONS[0]), options.get(_BASES)))

    return _hook(_Call(LANCE, "lance.write_dataset"), read, function)


def polars_hook(_: str, function: Function) -> Function:
    """Make the hook of what each function of polars that reads or writes calls first."""
    expect_parameters(function, "credential_provider source storage_options caller_name")

    def hook(credential_provider: Any, source: Any, storage_options: Any, caller_name: Any) -> Any:
        def read(*_: Any) -> _HandOver:
            pairs = _pairs(storage_options)
            return _HandOver(source, [pairs], lambda: _configured(credential_provider, pairs))

        is_reading = str(caller_name).startswith(("read", "scan"))
        call = _Call(POLARS, f"polars.{caller_name}", Operation.GET_OBJECT if is_reading else Operation.PUT_OBJECT)
        return _hook(call, read, function)(credential_provider, source, storage_options, caller_name)

    return hook


def sql_hook(_: str, function: Function) -> Function:
    """Make the hook of ``SQLContext.execute``.

    What a query reads from S3 has no options but the environment's.
    """
    expect_parameters(function, "self query")

    def read(args: Args, kwargs: Kwargs) -> _HandOver:
        query = kwargs.get("query", args[1] if args[1:] else "")
        return _HandOver(_ANYWHERE if isinstance(query, str) and _S3_URL.search(query) else "", [[]])

    return _hook(_Call(POLARS, "polars.SQLContext.execute", Operation.GET_OBJECT), read, function)


def _configured(credential_provider: Any, options: Items) -> str:
    """Return the endpoint that polars finds in the AWS configuration file.

    It looks there through boto3, unless an option sets the endpoint.
    """
    if gives_endpoint(options):
        return ""
    profile = next((value for name, value in options if str(name).lower() in ("aws_profile", "profile")), None)

    def look_up() -> str:
        if credential_provider == "auto":
            import boto3  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415  # as polars does

            session = boto3.Session(profile_name=profile)
        else:
            session = credential_provider._session()  # noqa: SLF001  # of CredentialProviderAWS
        return str(session._session.get_scoped_config().get("endpoint_url") or "")  # noqa: SLF001  # the same as there

    return attempt(look_up, "")


def _hook(call: _Call, read: Callable[[Args, Kwargs], _HandOver], function: Function) -> Function:
    def hook(*args: Any, **kwargs: Any) -> Any:
        described: Any = _describe(call, read, args, kwargs)  # several, or one that could not be judged
        with contextlib.ExitStack() as stack:
            for context in described if isinstance(described, list) else [described]:
                stack.enter_context(enforcing(context))
            return function(*args, **kwargs)

    return hook


@judging(lambda call, *_: RequestContext(call.client.sdk, call.name, call.operation, secure=False, host=""))
def _describe(call: _Call, read: Callable[[Args, Kwargs], _HandOver], args: Args, kwargs: Kwargs) -> Any:
    """Return the context of each store's requests that may have a finding."""
    hand_over = read(args, kwargs)
    if not _is_s3(hand_over.place):
        return []
    contexts = (_context(call, hand_over, options) for options in hand_over.options)
    return [context for context in contexts if context is not None]


def _context(call: _Call, hand_over: _HandOver, given: Items) -> RequestContext | None:
    """Return the context of a store's requests, or ``None`` if they have no finding."""
    client = call.client
    read = functools.partial(
        read_options,
        given if client.headers else [(name, value) for name, value in given if not str(name).startswith(HEADER)],
        os.environ if client.environment else {},
        any_case=client.any_case,
        s3_endpoint=client.knows_s3_endpoint,
    )
    options = read()
    if options.headers.names:
        options = read(configured=hand_over.configured())
    sse = options.headers
    gap = "unverified-tls" if options.secure and sse.key and options.unverified else ""
    in_clear = sse.names and not options.secure
    if not in_clear and not gap and not options.dropped and not sse.key_in_metadata:
        return None
    address = attempt(lambda: _Address.parse(options.endpoint), _Address())
    return RequestContext(
        client.sdk,
        call.name,
        call.operation,
        secure=options.secure,
        host=address.host,
        port=address.port,
        proxy="" if options.secure else attempt(lambda: _proxy(options, address.host), UNKNOWN_PROXY),
        target=sse.target,
        source=sse.source,
        key=sse.key_location(),
        headers=sse.names,
        dropped=options.dropped,
        tls_gap=gap,
        origin=options.origin,
    )


class _Address(NamedTuple):
    host: str = ""
    port: int | None = None

    @classmethod
    def parse(cls, url: str) -> _Address:
        parts = urlsplit(url)
        return cls(normalize_host(parts.hostname or ""), parts.port)


def _proxy(options: StoreOptions, host: str) -> str:
    """Return the host of the proxy that a plaintext request passes; empty if none."""
    # urllib has it, though its stubs do not; rarely needed, and expensive to import.
    from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # noqa: PLC0415

    url = options.proxy
    if not url and not proxy_bypass_environment(host):
        url = next(filter(None, map(os.environ.get, _PROXIES)), "")
    return _Address.parse(url if "://" in url else f"//{url}").host


def _pairs(options: Any) -> Items:
    return [*options.items()] if isinstance(options, Mapping) else []  # the client refuses anything else itself


def _option_sets(options: Any, bases: Any) -> list[Items]:
    """Return the options of each store: of the dataset, and of each base of lance's.

    Those of a base override those of the dataset.
    """
    own_options = [(_BASE_OPTION.fullmatch(str(name)), name, value) for name, value in _pairs(options)]
    common = {name: value for match, name, value in own_options if not match}
    stores = {"": common}
    for match, _, value in own_options:
        if match:
            stores.setdefault(match[1], {**common})[match[2]] = value
    for base, own in _pairs(bases):
        stores[f"{base}:"] = {**common, **dict(_pairs(own))}
    return [[*store.items()] for store in stores.values()]


def _is_s3(place: Any) -> bool:
    """Return whether this is in S3. The options of a local file do not matter."""
    if isinstance(place, (list, tuple)):
        return any(map(_is_s3, place))
    if isinstance(place, (str, os.PathLike)):
        return _S3_URL.match(str(place)) is not None
    owner = getattr(place, "_pl_partition_by", place)  # the partitions that polars writes
    address = next((found for name in _ADDRESSES for found in (getattr(owner, name, None),) if found), None)
    return isinstance(address, (str, os.PathLike)) and _is_s3(address)
