"""The texts of the error and of the log records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from obs_sse_guard import SSETransportError, configure
from obs_sse_guard._enforcement.enforce import enforce
from obs_sse_guard._enforcement.message import REMARK, to_ascii
from obs_sse_guard._policy.request import SDK, UNKNOWN_PROXY, KeyLocation
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
        "sseHeader, metadata; OBS_SSE_GUARD_POLICY=strict refuses it"
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


@pytest.mark.parametrize(
    ("context", "strict_only", "switch"),
    [
        (put_with_key(), False, ""),
        (
            request(operation="HeadObject", target=Encryption.SSE_KMS),
            True,
            "; OBS_SSE_GUARD_POLICY=documented allows it",
        ),
        (put_with_key(secure=True, other_host=True), True, "; OBS_SSE_GUARD_POLICY=documented logs it"),
    ],
)
def test_what_only_the_strict_policy_refuses_names_the_other(
    context: RequestContext, strict_only: bool, switch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POLICY, "strict")
    with pytest.raises(SSETransportError) as refused:
        enforce(context)
    lines = str(refused.value).splitlines()
    assert lines[2].endswith("; OBS_SSE_GUARD_POLICY=strict refuses it") is strict_only
    assert lines[4] == f"  off:  OBS_SSE_GUARD=warn logs instead of refusing{switch}"


@pytest.mark.parametrize(
    ("context", "mended"),
    [
        (put_with_key(), "table-1/PutObject"),
        (put_with_key(downgraded=True), "downgraded-redirect"),
        (put_with_key(operation="DeleteObject", downgraded=True), "downgraded-redirect"),
        (request(target=Encryption.SSE_C, key=KeyLocation.METADATA, downgraded=True), "downgraded-redirect"),
        (request(secure=True, key=KeyLocation.METADATA), "key-misplaced"),
    ],
)
def test_the_fix_of_a_redirect_is_not_about_the_client(context: RequestContext, mended: str) -> None:
    with pytest.raises(SSETransportError) as refused:
        enforce(context._replace(sdk=SDK("an SDK", lambda _, finding: f"mend {finding}")))
    text = str(refused.value)
    assert f"  fix:  mend {mended}\n" in text
    assert ("; a redirect from https leads there\n" in text) is context.downgraded


def test_the_remark_of_a_fix_stands_in_parentheses_in_a_log_record(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(MODE, "warn")
    enforce(put_with_key(sdk=SDK("an SDK", lambda *_: f"Client(tls=True){REMARK}the default")))
    assert caplog.messages[0].endswith("; fix: Client(tls=True) (the default)")


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
        "; the host is trusted, but not the proxy, which could not be determined"
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


def test_what_configure_overrides_is_switched_there() -> None:
    configure(mode="enforce", policy="strict", trusted_hosts="sidecar")
    with pytest.raises(SSETransportError) as refused:
        enforce(request(operation="HeadObject", target=Encryption.SSE_KMS, host="minio"))
    lines = str(refused.value).splitlines()
    assert lines[2].endswith('; configure(policy="strict") refuses it')
    assert lines[4] == (
        '  off:  configure(mode="warn") logs instead of refusing; configure(policy="documented") allows it; '
        'configure(trusted_hosts="minio") trusts plaintext to this host'
    )


def test_the_environment_is_named_where_configure_leaves_it_in_force() -> None:
    configure(policy="documented")
    assert _off("obs.test") == "  off:  OBS_SSE_GUARD=warn logs instead of refusing"


def test_trusting_both_hops_through_a_proxy_is_suggested() -> None:
    assert f"; {TRUSTED}=minio,squid trusts plaintext to this host" in _off("minio", "squid")
