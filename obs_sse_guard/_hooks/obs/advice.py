"""How to fix a finding, in the words of esdk-obs-python."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from obs_sse_guard._enforcement.message import REDIRECT_TO_HTTPS, REPORT_FAILURE
from obs_sse_guard._hooks.installer import installer
from obs_sse_guard._policy.request import SDK

if TYPE_CHECKING:
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["ESDK", "advise"]

_FIXES = {
    "key-misplaced": "PutObjectHeader(sseHeader=...)   or sseHeader=, destSseHeader= and sourceSseHeader= of the "
    "method; no SSE object elsewhere or as text, no name of an encryption header in metadata=; modifyFile and "
    "renameFile take none: write with putContent or appendObject",
    "key-in-url": "createSignedUrl(headers=...)   signs the key as a header, to be sent with the request; keep it out "
    "of queryParams= and formParams=",
    "downgraded-redirect": REDIRECT_TO_HTTPS,
    "cross-host-redirect": 'ObsClient(server="{url}")   if that host may have the key: the service redirects there',
    "unverified-tls": 'ObsClient(ssl_verify="/path/to/ca.pem")   the SDK\'s default is False',
    "unverified-host": "ObsClient(use_http_conns=True)   checks the host name too; needs esdk-obs-python>=3.25.3",
    "cannot-judge": REPORT_FAILURE,
    "sse-dropped": "sseHeader=SseCHeader.getInstance(key)   or an SseKmsHeader, in the argument that the method or its "
    "header object reads: sseHeader=, or destSseHeader= and sourceSseHeader= for a copy",
}
_USE_HTTPS = 'ObsClient(server="{url}")   a scheme in server= overrides is_secure='


def advise(context: RequestContext, finding: str) -> str:
    """Return how to fix a finding.

    Args:
        context: the request.
        finding: id of the finding.
    """
    fix = _FIXES.get(finding) or _USE_HTTPS + _upgrade(_sdk_version(), sys.version_info[:2])
    return fix.format(url=context.https_url)


def _upgrade(sdk: tuple[int, ...], python: tuple[int, ...]) -> str:
    # These releases pass check_hostname to HTTPSConnection, which Python 3.12 no longer takes.
    if sdk <= (3, 23, 12) and python >= (3, 12):
        broken = ".".join(map(str, sdk))
        return f"; upgrade to esdk-obs-python>=3.24.3, because HTTPS of {broken} is broken on Python 3.12 and newer"
    return ""


def _sdk_version() -> tuple[int, ...]:
    version = str(getattr(sys.modules.get("obs.const"), "OBS_SDK_VERSION", ""))
    return tuple(int(part) for part in version.split(".") if part.isdigit()) or (sys.maxsize,)


ESDK = SDK("esdk-obs-python", advise, installer.report_removed_hooks)
