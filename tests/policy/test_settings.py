"""The settings come from the environment, with a warning for each invalid value."""

from __future__ import annotations

import logging
import warnings

import pytest

from obs_sse_guard import SSEGuardWarning
from obs_sse_guard._policy import settings
from obs_sse_guard._policy.settings import Mode, Policy
from obs_sse_guard._util.warn import warn_once
from tests.support.guard import MODE, POLICY, TRUSTED


def _trusts(value: str, host: str) -> bool:
    trusted, problems = settings._parse_trusted_hosts(value)
    assert problems == ()
    return trusted.trusts(host)


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("10.1.2.3/8", "10.9.9.9"),  # a network, written as one of its addresses
        ("10.0.0.0/8", "10.9.9.9"),
        ("::1", "[::1]"),
        ("fd00::/8", "fd00::7"),
        ("Host.Test.", "host.test"),
        (" a.test , , b.test ,", "b.test"),
        ("*.test", "a.b.test"),
        ("sidecar_1", "SIDECAR_1"),
    ],
)
def test_a_host_is_trusted(value: str, host: str) -> None:
    assert _trusts(value, host)


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("10.0.0.0/8", "11.0.0.1"),
        ("*.test", "test"),
        ("*.test", "eviltest"),
        ("a.test", "b.a.test"),
        ("a.test", "a.test.evil"),
        ("", "\0"),
        ("", ""),
        ("a.test,b.test", "a.test,b.test"),
    ],
)
def test_another_host_is_not_trusted(value: str, host: str) -> None:
    assert not _trusts(value, host)


@pytest.mark.parametrize("entry", ["127.0.0", "1.2", "7", "*.1.2", "*./test", "a b", "http://a.test", "10.0.0.0/33"])
def test_an_unknown_entry_is_reported_in_full(entry: str) -> None:
    trusted, [problem] = settings._parse_trusted_hosts(f"a.test,{entry}")
    assert problem.variable == TRUSTED
    assert problem.message == (
        f"{TRUSTED}: unknown entry {entry!r}; it trusts nothing. Valid entries: "
        "host names, *.suffix, IP addresses and networks, without scheme, port or path."
    )
    assert trusted == (frozenset({"a.test"}), (), ())


ADDRESSES, TOP, SUFFIX, SERVICE = (
    "public addresses",
    "a top-level domain",
    "a public suffix",
    "a public service's domain",
)


@pytest.mark.parametrize(
    ("entry", "host", "what"),
    [
        ("0.0.0.0/0", "8.8.8.8", ADDRESSES),
        ("10.0.0.0/7", "11.0.0.1", ADDRESSES),
        ("8.8.8.8", "8.8.8.8", ADDRESSES),
        ("100.64.0.0/10", "100.125.0.1", ADDRESSES),
        ("::/0", "2001:db8::1", ADDRESSES),
        ("[2001:db8::1]", "2001:db8::1", ADDRESSES),
        ("*.com", "evil.com", TOP),
        ("*.CN.", "obs.cn", TOP),
        ("*.co.uk", "evil.co.uk", SUFFIX),
        ("*.com.cn", "evil.com.cn", SUFFIX),
        ("*.myhuaweicloud.com", "obs.cn-north-4.myhuaweicloud.com", SERVICE),
        ("*.obs.cn-north-4.myhuaweicloud.com", "b.obs.cn-north-4.myhuaweicloud.com", SERVICE),
        ("OBS.cn-north-4.myhuaweicloud.com", "obs.cn-north-4.myhuaweicloud.com", SERVICE),
        ("*.amazonaws.com", "s3.amazonaws.com", SERVICE),
        ("*.windows.net", "x.blob.core.windows.net", SERVICE),
        ("*.nip.io", "8.8.8.8.nip.io", SERVICE),
    ],
)
def test_a_public_entry_works_and_is_reported_in_full(entry: str, host: str, what: str) -> None:
    trusted, [problem] = settings._parse_trusted_hosts(f"a.test,{entry}")
    assert trusted.trusts(host)
    message = (
        f"{TRUSTED}: {entry!r} covers {what}, so requests may cross the Internet in plaintext. "
        "List only the hosts of your own sidecars and test servers."
    )
    assert problem == (TRUSTED, message, True)


@pytest.mark.parametrize(
    "entry",
    [
        "0.0.0.0",  # noqa: S104  # a destination here
        *("10.0.0.0/8", "10.1.2.3", "127.0.0.1", "169.254.1.1", "172.16.0.0/12", "192.168.1.0/24"),
        *("::1", "::", "fd00::/8", "fe80::1"),
        *("localhost", "minio", "minio.example.com", "*.example.com", "*.example.co.uk"),
        *("*.test", "*.local", "*.internal", "*.lan", "*.co.test", "*.svc", "*.svc.cluster.local"),
        *("notamazonaws.com", "*.notamazonaws.com", "amazonaws.com.test", "*.cloud.com"),
    ],
)
def test_an_entry_of_ones_own_is_not_reported(entry: str) -> None:
    trusted, problems = settings._parse_trusted_hosts(entry)
    assert any(trusted)
    assert problems == ()


def test_only_an_entry_that_is_too_wide_exposes(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in ((MODE, "loud"), (POLICY, "loud"), (TRUSTED, "a b,*.com")):
        monkeypatch.setenv(variable, value)
    _, problems = settings.parse_settings()
    assert [(problem.variable, problem.exposes) for problem in problems] == [
        (MODE, False),
        (POLICY, False),
        (TRUSTED, False),
        (TRUSTED, True),
    ]


def test_each_public_entry_warns_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRUSTED, "*.com,10.0.0.0/8,0.0.0.0/0")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            assert settings.read_settings().trusted.trusts("evil.com")
    assert [(warning.category, str(warning.message).split()[1]) for warning in caught] == [
        (SSEGuardWarning, "'*.com'"),
        (SSEGuardWarning, "'0.0.0.0/0'"),
    ]


def test_an_unknown_value_is_reported_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODE, " Loud ")
    monkeypatch.setenv(POLICY, "loud")
    understood, problems = settings.parse_settings()
    assert (understood.mode, understood.policy) == (Mode.ENFORCE, Policy.DOCUMENTED)
    assert [problem.variable for problem in problems] == [MODE, POLICY]
    assert problems[0].message == (
        f"{MODE}: unknown value 'loud'; using \"enforce\". "
        "Valid values: enforce, warn, off, 1, true, yes, on, 0, false, no."
    )
    assert problems[1].message.endswith("Valid values: documented, strict.")


def test_each_warning_is_issued_once() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for what in ("one", "one", "another"):
            warn_once(what)
    assert [str(warning.message) for warning in caught] == ["one", "another"]


def test_a_warning_points_at_the_callers_line() -> None:
    with pytest.warns(SSEGuardWarning) as caught:
        warn_once("here")
    assert caught[0].filename == __file__


def test_a_warning_turned_into_an_error_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", SSEGuardWarning)
        warn_once("100 %s of it")
    assert [(record.name, record.levelno, record.getMessage()) for record in caplog.records] == [
        ("obs_sse_guard", logging.WARNING, "100 %s of it")
    ]
