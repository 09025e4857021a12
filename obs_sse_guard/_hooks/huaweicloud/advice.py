"""How to fix a finding, in the words of huaweicloudsdkobs, and where a plaintext endpoint came from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from obs_sse_guard._enforcement.message import REPORT_FAILURE
from obs_sse_guard._hooks.installer import installer
from obs_sse_guard._policy.request import SDK

if TYPE_CHECKING:
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["HUAWEICLOUD", "advise"]

_REDIRECT = 'with_endpoint("{url}")   the endpoint that the service redirects to; HttpConfig(allow_redirects=False) is '
_FIXES = {
    "key-misplaced": "PutObjectRequest(x_obs_server_side_encryption_customer_key=...)   keep the names of encryption "
    "headers out of x-obs-meta- headers",
    "key-in-url": 'invoker.add_header("x-obs-...", ...)   sends the key as a header; keep it out of query_params=',
    "downgraded-redirect": f"{_REDIRECT}the default",
    "cross-host-redirect": f"{_REDIRECT}the default",
    "unverified-tls": 'HttpConfig(ssl_ca_cert="/path/to/ca.pem")   without ignore_ssl_verification=True',
    "unverified-host": "mount no adapter with assert_hostname=False on the session of the client",
    "cannot-judge": REPORT_FAILURE,
    "sse-dropped": "set only attributes that the request has in its attribute_map; a header that it does not have is "
    "sent with client.put_object_invoker(request).add_header(...)",
}
_USE_HTTPS = 'with_endpoint("{url}")   the http '
_REGIONS = "HUAWEICLOUD_SDK_REGION_OBS_"


def advise(context: RequestContext, finding: str) -> str:
    """Return how to fix a finding; for plaintext, also where the http came from.

    Args:
        context: the request.
        finding: id of the finding.
    """
    fix = _FIXES.get(finding) or _USE_HTTPS + (context.origin or _origin(context))
    return fix.format(url=context.https_url)


def _origin(context: RequestContext) -> str:
    """Return where a client got its plaintext endpoint from: the environment may name that of a region."""
    for variable, endpoints in os.environ.items():
        if variable.startswith(_REGIONS) and context.host and f"http://{context.host}" in endpoints.lower():
            return f"comes from {variable}"
    return "comes from with_endpoint"


HUAWEICLOUD = SDK("huaweicloudsdkobs", advise, installer.report_removed_hooks)
