"""Fixtures of the programs: an object store, and a program with a place in it."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.programs.table import CUSTOMER, PROGRAMS, Place, Program
from tests.support.forwarder import Forwarder

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
    """Return each installed program, and set the environment variables that it reads."""
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
    """A program with its own buckets and folders, and a client to inspect them.

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
    gc.collect()  # awswrangler's file tries again when it is collected: now, not in another test
