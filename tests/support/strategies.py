"""Helpers of the property tests: strategies, captured log, and assertions."""

from __future__ import annotations

import base64
import contextlib
import logging
import os
import pickle
import string
from collections.abc import Iterator
from typing import Any, Protocol

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from obs_sse_guard import SSETransportError
from tests.support import oracle
from tests.support.guard import reset
from tests.support.oracle import REFUSED, RequestSSE
from tests.support.servers import RecordingServer, leaks

each_example_cleans_up = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

# ------------------------------------------------------------------------------ strategies

# Including the characters that quoting changes.
keys = st.text(string.ascii_letters + string.digits + "+/=&%?#:;,'\"\\{}[]<> ~é", min_size=32, max_size=32).filter(
    lambda key: len(set(key)) > 8  # a simpler key may occur by coincidence
)


def any_case(name: str) -> st.SearchStrategy[str]:
    """Draw a name in any letter case."""
    flips = st.lists(st.booleans(), min_size=len(name), max_size=len(name))
    return flips.map(lambda ups: "".join(c.upper() if up else c for c, up in zip(name, ups)))


_ENDS = (
    "server-side-encryption-customer-algorithm",
    "server-side-encryption-customer-key",
    "server-side-encryption-customer-key",
    "server-side-encryption-customer-key-MD5",
    "server-side-encryption",
    "server-side-encryption-kms-key-id",
    "server-side-encryption-aws-kms-key-id",
    "server-side-encryption-context",
    "copy-source-server-side-encryption-customer-key",
    "copy-source-server-side-encryption-customer-algorithm",
    # These only look like names of encryption headers.
    "server-side-data-encryption",
    "server-side-encryption-customer-keys",
    "meta-note",
)


@st.composite
def header_names(draw: st.DrawFn) -> str:
    """Draw the name of an encryption header, or one that only looks like it."""
    prefix, end = draw(st.sampled_from(["x-obs-", "x-amz-"])), draw(st.sampled_from(_ENDS))
    return draw(any_case(prefix + end))


def value(name: str, key: str, choice: int) -> str:
    """Return a value for the header: the key, an algorithm, or an empty string."""
    encoded = base64.b64encode(key.encode()).decode()
    if name.lower().endswith("customer-key"):
        return (encoded, encoded, encoded, "")[choice]
    return ("AES256", "kms", "aws:kms", "aws:kms:dsse")[choice]


# ------------------------------------------------------------------------------ the captured log


class LogCapture(logging.Handler):
    """Captures the records of every logger."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.rules: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the text of a record."""
        self.text += [record.getMessage(), repr(record.args), repr(record.msg)]
        if record.name == "obs_sse_guard":
            self.text.append(repr(vars(record)))
            self.rules.append(vars(record)["rule"])


class Setting(Protocol):
    """The configuration of the client and of the guard."""

    @property
    def secure(self) -> bool:
        """Return whether the client uses TLS."""

    @property
    def tls_gap(self) -> str:
        """Return the name of the finding about its TLS; empty if there is none."""

    @property
    def mode(self) -> str:
        """Return the mode of the guard."""

    @property
    def policy(self) -> str:
        """Return the policy of the guard."""

    @property
    def trusted(self) -> bool:
        """Return whether the server is a trusted host."""


_ENVIRONMENT = ("OBS_SSE_GUARD", "OBS_SSE_GUARD_POLICY", "OBS_SSE_GUARD_TRUSTED_HOSTS")


@contextlib.contextmanager
def environment(setting: Setting) -> Iterator[None]:
    """Set the environment of one example, and clear the memory of earlier ones."""
    reset()
    hosts = "127.0.0.1,*.obs.test,obs.test" if setting.trusted else ""
    os.environ.update(zip(_ENVIRONMENT, (setting.mode, setting.policy, hosts)))
    try:
        yield
    finally:
        for name in _ENVIRONMENT:
            del os.environ[name]


@contextlib.contextmanager
def capturing(captured: LogCapture) -> Iterator[None]:
    """Capture the records of every logger."""
    root = logging.getLogger()
    before = root.level
    root.addHandler(captured)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(before)
        root.removeHandler(captured)


def attempt(call: Any, key: str) -> SSETransportError | None:
    """Make a call, assert that its refusal contains no key, and return the refusal."""
    refusal = None
    try:
        call()
    except SSETransportError as error:
        refusal = error
    except Exception:  # noqa: BLE001  # an SDK error about the drawn arguments
        return None
    if refusal is not None:
        assert not leaks(pickle.dumps(refusal), key)
        visible = (str(refusal), refusal, vars(refusal), refusal.__cause__, refusal.__context__)
        assert not leaks(repr(visible), key)
    return refusal


def assert_private(server: RecordingServer, key: str, policy: str) -> None:
    """Assert that no key was sent in clear, unless the documented rows allow it."""
    carried = [request for request in server.requests if leaks(repr(request), key)]
    assert policy == "documented" or not carried
    assert all(oracle.may_carry_key(request) for request in carried)
    if not carried:
        assert not leaks(server.wire, key)


def expected_findings(sse: RequestSSE, setting: Setting) -> dict[str, str]:
    """Return the findings of the oracle, each with its outcome."""
    private = setting.secure or setting.trusted
    return oracle.evaluate(sse, secure=private, policy=setting.policy, tls_gap=setting.tls_gap)


def assert_outcome(setting: Setting, sse: RequestSSE, error: SSETransportError | None, captured: LogCapture) -> None:
    """Assert the oracle's outcome: the severest finding refused, or all logged."""
    expected = expected_findings(sse, setting)
    trusted = ["trusted-host"] if setting.trusted and not setting.secure else []
    logged = [rule for rule in captured.rules if rule not in trusted]
    if setting.mode == "off":
        assert (error, captured.rules) == (None, [])
    elif setting.mode == "enforce" and REFUSED in expected.values():
        assert error is not None
        assert error.rule == next(name for name, outcome in expected.items() if outcome == REFUSED)
        assert logged == []
    else:
        assert error is None
        assert sorted(logged) == sorted(expected)
