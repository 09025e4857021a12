"""Run the guard and another library that patches botocore in one process.

``python -m tests.support.neighbours '{"neighbour": "Moto", "steps": ["guard in", "call", ...], ...}'`` prints as JSON
what every ``call`` observed. Nothing is imported before its step, because the order of imports is what is tested.
"""

from __future__ import annotations

import json
import logging
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tests.support.servers import loopback_names

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["KEY", "METHOD_HOOK", "NEIGHBOURS"]

KEY = "a-key-that-a-neighbour-may-see-1"
METHOD_HOOK = "botocore.client.BaseClient._make_api_call"


class Neighbour:
    """A library that observes the calls of botocore, or responds to them."""

    distribution = ""

    def __init__(self) -> None:
        self._seen = 0

    def install(self) -> None:
        """Install it, as applications do."""
        raise NotImplementedError

    def remove(self) -> None:
        """Remove it, by its own API if it has one."""
        raise NotImplementedError

    def address(self, url: str) -> str:
        """Return the address to call, instead of a recording server."""
        return url

    def call(self, client: Any, **arguments: Any) -> int:
        """Make a call, in the context that the library needs, and return the HTTP status."""
        answer = client.put_object(Bucket="bucket", Key="object", Body=b"x", **arguments)
        return int(answer["ResponseMetadata"]["HTTPStatusCode"])

    def seen(self) -> int:
        """Return the number of calls that it has observed."""
        return self._seen


class OpenTelemetry(Neighbour):
    """OpenTelemetry records spans."""

    distribution = "opentelemetry-instrumentation-botocore"

    def install(self) -> None:
        from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        self._spans = InMemorySpanExporter()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self._instrumentor = BotocoreInstrumentor()  # type: ignore[no-untyped-call,unused-ignore]  # only in some releases
        self._instrumentor.instrument(tracer_provider=tracers)

    def remove(self) -> None:
        self._instrumentor.uninstrument()

    def seen(self) -> int:
        return sum(span.name == "S3.PutObject" for span in self._spans.get_finished_spans())


class XRay(Neighbour):
    """X-Ray records subsegments.

    It has no API to unpatch botocore, except the function that unpatches other libraries.
    """

    distribution = "aws-xray-sdk"

    def install(self) -> None:
        from aws_xray_sdk.core import patch, xray_recorder

        xray_recorder.configure(sampling=False, emitter=self)
        self._segment = xray_recorder.in_segment
        patch(("botocore",))

    def send_entity(self, segment: Any) -> None:
        """Act as its emitter."""
        self._seen += sum(part.aws["operation"] == "PutObject" for part in segment.subsegments)

    def call(self, client: Any, **arguments: Any) -> int:
        with self._segment("application"):
            return super().call(client, **arguments)

    def remove(self) -> None:
        from aws_xray_sdk.ext.util import unwrap
        from botocore.client import BaseClient
        from botocore.endpoint import Endpoint

        unwrap(BaseClient, "_make_api_call")
        unwrap(Endpoint, "prepare_request")


class Datadog(Neighbour):
    """Datadog records spans."""

    distribution = "ddtrace"

    def install(self) -> None:
        import ddtrace

        ddtrace.tracer.configure(trace_processors=[self])
        ddtrace.patch(botocore=True)

    def process_trace(self, trace: Any) -> None:
        """Act as its filter, and drop everything."""
        self._seen += sum(span.name == "s3.command" for span in trace)

    def remove(self) -> None:
        from ddtrace.contrib.internal.botocore.patch import unpatch

        unpatch()


class Sentry(Neighbour):
    """Sentry records transactions.

    Closing its client is its only removal: its wrappers stay, without effect.
    """

    distribution = "sentry-sdk"

    def install(self) -> None:
        import sentry_sdk

        sentry_sdk.init(
            dsn="http://key@127.0.0.1:9/1",
            traces_sample_rate=1.0,
            before_send_transaction=self._count_event,
            send_client_reports=False,
        )
        self._sdk = sentry_sdk

    def _count_event(self, event: Any, _hint: Any) -> None:
        self._seen += sum("PutObject" in span["description"] for span in event["spans"])

    def call(self, client: Any, **arguments: Any) -> int:
        with self._sdk.start_transaction(name="application"):
            return super().call(client, **arguments)

    def remove(self) -> None:
        self._sdk.get_client().close()
        self._sdk.get_global_scope().set_client(None)


class Moto(Neighbour):
    """Moto responds instead of AWS, without a socket."""

    distribution = "moto"
    _mock: Any = None

    def install(self) -> None:
        from moto import mock_aws

        self._mock = mock_aws()
        self._mock.start()
        make_client(self.address("https:")).create_bucket(Bucket="bucket")

    def remove(self) -> None:
        self._mock.stop()
        self._mock = None

    def address(self, url: str) -> str:
        return f"{url.partition(':')[0]}://s3.us-east-1.amazonaws.com" if self._mock else url

    def call(self, client: Any, **arguments: Any) -> int:
        status = super().call(client, **arguments)
        if self._mock:
            self._seen += "ETag" in client.head_object(Bucket="bucket", Key="object", **arguments)
        return status


NEIGHBOURS = {kind.__name__: kind for kind in (OpenTelemetry, XRay, Datadog, Sentry, Moto)}


def make_client(url: str, **options: Any) -> Any:
    """Create a client of boto3."""
    import boto3

    credentials = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    return boto3.client("s3", endpoint_url=url, region_name="us-east-1", **credentials, **options)


class Stage:
    """The guard and the other library in one process."""

    def __init__(self, neighbour: str, *, http: str, https: str, ca: str) -> None:
        self._neighbour: Neighbour = NEIGHBOURS[neighbour]()
        self._http, self._https, self._ca = http, https, ca
        self._guard: Any = None
        self._is_guarded = False
        self._clients: dict[str, Any] = {}
        self._log = _listen()
        self._steps: dict[str, Callable[[], Any]] = {
            "SDK": lambda: import_module("boto3"),
            "guard in": self._guard_in,
            "guard out": self._guard_out,
            "neighbour in": self._neighbour.install,
            "neighbour out": self._neighbour.remove,
            "call": self._call,
        }

    def play(self, steps: list[str]) -> list[dict[str, Any]]:
        """Run the steps, and return what every call observed."""
        results = [(step, self._steps[step]()) for step in steps]
        return [result for step, result in results if step == "call"]

    def _guard_in(self) -> None:
        self._guard = import_module("obs_sse_guard")
        self._guard.install()
        self._is_guarded = True

    def _guard_out(self) -> None:
        self._guard.uninstall()
        self._is_guarded = False

    def _call(self) -> dict[str, Any]:
        """Make an allowed call, and refused ones as well while the guard is installed."""
        before = self._neighbour.seen()
        status = self._neighbour.call(self._client(self._neighbour.address(self._https)), **_SSE)
        seen = self._neighbour.seen() - before
        urls = sorted({self._http, self._neighbour.address(self._http)}) if self._is_guarded else []
        return {
            "status": status,
            "seen": seen,
            "refused": [self._rule(url) for url in urls],
            "off": [place for place, state in self._guard.status().items() if state == "off"],
            "log": [self._log.pop() for _ in self._log[:]],
        }

    def _rule(self, url: str) -> str:
        try:
            return f"status {self._neighbour.call(self._client(url), **_SSE)}"
        except self._guard.SSETransportError as refusal:
            return str(refusal.rule)

    def _client(self, url: str) -> Any:
        """Return the client of an address, created once and used for all later steps."""
        if url not in self._clients:
            self._clients[url] = make_client(url, verify=self._ca)
        return self._clients[url]


_SSE = {"SSECustomerKey": KEY, "SSECustomerAlgorithm": "AES256"}


def _listen() -> list[str]:
    """Collect the messages that the guard logs from now on."""
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("obs_sse_guard").addHandler(handler)
    return messages


if __name__ == "__main__":
    task = json.loads(sys.argv[1])
    steps = task.pop("steps")
    with loopback_names():
        print(json.dumps(Stage(**task).play(steps)))  # noqa: T201  # for the test that started this
