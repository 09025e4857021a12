"""The request context: its host as a URL, and as it is compared."""

from __future__ import annotations

import pytest

from obs_sse_guard._policy.request import normalize_host
from obs_sse_guard.rules import Encryption
from tests.support.contexts import put_with_key, request


@pytest.mark.parametrize(
    ("secure", "host", "port", "endpoint", "https_url"),
    [
        (False, "obs.test", 80, "http://obs.test", "https://obs.test"),
        (False, "obs.test", 443, "http://obs.test:443", "https://obs.test"),
        (True, "obs.test", 443, "https://obs.test", "https://obs.test"),
        (True, "obs.test", 80, "https://obs.test:80", "https://obs.test"),
        (False, "obs.test", None, "http://obs.test", "https://obs.test"),
        (False, "::1", 8080, "http://[::1]:8080", "https://[::1]"),
        (False, "", None, "http://", "https://..."),
    ],
)
def test_the_endpoint_as_a_url(secure: bool, host: str, port: int | None, endpoint: str, https_url: str) -> None:
    context = request(secure=secure, host=host, port=port)
    assert (context.endpoint, context.https_url) == (endpoint, https_url)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("OBS.Test.", "obs.test"),
        (b"OBS.test", "obs.test"),
        (" [::1] ", "::1"),
        ("B\u00dccher.obs.test", "xn--bcher-kva.obs.test"),
        ("xn--bcher-kva.obs.test", "xn--bcher-kva.obs.test"),
        ("*.b\u00fccher.test", "*.xn--bcher-kva.test"),
        ("bu\u0308cher.test", "xn--bcher-kva.test"),
        ("\u5b58\u50a8.test.", "xn--k0q63x.test"),
        ("\u00fc" * 63 + ".test", "xn--tda" + "a" * 62 + ".test"),
        ("\u00fc" * 64 + ".test", "\u00fc" * 64 + ".test"),
        ("", ""),
        (None, ""),
        (b"", ""),
    ],
)
def test_a_host_is_compared_in_one_form(host: object, expected: str) -> None:
    assert normalize_host(host) == expected


def test_a_request_covers_another_with_the_same_encryption() -> None:
    key, other_key = put_with_key(key_ids=frozenset({1})), put_with_key(key_ids=frozenset({2}))
    kms, plain = request(target=Encryption.SSE_KMS), request()
    for one in (key, other_key, kms, plain):
        assert [other for other in (key, other_key, kms, plain) if one.covers(other)] == [one]
