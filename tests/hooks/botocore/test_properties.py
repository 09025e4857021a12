"""Property tests of botocore and aiobotocore: calls, event handlers, signatures."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import oracle
from tests.support.oracle import RequestSSE
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

pytest.importorskip("boto3")
from tests.support import s3_calls  # it imports boto3

# ------------------------------------------------------------------------------ strategies


class Setting(NamedTuple):
    """The configuration of the client and of the guard."""

    sdk: str
    scheme: str
    signature: str
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
        """Return the finding about the client's TLS; empty if there is none."""
        return "unverified-tls" if self.secure and not self.verified else ""


set_ups = st.builds(
    Setting,
    sdk=st.sampled_from(s3_calls.SDKS),
    scheme=st.sampled_from(["http", "https"]),
    signature=st.sampled_from(["s3", "s3v4"]),
    verified=st.booleans(),
    mode=st.sampled_from(["enforce", "enforce", "enforce", "warn", "off"]),
    policy=st.sampled_from(["documented", "strict"]),
    trusted=st.sampled_from([False, False, False, True]),
)

_NEEDED: dict[str, tuple[str, dict[str, Any]]] = {
    **s3_calls.METHODS,
    "": ("list_parts", {"Bucket": s3_calls.BUCKET, "Key": s3_calls.OBJECT, "UploadId": s3_calls.UPLOAD_ID}),
}


class Drawn(NamedTuple):
    """A call with encryption of its source and target."""

    operation: str
    target: str
    source: str

    def arguments(self, key: str) -> dict[str, Any]:
        """Return the arguments of the call, with this key."""
        method, needed = _NEEDED[self.operation]
        named = s3_calls.customer(self.target, key)
        if self.source == "SSE-C":
            named |= s3_calls.customer(self.source, key, prefix="CopySource")
        return {**needed, **{name: text for name, text in named.items() if name in s3_calls.members(method)}}

    def sse(self) -> RequestSSE:
        """Return what the request contains, as far as the operation's parameters allow."""
        arguments = self.arguments("k" * 32)
        source = "SSE-C" if "CopySourceSSECustomerKey" in arguments else "none"
        named = "SSECustomerKey" in arguments or "ServerSideEncryption" in arguments
        holds = "SSECustomerKey" in arguments or source == "SSE-C"
        return RequestSSE(self.operation, source, self.target if named else "none", "header" if holds else "")


calls = st.builds(
    Drawn,
    operation=st.sampled_from(sorted(_NEEDED)),
    target=st.sampled_from(["none", "SSE-C", "SSE-KMS", "SSE-OBS"]),
    source=st.sampled_from(["none", "SSE-C"]),
)
added_headers = st.lists(
    st.tuples(header_names(), st.integers(0, 3)), min_size=1, max_size=3, unique_by=lambda n: n[0].lower()
)

# ---------------------------------------------------------------------------------- set-up


Stage = tuple[RecordingServer, dict[str, Any], LogCapture]


@contextlib.contextmanager
def _stage(setting: Setting, key: str) -> Iterator[Stage]:
    """Yield a server, client options and the captured log; then assert no key leaked."""
    server_class = TlsRecordingServer if setting.secure else RecordingServer
    captured = LogCapture()
    with environment(setting), warnings.catch_warnings(), server_class(lifetime=30) as server:
        warnings.simplefilter("ignore")  # urllib3 warns about unverified TLS
        options: dict[str, Any] = {"signature_version": setting.signature}
        if not setting.verified:
            options["verify"] = False
        yield server, options, captured
    assert not leaks("\n".join(captured.text), key), "a key in the log"
    if not setting.secure and setting.mode == "enforce" and not setting.trusted:
        assert_private(server, key, setting.policy)


def _make(setting: Setting, stage: Stage, call: Callable[[Any], Any]) -> None:
    """Make a call with a new client, capture only the call's log, raise its error."""
    server, options, captured = stage

    async def make() -> Any:
        async with s3_calls.aio_client(server, **options) as client:
            with capturing(captured):
                return await s3_calls.aio_outcome(call, client)

    if setting.sdk == "aiobotocore":
        result = asyncio.run(make())
    else:
        with s3_calls.boto3_client(server, **options) as client, capturing(captured):
            result = s3_calls._outcome(call, client)
    if isinstance(result, Exception):
        raise result


@each_example_cleans_up
@given(drawn=calls, setting=set_ups, key=keys)
def test_any_call(drawn: Drawn, setting: Setting, key: str) -> None:
    method, _ = _NEEDED[drawn.operation]
    with _stage(setting, key) as stage:

        def call(client: Any) -> Any:
            return getattr(client, method)(**drawn.arguments(key))

        error = attempt(lambda: _make(setting, stage, call), key)
        assert_outcome(setting, drawn.sse(), error, stage[2])
        if error is None:
            [arrived] = stage[0].requests
            assert oracle.sse_of(arrived)[1:] == drawn.sse()[1:], "the server received what was drawn"
        else:
            assert not stage[0].wire, "a refused call sends nothing"


# ----------------------------------------------------------------- headers from event handlers


def _adding_headers(
    event: str, headers: dict[str, str], arguments: dict[str, Any], method: str
) -> Callable[[Any], Any]:
    def before_call(params: Any, **_: Any) -> None:
        params["headers"].update(headers)

    def before_sign(request: Any, **_: Any) -> None:
        for name, text in headers.items():
            request.headers[name] = text

    handlers: dict[str, Callable[..., None]] = {
        "before-call": before_call,
        "before-sign": before_sign,
        "before-send": before_sign,
    }

    def call(client: Any) -> Any:
        client.meta.events.register(f"{event}.s3", handlers[event])
        return getattr(client, method)(**arguments)

    return call


@each_example_cleans_up
@given(
    operation=st.sampled_from(sorted(_NEEDED)),
    named=added_headers,
    setting=set_ups,
    key=keys,
    event=st.sampled_from(["before-call", "before-sign", "before-send"]),
)
def test_any_header_of_an_event_handler(
    operation: str, named: list[tuple[str, int]], setting: Setting, key: str, event: str
) -> None:
    headers = {name: value(name, key, choice) for name, choice in named}
    source, target, holds = oracle.sides(headers.items())
    sse = RequestSSE(operation, source, target, "header" if holds else "")
    method, needed = _NEEDED[operation]
    with _stage(setting, key) as stage:
        call = _adding_headers(event, headers, needed, method)
        error = attempt(lambda: _make(setting, stage, call), key)
        assert_outcome(setting, sse, error, stage[2])
        assert len(stage[0].requests) == (error is None)


# --------------------------------------------------------------------------- signed URLs and forms


@each_example_cleans_up
@given(drawn=calls, setting=set_ups, key=keys)
def test_any_url_that_is_signed(drawn: Drawn, setting: Setting, key: str) -> None:
    method, _ = _NEEDED[drawn.operation]
    arguments = {name: text for name, text in drawn.arguments(key).items() if name not in ("Body", "MultipartUpload")}
    sse = drawn.sse()
    if sse.key and setting.signature == "s3":  # this signature writes every SSE header into the URL
        sse = sse._replace(key="url")
    with _stage(setting, key) as stage:

        def call(client: Any) -> Any:
            return client.generate_presigned_url(method, Params=arguments)

        error = attempt(lambda: _make(setting, stage, call), key)
        assert_outcome(setting._replace(verified=True), sse, error, stage[2])
        assert not stage[0].wire


@each_example_cleans_up
@given(named=added_headers, setting=set_ups, key=keys, listed=st.booleans())
def test_any_form_that_is_signed(named: list[tuple[str, int]], setting: Setting, key: str, listed: bool) -> None:
    fields = {name: value(name, key, choice) for name, choice in named}
    source, target, holds = oracle.sides(fields.items())
    sse = RequestSSE("PostObject", source, target, "policy" if holds else "")
    conditions = [["eq", f"${name}", text] if listed else {name: text} for name, text in fields.items()]
    with _stage(setting, key) as stage:

        def call(client: Any) -> Any:
            return client.generate_presigned_post(
                s3_calls.BUCKET, s3_calls.OBJECT, Fields=dict(fields), Conditions=conditions
            )

        error = attempt(lambda: _make(setting, stage, call), key)
        assert_outcome(setting._replace(verified=True), sse, error, stage[2])
        assert not stage[0].wire
