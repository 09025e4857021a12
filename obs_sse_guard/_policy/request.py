"""The request context: what hooks know of a request, and all the policy needs."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from obs_sse_guard._util.text import to_text
from obs_sse_guard.rules import Encryption

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SDK", "UNKNOWN_PROXY", "KeyLocation", "RequestContext", "in_url", "normalize_host"]

_LONGEST_LABEL = 63
"""Of a host name. The encoding of more would take more than linear time."""

UNKNOWN_PROXY = "?"
"""In place of a proxy's host where the look-up failed.

No setting trusts it, so plaintext through it is not trusted.
"""


class KeyLocation(Enum):
    """Where a customer key stands in what would be sent or signed."""

    NOWHERE = "nowhere"
    HEADER = "a request header"
    URL = "the URL's query"
    POLICY = "the POST policy"
    METADATA = "user metadata"

    @property
    def is_private_over_tls(self) -> bool:
        """Whether TLS hides a key there from everybody but the service."""
        return self in (KeyLocation.NOWHERE, KeyLocation.HEADER)


class SDK(NamedTuple):
    """An SDK.

    Attributes:
        name: its distribution.
        advise: given a request and the id of a finding, returns how to fix it in this SDK's words.
        after_report: called after a finding was reported, by the thread of the call.
    """

    name: str
    advise: Callable[[RequestContext, str], str]
    after_report: Callable[[], None] = lambda: None


class RequestContext(NamedTuple):
    """What is known of one request before it is sent.

    Attributes:
        sdk: the SDK that makes the call.
        call: the method that the application called, such as ``ObsClient.putContent``.
        operation: the operation by the OBS API's name.
        secure: whether the transport is TLS.
        host: the host that the application names as its endpoint.
        port: its port.
        proxy: host of the HTTP proxy in between; empty if there is none, `UNKNOWN_PROXY` if that is unknown.
        target: encryption that the request names for the object.
        source: encryption that it names for a copy's source.
        key: where a customer key stands.
        key_ids: identify the customer keys. Hashes by Python's salt for this process, of no use outside it.
        headers: names of the headers that name encryption.
        dropped: SSE arguments that the SDK ignores.
        kms_upload: whether the upload of this part was begun with SSE-KMS.
        other_host: whether a redirect leads to another host than the client's.
        downgraded: whether a redirect leads from TLS to plaintext.
        read_kms: whether the answer shows that what was read is encrypted with SSE-KMS.
        tls_gap: id of the finding about what the TLS connection does not verify; empty if there is none.
        origin: where the plaintext endpoint came from, in words that follow "the http"; empty if unknown.
        failure: what went wrong while the request was judged; empty if nothing did. Then the other fields are only
            what could be read, and ``secure`` is true only if the transport surely is TLS.
        answered: whether the request was sent before that, so that it cannot be refused any more.
    """

    sdk: SDK
    call: str
    operation: str
    secure: bool
    host: str
    port: int | None = None
    proxy: str = ""
    target: Encryption = Encryption.NONE
    source: Encryption = Encryption.NONE
    key: KeyLocation = KeyLocation.NOWHERE
    key_ids: frozenset[int] = frozenset()
    headers: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    kms_upload: bool = False
    other_host: bool = False
    downgraded: bool = False
    read_kms: bool = False
    tls_gap: str = ""
    origin: str = ""
    failure: str = ""
    answered: bool = False

    @property
    def scheme(self) -> str:
        """The transport by its name in the rules."""
        return "https" if self.secure else "http"

    @property
    def endpoint(self) -> str:
        """Scheme, host and port, as a URL."""
        usual = 443 if self.secure else 80
        port = f":{self.port}" if self.port not in (None, usual) else ""
        return f"{self.scheme}://{in_url(self.host)}{port}"

    @property
    def https_url(self) -> str:
        """The same host over HTTPS; without the port, because another one serves HTTPS."""
        return f"https://{in_url(self.host) or '...'}"

    @property
    def hops(self) -> tuple[str, ...]:
        """The hosts that a plaintext request passes; two of them behind a proxy."""
        return (self.host, self.proxy) if self.proxy else (self.host,)

    def covers(self, other: RequestContext) -> bool:
        """Return whether the findings about this request cover another one as well.

        Args:
            other: the same request further in, over plaintext, as a hook sees it that knows no operations.
        """
        if self.secure or (self.host and not f".{other.host}".endswith(f".{self.host}")):  # a bucket's host is below
            return False
        if self.failure:
            return True
        # Meanwhile the application may send another request to the same host by hand.
        return self.key_ids == other.key_ids if other.has_key else self.target is other.target

    @property
    def has_key(self) -> bool:
        """Whether a customer key stands anywhere."""
        return self.key is not KeyLocation.NOWHERE


def in_url(host: str) -> str:
    """Return a host as a URL has it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def normalize_host(host: object) -> str:
    """Return a host in lower case and punycode, without brackets or trailing dots."""
    text = host if isinstance(host, str) else to_text(host or "")
    text = text.strip().lower().rstrip(".").strip("[]")
    return text if text.isascii() else ".".join(map(_encode_label, text.split(".")))


def _encode_label(label: str) -> str:
    if label.isascii() or len(label) > _LONGEST_LABEL:
        return label
    from unicodedata import normalize  # noqa: PLC0415  # for few hosts

    return f"xn--{normalize('NFKC', label).encode('punycode').decode()}"
