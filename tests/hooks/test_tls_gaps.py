"""What a TLS context does not verify, and how often it is reported."""

from __future__ import annotations

import ssl
from types import SimpleNamespace
from typing import Any

import pytest

from obs_sse_guard._hooks.tls_gaps import context_gap, mark_reported, unreported_context_gap, unreported_gap
from obs_sse_guard.testing import override
from tests.support.contexts import put_with_key
from tests.support.guard import MODE, POLICY


def _context(*, host: bool, certificate: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = host
    context.verify_mode = ssl.CERT_REQUIRED if certificate else ssl.CERT_NONE
    return context


@pytest.mark.parametrize(
    ("context", "gap"),
    [
        (None, ""),
        (_context(host=True, certificate=True), ""),
        (_context(host=False, certificate=True), "unverified-host"),
        (_context(host=False, certificate=False), "unverified-tls"),
        (SimpleNamespace(check_hostname=True, verify_mode=ssl.CERT_REQUIRED), ""),
        (SimpleNamespace(check_hostname=False, verify_mode=ssl.CERT_REQUIRED), "unverified-host"),
        (SimpleNamespace(check_hostname=False, verify_mode=ssl.CERT_NONE), "unverified-tls"),
    ],
)
def test_the_gap_of_a_context(context: Any, gap: str) -> None:
    assert context_gap(context) == gap


class _Client:
    """An object that can be referenced weakly."""


def _report(client: object, gap: str) -> None:
    mark_reported(client, put_with_key(secure=True, tls_gap=gap), frozenset({gap}))


@pytest.mark.parametrize("gap", ["unverified-tls", "unverified-host"])
def test_a_gap_is_reported_once_per_client(gap: str) -> None:
    client = _Client()
    assert unreported_gap(client, gap) == gap
    mark_reported(client, put_with_key(secure=True, tls_gap=gap), frozenset())
    assert unreported_gap(client, gap) == gap, "another finding was reported"
    _report(client, gap)
    assert unreported_gap(client, gap) == ""
    assert unreported_gap(_Client(), gap) == gap


def _replacement(*, host: bool, certificate: bool) -> Any:
    """Return what another library may put in the place of a context."""
    return SimpleNamespace(check_hostname=host, verify_mode=ssl.CERT_REQUIRED if certificate else ssl.CERT_NONE)


@pytest.mark.parametrize("make", [_context, _replacement])
def test_another_gap_of_the_same_client_is_reported(make: Any) -> None:
    client, context = _Client(), make(host=False, certificate=True)
    assert unreported_context_gap(client, context) == "unverified-host"
    _report(client, "unverified-host")
    assert unreported_context_gap(client, context) == ""
    context.verify_mode = ssl.CERT_NONE
    assert unreported_context_gap(client, context) == "unverified-tls"


def test_a_change_of_the_policy_counts_only_where_it_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    clients = {gap: _Client() for gap in ("unverified-tls", "unverified-host")}
    for gap, client in clients.items():
        _report(client, gap)
    monkeypatch.setenv(POLICY, "strict")
    assert {gap: unreported_gap(client, gap) for gap, client in clients.items()} == {
        "unverified-tls": "unverified-tls",
        "unverified-host": "",
    }


def test_a_gap_is_reported_again_under_another_policy_of_a_test() -> None:
    client = _Client()
    _report(client, "unverified-tls")
    with override(policy="strict"):
        assert unreported_gap(client, "unverified-tls") == "unverified-tls"
    assert unreported_gap(client, "unverified-tls") == ""


def test_a_gap_that_the_policy_refuses_is_reported_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODE, "warn")
    monkeypatch.setenv(POLICY, "strict")
    client = _Client()
    _report(client, "unverified-tls")
    assert unreported_gap(client, "unverified-tls") == "unverified-tls"


def test_a_client_that_cannot_be_referenced_weakly_is_reported_every_time() -> None:
    client = object()
    _report(client, "unverified-tls")
    assert unreported_gap(client, "unverified-tls") == "unverified-tls"
