"""Programs in many threads: findings name the line of their own thread, or none."""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from obs_sse_guard import SSETransportError
from tests.programs import table
from tests.programs.table import PROGRAMS, Program
from tests.programs.test_programs import chain
from tests.support.forwarder import Forwarder
from tests.support.guard import AUDIT, MODE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.programs.conftest import Session

pytestmark = [pytest.mark.full, pytest.mark.server, pytest.mark.filterwarnings("ignore")]

THREADS = 8
ONE_ENDPOINT = ("mlflow-skinny", "awswrangler", "apache-airflow-providers-amazon")
"""Programs that set one endpoint for the process, not one for each thread."""
NATIVE_THREADS = ("dask", "pandas", "pyarrow")
"""Programs that read Parquet in native threads of pyarrow, which name no caller."""


def _application(number: int, folder: Path) -> list[Program]:
    """Return the programs from a module of their own, as if of another application."""
    file = folder / f"application_{number}.py"
    module = ModuleType(file.stem)
    sys.modules[module.__name__] = module  # the table has a class, which looks for its module
    exec(compile(Path(table.__file__).read_text("utf-8"), str(file), "exec"), vars(module))  # noqa: S102  # the table
    return list(module.PROGRAMS)


def _in_threads(program: Program, folder: Path, use: Callable[[int, Program], Any]) -> list[Any]:
    meet = threading.Barrier(THREADS, timeout=60)

    def work(number: int) -> Any:
        own = _application(number, folder)[PROGRAMS.index(program)]
        meet.wait()
        return use(number, own)

    with ThreadPoolExecutor(THREADS) as pool:
        return [*pool.map(work, range(THREADS))]


def test_every_refusal_names_its_own_thread(session: Session, recorder: Forwarder, tmp_path: Path) -> None:
    """All threads share one endpoint, and with it the event loop of s3fs."""
    places = [session.place(recorder.url, f"{number}") for number in range(THREADS)]

    def store(number: int, own: Program) -> set[str]:
        with pytest.raises(Exception) as caught:  # noqa: PT011  # each has an error of its own
            own.store(places[number])
        refusals = [error for error in chain(caught.value) if isinstance(error, SSETransportError)]
        return {refusal.call_site.partition(":")[0] for refusal in refusals}

    found = _in_threads(session.program, tmp_path, store)
    assert found == [{str(tmp_path / f"application_{number}.py")} for number in range(THREADS)]


@pytest.fixture
def recorders(ministack: Any) -> Iterator[list[Forwarder]]:
    """Start a recorder for each thread."""
    with ExitStack() as stack:
        yield [stack.enter_context(Forwarder(ministack.proxies["http"].port)) for _ in range(THREADS)]


def test_every_request_names_its_own_thread(
    session: Session, recorders: list[Forwarder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each thread has an endpoint, which shows whose a line of the audit file is."""
    program, audit = session.program, tmp_path / "audit.jsonl"
    if program.name in ONE_ENDPOINT:
        pytest.skip("sets the endpoint for the process")
    monkeypatch.setenv(MODE, "warn")
    monkeypatch.setenv(AUDIT, str(audit))
    places = [session.place(recorder.url, f"{number}") for number, recorder in enumerate(recorders)]

    def use(number: int, own: Program) -> None:
        with suppress(Exception):  # not every program can be used by several threads
            own.store(places[number])
            if own.load:
                own.load(places[number])

    _in_threads(program, tmp_path, use)
    own_file = {place.endpoint: str(tmp_path / f"application_{number}.py") for number, place in enumerate(places)}
    found: Counter[tuple[str, str]] = Counter()
    for line in map(json.loads, audit.read_text("ascii").splitlines()):
        if line["event"] == "armed":  # the process, in the first of these tests
            continue
        site = line["site"] and line["site"]["file"]
        what = "none" if not site else "right" if site == own_file[line["endpoint"]] else "wrong"
        found[what, line["operation"]] += 1
    unknown = {operation: number for (what, operation), number in found.items() if what == "none"}
    assert [key for key in found if key[0] == "wrong"] == []
    if program.name in NATIVE_THREADS:
        unknown.pop("GetObject", None)
    # A thread that is looked for before it waits is not found.
    assert sum(unknown.values()) * 10 <= sum(found.values())
