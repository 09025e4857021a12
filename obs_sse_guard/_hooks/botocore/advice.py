"""How to fix a finding, in boto3's words, and where a plaintext endpoint came from."""

from __future__ import annotations

import contextlib
import functools
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from obs_sse_guard._hooks.botocore.client import is_https
from obs_sse_guard._policy.request import SDK

if TYPE_CHECKING:
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["BOTOCORE", "advise"]

_CONSTRUCTORS = {"aiobotocore": 'session.create_client("s3", {})'}
_FIXES = {
    "key-misplaced": "put_object(..., SSECustomerKey=key)   keep names of encryption headers out of Metadata=",
    "key-in-url": '{signer}   it signs the key as a header; send that header with the request, and keep the key out of '
    "Fields= and Conditions=",
    "downgraded-redirect": "{client}   use the endpoint that the service redirects to, over https",
    "cross-host-redirect": "{client}   use the endpoint that the service redirects to",
    "unverified-tls": "{verify}   or verify=True, instead of verify=False",
}
_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_CONFIGURATION = ("AWS_CONFIG_FILE", "AWS_PROFILE", "AWS_DEFAULT_PROFILE")


def advise(context: RequestContext, finding_id: str) -> str:
    """Return how to fix a finding; for plaintext, also where the http came from."""
    constructor = _CONSTRUCTORS.get(context.sdk.name, 'boto3.client("s3", {})')
    client = constructor.format(f'endpoint_url="https://{_host(context)}"')
    if finding_id in _FIXES:
        return _FIXES[finding_id].format(
            client=client,
            signer=constructor.format('config=Config(signature_version="s3v4")'),
            verify=constructor.format('verify="/path/to/ca.pem"'),
        )
    if not context.origin and _is_default_endpoint(context):
        client = constructor.format("use_ssl=True")
    return f"{client}   the http {context.origin or _origin(context)}"


def _host(context: RequestContext) -> str:
    # Without the port: whatever port serves https, it is not the one that serves http.
    return f"[{context.host}]" if ":" in context.host else context.host


def _is_default_endpoint(context: RequestContext) -> bool:
    return context.host.endswith((".amazonaws.com", ".amazonaws.com.cn")) and not _variable(context)


def _origin(context: RequestContext) -> str:
    """Return where a client got its plaintext endpoint from; botocore itself does not keep it."""
    variable = _variable(context)
    if variable:
        return f"comes from {variable}"
    if _is_default_endpoint(context):
        return "comes from use_ssl=False"
    if any(_is_endpoint_of(context, url) for url in _configured_endpoints(*map(os.environ.get, _CONFIGURATION))):
        return "comes from endpoint_url in the AWS configuration file"
    return "comes from endpoint_url="


def _variable(context: RequestContext) -> str:
    """Return the environment variable that names the endpoint, if one does."""
    return next((name for name in _VARIABLES if _is_endpoint_of(context, os.environ.get(name))), "")


# Strings in, strings out: the cache keeps nothing of botocore alive.
@functools.lru_cache(maxsize=8)
def _configured_endpoints(*_: str | None) -> tuple[Any, ...]:
    """Return the endpoints in the AWS configuration file, read once for each choice of file and profile."""
    import botocore.session  # noqa: PLC0415  # the application has imported it

    # If it cannot be read, the message only loses a guess.
    with contextlib.suppress(Exception):
        session = botocore.session.get_session()
        profile = session.get_scoped_config()
        services = session.full_config.get("services", {}).get(profile.get("services"), {})
        return profile.get("endpoint_url"), services.get("s3", {}).get("endpoint_url")
    return ()


def _is_endpoint_of(context: RequestContext, url: Any) -> bool:
    """Return whether a URL is the plaintext endpoint of a request, or of the bucket's host below it."""
    endpoint = urlsplit(url or "").hostname
    if not endpoint or is_https(url):
        return False
    return context.host == endpoint or context.host.endswith(f".{endpoint}")


BOTOCORE = SDK("botocore", advise)
