"""Third-party programs, unchanged, over real sockets: SSE-C over http and https."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from obs_sse_guard import SSETransportError
from tests.programs import table
from tests.support.guard import unguarded
from tests.support.servers import assert_no_key, leaks
from tests.support.sse import KEY

if TYPE_CHECKING:
    from tests.programs.conftest import Session
    from tests.support.forwarder import Forwarder

pytestmark = [pytest.mark.full, pytest.mark.server, pytest.mark.filterwarnings("ignore")]


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Return an error and every error behind it."""
    if error is not None:
        yield error
        for other in (error.__cause__, error.__context__, *getattr(error, "exceptions", ())):
            yield from chain(other)


def test_over_http_it_is_refused(
    session: Session, ministack: Any, recorder: Forwarder, caplog: pytest.LogCaptureFixture
) -> None:
    program = session.program
    stored = session.place(ministack.url("https"), "stored")
    with unguarded():
        session.round_trip(stored)
    calls = [(program.store, session.place(recorder.url, "refused"))]
    if program.load:
        calls.append((program.load, stored._replace(endpoint=recorder.url)))
    for call, place in calls:
        with pytest.raises(Exception) as caught:  # noqa: PT011  # each has an error of its own
            call(place)
        logged = [record.exc_info[1] for record in caplog.records if record.exc_info]
        errors = [error for found in (logged if call is program.logs else [caught.value]) for error in chain(found)]
        refusals = [error for error in errors if isinstance(error, SSETransportError)]
        assert refusals, errors
        # A native thread of pyarrow has none.
        sites = [refusal.call_site for refusal in refusals if refusal.call_site]
        assert sites
        assert all(site.startswith(table.__file__) for site in sites), sites
    assert_no_key(recorder, KEY)


def test_over_http_without_the_guard_the_key_leaves(session: Session, recorder: Forwarder) -> None:
    with unguarded():
        session.round_trip(session.place(recorder.url, "leaking"))
    assert "the key in base64" in leaks(recorder.received, KEY)


def test_over_https_the_same_is_stored(session: Session, ministack: Any, caplog: pytest.LogCaptureFixture) -> None:
    endpoint = ministack.url("https")
    with unguarded():
        expected = session.round_trip(session.place(endpoint, "without"))
    assert session.round_trip(session.place(endpoint, "with")) == expected
    assert not [record for record in caplog.records if record.name == "obs_sse_guard"]
