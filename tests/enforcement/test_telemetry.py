"""OpenTelemetry: the counter and the event as exported, and nothing without it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from types import ModuleType
from typing import Any

import obs
import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import get_aggregated_resources
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import obs_sse_guard
from obs_sse_guard import SSETransportError, __version__
from obs_sse_guard._enforcement import telemetry as telemetry_module
from obs_sse_guard._enforcement.enforce import enforce
from tests.support import ROOT, obs_calls
from tests.support.contexts import put_with_key
from tests.support.obs_calls import BUCKET, CONTENT, OBJECT, open_client, put_sse_c
from tests.support.servers import RecordingServer, leaks
from tests.support.sse import KEY


class Telemetry:
    """The metrics and spans that OpenTelemetry collected."""

    def __init__(self) -> None:
        self.reader, self.exporter = InMemoryMetricReader(), InMemorySpanExporter()
        self.meters = MeterProvider([self.reader])
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.tracers.get_tracer("application")

    def points(self) -> list[Any]:
        """Return every data point of the guard's metrics."""
        data: Any = self.reader.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        ours = [
            scope for scope in scopes if scope.scope.name == "obs_sse_guard"
        ]  # some releases of OpenTelemetry add metrics of their own
        assert all(scope.scope.version == __version__ for scope in ours)
        found = [metric for scope in ours for metric in scope.metrics]
        assert all((metric.name, metric.unit) == ("obs_sse_guard.findings", "{finding}") for metric in found)
        return [point for metric in found for point in metric.data.data_points]

    def events(self) -> list[Any]:
        """Return every event of every ended span."""
        return [event for span in self.exporter.get_finished_spans() for event in span.events]


@pytest.fixture
def telemetry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Telemetry]:
    """Patch in providers, because a process can set those of OpenTelemetry only once."""
    seen = Telemetry()
    monkeypatch.setattr(metrics, "get_meter", seen.meters.get_meter)
    yield seen
    seen.meters.shutdown()
    seen.tracers.shutdown()


COUNTED = {
    "obs_sse_guard.rule": "table-1/PutObject",
    "obs_sse_guard.verdict": "refused",
    "obs_sse_guard.sdk": "esdk-obs-python",
    "obs_sse_guard.operation": "PutObject",
    "url.scheme": "http",
}


def test_a_refusal_is_counted_and_added_to_the_span(http: RecordingServer, telemetry: Telemetry) -> None:
    with open_client("v2", http) as client:
        for _ in range(2):
            with telemetry.tracer.start_as_current_span("order"), pytest.raises(SSETransportError):
                put_sse_c(client)
    [point] = telemetry.points()
    assert (point.value, dict(point.attributes)) == (2, COUNTED)
    event, _ = telemetry.events()
    assert event.name == "obs_sse_guard.finding"
    noted = dict(event.attributes)
    assert noted.pop("code.line.number") > 0
    assert noted == {
        **COUNTED,
        "obs_sse_guard.mode": "enforce",
        "obs_sse_guard.policy": "documented",
        "obs_sse_guard.target": "SSE-C",
        "obs_sse_guard.source": "none",
        "server.address": "127.0.0.1",
        "server.port": http.port,
        "code.file.path": obs_calls.__file__,
        "code.function.name": "put_sse_c",
    }
    assert not leaks(repr([*telemetry.events(), *telemetry.points()]), KEY)


def test_every_call_in_warn_mode_is_counted_although_the_log_is_throttled(
    http: RecordingServer, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")
    with open_client("v2", http) as client, telemetry.tracer.start_as_current_span("order"):
        for _ in range(5):
            assert put_sse_c(client).status == 200
    [point] = telemetry.points()
    assert (point.value, point.attributes["obs_sse_guard.verdict"]) == (5, "would-refuse")
    assert len(telemetry.events()) == 5
    assert len(caplog.records) == 1


def test_a_trusted_call_is_counted_and_an_allowed_one_is_not(
    http: RecordingServer, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    kms = {"x-amz-server-side-encryption": "kms"}
    with open_client("v2", http) as client, telemetry.tracer.start_as_current_span("order"):
        client.getObjectMetadata(BUCKET, OBJECT, extensionHeaders=kms)
        assert telemetry.points() == []
        monkeypatch.setenv("OBS_SSE_GUARD_TRUSTED_HOSTS", "127.0.0.1")
        put_sse_c(client)
    [point] = telemetry.points()
    assert (point.attributes["obs_sse_guard.rule"], point.attributes["obs_sse_guard.verdict"]) == (
        "trusted-host",
        "trusted",
    )


def test_a_span_that_is_not_recording_gets_no_event(
    http: RecordingServer, telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    span = telemetry.tracer.start_span("order")
    span.end()
    with open_client("v2", http) as client, trace.use_span(span), pytest.raises(SSETransportError):
        put_sse_c(client)
    assert [point.value for point in telemetry.points()] == [1]
    assert telemetry.events() == []
    assert not caplog.records, "OpenTelemetry warns about an event of an ended span"


@pytest.mark.parametrize("module", ["metrics", "trace"])
@pytest.mark.parametrize("loaded", [None, ModuleType("half loaded")], ids=["absent", "half loaded"])
def test_a_module_that_is_not_loaded_is_left_out(
    loaded: ModuleType | None, module: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, f"opentelemetry.{module}", loaded)
    with pytest.raises(SSETransportError):
        enforce(put_with_key())
    assert not caplog.records


def test_without_a_span_a_refusal_is_only_counted(http: RecordingServer, telemetry: Telemetry) -> None:
    with open_client("v2", http) as client, pytest.raises(SSETransportError):
        put_sse_c(client)
    assert [point.value for point in telemetry.points()] == [1]


def test_a_thread_without_a_call_site_adds_no_code_attributes(http: RecordingServer, telemetry: Telemetry) -> None:
    headers = obs.PutObjectHeader(sseHeader=obs.SseCHeader.getInstance(KEY))
    with open_client("v2", http) as client, ThreadPoolExecutor(1) as pool:
        with telemetry.tracer.start_as_current_span("order"):
            put = partial(client.putContent, BUCKET, OBJECT, CONTENT, headers=headers)
            done = pool.submit(copy_context().run, put)
            while not done.done():  # a thread that waits for it would be the call site
                time.sleep(0.001)
        assert isinstance(done.exception(), SSETransportError)
    [event] = telemetry.events()
    assert event.attributes["server.address"] == "127.0.0.1"
    assert not [name for name in event.attributes if name.startswith("code.")]


# ---------------------------------------------------------------------------- separate processes

_CALL = f"""
    import obs, obs_sse_guard, sys
    client = obs.ObsClient(access_key_id="a", secret_access_key="b", server="http://127.0.0.1:9", signature="v2")
    header = obs.PutObjectHeader(sseHeader=obs.SseCHeader.getInstance({KEY!r}))
    def put():
        try:
            client.putContent("bucket", "object", "content", headers=header)
        except obs_sse_guard.SSETransportError:
            print("refused")
"""


def _run(code: str) -> list[str]:
    command = [sys.executable, "-c", textwrap.dedent(_CALL) + textwrap.dedent(code)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert result.stderr == ""
    return result.stdout.splitlines()


@pytest.mark.parametrize("first", ["", "from opentelemetry import metrics"], ids=["the call", "the API"])
def test_the_counter_follows_a_provider_that_is_set_later(first: str) -> None:
    out = _run(f"""
        {first}
        put()
        from opentelemetry import metrics
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        reader = InMemoryMetricReader()
        metrics.set_meter_provider(MeterProvider([reader]))
        put()
        [resource] = reader.get_metrics_data().resource_metrics
        [ours] = [scope for scope in resource.scope_metrics if scope.scope.name == "obs_sse_guard"]
        for metric in sorted(ours.metrics, key=lambda metric: metric.name):
            [point] = metric.data.data_points
            print(metric.name, point.value)
    """)
    assert out == ["refused", "refused", "obs_sse_guard.armed 1", "obs_sse_guard.findings 1"]


def _armed(telemetry: Telemetry) -> tuple[int, dict[str, str]]:
    [resource] = telemetry.reader.get_metrics_data().resource_metrics  # type: ignore[union-attr]
    [ours] = [scope for scope in resource.scope_metrics if scope.scope.name == "obs_sse_guard"]
    [point] = ours.metrics[0].data.data_points
    assert ours.metrics[0].name == "obs_sse_guard.armed"
    return point.value, dict(point.attributes or {})  # type: ignore[arg-type, union-attr, return-value]


def test_the_gauge_shows_whether_an_sdk_is_hooked(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    telemetry_module.create_gauge()
    telemetry_module.create_gauge()
    settings = {"obs_sse_guard.mode": "enforce", "obs_sse_guard.policy": "documented"}
    assert _armed(telemetry) == (1, settings)
    monkeypatch.setenv("OBS_SSE_GUARD", "off")
    assert _armed(telemetry) == (0, {**settings, "obs_sse_guard.mode": "off"})
    monkeypatch.delenv("OBS_SSE_GUARD")
    obs_sse_guard.uninstall()
    assert _armed(telemetry)[0] == 0


def test_without_the_api_there_is_no_gauge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.metrics", None)
    before = telemetry_module._gauge.cache_info()
    telemetry_module.create_gauge()
    assert telemetry_module._gauge.cache_info() == before


def test_the_resource_names_the_version_and_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD_POLICY", "strict")
    found = get_aggregated_resources([telemetry_module.ResourceDetector()]).attributes  # type: ignore[list-item]
    assert {name: value for name, value in found.items() if name.startswith("obs_sse_guard.")} == {
        "obs_sse_guard.version": __version__,
        "obs_sse_guard.mode": "enforce",
        "obs_sse_guard.policy": "strict",
    }
    detector = telemetry_module.ResourceDetector
    entry = f'obs_sse_guard = "{detector.__module__}:{detector.__qualname__}"'
    assert f"[project.entry-points.opentelemetry_resource_detector]\n{entry}\n" in (ROOT / "pyproject.toml").read_text()


def test_the_guard_never_imports_opentelemetry() -> None:
    """Unless the application imports it, nothing collects what would be reported.

    A fork during an import can hang.
    """
    out = _run("""
        put()
        print("opentelemetry" in sys.modules)
    """)
    assert out == ["refused", "False"]


def test_an_application_that_only_traces_gets_the_event() -> None:
    out = _run("""
        from opentelemetry import trace
        sys.modules.pop("opentelemetry.metrics", None)
        class Span:
            def is_recording(self):
                return True
            def add_event(self, name, attributes):
                print(name, attributes["obs_sse_guard.rule"])
        trace.get_current_span = Span
        put()
    """)
    assert out == ["obs_sse_guard.finding table-1/PutObject", "refused"]


def test_the_guard_works_without_opentelemetry() -> None:
    out = _run("""
        sys.modules["opentelemetry"] = None
        put()
        put()
    """)
    assert out == ["refused", "refused"]
