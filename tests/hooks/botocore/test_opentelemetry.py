"""The guard and OpenTelemetry's botocore instrumentation work in either order."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import Any

import pytest

import obs_sse_guard
from tests.support.servers import RecordingServer, leaks
from tests.support.sse import KEY

pytestmark = pytest.mark.skipif(
    not any(place.startswith("botocore.") for place in obs_sse_guard.status()), reason="botocore is not guarded yet"
)

GUARD = "import obs_sse_guard; obs_sse_guard.install()"
INSTRUMENTATION = """
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
BotocoreInstrumentor().instrument(tracer_provider=tracers, meter_provider=meters)
"""
_PROGRAM = """
import json, sys
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

reader, exporter = InMemoryMetricReader(), InMemorySpanExporter()
meters, tracers = MeterProvider([reader]), TracerProvider()
tracers.add_span_processor(SimpleSpanProcessor(exporter))
metrics.set_meter_provider(meters)
{first}
{second}
import boto3, obs_sse_guard
options = dict(endpoint_url={url!r}, region_name="here", aws_access_key_id="a", aws_secret_access_key="b")
client = boto3.client("s3", **options)
result = {{}}
with tracers.get_tracer("application").start_as_current_span("order"):
    try:
        client.put_object(Bucket="bucket", Key="key", Body=b"x", SSECustomerKey={key!r}, SSECustomerAlgorithm="AES256")
    except obs_sse_guard.SSETransportError as refusal:
        result["rule"] = refusal.rule
    result["plain"] = client.put_object(Bucket="bucket", Key="key", Body=b"x")["ResponseMetadata"]["HTTPStatusCode"]
client.close()
found = [
    metric
    for resource in reader.get_metrics_data().resource_metrics
    for scope in resource.scope_metrics
    for metric in scope.metrics
    if metric.name == "obs_sse_guard.findings"
]
result["counted"] = [point.value for metric in found for point in metric.data.data_points]
spans = exporter.get_finished_spans()
result["spans"] = sorted(span.name for span in spans)
result["events"] = [event.attributes["obs_sse_guard.rule"] for span in spans for event in span.events
                    if event.name == "obs_sse_guard.finding"]
print(json.dumps(result))
"""


@pytest.mark.parametrize(("first", "second"), [(GUARD, INSTRUMENTATION), (INSTRUMENTATION, GUARD)])
def test_both_work(first: str, second: str, http: RecordingServer) -> None:
    program = textwrap.dedent(_PROGRAM).format(first=first, second=second, url=http.url, key=KEY)
    command = [sys.executable, "-W", "ignore", "-c", program]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    result: dict[str, Any] = json.loads(run.stdout)
    assert result["rule"] == "table-1/PutObject"
    assert result["plain"] == 200
    assert result["counted"] == [1]
    assert result["events"] == ["table-1/PutObject"]
    assert "order" in result["spans"]
    assert any("PutObject" in name for name in result["spans"]), "the instrumentation still records the call"
    assert len(http.requests) == 1
    assert not leaks(run.stdout + run.stderr, KEY)
