"""The error of a refused call: its text, its attributes, its copies."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING

from obs_sse_guard import SSEGuardError, SSETransportError
from tests.support.obs_calls import open_client, put_sse_c, refusal
from tests.support.servers import RecordingServer, leaks
from tests.support.sse import KEY

if TYPE_CHECKING:
    import pytest


def test_the_error_explains_cause_and_fix(http: RecordingServer) -> None:
    with open_client("v2", http) as client:
        error = refusal(client)
    message = str(error)
    assert error.call_site.endswith(" in put_sse_c")
    assert message.splitlines() == [
        f"refused PutObject with SSE-C over http to http://127.0.0.1:{http.port} [table-1/PutObject]",
        f"  call: ObsClient.putContent, {error.call_site}",
        (
            "  why:  the customer key would cross the network in plaintext; "
            "OBS requires HTTPS for PutObject with SSE-C (obs_04_0108, table 1)"
        ),
        '  fix:  ObsClient(server="https://127.0.0.1")   a scheme in server= overrides is_secure=',
        (
            "  off:  OBS_SSE_GUARD=warn logs instead of refusing; "
            "OBS_SSE_GUARD_TRUSTED_HOSTS=127.0.0.1 trusts plaintext to this host"
        ),
        "  more: obs-sse-guard explain table-1/PutObject",
    ]
    assert not leaks(message + repr(error) + str(vars(error)), KEY)
    assert (error.sdk, error.operation, error.scheme) == ("esdk-obs-python", "PutObject", "http")
    assert (error.target, error.source, error.rule) == ("SSE-C", "none", "table-1/PutObject")
    assert error.endpoint == f"http://127.0.0.1:{http.port}"
    assert "x-amz-server-side-encryption-customer-key" in error.headers


def test_the_settings_named_in_the_message_work(http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_client("v2", http) as client:
        message = str(refusal(client))
        for switch in ("OBS_SSE_GUARD=warn", "OBS_SSE_GUARD_TRUSTED_HOSTS=127.0.0.1"):
            assert switch in message
            with monkeypatch.context() as patch:
                patch.setenv(*switch.split("="))
                assert put_sse_c(client).status == 200


def test_the_error_is_a_runtime_error_that_pickles_and_copies(http: RecordingServer) -> None:
    with open_client("v2", http) as client:
        error = refusal(client)
    assert isinstance(error, SSEGuardError)
    assert isinstance(error, RuntimeError)
    rebuilt = type(error)(*error.args)
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error), rebuilt):  # noqa: S301
        assert type(twin) is SSETransportError
        assert (str(twin), vars(twin)) == (str(error), vars(error))
    assert not leaks(pickle.dumps(error), KEY)


def test_an_error_that_engines_derive_from_it_and_its_cause_has_every_attribute(http: RecordingServer) -> None:
    """As Ray does: the class has no attribute of its own that would hide the cause's."""

    class TaskError(Exception):
        def __init__(self, cause: Exception) -> None:
            self.cause = cause

        def __getattr__(self, name: str) -> object:
            return getattr(self.cause, name)

    both = type("Both", (TaskError, SSETransportError), {})
    with open_client("v2", http) as client:
        error = refusal(client)
    assert {name: getattr(both(error), name) for name in vars(error)} == vars(error)
    assert {*SSETransportError.__annotations__} == {*vars(SSETransportError("text"))} == {*vars(error)}
