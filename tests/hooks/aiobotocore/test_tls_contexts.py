"""aiohttp's connector decides what TLS verifies, not the client's setting."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("aiobotocore", reason="aiobotocore is not installed here")

from aiobotocore.httpsession import AIOHTTPSession

from tests.support.records import rules
from tests.support.s3_calls import PUT, PUT_SSE_C, Call, outcomes, refused, succeeded
from tests.support.servers import TlsRecordingServer, assert_no_key
from tests.support.sse import KEY

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.filterwarnings("ignore:verify_ssl is deprecated:DeprecationWarning")


def _connector(client: Any) -> Any:
    session = client._endpoint.http_session
    [aiohttp_session] = getattr(session, "_sessions", {None: getattr(session, "_session", None)}).values()
    return aiohttp_session.connector


def _context(*, verify: bool, host: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = host
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    return context


def _after(change: Callable[[Any], None], call: Call = PUT_SSE_C) -> Call:
    def changed(client: Any) -> Any:
        change(client)
        return call(client)

    return changed


def _replace(client: Any) -> None:
    _connector(client)._ssl = _context(verify=False, host=False)


def _loosen(client: Any) -> None:
    context = _connector(client)._ssl
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE


def _disable(client: Any) -> None:
    _connector(client)._ssl = False


@pytest.mark.parametrize("change", [_replace, _loosen, _disable])
def test_a_connector_that_verifies_nothing(
    change: Callable[[Any], None], policy: str, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    first, *results = outcomes("aiobotocore", https, PUT, _after(change), PUT_SSE_C)
    assert succeeded(first)
    if policy == "strict":
        for result in results:
            refused(result, "unverified-tls")
        assert_no_key(https, KEY)
        assert len(https.requests) == 1
    else:
        assert all(map(succeeded, results))
        assert rules(caplog) == ["unverified-tls"]


def test_a_context_that_does_not_check_the_host(
    policy: str, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    def change(client: Any) -> None:
        _connector(client)._ssl.check_hostname = False

    assert all(map(succeeded, outcomes("aiobotocore", https, PUT, _after(change), PUT_SSE_C)))
    assert rules(caplog) == ["unverified-host"], policy
    assert "check_hostname" in caplog.text


@pytest.mark.usefixtures("aiobotocore_as_it_is")
def test_a_release_that_does_not_check_the_host(https: TlsRecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    assert all(map(succeeded, outcomes("aiobotocore", https, PUT_SSE_C, PUT_SSE_C)))
    checks = hasattr(AIOHTTPSession, "_build_verify_context")
    assert rules(caplog) == ([] if checks else ["unverified-host"])


def test_a_verifying_connector_is_no_finding(
    policy: str, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    def change(client: Any) -> None:
        context = _context(verify=True, host=True)
        context.load_verify_locations(https.ca)
        _connector(client)._ssl = context

    assert all(map(succeeded, outcomes("aiobotocore", https, PUT, _after(change), PUT_SSE_C)))
    assert not caplog.records, policy


def test_a_redirect_over_a_connector_that_verifies_nothing(
    policy: str, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    https.answer("GET", 307, {"Location": f"{https.url}/bucket/elsewhere"}, times=1)

    def get(client: Any) -> Any:
        return client.get_object(Bucket="bucket", Key="object", SSECustomerAlgorithm="AES256", SSECustomerKey=KEY)

    results = outcomes("aiobotocore", https, PUT, _after(_replace, get))
    if policy == "strict":
        refused(results[1], "unverified-tls")
        assert_no_key(https, KEY)
    else:
        assert rules(caplog) == ["unverified-tls"]
        assert len(https.requests) == 3
