"""The proxy that the requests library sends through."""

from __future__ import annotations

from typing import Any

from obs_sse_guard._policy.request import UNKNOWN_PROXY

__all__ = ["proxy_of_session", "proxy_used"]


def proxy_of_session(session: Any, url: str, proxies: Any = None) -> str:
    """Return the host of the proxy that a session would use, or nothing.

    It is chosen as requests does: from the settings, the environment with ``NO_PROXY``, and ``ALL_PROXY``.

    Args:
        session: the session of requests.
        url: where the request goes.
        proxies: the proxies that are passed with the request.
    """
    return proxy_used(url, session.merge_environment_settings(url, proxies or {}, None, None, None)["proxies"])


def proxy_used(url: str, proxies: Any) -> str:
    """Return the host of the proxy that requests uses for a URL, or nothing."""
    from urllib.parse import urlsplit  # noqa: PLC0415  # rarely needed

    from requests.utils import select_proxy  # noqa: PLC0415  # the SDK has imported it

    proxy = select_proxy(url, proxies)
    return (urlsplit(proxy if "//" in proxy else f"//{proxy}").hostname or UNKNOWN_PROXY) if proxy else ""
