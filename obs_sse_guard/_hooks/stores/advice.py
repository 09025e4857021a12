"""The native clients, and how to fix a finding in their words."""

from __future__ import annotations

import functools
import os
import re
from importlib import metadata
from typing import TYPE_CHECKING, NamedTuple

from obs_sse_guard._enforcement.message import REPORT_FAILURE
from obs_sse_guard._hooks.installer import installer
from obs_sse_guard._hooks.stores.options import CONFIGURED
from obs_sse_guard._policy.request import SDK
from obs_sse_guard._util.failure import attempt

if TYPE_CHECKING:
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["DELTALAKE", "HTTP_STORE", "LANCE", "OBSTORE", "POLARS", "Client"]

_FIXES = {
    "sse-dropped": '{type}   a customer key needs "sse-c", a KMS key id "aws:kms"',
    "unverified-tls": "{verify}   add your CA to the system's trust store, or name it in SSL_CERT_FILE",
    "cannot-judge": REPORT_FAILURE,
}
_USE_HTTPS = "{endpoint}   the http comes from {origin}"
_VERIFY = {"obstore": 'S3Store(..., client_options={"allow_invalid_certificates": False})'}
_S3 = "endpoint_url_s3"


def _option(distribution: str, name: str, value: str) -> str:
    if distribution == "obstore":
        return f'S3Store(..., {name}="{value}")'
    return f'storage_options={{"aws_{name}": "{value}"}}'


def _endpoint(context: RequestContext, name: str) -> str:
    if context.origin in os.environ:
        return f"{context.origin}={context.https_url}"
    if context.origin == CONFIGURED:
        return f"endpoint_url = {context.https_url}"
    return _option(context.sdk.name, name, context.https_url)


def _advise(context: RequestContext, finding: str) -> str:
    distribution = context.sdk.name
    # The option that takes precedence is the one to correct.
    name = _S3 if context.origin.lower().endswith(_S3) else "endpoint"
    return _FIXES.get(finding, _USE_HTTPS).format(
        endpoint=_endpoint(context, name),
        verify=_VERIFY.get(distribution, 'storage_options={"allow_invalid_certificates": "false"}'),
        origin=context.origin,
        type=_option(distribution, "server_side_encryption", _encryption(context)),
    )


def _encryption(context: RequestContext) -> str:
    return "sse-c" if any("customer_key" in name.lower() for name in context.dropped) else "aws:kms"


def _advise_http_store(context: RequestContext, finding: str) -> str:
    verify = 'HTTPStore(..., client_options={"allow_invalid_certificates": False})'
    fixes = {**_FIXES, "unverified-tls": _FIXES["unverified-tls"].format(verify=verify)}
    return fixes.get(finding, f'HTTPStore("{context.https_url}/...")')


class Client(NamedTuple):
    """A native client.

    Attributes:
        sdk: its distribution.
        s3_endpoint_since: the first release that reads ``endpoint_url_s3``, which earlier ones ignore.
        any_case: whether it reads environment variables whose prefix ``AWS_`` is in lower case.
        headers: whether its options may hold headers by name.
        environment: whether it reads environment variables at all.
    """

    sdk: SDK
    s3_endpoint_since: tuple[int, ...]
    any_case: bool = False
    headers: bool = False
    environment: bool = True

    @property
    def knows_s3_endpoint(self) -> bool:
        """Whether the installed release reads ``endpoint_url_s3``."""
        return attempt(lambda: _release(self.sdk.name), self.s3_endpoint_since) >= self.s3_endpoint_since


@functools.cache
def _release(distribution: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", metadata.version(distribution))[:3]))


OBSTORE = Client(SDK("obstore", _advise, installer.report_removed_hooks), (0, 11), headers=True)
HTTP_STORE = Client(
    SDK("obstore", _advise_http_store, installer.report_removed_hooks), (0, 3), headers=True, environment=False
)
POLARS = Client(SDK("polars", _advise, installer.report_removed_hooks), (1, 41))
DELTALAKE = Client(SDK("deltalake", _advise, installer.report_removed_hooks), (1, 5, 1), any_case=True)
LANCE = Client(SDK("pylance", _advise, installer.report_removed_hooks), (7,), any_case=True, headers=True)
