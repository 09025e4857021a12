"""Whether a request further in is the one that an SDK is sending."""

from __future__ import annotations

from obs_sse_guard._hooks.sending import Sending
from obs_sse_guard._policy.headers import NO_SSE_HEADERS, SSEHeaders
from tests.support.contexts import put_with_key, request


class _Unencrypted(Sending):
    def sse(self) -> SSEHeaders:
        """Return what a request without encryption names."""
        return NO_SSE_HEADERS


def test_a_request_that_could_not_be_read_counts_as_the_one_of_the_sdk() -> None:
    unread = request(failure="LookupError")
    assert _Unencrypted().sends(unread)
    assert _Unencrypted().sends(request())
    assert not _Unencrypted().sends(put_with_key(key_ids=frozenset({1})))
    assert not Sending().sends(unread), "no hook of this SDK unpacks an abort"


def test_a_request_that_has_ended_sends_nothing() -> None:
    ended = _Unencrypted()
    ended.end()
    assert not ended.sends(request())
