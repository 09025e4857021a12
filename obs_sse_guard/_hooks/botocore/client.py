"""Read the service, transport, address and proxy of clients, endpoints and URLs."""

from __future__ import annotations

import functools
from contextvars import ContextVar
from ssl import SSLContext
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from obs_sse_guard._hooks.tls_gaps import context_gap, unreported_gap
from obs_sse_guard._policy.kms_uploads import kms_uploads
from obs_sse_guard._policy.operations import bucket_operation, object_operation
from obs_sse_guard._policy.request import UNKNOWN_PROXY, RequestContext, normalize_host
from obs_sse_guard._util.failure import attempt
from obs_sse_guard._util.text import to_text
from obs_sse_guard.rules import Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from obs_sse_guard._hooks.types import Items
    from obs_sse_guard._policy.headers import SSEHeaders
    from obs_sse_guard._policy.request import SDK

__all__ = [
    "Address",
    "can_have_findings",
    "is_https",
    "is_kms_part",
    "is_s3",
    "is_safe_transport",
    "obs_operation",
    "only_serialized",
    "operation_of",
    "parse_address",
    "parse_endpoint",
    "parse_hop",
    "proxy_of",
    "tls_gap",
    "unjudged",
    "unjudged_call",
    "upload_of",
]

# Set while s3transfer has botocore serialize a request that the CRT's own client will send.
only_serialized: ContextVar[bool] = ContextVar("obs_sse_guard_only_serialized", default=False)


def is_s3(client: Any) -> bool:
    """Return whether this is a client of S3, or one whose service is unknown."""
    try:
        return bool(client._service_model.service_name == "s3")
    except Exception:  # noqa: BLE001  # a custom client
        return True


def obs_operation(name: str) -> str:
    """Return the OBS API's name of an S3 operation."""
    return Operation.INITIATE_MULTIPART_UPLOAD.value if name == "CreateMultipartUpload" else name


# --- the transport ---------------------------------------------------------------------------


def is_https(url: Any) -> bool:
    """Return whether a URL leads over TLS."""
    return to_text(url).strip().lower().startswith("https:")


def is_safe_transport(endpoint: Any, url: Any) -> bool:
    """Return whether a URL certainly leads over verified TLS; fast, and never raises."""
    try:
        verify = endpoint.http_session._verify
        # The session of aiobotocore for httpx has a context there, which may verify nothing.
        if verify is True or (verify and type(verify) is str):
            is_tls: bool = url.startswith("https://")
            return is_tls
    except Exception:  # noqa: BLE001, S110  # a custom endpoint or session
        pass
    return False


def tls_gap(endpoint: Any, sse: SSEHeaders, *, secure: bool, verification: Any = None) -> str:
    """Return the id of an unreported TLS gap for a key; empty if there is none.

    Args:
        endpoint: the client's endpoint.
        sse: what the headers of the request name.
        secure: whether the transport is TLS.
        verification: an `ssl.SSLContext`, or whether the certificate is verified; by default the endpoint's setting.
    """
    if not sse.key or not secure:
        return ""
    if verification is None:  # an HTTP session of the application's own without this attribute is presumed to verify
        verification = getattr(getattr(endpoint, "http_session", None), "_verify", True)
    if isinstance(verification, SSLContext):
        gap = context_gap(verification)
    else:
        gap = "" if verification else "unverified-tls"
    return gap and unreported_gap(endpoint, gap)


def can_have_findings(sse: SSEHeaders, *, secure: bool, exposed: bool, kms_upload: bool) -> bool:
    """Return whether the policy can find anything about a request.

    Args:
        sse: what its headers name.
        secure: whether the transport is TLS.
        exposed: whether TLS leads to an unverified or another host; only a key matters there.
        kms_upload: whether it is a part of an upload that was begun with SSE-KMS.
    """
    misplaced = sse.key_in_metadata or sse.key_in_query
    return misplaced or (sse.key and exposed) if secure else bool(sse.names) or kms_upload


# --- the address -----------------------------------------------------------------------------


class Address(NamedTuple):
    """Where a URL leads."""

    host: str
    port: int | None
    bucket: str
    key: str
    query: Items

    @property
    def parameters(self) -> list[str]:
        """The names of the query parameters."""
        return [name for name, _ in self.query]


def parse_address(url: Any, endpoint_url: Any = "") -> Address:
    """Read a URL; a bucket's host below the endpoint's counts as the endpoint's own."""
    # urllib3's parser, as in botocore's own session: the host that is checked is the host that is connected to.
    from urllib3.exceptions import LocationParseError  # noqa: PLC0415  # botocore has it imported
    from urllib3.util import parse_url  # noqa: PLC0415

    try:
        parts = parse_url(to_text(url).strip())
    except LocationParseError:  # yarl, the parser of aiohttp, accepts more; nobody trusts a host without a name
        return Address("", None, "", to_text(url), [])
    host, path = normalize_host(parts.host), (parts.path or "").lstrip("/")
    query = parse_qsl(parts.query or "", keep_blank_values=True)
    home = normalize_host(urlsplit(to_text(endpoint_url)).hostname)
    if home and host == home:
        return Address(host, parts.port, *path.partition("/")[::2], query)
    if home and host.endswith(f".{home}"):
        return Address(home, parts.port, host[: -len(home) - 1], path, query)
    return Address(host, parts.port, "", path, query)


def parse_hop(url: Any, asked: Address, endpoint_url: Any) -> Address:
    """Read the URL of a redirect.

    Of the hosts below the endpoint's, only that of the requested bucket counts as the endpoint's own.
    """
    whole, address = parse_address(url), parse_address(url, endpoint_url)
    is_own = whole.host == address.host or address.bucket == asked.bucket.lower()
    return address if is_own else whole


def operation_of(method: Any, address: Address, headers: Items) -> str:
    """Return the operation of a request."""
    if address.key:
        return object_operation(to_text(method), address.parameters, headers)
    return bucket_operation(to_text(method), has_parameters=bool(address.query))


@functools.lru_cache(maxsize=64)  # of strings; parsing takes as long as checking a whole call
def parse_endpoint(url: str) -> tuple[str, int | None]:
    """Return the host and port of an endpoint's URL."""
    return parse_address(url)[:2]


def proxy_of(endpoint: Any, url: Any) -> str:
    """Return the host of the HTTP proxy that a request goes through, if any."""
    return attempt(lambda: _proxy_of(endpoint, url), UNKNOWN_PROXY)


def _proxy_of(endpoint: Any, url: Any) -> str:
    configuration = getattr(endpoint.http_session, "_proxy_config", None)
    proxy = configuration.proxy_url_for(url) if configuration is not None else None
    return (parse_address(proxy).host or UNKNOWN_PROXY) if proxy else ""


def is_kms_part(url: Any, query: Items) -> bool:
    """Return whether a URL leads to a part of an upload that was begun with SSE-KMS.

    The endpoint need not be known: the bucket is looked for in the path and at the start of the host.

    Args:
        url: the URL.
        query: names and values of its query parameters, and of those that it is going to have.
    """
    if not kms_uploads or "partNumber" not in (parameters := dict(query)):
        return False
    host, _, _, path, _ = parse_address(url)
    labels = host.split(".")
    places = [(".".join(labels[end:]), ".".join(labels[:end])) for end in range(1, len(labels))]
    upload_id = to_text(parameters.get("uploadId", ""))
    return any((*place, upload_id) in kms_uploads for place in [(host, path.partition("/")[0]), *places])


def upload_of(client: Any, params: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the endpoint's host, the bucket and the id of a call's multipart upload."""
    host, _ = parse_endpoint(client._endpoint.host)
    return host, to_text(params.get("Bucket")), to_text(params.get("UploadId"))


def unjudged(sdk: SDK, call: str, operation: Any, look_up_url: Callable[[], Any]) -> RequestContext:
    """Return what can be read for certain of a request that could not be judged.

    Args:
        sdk: the SDK that makes the call.
        call: the method that the application called.
        operation: the operation, or the HTTP method.
        look_up_url: returns the URL that the request goes to.
    """
    url = attempt(look_up_url, "")
    address = attempt(lambda: parse_address(url), Address("", None, "", "", []))
    secure, name = attempt(lambda: is_https(url), default=False), attempt(lambda: to_text(operation), "request")
    return RequestContext(sdk, call, name, secure, address.host, address.port)


def unjudged_call(sdk: SDK, client: Any, operation: Any) -> RequestContext:
    """Return what can be read for certain of a call that could not be judged."""
    return unjudged(sdk, f"S3.{operation}", operation, lambda: client._endpoint.host)
