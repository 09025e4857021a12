"""Recording servers in front of a real object store: what clients send is recorded, and answered by the store."""

from __future__ import annotations

import contextlib
import http.client

from tests.support.servers import LOOPBACK, Answer, RecordingServer, Request

__all__ = ["Forwarder"]

_BETWEEN_TWO = ("connection", "transfer-encoding", "expect", "keep-alive")


class Forwarder(RecordingServer):
    """Records every request, and forwards it to another server."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        super().__init__(lifetime=300)

    def _usual(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(LOOPBACK, self._upstream, timeout=30)
        with contextlib.closing(connection):
            connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers:
                if name.lower() not in (*_BETWEEN_TWO, "content-length"):
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(request.body)))
            connection.endheaders(request.body)
            answer = connection.getresponse()
            kept = [pair for pair in answer.getheaders() if pair[0].lower() not in _BETWEEN_TWO]
            return Answer(answer.status, tuple(kept), answer.read())
