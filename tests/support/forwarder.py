"""Record what clients send, and have a real object store answer it."""

from __future__ import annotations

import contextlib
import http.client
import socket

from tests.support.servers import LOOPBACK, Answer, RecordingServer, Request

__all__ = ["Forwarder"]

_BETWEEN_TWO = ("connection", "transfer-encoding", "expect", "keep-alive")


class Forwarder(RecordingServer):
    """Records every request, and forwards it to another server."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        super().__init__(lifetime=300)

    def _usual(self, request: Request) -> Answer:
        headers = [pair for pair in request.headers if pair[0].lower() not in (*_BETWEEN_TWO, "content-length")]
        headers += [("Content-Length", str(len(request.body))), ("Connection", "close")]
        lines = [
            f"{request.method} {request.target} HTTP/1.1",
            *(f"{name}: {value}" for name, value in headers),
            "",
            "",
        ]
        # Not with an HTTP client: the guard would judge the request again.
        with socket.create_connection((LOOPBACK, self._upstream), timeout=30) as upstream:
            upstream.sendall("\r\n".join(lines).encode("latin-1") + request.body)
            with contextlib.closing(http.client.HTTPResponse(upstream, method=request.method)) as answer:
                answer.begin()
                kept = [pair for pair in answer.getheaders() if pair[0].lower() not in _BETWEEN_TWO]
                return Answer(answer.status, tuple(kept), answer.read())
