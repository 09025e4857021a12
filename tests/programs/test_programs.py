"""Programs that nobody here wrote, unchanged and over real sockets: what they do with SSE-C over http and https."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from obs_sse_guard import SSETransportError
from tests.programs import table
from tests.programs.table import CUSTOMER, PROGRAMS, Place, Program
from tests.support.forwarder import Forwarder
from tests.support.guard import unguarded
from tests.support.servers import assert_no_key, leaks
from tests.support.sse import KEY

pytestmark = [pytest.mark.full, pytest.mark.server, pytest.mark.filterwarnings("ignore")]

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Start MiniStack."""
    pytest.importorskip("ministack")
    from obs_sse_guard._cli.demo import isolation, servers

    folder = tmp_path_factory.mktemp("ministack")
    with isolation.own_environment(folder), isolation.quiet(), servers.running(folder) as running:
        # Where Airflow and DVC keep files of their own.
        os.environ.update(dict.fromkeys(("HOME", "AIRFLOW_HOME", "DVC_SITE_CACHE_DIR"), str(folder)))
        yield running


@pytest.fixture
def recorder(ministack: Any) -> Iterator[Forwarder]:
    """Start a recorder over http, in front of MiniStack."""
    with Forwarder(ministack.proxies["http"].port) as made:
        yield made


@pytest.fixture(params=PROGRAMS, ids=lambda program: program.name)
def program(request: pytest.FixtureRequest, ministack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Return each program that is installed here, and set what it reads from the environment."""
    found: Program = request.param
    try:
        for name in (found.name, *found.needs):
            distribution(name)
    except PackageNotFoundError as missing:
        pytest.skip(f"{missing.name} is not installed here")
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))  # DVC parses any that exists
    monkeypatch.setenv("AWS_CA_BUNDLE", str(ministack.ca))
    monkeypatch.setenv("SSL_CERT_FILE", str(ministack.ca))  # of native clients
    return found


class Session(NamedTuple):
    """A program with a store of its own: buckets, folders, and a client to look at what is stored.

    Attributes:
        program: the program.
        client: a client of MiniStack.
        folder: where its folders are made.
    """

    program: Program
    client: Any
    folder: Path

    def place(self, endpoint: str, name: str) -> Place:
        """Make a bucket and a folder."""
        bucket = f"{self.program.name}-{name}"
        folder = self.folder / name
        folder.mkdir()
        self.client.create_bucket(Bucket=bucket)
        return Place(endpoint, bucket, folder)

    def round_trip(self, place: Place) -> dict[str, bytes]:
        """Store and load, and return all objects. Each of them has the customer key."""
        self.program.store(place)
        if self.program.load:
            assert self.program.load(place) == self.program.content
        names = [entry["Key"] for entry in self.client.list_objects_v2(Bucket=place.bucket)["Contents"]]
        read = {name: self.client.get_object(Bucket=place.bucket, Key=name, **CUSTOMER) for name in names}
        assert {answer["SSECustomerAlgorithm"] for answer in read.values()} == {"AES256"}
        return {name: answer["Body"].read() for name, answer in read.items()}


@pytest.fixture
def session(program: Program, ministack: Any, tmp_path: Path) -> Iterator[Session]:
    """Return a program with a store of its own."""
    import boto3

    with contextlib.closing(boto3.client("s3", endpoint_url=ministack.url("https"))) as client:
        yield Session(program, client, tmp_path)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Return an error and all that it came from."""
    if error is not None:
        yield error
        for other in (error.__cause__, error.__context__, *getattr(error, "exceptions", ())):
            yield from _chain(other)


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
        errors = [error for found in (logged if call is program.logs else [caught.value]) for error in _chain(found)]
        refusals = [error for error in errors if isinstance(error, SSETransportError)]
        assert refusals, errors
        # A thread of the program, of s3fs or of s3transfer has none.
        sites = [refusal.call_site for refusal in refusals if refusal.call_site]
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
