"""Modes, policies, trusted hosts, and what is said: to the caller, and to the log."""

from __future__ import annotations

import copy
import logging
import pickle
import warnings
from pathlib import Path
from typing import Any

import obs
import pytest

from obs_sse_guard import SSEGuardError, SSEGuardWarning, SSETransportError
from obs_sse_guard._enforcement import enforce
from obs_sse_guard._hooks import obs as obs_hooks
from obs_sse_guard._policy import settings
from obs_sse_guard._util.once import OncePerKey
from tests.support import obs_calls
from tests.support.guard import MODE, POLICY, TRUSTED
from tests.support.obs_calls import BUCKET, CONTENT, KEY, OBJECT, open_client, put_sse_c
from tests.support.records import rules
from tests.support.servers import RecordingServer, assert_silent, leaks


def _refusal(client: Any) -> SSETransportError:
    with pytest.raises(SSETransportError) as caught:
        put_sse_c(client)
    return caught.value


# ------------------------------------------------------------------------------------- mode


@pytest.mark.parametrize("value", ["enforce", "1", "true", "YES", "on", " Enforce ", "", "  "])
def test_enforce(value: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODE, value)
    with open_client("v2", http) as client:
        _refusal(client)
    assert_silent(http)


@pytest.mark.parametrize("value", ["warn", "WARN", " warn "])
def test_warn(
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
def test_off(
    value: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(MODE, value)
    with open_client("v2", http) as client:
        assert put_sse_c(client).status == 200
    assert not caplog.records


def test_a_typo_never_disarms_and_warns_once(http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODE, "offf")
    with open_client("v2", http) as client:
        with pytest.warns(SSEGuardWarning, match=r"OBS_SSE_GUARD='offf'.*enforce, warn, off"):
            _refusal(client)
        _refusal(client)  # a second warning would be an error here
    assert_silent(http)


def test_a_typo_in_the_policy_keeps_the_documented_one(http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POLICY, "stict")
    with open_client("v2", http) as client, pytest.warns(SSEGuardWarning, match=r"POLICY='stict'.*documented, strict"):
        _refusal(client)


def test_the_mode_is_switched_live(http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_client("v2", http) as client:
        for value, expected in (("off", 200), ("enforce", None), ("warn", 200), ("enforce", None)):
            monkeypatch.setenv(MODE, value)
            if expected:
                assert put_sse_c(client).status == expected
            else:
                _refusal(client)


def test_ordinary_calls_read_no_setting(http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def read() -> None:
        raise AssertionError("a call with nothing to report must not come here")

    monkeypatch.setattr(settings, "read", read)
    with open_client("v2", http) as client:
        assert client.putContent(BUCKET, OBJECT, CONTENT).status == 200
    assert "could not judge" not in str(enforce.first_bug._said)


def test_each_finding_is_said_once_per_call(
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
        assert len(caplog.records) == 2, "muted within a call, not after it"


# ---------------------------------------------------------------------------- trusted hosts


@pytest.mark.parametrize("value", ["127.0.0.1", "10.0.0.1, 127.0.0.0/8 ,", "127.0.0.1.", "::1,127.0.0.1"])
def test_a_trusted_hop_is_allowed_and_said_once_per_host(
    value: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(TRUSTED, value)
    with open_client("v2", http) as client:
        for _ in range(3):
            assert put_sse_c(client).status == 200
    [record] = caplog.records
    assert vars(record)["rule"] == "trusted-host"
    assert "127.0.0.1" in record.getMessage()


@pytest.mark.parametrize("value", ["obs.test", "*.test", "OBS.test."])
def test_a_trusted_name_is_the_endpoints(value: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRUSTED, value)
    with open_client("obs", http) as client:
        assert put_sse_c(client).status == 200


@pytest.mark.parametrize("value", ["*.obs.test", "bs.test", "obs.test.evil", "obs", "*.est", "127.0.0.1"])
def test_a_name_is_trusted_whole(value: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRUSTED, value)
    with open_client("obs", http) as client:
        _refusal(client)
    assert_silent(http)


@pytest.mark.parametrize("value", ["127.0.0.2", "127.0.0.10", "128.0.0.0/8", "::1", "*.0.0.1x"])
def test_an_address_is_trusted_as_an_address(
    value: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRUSTED, value)
    with open_client("v2", http) as client:
        _refusal(client)


@pytest.mark.parametrize("value", ["http://127.0.0.1", "127.0.0.1:80", "127.0.0.1/33", "*", "a*b", "127.0.0"])
def test_an_entry_that_is_not_understood_trusts_nothing_and_warns(
    value: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRUSTED, value)
    with open_client("v2", http) as client, pytest.warns(SSEGuardWarning, match="trusts nothing"):
        _refusal(client)


def test_trust_covers_the_transport_alone(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(TRUSTED, "127.0.0.1")
    with open_client("v2", http) as client:
        client.createSignedUrl("GET", BUCKET, OBJECT, queryParams={"x-amz-server-side-encryption-customer-key": "x"})
    assert rules(caplog) == ["trusted-host", "key-in-url"]


# --------------------------------------------------------------------------- what is said


def test_the_error_teaches(http: RecordingServer) -> None:
    with open_client("v2", http) as client:
        error = _refusal(client)
    message = str(error)
    for part in (
        "ObsClient.putContent",
        "PutObject with SSE-C over http",
        f"http://127.0.0.1:{http.port}",
        "x-amz-server-side-encryption-customer-key",
        'table 1 (SSE-C) of obs_04_0108 "API Operations Related to Server-Side Encryption"',
        "HTTPS only",
        "ObsClient(server='https://…')",
        "wins over is_secure",
        "OBS_SSE_GUARD=warn",
        "OBS_SSE_GUARD=off",
        "OBS_SSE_GUARD_TRUSTED_HOSTS=127.0.0.1",
    ):
        assert part in message
    assert message.endswith("[table-1/PutObject]")
    assert not leaks(message + repr(error) + str(vars(error)), KEY)
    assert (error.sdk, error.operation, error.scheme) == ("esdk-obs-python", "PutObject", "http")
    assert (error.target, error.source, error.rule) == ("SSE-C", "none", "table-1/PutObject")
    assert error.endpoint == f"http://127.0.0.1:{http.port}"
    assert "x-amz-server-side-encryption-customer-key" in error.headers


def test_the_switches_of_the_message_work(http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_client("v2", http) as client:
        message = str(_refusal(client))
        for switch in ("OBS_SSE_GUARD=warn", "OBS_SSE_GUARD=off", "OBS_SSE_GUARD_TRUSTED_HOSTS=127.0.0.1"):
            assert switch in message
            with monkeypatch.context() as patch:
                patch.setenv(*switch.split("="))
                assert put_sse_c(client).status == 200


def test_a_client_behind_user_info_shows_its_host_alone() -> None:
    class Client:
        is_secure, server, port, proxy_host = False, "user:secret@host.test", 80, None

    facts = obs_hooks._facts(Client(), "putContent", "PutObject")
    assert facts.endpoint == "http://host.test"


@pytest.mark.parametrize(
    ("sdk", "python", "upgrade"),
    [
        ((3, 23, 12), (3, 12), True),
        ((3, 20, 11), (3, 13), True),
        ((3, 23, 12), (3, 11), False),
        ((3, 24, 3), (3, 12), False),
    ],
)
def test_where_https_is_broken_the_fix_says_upgrade(
    sdk: tuple[int, ...], python: tuple[int, ...], upgrade: bool
) -> None:
    assert ("upgrade to esdk-obs-python>=3.24.3" in obs_hooks._use_https(sdk, python)) is upgrade


def test_the_sdks_version_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (3, 20, 11) <= obs_hooks._sdk_version() < (4,)
    monkeypatch.setattr(obs.const, "OBS_SDK_VERSION", "unknown")
    assert "upgrade" not in obs_hooks._use_https(obs_hooks._sdk_version(), (3, 13))


def test_the_error_is_a_runtime_error_that_pickles_and_copies(http: RecordingServer) -> None:
    with open_client("v2", http) as client:
        error = _refusal(client)
    assert isinstance(error, SSEGuardError)
    assert isinstance(error, RuntimeError)
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301
        assert type(twin) is SSETransportError
        assert (str(twin), vars(twin)) == (str(error), vars(error))
    assert not leaks(pickle.dumps(error), KEY)


def test_the_log_is_structured(
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


# ----------------------------------------------------------------------- trouble of our own


def test_a_bug_of_ours_is_logged_once_and_lets_the_call_through(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise LookupError(KEY)

    monkeypatch.setattr(obs_hooks, "named_by", broken)
    monkeypatch.setattr(obs_hooks, "_is_tls", broken)
    with open_client("v2", http) as client:
        for _ in range(2):
            assert put_sse_c(client).status == 200
    assert {record.levelno for record in caplog.records} == {logging.ERROR}
    assert len(caplog.records) == 3, "one for each place that broke"
    assert "LookupError at broken" in caplog.text
    assert not leaks(caplog.text, KEY)


def test_a_bug_in_learning_from_an_answer_does_not_lose_it(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(obs_hooks, "_note_upload")
    with open_client("v2", http) as client:
        assert client.putContent(BUCKET, OBJECT, CONTENT).status == 200
    assert "could not judge an answer (NameError" in caplog.text


def test_a_warning_that_is_made_an_error_is_logged_instead(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(MODE, "typo")
    monkeypatch.setenv(TRUSTED, "127.0.0.1")
    with open_client("v2", http) as client, warnings.catch_warnings():
        warnings.simplefilter("error", SSEGuardWarning)
        assert put_sse_c(client).status == 200
    assert "is not understood" in caplog.text


def test_what_is_said_once_is_bounded() -> None:
    once = OncePerKey(limit=2)
    assert [once(what) for what in ("one", "one", "two", "three")] == [True, False, True, False]
    once.forget()
    assert once("one")


def test_a_stream_is_not_read_and_nothing_waits(http: RecordingServer) -> None:
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


def _fail() -> None:
    raise LookupError(KEY)


def test_trouble_is_said_in_full(caplog: pytest.LogCaptureFixture) -> None:
    try:
        _fail()
    except LookupError:
        enforce.bug("a place")
        enforce.bug("a place")
    message = (
        f"obs_sse_guard could not judge a place (LookupError at _fail:{_fail.__code__.co_firstlineno + 1}); "
        "the call goes on unguarded at this gate. Please report this with the SDK's version."
    )
    assert [record.getMessage() for record in caplog.records] == [message]


def test_a_log_that_fails_is_no_more_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(enforce.logger, "error", failing)
    try:
        _fail()
    except LookupError:
        enforce.bug("another place")
