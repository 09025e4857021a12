"""How to fix a finding, in the words of minio-py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obs_sse_guard._enforcement.message import REDIRECT_TO_HTTPS, REMARK, REPORT_FAILURE
from obs_sse_guard._hooks.installer import installer
from obs_sse_guard._policy.request import SDK

if TYPE_CHECKING:
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["HTTP_CLIENT", "MINIO", "advise"]

_FIXES = {
    "key-misplaced": "put_object(sse=SseCustomerKey(key))   keep the names of encryption headers out of metadata=",
    "key-in-url": "put_object(sse=...), get_object(ssec=...)   send the key as headers of a request; keep it out of "
    "extra_query_params=, response_headers= and the conditions of a PostPolicy",
    "downgraded-redirect": REDIRECT_TO_HTTPS,
    "cross-host-redirect": 'Minio("{host}")   if that host may have the key: the service redirects there',
    "unverified-tls": 'Minio("{host}", cert_check=True)   SSL_CERT_FILE names an authority of your own; or an '
    'http_client= with cert_reqs="CERT_REQUIRED", and without use_forwarding_for_https',
    "unverified-host": "urllib3.PoolManager(...)   as http_client=, without assert_hostname=False",
    "cannot-judge": REPORT_FAILURE,
}
HTTP_CLIENT = "comes from http_client=; the client's endpoint is https"
"""In place of where the http of a client comes from, whose endpoint is https."""
_USE_TLS = 'Minio("{host}", secure=True)'
_OWN_POOL = 'Minio("{host}", http_client=None)'


def advise(context: RequestContext, finding: str) -> str:
    """Return how to fix a finding.

    Args:
        context: the request.
        finding: id of the finding.
    """
    origin = context.origin or "comes from secure=False"
    plaintext = f"{_OWN_POOL if context.origin else _USE_TLS}{REMARK}the http {origin}"
    url = context.https_url
    port = f":{context.port}" if context.port not in (None, 80, 443) else ""  # MinIO itself serves TLS on the same one
    return _FIXES.get(finding, plaintext).format(host=url.partition("://")[2] + port, url=url)


MINIO = SDK("minio", advise, installer.report_removed_hooks)
