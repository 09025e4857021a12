"""Property tests: any call variant, in any configuration, matches the oracle.

Every example drives a real client over a real socket with a random key. `tests.support.oracle` states the expected
outcome; it shares no code with the package. Unless the oracle allows it, no form of the key crosses a plaintext
socket. No log, message or pickle ever contains one.

The profile ``ci`` draws a few fixed examples; ``pytest --hypothesis-profile=nightly`` draws thousands.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

import obs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from obs.ilog import LogClient, LogConf

from tests.support import expected_rules, obs_calls, oracle
from tests.support.obs_calls import (
    ALTERNATIVES,
    BUCKET,
    OBJECT,
    PLAIN,
    ROWLESS,
    ROWLESS_ROW,
    CallVariant,
    needs_https,
    open_client,
)
from tests.support.oracle import REFUSED, RequestSSE
from tests.support.servers import RecordingServer, TlsRecordingServer, leaks
from tests.support.strategies import (
    LogCapture,
    assert_outcome,
    assert_private,
    attempt,
    capturing,
    each_example_cleans_up,
    environment,
    header_names,
    keys,
    value,
)

if TYPE_CHECKING:
    from obs_sse_guard import SSETransportError

pytestmark = needs_https

# ------------------------------------------------------------------------------ strategies


class Setting(NamedTuple):
    """The configuration of the client and of the guard."""

    scheme: str
    kind: str
    transport: str
    verified: bool
    mode: str
    policy: str
    trusted: bool

    @property
    def secure(self) -> bool:
        """Return whether the client uses TLS."""
        return self.scheme == "https"

    @property
    def tls_gap(self) -> str:
        """Return the finding about the SDK's TLS over this transport, or an empty string."""
        if not self.secure:
            return ""
        if not self.verified:
            return "unverified-tls"
        return "" if self.transport == "requests" else "unverified-host"


set_ups = st.builds(
    Setting,
    scheme=st.sampled_from(["http", "https"]),
    kind=st.sampled_from(obs_calls.KINDS),
    transport=st.sampled_from([name for name in obs_calls.TRANSPORTS if obs_calls.has_transport(name)]),
    verified=st.booleans(),
    mode=st.sampled_from(["enforce", "enforce", "enforce", "warn", "off"]),
    policy=st.sampled_from(["documented", "strict"]),
    trusted=st.sampled_from([False, False, False, True]),
)

# ---------------------------------------------------------------------------------- set-up


def _log_client() -> Any:
    client = LogClient(LogConf(), "obs-sdk-property-tests", "sdk")
    client.logger.setLevel(logging.DEBUG)
    client.logger.propagate = True
    return client


@contextlib.contextmanager
def _stage(setting: Setting, key: str) -> Iterator[tuple[Any, RecordingServer, LogCapture]]:
    """Yield a client, its server and the captured log; then assert no key leaked."""
    server_class = TlsRecordingServer if setting.secure else RecordingServer
    captured = LogCapture()
    with environment(setting), warnings.catch_warnings(), server_class(lifetime=30) as server, capturing(captured):
        warnings.simplefilter("ignore")  # urllib3 warns about unverified TLS
        verify = {} if setting.verified else {"ssl_verify": False}
        options: dict[str, Any] = {"max_retry_count": 0, "timeout": 5, **verify}
        with open_client(setting.kind, server, transport=setting.transport, **options) as client:
            client.log_client = _log_client()
            yield client, server, captured
            client.log_client = obs.ilog.NoneLogClient()
    assert not leaks("\n".join(captured.text), key), "a key in the log"
    if not setting.secure and setting.mode == "enforce" and not setting.trusted:
        assert_private(server, key, setting.policy)


def _assert_nothing_sent(server: RecordingServer, error: SSETransportError) -> None:
    if error.rule != "unverified-tls":
        assert not server.wire, "a refused call sends nothing"
    # Only the wire hook detects unverified TLS: after the negotiation of the signature, in uploadFile after a HEAD
    # request for the bucket, and in downloadFiles after the list of objects. None of these requests carries a key.
    for call in server.calls:
        assert call.method == "HEAD" or (call.method == "GET" and "/?prefix=" in call.target)
        assert not any("encryption" in name.lower() for name, _ in call.headers)


# --------------------------------------------------------------------- every variant of every row


def _variants_of_rows() -> list[tuple[CallVariant, expected_rules.Row]]:
    variants = [
        variant for operation in expected_rules.OPERATIONS for variant in (PLAIN[operation], *ALTERNATIVES[operation])
    ]
    return [(variant, row) for variant in variants for row in expected_rules.ROWS if variant.can_express(row)] + [
        (variant, ROWLESS_ROW) for variant in ROWLESS
    ]


def _must_be_refused(variant: CallVariant, row: expected_rules.Row) -> bool:
    """Return whether the documented policy refuses any of its requests over http."""
    if variant in ROWLESS or (variant.misplaces and oracle.carries_key(row)):
        return True
    found = [oracle.row_of(operation, row.source, row.target) for operation in {*variant.requests, variant.operation}]
    return REFUSED in {oracle.outcome(row, "http") for row in found if row}


# putFile opens a file before its request is judged, and closes none whose request fails.
@pytest.mark.leaves_open
@each_example_cleans_up
@given(pair=st.sampled_from(_variants_of_rows()), setting=set_ups, key=keys)
def test_any_call_variant_under_any_configuration(
    pair: tuple[CallVariant, expected_rules.Row], setting: Setting, key: str
) -> None:
    variant, row = pair
    with tempfile.TemporaryDirectory() as folder, _stage(setting, key) as (client, server, captured):
        assume(variant.available(client))
        error = attempt(lambda: variant.call(client, row, key, Path(folder)), key)
        if setting.mode != "enforce":
            assert error is None
        elif setting.policy == "documented":
            misplaced = variant.misplaces and oracle.carries_key(row)
            in_clear = not setting.secure and not setting.trusted and _must_be_refused(variant, row)
            assert (error is not None) is (misplaced or in_clear)
        if error is not None:
            _assert_nothing_sent(server, error)
        if setting.mode == "off":
            assert captured.rules == []


# ---------------------------------------------------------------------- any request, as it is sent


class Header(NamedTuple):
    """A header, or a query parameter."""

    name: str
    value: str


_PARAMETERS = ("acl", "append", "modify", "partNumber", "uploadId", "uploads", "restore", "tagging", "versionId", "x")
_METHODS = ("PUT", "POST", "GET", "HEAD", "DELETE")


class Drawn(NamedTuple):
    """One request: its operation, and the names of its headers or query parameters."""

    method: str
    parameters: frozenset[str]
    named: tuple[tuple[str, int], ...]
    place: str
    copies: bool

    def headers(self, key: str) -> dict[str, str]:
        """Return its headers, with this key."""
        headers = {name: value(name, key, choice) for name, choice in self.named}
        # The SDK omits extension headers without a value.
        return {name: value for name, value in headers.items() if value or self.place != "extensionHeaders"}


requests = st.builds(
    Drawn,
    method=st.sampled_from(_METHODS),
    parameters=st.frozensets(st.sampled_from(_PARAMETERS), max_size=2),
    named=st.lists(
        st.tuples(header_names(), st.integers(0, 3)), max_size=4, unique_by=lambda named: named[0].lower()
    ).map(tuple),
    place=st.sampled_from(["headers", "extensionHeaders", "pathArgs"]),
    copies=st.booleans(),
)


def _sse_of(drawn: Drawn, headers: dict[str, str], place: str) -> RequestSSE:
    copy = ["x-obs-copy-source"] if drawn.copies and drawn.place != "pathArgs" else []
    names = [*drawn.parameters, *(headers if drawn.place == "pathArgs" else ())]
    operation = oracle.operation_of(drawn.method, OBJECT, names, copy)
    source, target, key = oracle.sides(headers.items())
    return RequestSSE(operation, source, target, place if key else "")


def _send(client: Any, drawn: Drawn, headers: dict[str, str]) -> Any:
    arguments: dict[str, Any] = {"pathArgs": dict.fromkeys(drawn.parameters, "1"), "headers": {}}
    arguments.setdefault(drawn.place, {}).update(headers)
    if drawn.copies and drawn.place != "pathArgs":
        arguments["headers"]["x-obs-copy-source"] = "source/object"
    return client._make_request_with_retry(drawn.method, BUCKET, OBJECT, **arguments)


@pytest.mark.unmeasured
@each_example_cleans_up
@given(drawn=requests, setting=set_ups, key=keys)
def test_any_request_as_it_is_sent(drawn: Drawn, setting: Setting, key: str) -> None:
    setting = setting._replace(
        kind="v4" if setting.kind == "obs" else setting.kind
    )  # a private request does not negotiate
    headers = drawn.headers(key)
    sse = _sse_of(drawn, headers, "url" if drawn.place == "pathArgs" else "header")
    with _stage(setting, key) as (client, server, captured):
        assume(drawn.place != "extensionHeaders" or obs_calls.passes_raw_headers(client))
        error = attempt(lambda: _send(client, drawn, headers), key)
        assert_outcome(setting, sse, error, captured)
        if error is None:
            [arrived] = server.requests
            assert oracle.sse_of(arrived) == sse, "the server received what was drawn"
        else:
            _assert_nothing_sent(server, error)


# --------------------------------------------------------------------------- signed URLs and forms


@each_example_cleans_up
@given(drawn=requests, setting=set_ups, key=keys, version=st.sampled_from(["", "V2", "V4"]))
def test_any_url_that_is_signed(drawn: Drawn, setting: Setting, key: str, version: str) -> None:
    setting = setting._replace(kind="v4" if setting.kind == "obs" else setting.kind)
    headers = drawn.headers(key)
    in_query = drawn.place == "pathArgs"
    sse = _sse_of(drawn, headers, "url" if in_query else "header")
    query = {**dict.fromkeys(drawn.parameters, "1"), **(headers if in_query else {})}
    signed = {} if in_query else {**headers, **({"x-obs-copy-source": "source/object"} if drawn.copies else {})}
    with _stage(setting, key) as (client, server, captured):
        sign = getattr(client, f"create{version}SignedUrl")
        error = attempt(lambda: sign(drawn.method, BUCKET, OBJECT, headers=signed, queryParams=query), key)
        assert_outcome(setting._replace(verified=True, transport="requests"), sse, error, captured)
        assert not server.wire


@each_example_cleans_up
@given(drawn=requests, setting=set_ups, key=keys, version=st.sampled_from(["", "V4"]))
def test_any_form_that_is_signed(drawn: Drawn, setting: Setting, key: str, version: str) -> None:
    setting = setting._replace(kind="v4" if setting.kind == "obs" else setting.kind)
    source, target, holds = oracle.sides(drawn.headers(key).items())
    sse = RequestSSE("PostObject", source, target, "policy" if holds else "")
    with _stage(setting, key) as (client, server, captured):
        sign = getattr(client, f"create{version}PostSignature")
        error = attempt(lambda: sign(BUCKET, OBJECT, formParams=drawn.headers(key)), key)
        assert_outcome(setting._replace(verified=True, transport="requests"), sse, error, captured)
        assert not server.wire


# -------------------------------------------------------------------------------- redirect hops


@pytest.mark.unmeasured
@each_example_cleans_up
@given(drawn=requests, setting=set_ups, key=keys, status=st.sampled_from([301, 302, 307, 308]))
def test_any_redirect_to_plaintext(drawn: Drawn, setting: Setting, key: str, status: int) -> None:
    setting = setting._replace(scheme="https", kind="v2", mode="enforce", policy="documented", trusted=False)
    assume(drawn.place != "pathArgs")  # the Location header sets the query
    headers = drawn.headers(key)
    sse = _sse_of(drawn, headers, "header")
    with (
        RecordingServer(lifetime=30) as plain,
        _stage(setting, key) as (client, server, _),
        obs_calls.without_backoff(),
    ):
        assume(drawn.place != "extensionHeaders" or obs_calls.passes_raw_headers(client))
        query = urlencode(dict.fromkeys(drawn.parameters, "1"))  # a service redirects the same request to another host
        server.answer(lambda _: True, status, {"Location": f"{plain.url}/{BUCKET}/{OBJECT}?{query}"})
        error = attempt(lambda: _send(client, drawn, drawn.headers(key)), key)
        sse = oracle.sse_of(server.requests[0])
        refused = REFUSED in oracle.evaluate(sse, secure=False, policy="documented", redirected=True).values()
        assert (error is not None) is refused
        assert not (refused and plain.wire)
    assert not leaks(plain.wire, key)
