"""How to fix a finding in huaweicloudsdkobs, and where the http came from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from obs_sse_guard._enforcement.message import REDIRECT_TO_HTTPS, REMARK, REPORT_FAILURE
from obs_sse_guard._hooks.installer import installer
from obs_sse_guard._policy.request import SDK

if TYPE_CHECKING:
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["HUAWEICLOUD", "REWRITTEN", "advise"]

_USE_HTTPS = 'ObsClient.new_builder().with_endpoint("{url}")'
_FIXES = {
    "key-misplaced": "PutObjectRequest(x_obs_server_side_encryption_customer_key=...)   keep the names of encryption "
    "headers out of x-obs-meta- headers",
    "key-in-url": 'invoker.add_header("x-obs-...", ...)   sends the key as a header; keep it out of query_params=',
    "downgraded-redirect": f"{REDIRECT_TO_HTTPS}; HttpConfig(allow_redirects=False) disables redirects",
    "cross-host-redirect": f"{_USE_HTTPS}   if that host may have the key: the service redirects there; "
    "HttpConfig(allow_redirects=False) disables redirects",
    "unverified-tls": 'HttpConfig(ssl_ca_cert="/path/to/ca.pem")   without ignore_ssl_verification=True',
    "unverified-host": "session.mount(...)   no adapter with assert_hostname=False on the session of the client",
    "cannot-judge": REPORT_FAILURE,
    "sse-dropped": "client.put_object_invoker(request).add_header(...)   sends a header that the request model lacks: "
    "of its attributes, only those in attribute_map are sent",
}
REWRITTEN = "was written into the URL by a handler or a redirect; the endpoint of the client is https"
"""In place of where the http of a client comes from, whose endpoint is https."""
_REGIONS = "HUAWEICLOUD_SDK_REGION_OBS_"


def advise(context: RequestContext, finding: str) -> str:
    """Return how to fix a finding; for plaintext, also where the http came from.

    Args:
        context: the request.
        finding: id of the finding.
    """
    return (_FIXES.get(finding) or _use_https(context)).format(url=context.https_url)


def _use_https(context: RequestContext) -> str:
    if context.origin:
        return f'request.schema = "https"{REMARK}the http {context.origin}'
    variable = _variable(context)
    fix = f"{variable}={{url}}" if variable else _USE_HTTPS
    return f"{fix}{REMARK}the http comes from {variable or 'with_endpoint'}"


def _variable(context: RequestContext) -> str:
    """Return the variable that sets a region's plaintext endpoint; empty if none."""
    for variable, endpoints in os.environ.items():
        if variable.startswith(_REGIONS) and context.host and f"http://{context.host}" in endpoints.lower():
            return variable
    return ""


HUAWEICLOUD = SDK("huaweicloudsdkobs", advise, installer.report_removed_hooks)
