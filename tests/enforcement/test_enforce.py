"""Modes and policies, and what the guard reports for each call."""

from __future__ import annotations

import contextvars
import io
import logging
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import obs
import pytest

import obs_sse_guard
from obs_sse_guard import SSEGuardWarning, SSETransportError
from obs_sse_guard._enforcement import decision, reporters
from obs_sse_guard._enforcement.enforce import enforce, enforcing, in_worker, is_judged, refusals
from obs_sse_guard._enforcement.log import log_failure, logger
from obs_sse_guard._policy import overrides, settings
from obs_sse_guard._policy.request import SDK
from obs_sse_guard.rules import Encryption
from tests.support import obs_calls, s3_calls
from tests.support.contexts import AN_SDK, put_with_key, request
from tests.support.guard import AUDIT, MODE, POLICY, TRUSTED
from tests.support.obs_calls import BUCKET, CONTENT, OBJECT, open_client, put_sse_c, refusal, sse_c
from tests.support.records import audited, fields_of
from tests.support.servers import RecordingServer, assert_silent, leaks
from tests.support.sse import KEY

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_request_to_another_host_is_reported_separately(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")
    elsewhere: dict[str, Any] = {"server": f"http://far.obs.test:{http.port}", "path_style": True}
    with open_client("v2", http) as client, open_client("v2", http, **elsewhere) as far:

        class Body:
            def read(self, _: int = -1) -> bytes:
                put_sse_c(far)
                return b""

        headers = obs.PutObjectHeader(sseHeader=sse_c())
        client.putContent(BUCKET, OBJECT, Body(), headers=headers)
    assert [fields["endpoint"].rpartition(":")[0] for fields in fields_of(caplog)] == [
        "http://127.0.0.1",
        "http://far.obs.test",
    ]


@pytest.mark.parametrize("value", ["enforce", "1", "true", "YES", "on", " Enforce ", "", "  "])
def test_every_spelling_of_enforce_refuses_the_call(
    value: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODE, value)
    with open_client("v2", http) as client:
        refusal(client)
    assert_silent(http)


@pytest.mark.parametrize("value", ["warn", "WARN", " warn "])
def test_warn_sends_the_call_and_logs_it(
    value: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(MODE, value)
    with open_client("v2", http) as client:
        assert put_sse_c(client).status == 200
        assert client.putObject(BUCKET, OBJECT, CONTENT).status == 200
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "would refuse" in record.getMessage()


@pytest.mark.parametrize("value", ["off", "0", "false", "No", " OFF "])
def test_off_sends_the_call_and_logs_nothing(
    value: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(MODE, value)
    with open_client("v2", http) as client:
        assert put_sse_c(client).status == 200
    assert not caplog.records


def test_a_typo_in_the_mode_warns_once_and_keeps_enforcing(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODE, "offf")
    with open_client("v2", http) as client:
        with pytest.warns(SSEGuardWarning, match=r"OBS_SSE_GUARD: unknown value 'offf'.*enforce, warn, off"):
            refusal(client)
        refusal(client)  # a second warning would raise here
    assert_silent(http)


def test_a_typo_in_the_policy_keeps_the_documented_policy(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POLICY, "stict")
    with (
        open_client("v2", http) as client,
        pytest.warns(SSEGuardWarning, match=r"POLICY: unknown value 'stict'.*documented, strict"),
    ):
        refusal(client)


def test_the_mode_can_be_changed_at_run_time(http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_client("v2", http) as client:
        for value, expected in (("off", 200), ("enforce", None), ("warn", 200), ("enforce", None)):
            monkeypatch.setenv(MODE, value)
            if expected:
                assert put_sse_c(client).status == expected
            else:
                refusal(client)


def test_calls_without_encryption_read_no_setting(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def read() -> None:
        raise AssertionError("a call with nothing to report must not come here")

    monkeypatch.setattr(settings, "parse_settings", read)
    with open_client("v2", http) as client:
        assert client.putContent(BUCKET, OBJECT, CONTENT).status == 200
    assert "could not judge" not in caplog.text


def test_each_finding_is_reported_once_per_call(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(MODE, "warn")
    (tmp_path / "one").write_text("1")
    (tmp_path / "two").write_text("2")
    header = obs.PutObjectHeader(sseHeader=obs.SseCHeader.getInstance(KEY))
    with open_client("v2", http) as client:
        client.putFile(BUCKET, OBJECT, str(tmp_path), headers=header)
        assert len(http.calls) == 2
        assert len(caplog.records) == 1
        client.putObject(BUCKET, OBJECT, CONTENT, headers=header)
        assert len(caplog.records) == 2, "suppressed within a call, not after it"


def test_the_log_record_is_structured(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(MODE, "warn")
    monkeypatch.setenv(POLICY, "strict")
    with open_client("v2", http) as client:
        put_sse_c(client)
    [record] = caplog.records
    fields = vars(record)
    assert record.name == "obs_sse_guard"
    assert {name: fields[name] for name in ("sdk", "operation", "scheme", "target", "source", "rule")} == {
        "sdk": "esdk-obs-python",
        "operation": "PutObject",
        "scheme": "http",
        "target": "SSE-C",
        "source": "none",
        "rule": "table-1/PutObject",
    }
    assert (fields["mode"], fields["policy"], fields["action"]) == ("warn", "strict", "refuse")
    assert fields["endpoint"] == f"http://127.0.0.1:{http.port}"
    assert not leaks(repr(fields), KEY)


def test_a_warning_raised_as_an_error_is_logged_instead(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(MODE, "typo")
    monkeypatch.setenv(TRUSTED, "127.0.0.1")
    with open_client("v2", http) as client, warnings.catch_warnings():
        warnings.simplefilter("error", SSEGuardWarning)
        assert put_sse_c(client).status == 200
    assert "unknown value" in caplog.text


def test_a_refused_stream_is_not_read_and_nothing_sleeps(http: RecordingServer) -> None:
    class Stream:
        reads = 0

        def read(self, _: int = -1) -> bytes:
            self.reads += 1
            return b""

    stream = Stream()
    header = obs.PutObjectHeader(sseHeader=obs.SseCHeader.getInstance(KEY))
    with open_client("v2", http) as client, obs_calls.without_backoff() as slept:
        with pytest.raises(SSETransportError):
            client.putContent(BUCKET, OBJECT, stream, headers=header)
        with pytest.raises(SSETransportError):
            client.putContent(
                BUCKET, OBJECT, stream, extensionHeaders={"x-amz-server-side-encryption-customer-key": "a"}
            )
        assert client.putContent(BUCKET, OBJECT, CONTENT).status == 200
    assert stream.reads == 0
    assert slept == []
    assert len(http.requests) == 1


# ------------------------------------------------------------- one call within another


class _Nesting:
    """A body that makes other calls while it is read."""

    def __init__(self, *calls: Callable[[], object]) -> None:
        self.calls = list(calls)

    def read(self, _: int = -1) -> bytes:
        while self.calls:
            self.calls.pop()()
        return b""


def _put(client: Any, body: Any) -> Any:
    return client.putContent(BUCKET, OBJECT, body, headers=obs.PutObjectHeader(sseHeader=sse_c()))


def test_a_call_that_is_made_while_a_body_is_read_is_reported(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(MODE, "warn")
    monkeypatch.setenv(AUDIT, str(tmp_path / "audit"))
    with open_client("v2", http) as client:
        # The inner calls are made at the same line as the outer one, and at another.
        _put(client, _Nesting(lambda: put_sse_c(client), lambda: _put(client, _Nesting(lambda: _put(client, CONTENT)))))
        _put(client, CONTENT)
    assert len(http.calls) == 5
    assert [line["rule"] for line in audited(tmp_path / "audit")] == ["table-1/PutObject"] * 5
    assert len(caplog.records) == 2, "one for each call site"


def test_a_call_that_boto3_makes_while_a_body_is_read_is_reported(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(MODE, "warn")
    monkeypatch.setenv(AUDIT, str(tmp_path / "audit"))

    class Body(io.BytesIO):
        is_read = False

        def read(self, *size: Any) -> bytes:
            if not self.is_read:
                self.is_read = True
                s3_calls.PUT_SSE_C(client)
            return super().read(*size)

    client: Any
    with s3_calls.boto3_client(http) as client:
        client.put_object(Bucket=BUCKET, Key=OBJECT, Body=Body(b"text"), **s3_calls.customer())
    assert len(http.calls) == 2
    assert [line["rule"] for line in audited(tmp_path / "audit")] == ["table-1/PutObject"] * 2


def test_a_task_that_is_begun_within_a_call_is_reported_separately(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODE, "warn")
    context = put_with_key()
    with enforcing(context) as reported:
        assert reported == {"table-1/PutObject"}
        assert enforce(context) == frozenset(), "another hook of this call"
        assert enforce(context._replace(host="other.test")) == reported, "a redirect"
        inherited = contextvars.copy_context()
    assert inherited.run(enforce, context) == {"table-1/PutObject"}, "the call has ended"
    assert not inherited.run(is_judged, context)


@pytest.mark.parametrize(
    ("trusted", "outer", "inner", "expected"),
    [
        ("obs.test", "", "", True),
        ("obs.test,proxy.test", "proxy.test", "", True),
        ("obs.test,proxy.test", "Proxy.Test.", "proxy.test", True),
        ("obs.test,proxy.test", "proxy.test", "other.test", False),
        ("", "proxy.test", "other.test", True),
    ],
)
def test_trust_in_a_proxy_is_not_trust_in_another(  # one call within another
    trusted: str, outer: str, inner: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODE, "warn")
    monkeypatch.setenv(TRUSTED, trusted)
    with enforcing(put_with_key(proxy=outer)):
        assert is_judged(put_with_key(proxy=inner)) is expected


def test_a_worker_is_part_of_the_call_until_it_ends(monkeypatch: pytest.MonkeyPatch, audit: Path) -> None:
    monkeypatch.setenv(MODE, "warn")
    context = put_with_key()

    def work(*given: int, **named: int) -> Any:
        assert is_judged(context)
        assert not is_judged(context._replace(host="other.test"))
        return contextvars.copy_context(), given, named

    with enforcing(context), ThreadPoolExecutor(1) as pool:
        inherited, given, named = pool.submit(in_worker(work), 1, two=2).result()
        assert (given, named) == ((1,), {"two": 2})
        assert not inherited.run(is_judged, context), "the worker has ended"
        assert inherited.run(enforce, context) == {"table-1/PutObject"}
        audit.unlink()
        assert pool.submit(in_worker(enforce), context).result() == frozenset(), "the call has reported it"
        redirected = context._replace(host="other.test")
        assert pool.submit(in_worker(enforce), redirected).result() == {"table-1/PutObject"}
    [line] = audited(audit)
    assert line["site"]["function"] == "test_a_worker_is_part_of_the_call_until_it_ends"


@pytest.mark.parametrize(
    ("known", "with_audit", "expected"),
    [
        ({}, True, False),
        ({"operation": "HeadObject", "target": Encryption.SSE_KMS}, False, False),
        ({"operation": "HeadObject", "target": Encryption.SSE_KMS}, True, True),
        ({"dropped": ("sseHeader",)}, False, True),
        ({"dropped": ("sseHeader",)}, True, True),
    ],
)
def test_what_a_row_allows_is_reported_to_the_audit_file_alone(
    known: dict[str, Any], with_audit: bool, expected: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if with_audit:
        monkeypatch.setenv(AUDIT, str(tmp_path / "audit"))
    assert decision.is_reported(request(**known)) is expected


@pytest.mark.unmeasured
def test_trust_is_reported_for_any_number_of_hosts(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(TRUSTED, "*.obs.test")
    context = put_with_key()
    for number in range(1100):
        for _ in range(2):
            enforce(context._replace(host=f"host-{number}.obs.test"))
    assert len(caplog.records) == 1100


@pytest.mark.parametrize("policy", ["documented", "strict"])
def test_the_log_record_names_what_the_policy_does(
    policy: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(MODE, "warn")
    monkeypatch.setenv(POLICY, policy)
    enforce(request(dropped=("sseHeader",)))
    [fields] = fields_of(caplog)
    assert (fields["policy"], fields["action"]) == (policy, "refuse" if policy == "strict" else "log")


def test_each_trusted_host_is_logged_in_full(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv(TRUSTED, "one.test,two.test")
    for host in ("one.test", "two.test"):
        enforce(put_with_key(host=host))
    assert caplog.messages == [
        f"obs_sse_guard allowed PutObject over http to http://{host}, which {TRUSTED} trusts; logged once per host"
        for host in ("one.test", "two.test")
    ]


def test_the_hooks_are_checked_after_a_report_and_only_then() -> None:
    checks: list[None] = []
    sdk = AN_SDK._replace(after_report=lambda: checks.append(None))
    allowed = request(sdk=sdk, operation="HeadObject", target=Encryption.SSE_KMS)
    assert enforce(allowed) == {"table-2/HeadObject"}
    assert len(checks) == 0
    enforce(allowed._replace(dropped=("sseHeader",)))
    assert len(checks) == 1
    with pytest.raises(SSETransportError):
        enforce(put_with_key(sdk=sdk))
    assert len(checks) == 2


def test_a_failing_check_of_the_hooks_changes_no_outcome(caplog: pytest.LogCaptureFixture) -> None:
    sdk = AN_SDK._replace(after_report=_fail)
    with pytest.raises(SSETransportError):
        enforce(put_with_key(sdk=sdk))
    assert caplog.messages == [_failure("check the hooks", "the decision about the call stands")]


def test_a_failing_reporter_changes_no_outcome(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failing = reporters.Reporter("printer", lambda _: True, lambda _: _fail())
    monkeypatch.setattr(reporters, "REPORTERS", (failing,))
    with pytest.raises(SSETransportError):
        enforce(put_with_key())
    assert caplog.messages == [_failure("report to the printer", "the decision about the call stands")]


def _failure(task: str, consequence: str) -> str:
    where = f"LookupError in _fail, {__file__}:{_fail.__code__.co_firstlineno + 1}"
    return f"obs_sse_guard could not {task} ({where}); {consequence}. Please report this with the version of the SDK."


def test_without_the_guard_nothing_is_judged(caplog: pytest.LogCaptureFixture) -> None:
    obs_sse_guard.uninstall()
    assert enforce(put_with_key()) == frozenset()
    assert not caplog.records


def test_a_refusal_that_the_sdk_swallows_is_seen() -> None:
    with refusals() as last:
        assert last() is None
        for host in ("one.test", "two.test"):
            with pytest.raises(SSETransportError) as refused:
                enforce(put_with_key(host=host))
            assert last() is refused.value
    with pytest.raises(SSETransportError):
        enforce(put_with_key())
    assert last() is refused.value, "only those within the block"


def _fail() -> None:
    raise LookupError(KEY)


def test_a_failure_is_logged_ever_more_rarely(caplog: pytest.LogCaptureFixture) -> None:
    try:
        _fail()
    except LookupError:
        for _ in range(10):
            log_failure("do a thing", "the call continues")
    repeated = "the call continues; 10 occurrences, 9 since last logged"
    assert caplog.messages == [_failure("do a thing", "the call continues"), _failure("do a thing", repeated)]


def test_the_failure_of_another_task_is_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    try:
        _fail()
    except LookupError:
        for task in ("do a thing", "do another"):
            log_failure(task, "the call continues")
    assert [message.partition(" (")[0] for message in caplog.messages] == [
        "obs_sse_guard could not do a thing",
        "obs_sse_guard could not do another",
    ]


def test_a_failing_log_of_a_failure_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(logger, "error", failing)
    try:
        _fail()
    except LookupError:
        log_failure("do another thing", "the call continues")


@pytest.mark.parametrize("policy", ["documented", "strict"])
def test_a_request_that_no_decision_can_be_made_about_cannot_be_judged(
    policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POLICY, policy)
    monkeypatch.setattr(decision, "evaluate", _broken)
    if policy == "strict":
        with pytest.raises(SSETransportError, match="cannot-judge") as refused:
            enforce(request())
        assert "LookupError in _broken" in str(refused.value)
        assert not leaks(str(refused.value), KEY)
    else:
        assert enforce(request()) == {"cannot-judge"}


def test_if_there_is_no_advice_the_refusal_stands() -> None:
    context = put_with_key()
    with pytest.raises(SSETransportError, match="table-1/PutObject") as refused:
        enforce(context._replace(sdk=SDK("an SDK", _broken)))
    assert "  fix:  use https\n" in str(refused.value)


def _broken(*_: object, **__: object) -> Any:
    raise LookupError(KEY)


def test_a_failing_look_for_a_waiting_thread_leaves_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise LookupError

    monkeypatch.setitem(overrides.by_thread, -1, ())  # an override of a test, in another thread
    monkeypatch.setattr(decision, "_override_of_waiting_thread", broken)
    assert [one.outcome.value for one in decision.decide(put_with_key())] == ["refused"]
