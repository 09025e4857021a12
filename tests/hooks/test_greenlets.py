"""gevent beside the guard, in any order: each greenlet has its own requests.

`tox -e neighbours` installs gevent.
"""

from __future__ import annotations

import contextvars
import importlib.util
from pathlib import Path
from typing import Any

import obs
import pytest

import obs_sse_guard
from obs_sse_guard import SSETransportError
from tests.support.obs_calls import BUCKET, CONTENT, OBJECT, open_client, put_sse_c
from tests.support.programs import run
from tests.support.servers import RecordingServer, assert_no_key
from tests.support.sse import KEY

_ORDERS = {
    "guard and SDK first": "import obs_sse_guard, obs; from gevent import monkey; monkey.patch_all()",
    "guard first": "import obs_sse_guard; from gevent import monkey; monkey.patch_all(); import obs",
    "gevent first": "from gevent import monkey; monkey.patch_all(); import obs_sse_guard, obs",
}
_SETUP = """
import warnings
warnings.simplefilter("ignore")  # gevent's about modules that were imported before
{order}
import gevent
from obs_sse_guard import SSETransportError

client = obs.ObsClient("a", "b", server={url!r}, signature="v2", path_style=True)
encrypted = obs.PutObjectHeader(sseHeader=obs.SseCHeader.getInstance({key!r}))
"""
_SPAWN = """
results, others = [], []

class Body:
    def __init__(self, *meanwhile):
        self.meanwhile, self.left = meanwhile, 3
    def read(self, size=-1):
        gevent.sleep(0)
        others.extend(gevent.spawn(call) for call in self.meanwhile)
        self.meanwhile, self.left = (), self.left - 1
        return b"x" * bool(self.left)

def put(*meanwhile, **arguments):
    try:
        results.append(client.putContent("bucket", "object", Body(*meanwhile), **arguments).status)
    except SSETransportError as refusal:
        results.append(refusal.rule)

def refused():
    put(headers=encrypted)

calls = [call for _ in range(5) for call in (put, refused, lambda: put(put, refused))]
gevent.joinall([gevent.spawn(call) for call in calls], raise_error=True)
gevent.joinall(others, raise_error=True)
print(len(results), results.count(200), results.count("table-1/PutObject"))
"""


_RETRY = """
from gevent.event import Event
done = Event()

class Body:
    def read(self, size=-1):
        done.wait()
        return b""

def complete():
    parts = obs.CompleteMultipartUploadRequest([obs.CompletePart(1, "etag")])
    headers = {{"x-amz-server-side-encryption-customer-algorithm": "AES256"}}
    try:
        print(client.completeMultipartUpload("bucket", "object", "id", parts, extensionHeaders=headers).status)
    finally:
        done.set()

calls = complete, lambda: client.putContent("bucket", "object", Body())
gevent.joinall([gevent.spawn(call) for call in calls], raise_error=True)
"""

_needs_gevent = pytest.mark.skipif(importlib.util.find_spec("gevent") is None, reason="gevent is not installed")


@_needs_gevent
@pytest.mark.parametrize("order", _ORDERS)
def test_no_greenlet_is_refused_as_another(order: str, http: RecordingServer) -> None:
    """Five permitted calls each spawn a permitted and a refused one as they upload."""
    printed = run((_SETUP + _SPAWN).format(order=_ORDERS[order], url=http.url, key=KEY))
    assert printed == "25 15 10"
    assert len(http.requests) == 15
    assert_no_key(http, KEY)


@_needs_gevent
@pytest.mark.parametrize("order", _ORDERS)
def test_a_second_attempt_is_not_judged_as_the_request_of_another_greenlet(order: str, http: RecordingServer) -> None:
    """The SDK sleeps before a retry; meanwhile, a request of another row begins."""
    http.drop("POST", times=1)
    assert run((_SETUP + _RETRY).format(order=_ORDERS[order], url=http.url, key=KEY)) == "200"
    assert sorted(request.method for request in http.requests) == ["POST", "POST", "PUT"]


def test_a_call_in_another_context_knows_nothing_of_the_request_under_way(http: RecordingServer) -> None:
    """A greenlet spawned meanwhile has its own context, and its calls stay in it."""
    refused: list[SSETransportError] = []

    def others(client: Any) -> None:
        assert client.putContent(BUCKET, "other", CONTENT).status == 200
        with pytest.raises(SSETransportError) as caught:
            put_sse_c(client)
        refused.append(caught.value)

    class Body:
        def read(self, _: int = -1) -> bytes:
            if not refused:
                contextvars.Context().run(others, client)
                contextvars.copy_context().run(others, client)
                return b"x"
            return b""

    with open_client("v2", http) as client:
        assert client.putContent(BUCKET, OBJECT, Body(), headers=obs.PutObjectHeader(contentType="a/b")).status == 200
    assert [error.rule for error in refused] == ["table-1/PutObject"] * 2
    assert len(http.requests) == 3
    assert_no_key(http, KEY)


def test_nothing_is_kept_per_thread() -> None:
    """A thread's greenlets share per-thread data, unless gevent patched `threading`."""
    package = Path(obs_sse_guard.__file__).parent
    using = [path.name for path in package.rglob("*.py") if "threading.local" in path.read_text(encoding="utf-8")]
    assert not using
