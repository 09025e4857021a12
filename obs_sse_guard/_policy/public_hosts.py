"""Recognize trusted hosts that are not the user's own.

These are public networks, public suffixes and the domains of cloud services. There is no public suffix list here. A
suffix counts as public if it is a top-level domain, or one of the usual second levels below a country's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

__all__ = ["public_name", "public_network", "public_suffix"]

_PRIVATE_NETWORKS = (
    "0.0.0.0/32",  # this machine
    "10.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::/128",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)
"""Loopback, private and link-local addresses (RFC 1122, 1918, 3927, 4193, 4291).

`is_private` of `ipaddress` differs from release to release: up to Python 3.10 it holds for 0.0.0.0/0.
"""

_PRIVATE_DOMAINS = {
    *("example", "internal", "invalid", "local", "localhost", "test"),
    *("corp", "home", "intranet", "lan", "private"),
    "svc",
}
"""Top-level domains that do not exist on the Internet.

Reserved ones (RFC 2606, RFC 6762, ICANN), those that private networks use without a reservation (RFC 6762, appendix G),
and the end of a service's short name in Kubernetes.
"""

_SECOND_LEVELS = {"ac", "co", "com", "edu", "gob", "gov", "go", "ltd", "mil", "ne", "net", "nom", "or", "org", "plc"}
"""Second levels below which many countries register names, as in ``co.uk``."""

_SERVICES = (
    "aliyuncs.com",
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "api.aws",
    "appdomain.cloud",
    "backblazeb2.com",
    "bcebos.com",
    "cloud.ovh.net",
    "cloudflarestorage.com",
    "cloudfront.net",
    "core.windows.net",
    "digitaloceanspaces.com",
    "googleapis.com",
    "huaweicloud.com",
    "hwclouds.com",
    "ksyuncs.com",
    "linodeobjects.com",
    "myhuaweicloud.cn",
    "myhuaweicloud.com",
    "myhuaweicloud.eu",
    "myhwclouds.com",
    "myqcloud.com",
    "oraclecloud.com",
    "otc.t-systems.com",
    "prod-cloud-ocb.orange-business.com",
    "qiniucs.com",
    "scw.cloud",
    "storage.tigris.dev",
    "volces.com",
    "wasabisys.com",
    "yandexcloud.net",
    "your-objectstorage.com",
    # Not services, but names below these resolve to any address.
    "nip.io",
    "sslip.io",
)
"""Domains of services reached with an S3 SDK, and of the clouds around them."""

_DOTTED = tuple(f".{service}" for service in _SERVICES)
_SERVICE = "a public service's domain"


def public_network(network: IPv4Network | IPv6Network) -> str:
    """Return what is public about a network; empty if all its addresses are private."""
    from ipaddress import ip_network  # noqa: PLC0415  # only where hosts are trusted

    private: Any
    for private in map(ip_network, _PRIVATE_NETWORKS):
        if private.version == network.version and network.subnet_of(private):
            return ""
    return "public addresses"


def public_suffix(suffix: str) -> str:
    """Return what is public about a suffix like ``.com``; empty if nothing is known."""
    labels = suffix.strip(".").split(".")
    if len(labels) == 1:
        return "" if labels[0] in _PRIVATE_DOMAINS else "a top-level domain"
    if len(labels) == 2 and len(labels[1]) == 2 and labels[0] in _SECOND_LEVELS:  # noqa: PLR2004  # as in co.uk
        return "a public suffix"
    if any(service.endswith(suffix) for service in _DOTTED):
        return _SERVICE
    return public_name(suffix)


def public_name(name: str) -> str:
    """Return what is public about a host name; empty if it is no known service's."""
    return _SERVICE if f".{name}".endswith(_DOTTED) else ""
