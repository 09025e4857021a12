"""The same request, sent by each HTTP client of Python."""

from __future__ import annotations

import asyncio
import http.client
import importlib.util
import ssl
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.sse import ENCODED, S3_KEY_HEADER
from tests.support.sse import MD5 as KEY_MD5

CONTENT = b"content"
SSE_C = {
    "x-amz-server-side-encryption-customer-algorithm": "AES256",
    S3_KEY_HEADER: ENCODED,
    f"{S3_KEY_HEADER}-md5": KEY_MD5,
}
KMS = {"x-amz-server-side-encryption": "aws:kms"}

Send = Callable[..., int]
"""Sends a PUT to a URL with headers, and returns the status.

``ca`` is the file to verify TLS with, ``proxy`` a URL.
"""


def _context(ca: str | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca)


def _http_client(url: str, headers: Any, ca: str | None = None, proxy: str = "") -> int:
    connection, target = _connect(url, ca, proxy)
    connection.request("PUT", target, CONTENT, headers)
    return _finish(connection)


def _low_level(url: str, headers: Any, ca: str | None = None, proxy: str = "") -> int:
    """Send chunks through the methods that ``request`` is made of."""
    connection, target = _connect(url, ca, proxy)
    connection.putrequest("PUT", target)
    connection.putheader("Transfer-Encoding", "chunked")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders(iter([CONTENT[:3], CONTENT[3:]]), encode_chunked=True)
    return _finish(connection)


def _connect(url: str, ca: str | None, proxy: str) -> tuple[http.client.HTTPConnection, str]:
    parts, through = urlsplit(url), urlsplit(proxy or url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    options: dict[str, Any] = {"context": _context(ca)} if parts.scheme == "https" else {}
    connection = kind(through.hostname or "", through.port, timeout=10, **options)
    if proxy and parts.scheme == "https":
        connection.set_tunnel(parts.hostname or "", parts.port)
    return connection, url if proxy and parts.scheme == "http" else url.partition(parts.netloc)[2]


def _finish(connection: http.client.HTTPConnection) -> int:
    try:
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def _urllib(url: str, headers: Any, ca: str | None = None, proxy: str = "") -> int:
    proxies = urllib.request.ProxyHandler({"http": proxy, "https": proxy} if proxy else {})
    opener = urllib.request.build_opener(proxies, urllib.request.HTTPSHandler(context=_context(ca)))
    request = urllib.request.Request(url, CONTENT, dict(headers), method="PUT")  # noqa: S310  # of our own server
    with opener.open(request, timeout=10) as answer:
        return int(answer.status)


def _urllib3(url: str, headers: Any, ca: str | None = None, proxy: str = "") -> int:
    import urllib3

    with urllib3.ProxyManager(proxy, ca_certs=ca) if proxy else urllib3.PoolManager(ca_certs=ca) as pool:
        return int(pool.request("PUT", url, body=CONTENT, headers=headers, timeout=10).status)


def _requests(url: str, headers: Any, ca: str | None = None, proxy: str = "", data: Any = CONTENT) -> int:
    import requests

    proxies = {"http": proxy, "https": proxy}
    return requests.put(url, data, headers=headers, verify=ca or True, proxies=proxies, timeout=10).status_code


def _requests_chunked(url: str, headers: Any, ca: str | None = None, proxy: str = "") -> int:
    return _requests(url, headers, ca, proxy, iter([CONTENT]))


def _botocore(url: str, headers: Any, ca: str | None = None, proxy: str = "") -> int:
    from botocore.awsrequest import AWSRequest
    from botocore.httpsession import URLLib3Session

    session = URLLib3Session(verify=ca or True, proxies={"http": proxy, "https": proxy} if proxy else None)
    return int(session.send(AWSRequest("PUT", url, headers=headers, data=CONTENT).prepare()).status_code)


def _aiobotocore(url: str, headers: Any, ca: str | None = None, proxy: str = "") -> int:
    from aiobotocore.httpsession import AIOHTTPSession
    from botocore.awsrequest import AWSRequest

    async def send() -> int:
        proxies = {"http": proxy, "https": proxy} if proxy else None
        async with AIOHTTPSession(verify=ca or True, proxies=proxies) as session:
            answer = await session.send(AWSRequest("PUT", url, headers=headers, data=CONTENT).prepare())
            return int(answer.status_code)

    return asyncio.run(send())


def _httpx(url: str, headers: Any, ca: str | None = None, proxy: str = "", **options: Any) -> int:
    import httpx

    with httpx.Client(verify=_context(ca), proxy=proxy or None, **options) as client:
        return client.put(url, content=CONTENT, headers=headers).status_code


def _httpx_async(url: str, headers: Any, ca: str | None = None, proxy: str = "", **options: Any) -> int:
    import httpx

    async def send() -> int:
        async with httpx.AsyncClient(verify=_context(ca), proxy=proxy or None, **options) as client:
            return (await client.put(url, content=CONTENT, headers=headers)).status_code

    return asyncio.run(send())


def _aiohttp(url: str, headers: Any, ca: str | None = None, proxy: str = "") -> int:
    import aiohttp

    async def send() -> int:
        connector = aiohttp.TCPConnector(ssl=_context(ca))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.put(url, data=CONTENT, headers=headers, proxy=proxy or None) as answer,
        ):
            return answer.status

    return asyncio.run(send())


CLIENTS: dict[str, tuple[str, str, Send]] = {
    "http.client": ("http.client", "http", _http_client),
    "http.client, low level": ("http.client", "http", _low_level),
    "urllib": ("http.client", "urllib", _urllib),
    "urllib3": ("http.client", "urllib3", _urllib3),
    "requests": ("http.client", "requests", _requests),
    "requests, chunked": ("http.client", "requests", _requests_chunked),
    "botocore's session": ("http.client", "botocore", _botocore),
    "httpx": ("httpx", "httpx", _httpx),
    "httpx, async": ("httpx", "httpx", _httpx_async),
    "aiohttp": ("aiohttp", "aiohttp", _aiohttp),
    "aiobotocore's session": ("aiohttp", "aiobotocore", _aiobotocore),
}
"""By name: the library in the error, the module to be installed, and the call."""


def client(name: str) -> Send:
    """Return the call of a client; skip the test if that is not installed."""
    _, module, send = CLIENTS[name]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed here")
    return send


each_client = pytest.mark.parametrize("name", CLIENTS)
