"""The texts of the error and of the log records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from obs_sse_guard import SSETransportError
from obs_sse_guard._enforcement.enforce import enforce
from obs_sse_guard._policy.request import UNKNOWN_PROXY
from tests.support.contexts import put_with_key, request
from tests.support.guard import MODE, POLICY, TRUSTED

if TYPE_CHECKING:
    from obs_sse_guard._policy.request import RequestContext


def test_the_names_concerned_are_listed(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    context = request(secure=True, dropped=("sseHeader", "metadata"))
    enforce(context)
    [message] = caplog.messages
    assert message.startswith(
        "obs_sse_guard noticed PutObject over https to https://obs.test [sse-dropped]; names: sseHeader, metadata; "
    )
    monkeypatch.setenv(POLICY, "strict")
    with pytest.raises(SSETransportError) as refused:
        enforce(context)
    assert str(refused.value).splitlines()[2] == (
        "  why:  the SDK silently ignores this SSE argument, so the object would be stored unencrypted: "
        "sseHeader, metadata; refused under OBS_SSE_GUARD_POLICY=strict"
    )


def test_a_log_record_is_one_line_with_the_call_and_the_fix(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(MODE, "warn")
    enforce(put_with_key(headers=("x-obs-server-side-encryption-customer-key",)))
    [message] = caplog.messages
    assert message == (
        "obs_sse_guard would refuse PutObject with SSE-C over http to http://obs.test [table-1/PutObject]; "
        f"call: call, {vars(caplog.records[0])['call_site']}; fix: use https"
    )


def test_a_failure_is_named_as_one(caplog: pytest.LogCaptureFixture) -> None:
    enforce(request(failure="LookupError in look_up", headers=("x-obs-server-side-encryption",)))
    assert "[cannot-judge]; failure: LookupError in look_up; call: " in caplog.text


def test_a_proxy_that_could_not_be_determined_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POLICY, "strict")
    monkeypatch.setenv(TRUSTED, "obs.test")
    assert _why(put_with_key(proxy=UNKNOWN_PROXY)).endswith(
        "; the host is trusted, but not the proxy, which could not be determined; "
        "refused under OBS_SSE_GUARD_POLICY=strict"
    )
    for context in (
        put_with_key(host="other.test", proxy=UNKNOWN_PROXY),
        put_with_key(proxy="proxy.test"),
        put_with_key(secure=True, proxy=UNKNOWN_PROXY, tls_gap="unverified-tls"),
    ):
        assert "not the proxy" not in _why(context)


def _why(context: RequestContext) -> str:
    with pytest.raises(SSETransportError) as refused:
        enforce(context)
    return str(refused.value).splitlines()[2]


def _off(host: str, proxy: str = "") -> str:
    """Return the line about the settings that would allow the request."""
    with pytest.raises(SSETransportError) as refused:
        enforce(put_with_key(host=host, proxy=proxy))
    [line] = [line for line in str(refused.value).splitlines() if line.startswith("  off: ")]
    return line


@pytest.mark.parametrize("host", ["minio", "localhost", "127.0.0.1", "10.1.2.3", "169.254.1.1", "::1", "fe80::1"])
def test_trusting_a_private_host_is_suggested(host: str) -> None:
    assert _off(host) == (
        f"  off:  OBS_SSE_GUARD=warn logs instead of refusing; {TRUSTED}={host} trusts plaintext to this host"
    )


@pytest.mark.parametrize(
    ("host", "proxy"),
    [("obs.test", ""), ("8.8.8.8", ""), ("2001:4860::1", ""), ("minio", "proxy.test"), ("obs.test", "squid")],
)
def test_trusting_any_other_host_is_not_suggested(host: str, proxy: str) -> None:
    assert _off(host, proxy) == "  off:  OBS_SSE_GUARD=warn logs instead of refusing"


def test_trusting_both_hops_through_a_proxy_is_suggested() -> None:
    assert f"; {TRUSTED}=minio,squid trusts plaintext to this host" in _off("minio", "squid")
