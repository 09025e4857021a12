"""The texts of the error and of the log records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from obs_sse_guard import SSETransportError
from obs_sse_guard._enforcement.enforce import enforce
from obs_sse_guard._enforcement.message import to_ascii
from obs_sse_guard._policy.request import SDK, UNKNOWN_PROXY
from obs_sse_guard.rules import Encryption
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
        "  why:  the SDK silently ignores this SSE argument, so an object that is written would be stored unencrypted: "
        "sseHeader, metadata; refused under OBS_SSE_GUARD_POLICY=strict"
    )


def _headline(context: RequestContext) -> str:
    with pytest.raises(SSETransportError) as refused:
        enforce(context)
    return str(refused.value).splitlines()[0]


def test_the_headline_of_a_copy_names_both_sides() -> None:
    context = request(operation="CopyObject", source=Encryption.SSE_C, target=Encryption.SSE_KMS)
    assert _headline(context) == (
        "refused CopyObject from SSE-C to SSE-KMS over http to http://obs.test [table-3/SSE-C-to-SSE-KMS]"
    )


def test_the_headline_of_a_request_that_names_no_encryption(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POLICY, "strict")
    assert _headline(request(port=8080, dropped=("sseHeader",))) == (
        "refused PutObject over http to http://obs.test:8080 [sse-dropped]"
    )


def test_a_key_is_mentioned_only_if_there_is_one() -> None:
    row = "OBS requires HTTPS for PutObject with {} (obs_04_0108, table {})"
    assert _why(request(target=Encryption.SSE_KMS)) == "  why:  " + row.format("SSE-KMS", 2)
    assert _why(request(target=Encryption.SSE_C)) == "  why:  " + row.format("SSE-C", 1)
    assert _why(put_with_key()) == (
        "  why:  the customer key would cross the network in plaintext; " + row.format("SSE-C", 1)
    )


def test_the_headline_of_what_is_dropped_before_there_is_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POLICY, "strict")
    assert _headline(request(host="", dropped=("sseHeader",))) == "refused PutObject [sse-dropped]"


def test_the_fix_is_about_the_finding() -> None:
    sdk = SDK("an SDK", lambda context, finding: f"mend {finding} of {context.host}")
    with pytest.raises(SSETransportError) as refused:
        enforce(put_with_key(sdk=sdk))
    assert "  fix:  mend table-1/PutObject of obs.test\n" in str(refused.value)


def test_other_characters_than_printable_ascii_are_escaped() -> None:
    assert to_ascii("C:\\a 'b' \"~\" caf\u00e9\n\u5317\0\x7f") == "C:\\a 'b' \"~\" caf\\xe9\\n\\u5317\\x00\\x7f"


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
