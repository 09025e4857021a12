"""How to fix a finding, in the words of HTTP clients."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from obs_sse_guard._enforcement.message import REPORT_FAILURE
from obs_sse_guard._hooks.installer import installer
from obs_sse_guard._policy.request import SDK

if TYPE_CHECKING:
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["AIOHTTP", "HTTPX", "HTTP_CLIENT", "UNKNOWN_TRANSPORT"]

UNKNOWN_TRANSPORT = "the connection has a socket of its own kind, so that its transport is unknown"

_FIXES = {
    "key-misplaced": "x-obs-server-side-encryption-customer-key   as its own header, without the x-obs-meta- or "
    "x-amz-meta- prefix",
    "key-in-url": "send the key as a header, not in the query, over https",
    "cannot-judge": REPORT_FAILURE,
}
_USE_HTTPS = {
    "http.client": 'use an https:// URL: {url}   with http.client itself, HTTPSConnection("{host}")',
    "httpx": "use an https:// URL: {url}",
    "aiohttp": "use an https:// URL: {url}",
}


def _advise(client: str, context: RequestContext, finding: str) -> str:
    fix = None if context.failure == UNKNOWN_TRANSPORT else _FIXES.get(finding)
    return (fix or _USE_HTTPS[client]).format(url=context.https_url, host=context.host)


HTTP_CLIENT, HTTPX, AIOHTTP = (
    SDK(name, functools.partial(_advise, name), installer.report_removed_hooks) for name in _USE_HTTPS
)
