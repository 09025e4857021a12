"""How to fix a finding, in the words of minio-py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obs_sse_guard._enforcement.message import REPORT_FAILURE
from obs_sse_guard._hooks.installer import installer
from obs_sse_guard._policy.request import SDK

if TYPE_CHECKING:
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["MINIO", "advise"]

_FIXES = {
    "key-misplaced": "put_object(sse=SseCustomerKey(key))   keep the names of encryption headers out of metadata=",
    "key-in-url": "send the key as headers, together with the request; keep it out of extra_query_params=, "
    "response_headers= and the conditions of a PostPolicy",
    "downgraded-redirect": 'Minio("{host}")   the endpoint that the service redirects to',
    "cross-host-redirect": 'Minio("{host}")   the endpoint that the service redirects to',
    "unverified-tls": 'Minio("{host}", cert_check=True)   SSL_CERT_FILE names an authority of your own; or an '
    'http_client= with cert_reqs="CERT_REQUIRED", and without use_forwarding_for_https',
    "unverified-host": "an http_client= without assert_hostname=False",
    "cannot-judge": REPORT_FAILURE,
}
_USE_TLS = 'Minio("{host}", secure=True)   the http '


def advise(context: RequestContext, finding: str) -> str:
    """Return how to fix a finding.

    Args:
        context: the request.
        finding: id of the finding.
    """
    fix = _FIXES.get(finding) or _USE_TLS + (context.origin or "comes from secure=False")
    return fix.format(host=context.https_url.partition("://")[2])


MINIO = SDK("minio", advise, installer.report_removed_hooks)
