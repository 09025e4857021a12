"""`configure` overrides the environment for the process, and rejects bad values."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

import obs_sse_guard
from obs_sse_guard import SSEGuardWarning, configure
from obs_sse_guard._policy import overrides
from obs_sse_guard._policy.settings import Mode, Policy, Settings, read_settings
from tests.support.guard import AUDIT, MODE, POLICY, TRUSTED

MODES = "Valid values: enforce, warn, off, 1, true, yes, on, 0, false, no."
HOSTS = "Valid entries: host names, *.suffix, IP addresses and networks, without scheme, port or path."


@pytest.fixture(autouse=True)
def _restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)  # for the audit files
    yield
    configure()


@pytest.fixture
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in ((MODE, "warn"), (POLICY, "strict"), (TRUSTED, "a.test"), (AUDIT, "a.jsonl")):
        monkeypatch.setenv(variable, value)


@pytest.mark.usefixtures("_environment")
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"mode": "off"}, Mode.OFF),
        ({"mode": " Enforce "}, Mode.ENFORCE),
        ({"policy": "documented"}, Policy.DOCUMENTED),
        ({"audit": "b.jsonl"}, "b.jsonl"),
        ({"audit": Path("b.jsonl")}, "b.jsonl"),
        ({"audit": ""}, ""),
    ],
)
def test_a_value_overrides_its_variable_alone(given: dict[str, Any], expected: Any) -> None:
    before = read_settings()
    configure(**given)
    [name] = given
    assert read_settings() == before._replace(**{name: expected})
    configure()
    assert read_settings() == before


@pytest.mark.usefixtures("_environment")
@pytest.mark.parametrize("hosts", ["b.test, 10.0.0.0/8", ["b.test", "10.0.0.0/8"]])
def test_trusted_hosts_are_a_comma_list_or_entries(hosts: Any) -> None:
    configure(trusted_hosts=hosts)
    trusted = read_settings().trusted
    assert [trusted.trusts(host) for host in ("a.test", "b.test", "10.1.2.3")] == [False, True, True]


@pytest.mark.usefixtures("_environment")
@pytest.mark.parametrize("hosts", ["", []])
def test_no_trusted_host_overrides_those_of_the_environment(hosts: Any) -> None:
    configure(trusted_hosts=hosts)
    assert not any(read_settings().trusted)


@pytest.mark.usefixtures("_environment")
def test_each_call_sets_everything() -> None:
    configure(mode="enforce")
    configure(policy="documented")
    assert read_settings()[:2] == (Mode.WARN, Policy.DOCUMENTED)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mode": "loud"}, f"mode: unknown value 'loud'. {MODES}"),
        ({"mode": ""}, f"mode: unknown value ''. {MODES}"),
        ({"policy": "stict"}, "policy: unknown value 'stict'. Valid values: documented, strict."),
        (
            {"policy": Policy.STRICT},
            "policy: unknown value <Policy.STRICT: 'strict'>. Valid values: documented, strict.",
        ),
        ({"trusted_hosts": "a.test,http://b"}, f"trusted_hosts: unknown entry 'http://b'; it trusts nothing. {HOSTS}"),
        ({"trusted_hosts": [7]}, f"trusted_hosts: unknown entry '7'; it trusts nothing. {HOSTS}"),
        (
            {"mode": "off", "audit": "a\0b"},
            "audit: not a path: 'a\\x00b'. Valid values: the path of a file, or an empty text for none.",
        ),
    ],
)
def test_a_bad_value_is_rejected_and_changes_nothing(given: dict[str, Any], message: str) -> None:
    configure(audit="a.jsonl")
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # all of the message is compared
        configure(**given)
    assert str(caught.value) == message
    assert read_settings() == Settings(audit="a.jsonl")


def test_a_public_host_works_and_warns() -> None:
    with pytest.warns(SSEGuardWarning, match=r"'\*\.com' covers a top-level domain"):
        configure(mode="enforce", trusted_hosts="*.com")
    assert read_settings().trusted.trusts("a.com")


@pytest.mark.parametrize(
    ("given", "installs"), [({"mode": "warn"}, True), ({"mode": "off"}, False), ({"policy": "strict"}, False)]
)
def test_a_mode_that_guards_installs_the_hooks(given: dict[str, str], installs: bool) -> None:
    obs_sse_guard.uninstall()
    configure(**given)
    assert (set(obs_sse_guard.status().values()) == {"off"}) is not installs


def test_a_thread_that_overrides_nothing_is_not_remembered() -> None:
    with overrides.overriding({MODE: "warn"}):
        with overrides.overriding({MODE: "off"}):
            assert [*map(overrides.of_thread, overrides.by_thread)] == [{MODE: "off"}]
        assert [*map(overrides.of_thread, overrides.by_thread)] == [{MODE: "warn"}]
    assert overrides.by_thread == {}


def test_an_override_ends_with_its_block_wherever_that_ends() -> None:
    """Whatever the order, in a task, or in another thread."""
    first, second = (overrides.overriding({MODE: mode}) for mode in ("off", "warn"))
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert overrides.in_force() == {MODE: "warn"}
    thread = threading.Thread(target=second.__exit__, args=(None, None, None))
    thread.start()
    thread.join(10)
    assert overrides.in_force() == {}
    assert overrides.by_thread == {}
    third = overrides.overriding({MODE: "off"})
    third.__enter__()

    async def leave() -> dict[str, str]:
        third.__exit__(None, None, None)
        return {**overrides.in_force()}

    assert asyncio.run(leave()) == {}
    assert (overrides.in_force(), overrides.by_thread) == ({}, {})


def test_a_thread_that_ended_within_its_block_overrides_nothing_for_the_next_of_its_number() -> None:
    def block() -> Generator[None, None, None]:
        with overrides.overriding({MODE: "off"}):
            yield

    begun = block()
    thread = threading.Thread(target=lambda: seen.append((next(begun), overrides.of_thread(threading.get_ident()))))
    seen: list[Any] = []
    thread.start()
    thread.join(10)
    assert seen == [(None, {MODE: "off"})]
    assert thread.ident in overrides.by_thread
    assert overrides.of_thread(thread.ident) == {}
    begun.close()
    assert thread.ident not in overrides.by_thread
