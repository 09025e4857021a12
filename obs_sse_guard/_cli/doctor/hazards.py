"""Known hazards of certain releases, and their remedies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HAZARDS", "Hazard", "parsed"]


class Hazard(NamedTuple):
    """One hazard, and the releases that have it.

    Attributes:
        id: its name.
        package: the distribution that has it; empty for Python itself.
        what: what happens.
        remedy: what to do.
        since: the first release that has it; empty for all.
        below: the first release without it again; empty if there is none yet.
        python: the oldest Python that is affected.
        without: a distribution that must be missing.
        beside: a distribution that must be installed too.
    """

    id: str
    package: str
    what: str
    remedy: str
    since: str = ""
    below: str = ""
    python: str = ""
    without: str = ""
    beside: str = ""

    def applies(self, found: Mapping[str, str], python: str) -> bool:
        """Return whether these distributions on this Python are affected."""
        release = found.get(self.package) if self.package else python
        return (
            release is not None
            and parsed(self.since) <= parsed(release)
            and (not self.below or parsed(release) < parsed(self.below))
            and parsed(self.python) <= parsed(python)
            and self.without not in found
            and (not self.beside or self.beside in found)
        )


def parsed(version: str) -> tuple[int, ...]:
    """Return the numbers that a version starts with."""
    return tuple(map(int, re.findall(r"\d+", re.match(r"[\d.]*", version)[0])))  # type: ignore[index]  # may be empty


HAZARDS: tuple[Hazard, ...] = (
    Hazard(
        "esdk-too-old",
        "esdk-obs-python",
        "older than any release that the guard is tested with",
        "upgrade to esdk-obs-python>=3.20.11",
        below="3.20.11",
    ),
    Hazard(
        "esdk-https-broken",
        "esdk-obs-python",
        "HTTPS fails on Python 3.12 and newer: it passes check_hostname to HTTPSConnection",
        "upgrade to esdk-obs-python>=3.24.3; falling back to http would send keys in plaintext",
        below="3.24.3",
        python="3.12",
    ),
    Hazard(
        "esdk-requests-undeclared",
        "esdk-obs-python",
        "it requires requests without declaring it: import obs fails",
        "pip install requests, or upgrade to esdk-obs-python>=3.25.3",
        since="3.24.12",
        below="3.25.3",
        without="requests",
    ),
    Hazard(
        "esdk-unverified-tls",
        "esdk-obs-python",
        "ssl_verify is False by default: anyone who can impersonate the host can read a customer key",
        "ObsClient(ssl_verify='/path/to/ca.pem'); the guard logs unverified-tls once per client",
    ),
    Hazard(
        "esdk-host-unchecked",
        "esdk-obs-python",
        "even with ssl_verify it does not check the certificate against the host name",
        "ObsClient(use_http_conns=True), available in esdk-obs-python>=3.25.3",
    ),
    Hazard(
        "esdk-keys-in-log",
        "esdk-obs-python",
        "its DEBUG log, the default level of a log file, contains customer keys",
        "none needed while the guard is active, which redacts them; treat keys in earlier log files as leaked",
    ),
    Hazard(
        "esdk-follows-redirects",
        "esdk-obs-python",
        "it follows redirects from https to http and sends the customer key along",
        "none needed while the guard is active, which checks every hop",
    ),
    Hazard(
        "botocore-too-old",
        "botocore",
        "older than any release that the guard is tested with",
        "upgrade to botocore>=1.29",
        below="1.29",
    ),
    Hazard(
        "botocore-use-ssl",
        "botocore",
        "use_ssl=False turns an https endpoint_url into http",
        "omit use_ssl, or upgrade to botocore>=1.40.15",
        below="1.40.15",
    ),
    Hazard(
        "botocore-key-in-url",
        "botocore",
        "generate_presigned_url uses signature version 2 in regions such as us-east-1 and eu-west-1, "
        "which puts the customer key into the URL",
        "Config(signature_version='s3v4'), and send the headers with the request",
    ),
    Hazard(
        "botocore-keys-in-log",
        "botocore",
        "its DEBUG log contains request headers, including customer keys",
        "none needed while the guard is active, which redacts them; treat keys in earlier logs as leaked",
    ),
    Hazard(
        "aiobotocore-follows-redirects",
        "aiobotocore",
        "aiohttp follows redirects, including from https to http, and sends the customer key along",
        "none needed while the guard is active, which checks every hop",
    ),
    Hazard(
        "crt-ignores-endpoint",
        "awscrt",
        "transfers with preferred_transfer_client='crt' ignore endpoint_url: use_ssl alone decides on TLS",
        "none needed while the guard is active, which checks the CRT client's own TLS mode; use_ssl=True",
        beside="s3transfer",
    ),
    Hazard(
        "polars-too-old",
        "polars",
        "older than any release that the guard can hook",
        "upgrade to polars>=1.23",
        below="1.23",
    ),
    Hazard(
        "deltalake-too-old",
        "deltalake",
        "older than any release that the guard is tested with",
        "upgrade to deltalake>=1",
        below="1",
    ),
    Hazard(
        "pylance-too-old",
        "pylance",
        "older than any release that the guard is tested with",
        "upgrade to pylance>=0.24",
        below="0.24",
    ),
    Hazard(
        "polars-follows-redirects",
        "polars",
        "it follows redirects of reads, including from https to http, and sends the customer key along; the guard "
        "cannot see them",
        "storage_options={'allow_http': 'false', ...}",
    ),
    *(
        Hazard(
            f"{package}-follows-redirects",
            package,
            "with allow_http, it follows redirects of reads from https to http and sends the customer key along; the "
            "guard cannot see them",
            "omit allow_http",
        )
        for package in ("obstore", "deltalake", "pylance")
    ),
    Hazard(
        "wrapt-too-old",
        "wrapt",
        "older than the guard requires",
        "pip install 'wrapt>=1.16,!=2.2.0,<3'",
        below="1.16",
    ),
    Hazard(
        "wrapt-2.2.0",
        "wrapt",
        "this release binds wrapped functions incorrectly when they are looked up on a class",
        "pip install 'wrapt>=1.16,!=2.2.0,<3'",
        since="2.2.0",
        below="2.2.1",
    ),
    Hazard(
        "python-untested",
        "",
        "newer than any Python that the guard is tested with",
        "check status(), or use Python 3.14",
        since="3.15",
    ),
)
"""All known hazards, the most severe of each package first."""
