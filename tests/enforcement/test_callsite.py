"""The call site is the line of the application."""

from __future__ import annotations

import asyncio
import io
import itertools
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import obs
import pytest

from obs_sse_guard import SSETransportError
from obs_sse_guard._enforcement import callsite, waiting
from obs_sse_guard._enforcement.callsite import call_site
from tests.support import obs_calls, s3_calls
from tests.support.expected_rules import ROWS
from tests.support.guard import MODE
from tests.support.obs_calls import BUCKET, OBJECT, open_client, put_sse_c
from tests.support.records import audited
from tests.support.sse import KEY

if TYPE_CHECKING:
    from tests.support.servers import RecordingServer


def _here() -> int:
    return sys._getframe(1).f_lineno


class _OwnClient(obs.ObsClient):  # type: ignore[misc]
    def putContent(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802  # the SDK's name
        return super().putContent(*args, **kwargs)


def _site(audit: Path) -> Any:
    return audited(audit)[-1]["site"]


def test_the_call_site_is_the_applications_line(http: RecordingServer, audit: Path) -> None:
    sse = obs.SseCHeader.getInstance(KEY)
    with open_client("v2", http) as client, pytest.raises(SSETransportError):
        line = _here() + 1
        client.initiateMultipartUpload(BUCKET, OBJECT, sseHeader=sse)
    assert (_site(audit)["file"], _site(audit)["line"]) == (__file__, line)
    assert _site(audit)["function"] == "test_the_call_site_is_the_applications_line"


def test_an_override_in_a_subclass_counts_as_the_application(http: RecordingServer, audit: Path) -> None:
    client = _OwnClient(access_key_id="a", secret_access_key="b", server=http.url, signature="v2")
    with pytest.raises(SSETransportError):
        put_sse_c(client)
    client.close()
    assert _site(audit)["function"] == ("_OwnClient.putContent" if sys.version_info >= (3, 11) else "putContent")
    assert _site(audit)["file"] == __file__


def test_a_helper_module_counts_as_the_application(http: RecordingServer, audit: Path) -> None:
    with open_client("v2", http) as client, pytest.raises(SSETransportError):
        obs_calls.drive(client, ROWS[0])
    assert _site(audit)["file"] == obs_calls.__file__


_CALLER = "def call(function):\n    return function()\n\nasync def wait(function):\n    return function()\n"


def _module(file: Path) -> dict[str, Any]:
    """Return a module at this path whose two functions call their argument."""
    names: dict[str, Any] = {}
    exec(compile(_CALLER, str(file), "exec"), names)  # noqa: S102  # the lines above
    return names


@pytest.mark.parametrize("folder", ["obs", "aiobotocore/site-packages", "lib/python3/asyncio"])
def test_packages_are_identified_by_their_folder_not_its_name(folder: str, tmp_path: Path) -> None:
    file = tmp_path / folder / "botocore.py"
    assert _module(file)["call"](call_site) == (str(file), 2, "call")


def test_installed_packages_count_as_applications_unless_known() -> None:
    stdlib = Path(threading.__file__).parent
    for file, is_application in (
        (stdlib / "site-packages" / "shop" / "orders.py", True),
        (stdlib / "dist-packages" / "shop.py", True),
        (stdlib / "concurrent" / "futures" / "thread.py", False),
        (Path(obs.__file__).parent / "client.py", False),
        (Path(obs.__file__).parent.parent / "observed" / "client.py", True),
    ):
        assert (_module(file)["call"](call_site).file == str(file)) is is_application


@pytest.mark.parametrize("program", ["airflow", "django", "smart_open"])
def test_a_program_between_application_and_sdk_is_not_the_call_site(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType(program)
    module.__path__ = [str(tmp_path)]
    monkeypatch.setitem(sys.modules, program, module)
    assert _module(tmp_path / "storage.py")["call"](call_site).file == __file__


def test_the_call_site_in_a_worker_thread_of_the_application(http: RecordingServer, audit: Path) -> None:
    def work() -> None:
        with pytest.raises(SSETransportError):
            put_sse_c(client)

    with open_client("v2", http) as client:
        thread = threading.Thread(target=work, name="worker 7")
        thread.start()
        thread.join()
    assert _site(audit)["function"].endswith("put_sse_c")
    assert audited(audit)[-1]["thread"] == "worker 7"


def test_a_worker_thread_of_the_sdk_has_the_call_site_of_the_thread_that_waits(
    http: RecordingServer, audit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODE, "warn")
    (tmp_path / "file").write_bytes(b"x" * 300_000)
    header = obs.UploadFileHeader()
    header.sseHeader = obs.SseCHeader.getInstance(KEY)
    with open_client("v2", http) as client:
        client.uploadFile(BUCKET, OBJECT, str(tmp_path / "file"), partSize=100 * 1024, headers=header)
    lines = audited(audit)
    assert lines[0]["rule"] == "table-1/InitiateMultipartUpload"
    assert lines[0]["site"]["file"] == __file__
    parts = [line for line in lines if line["operation"] == "UploadPart"]
    assert len(parts) == 3
    assert {line["rule"] for line in parts} == {"table-1/UploadPart"}
    assert [line["site"] for line in parts] == [lines[0]["site"]] * 3


@pytest.mark.parametrize("sdk", s3_calls.SDKS)
def test_the_call_site_of_the_botocore_family(sdk: str, http: RecordingServer, audit: Path) -> None:
    refusal = s3_calls.outcome(sdk, http, s3_calls.call_for(ROWS[0]))
    assert isinstance(refusal, SSETransportError)
    assert _site(audit)["file"] == s3_calls.__file__


def test_the_code_that_runs_the_event_loop_is_not_the_call_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sdk = ModuleType("s3fs")
    sdk.__path__ = [str(tmp_path)]
    monkeypatch.setitem(sys.modules, "s3fs", sdk)
    wait = _module(tmp_path / "core.py")["wait"]

    async def application() -> list[Any]:
        awaited = await asyncio.wait_for(wait(call_site), 10)
        return [awaited, *await asyncio.gather(wait(call_site)), await wait(call_site)]

    deadline, task, awaited = asyncio.run(application())
    assert task is None, "the task belongs to the SDK; the application only awaits it"
    assert awaited.function.endswith("application")
    # Until Python 3.12, wait_for also creates a task.
    assert deadline == (None if sys.version_info < (3, 12) else awaited._replace(line=awaited.line - 1))


def test_a_lazy_module_that_cannot_be_imported_does_not_matter(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lazy(ModuleType):
        def __getattr__(self, name: str) -> Any:
            raise ImportError(name)

    monkeypatch.setitem(sys.modules, "newrelic", Lazy("newrelic"))
    with obs_calls.open_client("v2", http) as client:
        error = obs_calls.refusal(client)
    assert error.call_site.endswith("in put_sse_c")


# ------------------------------------------------------- where the SDK works in threads of its own

THREADS = 8


def _application(number: int, call: Callable[[], object], folder: Path) -> Callable[[], Any]:
    """Return a function that calls from its own file and line, and returns that site."""
    lines = "\n" * number + "def application():\n    return call()\n"
    names: dict[str, Any] = {"call": call}
    exec(compile(lines, str(folder / f"application_{number}.py"), "exec"), names)  # noqa: S102  # the lines above

    def site() -> str:
        with pytest.raises(SSETransportError) as caught:
            names["application"]()
        return caught.value.call_site

    return site


def _assert_sites(calls: Callable[[], object], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Assert that each of many simultaneous refusals names the line of its thread."""
    monkeypatch.setattr(waiting, "_PATIENCE", 5000)  # on a busy machine
    # Otherwise this file, which makes the call, would count as the application.
    library = ModuleType("upath")
    library.__path__ = [str(Path(__file__).parent)]
    monkeypatch.setitem(sys.modules, "upath", library)
    meet = threading.Barrier(THREADS, timeout=30)

    def repeat(number: int) -> list[str]:
        site = _application(number, calls, folder)
        meet.wait()
        return [site() for _ in range(5)]

    with ThreadPoolExecutor(THREADS) as pool:
        found = [*pool.map(repeat, range(THREADS))]
    expected = [f"{folder / f'application_{number}.py'}:{number + 2} in application" for number in range(THREADS)]
    assert found == [[site] * 5 for site in expected]


@pytest.mark.parametrize(("steps", "is_found"), [(0, True), (3, True), (1000, False)])
def test_a_caller_that_goes_on_is_looked_for_again(steps: int, is_found: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between submitting its work and waiting for it, for instance.

    A caller that has left its line is not named.
    """
    here = sys._getframe()
    answers = itertools.chain(itertools.repeat(False, steps), itertools.repeat(True))
    monkeypatch.setattr(callsite, "waiting_frames", lambda: iter([(1, here)]))
    monkeypatch.setattr(callsite, "is_waiting", lambda *_: next(answers))
    assert (callsite._waiting_site() is not None) is is_found


@pytest.mark.parametrize("method", ["upload_fileobj", "download_fileobj", "upload_file", "copy"])
def test_the_call_site_of_a_transfer_of_boto3(
    method: str, http: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"x")
    calls: dict[str, Callable[[Any], object]] = {
        "upload_fileobj": lambda s3: s3.upload_fileobj(io.BytesIO(b"x"), BUCKET, OBJECT, ExtraArgs=s3_calls.customer()),
        "download_fileobj": lambda s3: s3.download_fileobj(BUCKET, OBJECT, io.BytesIO(), ExtraArgs=s3_calls.customer()),
        "upload_file": lambda s3: s3.upload_file(str(tmp_path / "file"), BUCKET, OBJECT, ExtraArgs=s3_calls.customer()),
        "copy": lambda s3: s3.copy({"Bucket": BUCKET, "Key": OBJECT}, BUCKET, "o", ExtraArgs=s3_calls.customer()),
    }
    with s3_calls.boto3_client(http) as client:
        _assert_sites(lambda: calls[method](client), tmp_path, monkeypatch)


def test_the_call_site_in_a_pool_of_a_library(
    http: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(_: object) -> None:
        with open_client("v2", http) as client:
            put_sse_c(client)

    def in_a_pool() -> None:
        with ThreadPoolExecutor(2) as pool:
            assert [*pool.map(put, range(1))]

    library = ModuleType("xarray")
    library.__path__ = [str(Path(obs_calls.__file__).parent)]
    monkeypatch.setitem(sys.modules, "xarray", library)
    _assert_sites(in_a_pool, tmp_path, monkeypatch)


@pytest.mark.parametrize("objects", [1, 3], ids=["one", "many"])
def test_the_call_site_in_the_event_loop_of_s3fs(
    objects: int, http: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed here")
    options = {"key": s3_calls.ACCESS_KEY, "secret": s3_calls.SECRET_KEY, "client_kwargs": {"region_name": "r"}}
    system = s3fs.S3FileSystem(
        endpoint_url=http.url, s3_additional_kwargs=s3_calls.customer(), skip_instance_cache=True, **options
    )
    content = {f"{BUCKET}/{number}": b"x" for number in range(objects)}
    _assert_sites(lambda: system.pipe(content), tmp_path, monkeypatch)
    import fsspec.asyn

    fsspec.asyn.sync(system.loop, system._s3.close)


def test_a_worker_that_nobody_waits_for_has_no_call_site() -> None:
    sites: list[Any] = []
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: sites.append(callsite._waiting_site()))
        while not sites:
            time.sleep(0.001)
    assert sites == [None]


def test_a_caller_that_has_gone_on_is_not_the_call_site(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callsite, "waiting_frames", lambda: iter([(0, sys._getframe())]))
    assert callsite._waiting_site() is None
    here, frame = threading.get_ident(), sys._getframe()
    monkeypatch.setattr(callsite, "waiting_frames", lambda: iter([(here, frame)]))
    assert callsite._waiting_site() is not None


def test_a_frozen_module_is_not_the_call_site() -> None:
    names: dict[str, Any] = {}
    exec(compile("def call(function):\n    return function()\n", "<frozen runpy>", "exec"), names)  # noqa: S102  # as run by -m
    site = names["call"](callsite.call_site)
    assert site is not None
    assert site.file == __file__
