"""Against chance: whatever is asked for, in whatever variant, under whatever configuration, the law decides.

Every example drives a real client over a real socket with a random key, and what must become of it is told
by `tests.support.oracle`, which shares nothing with the package. Wherever the oracle does not say that a row allows
it, no shape of the key may have crossed a plaintext socket; and never may one stand in a log, a message or
a pickle.

The profile ``ci`` is small and always the same; ``pytest --hypothesis-profile=nightly`` takes thousands.
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
from tests.support.oracle import REFUSED, Said
from tests.support.servers import RecordingServer, TlsRecordingServer, leaks
from tests.support.strategies import (
    Heard,
    assert_judged,
    assert_private,
    attempt,
    each_example_cleans_up,
    environment,
    header_names,
    keys,
    listening,
    value,
)

if TYPE_CHECKING:
    from obs_sse_guard import SSETransportError

pytestmark = needs_https

# ------------------------------------------------------------------------------ what is drawn


class Setting(NamedTuple):
    """How the client and the guard are set up."""

    scheme: str
    kind: str
    transport: str
    verified: bool
    mode: str
    policy: str
    trusted: bool

    @property
    def secure(self) -> bool:
        """Whether the client speaks TLS."""
        return self.scheme == "https"

    @property
    def tls_gap(self) -> str:
        """What the SDK's TLS leaves unverified under this transport."""
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

# ---------------------------------------------------------------------------------- the stage


def _log_client() -> Any:
    client = LogClient(LogConf(), "obs-sdk-under-chance", "sdk")
    client.logger.setLevel(logging.DEBUG)
    client.logger.propagate = True
    return client


@contextlib.contextmanager
def _stage(setting: Setting, key: str) -> Iterator[tuple[Any, RecordingServer, Heard]]:
    """A client and its server. Whatever is done there, no key may show where none belongs."""
    server_class = TlsRecordingServer if setting.secure else RecordingServer
    heard = Heard()
    with environment(setting), warnings.catch_warnings(), server_class(lifetime=30) as server, listening(heard):
        warnings.simplefilter("ignore")  # urllib3's, of TLS that is not verified
        verify = {} if setting.verified else {"ssl_verify": False}
        options: dict[str, Any] = {"max_retry_count": 0, "timeout": 5, **verify}
        with open_client(setting.kind, server, transport=setting.transport, **options) as client:
            client.log_client = _log_client()
            yield client, server, heard
            client.log_client = obs.ilog.NoneLogClient()
    assert not leaks("\n".join(heard.text), key), "in a log"
    if not setting.secure and setting.mode == "enforce" and not setting.trusted:
        assert_private(server, key, setting.policy)


def _assert_nothing_sent(server: RecordingServer, error: SSETransportError) -> None:
    if error.rule != "unverified-tls":
        assert not server.wire, "a refused call sends nothing"
    # Of TLS that is not verified only the wire gate tells: after the negotiation of the signature, and in uploadFile
    # after a look at the bucket. Neither names a key.
    for call in server.calls:
        assert call.method == "HEAD"
        assert not any("encryption" in name.lower() for name, _ in call.headers)


# ------------------------------------------------------------------ every way to say every row


def _said_rows() -> list[tuple[CallVariant, expected_rules.Row]]:
    variants = [
        variant for operation in expected_rules.OPERATIONS for variant in (PLAIN[operation], *ALTERNATIVES[operation])
    ]
    return [(variant, row) for variant in variants for row in expected_rules.ROWS if variant.says(row)] + [
        (variant, ROWLESS_ROW) for variant in ROWLESS
    ]


def _must_be_refused(variant: CallVariant, row: expected_rules.Row) -> bool:
    """Over http, under the documented policy: by the worst of what the way asks for."""
    if variant in ROWLESS or (variant.misplaces and oracle.carries_key(row)):
        return True
    found = [oracle.row_of(operation, row.source, row.target) for operation in {*variant.requests, variant.operation}]
    return REFUSED in {oracle.verdict(said, "http") for said in found if said}


@each_example_cleans_up
@given(said=st.sampled_from(_said_rows()), setting=set_ups, key=keys)
def test_any_call_variant_under_any_configuration(
    said: tuple[CallVariant, expected_rules.Row], setting: Setting, key: str
) -> None:
    variant, row = said
    with tempfile.TemporaryDirectory() as folder, _stage(setting, key) as (client, server, heard):
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
            assert heard.rules == []


# --------------------------------------------------------------------- any request, as it leaves


class Header(NamedTuple):
    """A header, or a parameter of a query."""

    name: str
    value: str


_PARAMETERS = ("acl", "append", "modify", "partNumber", "uploadId", "uploads", "restore", "tagging", "versionId", "x")
_METHODS = ("PUT", "POST", "GET", "HEAD", "DELETE")


class Asked(NamedTuple):
    """One request: what it is, and what it says in which place."""

    method: str
    parameters: frozenset[str]
    named: tuple[tuple[str, int], ...]
    place: str
    copies: bool

    def headers(self, key: str) -> dict[str, str]:
        """What it says, with this key."""
        said = {name: value(name, key, choice) for name, choice in self.named}
        # The SDK leaves extension headers without a value out.
        return {name: value for name, value in said.items() if value or self.place != "extensionHeaders"}


requests = st.builds(
    Asked,
    method=st.sampled_from(_METHODS),
    parameters=st.frozensets(st.sampled_from(_PARAMETERS), max_size=2),
    named=st.lists(
        st.tuples(header_names(), st.integers(0, 3)), max_size=4, unique_by=lambda named: named[0].lower()
    ).map(tuple),
    place=st.sampled_from(["headers", "extensionHeaders", "pathArgs"]),
    copies=st.booleans(),
)


def _said(asked: Asked, headers: dict[str, str], place: str) -> Said:
    copy = ["x-obs-copy-source"] if asked.copies and asked.place != "pathArgs" else []
    names = [*asked.parameters, *(headers if asked.place == "pathArgs" else ())]
    operation = oracle.operation_of(asked.method, OBJECT, names, copy)
    source, target, key = oracle.sides(headers.items())
    return Said(operation, source, target, place if key else "")


def _send(client: Any, asked: Asked, headers: dict[str, str]) -> Any:
    arguments: dict[str, Any] = {"pathArgs": dict.fromkeys(asked.parameters, "1"), "headers": {}}
    arguments.setdefault(asked.place, {}).update(headers)
    if asked.copies and asked.place != "pathArgs":
        arguments["headers"]["x-obs-copy-source"] = "source/object"
    return client._make_request_with_retry(asked.method, BUCKET, OBJECT, **arguments)


@each_example_cleans_up
@given(asked=requests, setting=set_ups, key=keys)
def test_any_request_as_it_leaves(asked: Asked, setting: Setting, key: str) -> None:
    setting = setting._replace(kind="v4" if setting.kind == "obs" else setting.kind)  # nothing negotiates for it
    headers = asked.headers(key)
    said = _said(asked, headers, "url" if asked.place == "pathArgs" else "header")
    with _stage(setting, key) as (client, server, heard):
        assume(asked.place != "extensionHeaders" or obs_calls.passes_raw_headers(client))
        error = attempt(lambda: _send(client, asked, headers), key)
        assert_judged(setting, said, error, heard)
        if error is None:
            [arrived] = server.requests
            assert oracle.said_by(arrived) == said, "what arrives is what was meant"
        else:
            _assert_nothing_sent(server, error)


# --------------------------------------------------------------------------- whatever is signed


@each_example_cleans_up
@given(asked=requests, setting=set_ups, key=keys, version=st.sampled_from(["", "V2", "V4"]))
def test_any_url_that_is_signed(asked: Asked, setting: Setting, key: str, version: str) -> None:
    setting = setting._replace(kind="v4" if setting.kind == "obs" else setting.kind)
    headers = asked.headers(key)
    in_query = asked.place == "pathArgs"
    said = _said(asked, headers, "url" if in_query else "header")
    query = {**dict.fromkeys(asked.parameters, "1"), **(headers if in_query else {})}
    signed = {} if in_query else {**headers, **({"x-obs-copy-source": "source/object"} if asked.copies else {})}
    with _stage(setting, key) as (client, server, heard):
        sign = getattr(client, f"create{version}SignedUrl")
        error = attempt(lambda: sign(asked.method, BUCKET, OBJECT, headers=signed, queryParams=query), key)
        assert_judged(setting._replace(verified=True, transport="requests"), said, error, heard)
        assert not server.wire


@each_example_cleans_up
@given(asked=requests, setting=set_ups, key=keys, version=st.sampled_from(["", "V4"]))
def test_any_form_that_is_signed(asked: Asked, setting: Setting, key: str, version: str) -> None:
    setting = setting._replace(kind="v4" if setting.kind == "obs" else setting.kind)
    source, target, holds = oracle.sides(asked.headers(key).items())
    said = Said("PostObject", source, target, "policy" if holds else "")
    with _stage(setting, key) as (client, server, heard):
        sign = getattr(client, f"create{version}PostSignature")
        error = attempt(lambda: sign(BUCKET, OBJECT, formParams=asked.headers(key)), key)
        assert_judged(setting._replace(verified=True, transport="requests"), said, error, heard)
        assert not server.wire


# -------------------------------------------------------------------------------- redirect hops


@each_example_cleans_up
@given(asked=requests, setting=set_ups, key=keys, status=st.sampled_from([301, 302, 307, 308]))
def test_any_redirect_to_plaintext(asked: Asked, setting: Setting, key: str, status: int) -> None:
    setting = setting._replace(scheme="https", kind="v2", mode="enforce", policy="documented", trusted=False)
    assume(asked.place != "pathArgs")  # the location says what the query is
    headers = asked.headers(key)
    said = _said(asked, headers, "header")
    with (
        RecordingServer(lifetime=30) as plain,
        _stage(setting, key) as (client, server, _),
        obs_calls.without_backoff(),
    ):
        assume(asked.place != "extensionHeaders" or obs_calls.passes_raw_headers(client))
        query = urlencode(dict.fromkeys(asked.parameters, "1"))  # as a service redirects: the same request elsewhere
        server.answer(lambda _: True, status, {"Location": f"{plain.url}/{BUCKET}/{OBJECT}?{query}"})
        error = attempt(lambda: _send(client, asked, asked.headers(key)), key)
        said = oracle.said_by(server.requests[0])
        refused = REFUSED in oracle.judge(said, secure=False, policy="documented", redirected=True).values()
        assert (error is not None) is refused
        assert not (refused and plain.wire)
    assert not leaks(plain.wire, key)
