"""How to fix a finding with boto3 or aiobotocore, and where its http came from."""

from __future__ import annotations

import contextlib
import functools
import os
from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.message import REDIRECT_TO_HTTPS, REMARK, REPORT_FAILURE
from obs_sse_guard._hooks.botocore.client import is_https, parse_address
from obs_sse_guard._hooks.installer import installer
from obs_sse_guard._policy.request import SDK

if TYPE_CHECKING:
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["BOTOCORE", "REWRITTEN", "advise"]

_MAKE_CLIENT = {"botocore": "boto3.client", "aiobotocore": "session.create_client"}
_FIXES = {
    "key-misplaced": "put_object(SSECustomerKey=...)   keep the names of encryption headers out of Metadata=",
    "key-in-url": '{make}("s3", config=Config(signature_version="s3v4"))   signs the key as a header, to be sent with '
    "the request; keep it out of Fields= and Conditions=",
    "downgraded-redirect": REDIRECT_TO_HTTPS,
    "cross-host-redirect": '{make}("s3", endpoint_url="{url}")   if that host may have the key: the service redirects '
    "there",
    "cannot-judge": REPORT_FAILURE,
    "unverified-host": "pip install --upgrade aiobotocore   older releases do not check the host name; nor does a TLS "
    "context with check_hostname=False",
    "unverified-tls": '{make}("s3", verify="/path/to/ca.pem")   or verify=True, not verify=False; no '
    "proxy_use_forwarding_for_https, and no code that turns verification off elsewhere",
}

_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_CONFIGURATION = ("AWS_CONFIG_FILE", "AWS_PROFILE", "AWS_DEFAULT_PROFILE")
_CONFIGURED = "comes from endpoint_url in the AWS configuration file"
_USE_SSL = "comes from use_ssl=False"
REWRITTEN = "was written into the URL by an event handler, a redirect or use_ssl=False; the client's endpoint is https"
"""Where the http comes from if the client's endpoint is https."""

_USE_HTTPS = '{make}("s3", endpoint_url="{url}")'
_USE_HTTPS_WHERE = {
    **{f"comes from {variable}": f"{variable}={{url}}" for variable in _VARIABLES},
    _CONFIGURED: "endpoint_url = {url}",
    _USE_SSL: '{make}("s3", use_ssl=True)',
    REWRITTEN: "keep the https:// of the URL",
}
"""By where the http comes from, what to write instead."""


def advise(context: RequestContext, finding: str) -> str:
    """Return how to fix a finding; for plaintext, also where the http came from.

    Args:
        context: the request.
        finding: id of the finding.
    """
    fix = _FIXES.get(finding)
    if fix is None:
        origin = context.origin or _origin(context)
        fix = f"{_USE_HTTPS_WHERE.get(origin, _USE_HTTPS)}{REMARK}the http {origin}"
    return fix.format(make=_MAKE_CLIENT[context.sdk.name], url=context.https_url)


def _origin(context: RequestContext) -> str:
    """Return where a client's plaintext endpoint came from.

    It is inferred, because botocore itself does not keep it.
    """
    for variable in _VARIABLES:
        if _is_endpoint_of(context, os.environ.get(variable)):
            return f"comes from {variable}"
    if context.host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return _USE_SSL  # the SDK's own endpoint
    if any(_is_endpoint_of(context, url) for url in _configured_endpoints(*map(os.environ.get, _CONFIGURATION))):
        return _CONFIGURED
    return "comes from endpoint_url="


@functools.lru_cache(maxsize=8)  # of text: nothing of botocore is kept alive
def _configured_endpoints(*_: str | None) -> tuple[Any, ...]:
    """Return the endpoints in the AWS configuration file, cached by file and profile."""
    # If it cannot be read, the message loses a guess and nothing else.
    with contextlib.suppress(Exception):
        import botocore.session  # noqa: PLC0415  # an application whose request is judged has it imported

        session = botocore.session.get_session()
        profile = session.get_scoped_config()
        services = session.full_config.get("services", {}).get(profile.get("services"), {})
        return profile.get("endpoint_url"), services.get("s3", {}).get("endpoint_url")
    return ()


def _is_endpoint_of(context: RequestContext, url: Any) -> bool:
    """Return whether a request goes to this plaintext endpoint or to a host below it."""
    endpoint = parse_address(url).host if url and not is_https(url) else ""
    return bool(endpoint) and (context.host == endpoint or context.host.endswith(f".{endpoint}"))


BOTOCORE = SDK("botocore", advise, installer.report_removed_hooks)
