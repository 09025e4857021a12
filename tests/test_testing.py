"""`obs_sse_guard.testing`: temporary settings, and the findings of a block."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import io
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("obs", reason="esdk-obs-python is not installed here")

from obs_sse_guard import SSETransportError, configure
from obs_sse_guard._enforcement import waiting
from obs_sse_guard._enforcement.enforce import in_worker
from obs_sse_guard._policy.settings import Mode, Policy, read_settings
from obs_sse_guard.testing import findings, override
from tests.support.contexts import put_with_key
from tests.support.guard import MODE
from tests.support.obs_calls import open_client, put_sse_c, refusal
from tests.support.programs import run

if TYPE_CHECKING:
    from tests.support.servers import RecordingServer


def _mode() -> Mode:
    return read_settings().mode


# ------------------------------------------------------------------------------------- override


def test_an_override_takes_precedence_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODE, "off")
    configure(mode="enforce")
    with override(mode="warn", trusted_hosts=["a.test"]):
        with override(policy="strict"):
            settings = read_settings()
        assert read_settings().policy is Policy.DOCUMENTED
    assert settings[:2] == (Mode.WARN, Policy.STRICT)
    assert settings.trusted.trusts("a.test")
    assert _mode() is Mode.ENFORCE
    configure()
    assert _mode() is Mode.OFF


def test_an_override_can_decorate() -> None:
    assert override(mode="warn")(_mode)() is Mode.WARN
    assert _mode() is Mode.ENFORCE


def test_an_override_can_decorate_a_coroutine_function() -> None:
    @override(mode="warn")
    async def decorated(waits: int) -> Mode:
        for _ in range(waits):
            await asyncio.sleep(0)
            assert _mode() is Mode.WARN
        return _mode()

    async def other() -> Mode:
        await asyncio.sleep(0)
        return _mode()

    async def together() -> list[Mode]:
        return [*await asyncio.gather(decorated(3), other(), decorated(1)), _mode()]

    assert inspect.iscoroutinefunction(decorated)
    for _ in range(2):
        assert asyncio.run(together()) == [Mode.WARN, Mode.ENFORCE, Mode.WARN, Mode.ENFORCE]


def test_an_override_cannot_decorate_a_generator_function() -> None:
    def generator() -> Iterator[None]:
        yield

    async def asynchronous() -> AsyncIterator[None]:
        yield

    for function in (generator, asynchronous):
        with pytest.raises(TypeError, match=r"^override\(\) decorates no generator function"):
            override(mode="warn")(function)


def test_blocks_of_one_override_can_be_nested() -> None:
    warn = override(mode="warn")
    with warn:
        with warn:
            assert _mode() is Mode.WARN
        assert _mode() is Mode.WARN
    assert _mode() is Mode.ENFORCE


def test_a_bad_value_is_rejected() -> None:
    with pytest.raises(ValueError, match="mode: unknown value 'loud'"):
        override(mode="loud")


def test_each_thread_has_its_own_override() -> None:
    meet = threading.Barrier(3, timeout=30)

    def read(mode: str | None) -> Mode:
        with override(mode=mode):
            meet.wait()
            found = _mode()
            meet.wait()
        return found

    with override(mode="off"), ThreadPoolExecutor(3) as pool:
        assert [*pool.map(read, (None, "warn", "enforce"))] == [Mode.ENFORCE, Mode.WARN, Mode.ENFORCE]


def test_each_task_has_its_own_override_and_inherits() -> None:
    async def read(mode: str | None) -> tuple[Mode, Mode]:
        with override(mode=mode):
            await asyncio.sleep(0)
            return _mode(), await asyncio.ensure_future(_read())

    async def _read() -> Mode:
        return _mode()

    async def together() -> tuple[tuple[Mode, Mode], ...]:
        with override(mode="warn"):
            return tuple(await asyncio.gather(read(None), read("off")))

    assert asyncio.run(together()) == ((Mode.WARN, Mode.WARN), (Mode.OFF, Mode.OFF))


def _in_another_context(manager: Any) -> None:
    """Enter and leave a context manager in two contexts, as async fixtures do."""
    contextvars.copy_context().run(manager.__enter__)
    contextvars.copy_context().run(manager.__exit__, None, None, None)


@pytest.mark.parametrize("make", [lambda: override(mode="off"), findings], ids=["override", "findings"])
def test_it_may_end_in_another_task(make: Callable[[], Any]) -> None:
    _in_another_context(make())
    assert _mode() is Mode.ENFORCE


def test_a_worker_that_a_hook_starts_has_the_override_and_the_collector(http: RecordingServer) -> None:
    with open_client("v2", http) as client, findings() as outer, findings() as found, override(mode="warn"):
        work = in_worker(put_sse_c)
        thread = threading.Thread(target=work, args=(client,))
        thread.start()
        thread.join()
    assert [one.outcome for one in found] == ["would-refuse"]
    assert outer == []


def test_a_worker_has_the_override_without_a_collector_and_its_own_arguments() -> None:
    from obs_sse_guard._enforcement.collector import tested

    with override(mode="warn"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(tested(lambda *args, **kwargs: (_mode(), args, kwargs)), 1, two=2).result() == (
            Mode.WARN,
            (1,),
            {"two": 2},
        )


def test_a_worker_with_an_override_of_its_own_has_no_other() -> None:
    from obs_sse_guard._enforcement.decision import decide

    def work() -> list[Any]:
        with override(mode="off"):
            return decide(put_with_key())

    with override(mode="warn"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(work).result() == []
        assert len(pool.submit(decide, put_with_key()).result()) == 1


def test_a_thread_that_nobody_waits_for_has_what_the_environment_says() -> None:
    from obs_sse_guard._enforcement.enforce import enforce

    caught: list[BaseException] = []

    def put() -> None:
        try:
            enforce(put_with_key())
        except SSETransportError as error:
            caught.append(error)

    with override(mode="warn"):
        thread = threading.Thread(target=put)
        thread.start()
        thread.join()
    assert [str(error).partition(" ")[0] for error in caught] == ["refused"]


def test_a_worker_is_handed_over_as_it_is_without_tests() -> None:
    from obs_sse_guard._enforcement.collector import tested

    assert tested(_mode) is _mode


def test_a_worker_thread_of_an_sdk_has_the_override_of_the_thread_that_waits(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_PATIENCE", 5000)  # on a busy machine
    pytest.importorskip("boto3", reason="boto3 is not installed here")
    from tests.support.s3_calls import boto3_client, customer

    meet = threading.Barrier(2, timeout=30)

    def upload(mode: str | None) -> str:
        with findings() as found, override(mode=mode):
            meet.wait()
            try:
                client.upload_fileobj(io.BytesIO(b"x"), "bucket", "object", ExtraArgs=customer())
            except SSETransportError as error:
                return error.rule
            return ",".join({one.outcome for one in found} - {"refused"})  # of both: the worker belongs to neither

    with boto3_client(http) as client, ThreadPoolExecutor(2) as pool:
        assert [*pool.map(upload, ("warn", "enforce"))] == ["would-refuse", "table-1/PutObject"]


# ------------------------------------------------------------------------------------- findings


def test_a_refusal_is_collected_with_everything_that_is_known(http: RecordingServer) -> None:
    with open_client("v2", http) as client, findings() as found:
        error = refusal(client)
    [one] = found
    names = ("sdk", "operation", "scheme", "endpoint", "target", "source", "rule", "headers", "call", "call_site")
    assert {name: getattr(one, name) for name in names} == {name: getattr(error, name) for name in names}
    assert one.outcome == "refused"
    assert str(one) == f"{str(error).splitlines()[0]}, {error.call}, {error.call_site}"


def test_what_is_logged_is_collected_and_what_is_allowed_or_trusted_is_not(http: RecordingServer) -> None:
    import obs

    header = obs.PutObjectHeader(sseHeader=obs.SseKmsHeader.getInstance())
    with open_client("v2", http) as client, findings() as found:
        client.putContent("bucket", "object", "content")
        with override(mode="warn"):
            put_sse_c(client)
        with override(trusted_hosts="127.0.0.1"):
            client.putContent("bucket", "object", "content", headers=header)
            put_sse_c(client)
    assert [one.outcome for one in found] == ["would-refuse"]


def test_the_innermost_collects_and_nothing_after_its_end(http: RecordingServer) -> None:
    with open_client("v2", http) as client, findings() as outer:
        with findings() as inner:
            refusal(client)
        assert (len(inner), len(outer)) == (1, 0)
        refusal(client)
    refusal(client)
    assert (len(inner), len(outer)) == (1, 1)


def test_each_thread_has_its_own_findings_and_a_thread_without_belongs_to_all(http: RecordingServer) -> None:
    meet = threading.Barrier(3, timeout=30)

    def collect(client: Any, times: int) -> int:
        with findings() as found:
            meet.wait()
            for _ in range(times):
                refusal(client)
            meet.wait()
            meet.wait()
        return len(found)

    def refuse(client: Any) -> None:
        meet.wait()
        meet.wait()
        refusal(client)
        meet.wait()

    with open_client("v2", http) as client, ThreadPoolExecutor(3) as pool:
        counts = [pool.submit(collect, client, times) for times in (1, 2)]
        pool.submit(refuse, client).result()
        assert [count.result() for count in counts] == [2, 3]


# --------------------------------------------------------------------------------------- the module


def test_it_imports_no_test_framework() -> None:
    code = "import sys, obs_sse_guard.testing; print({'pytest', '_pytest', 'unittest'} & {*sys.modules})"
    assert run(code) == "set()"
