"""Every id and every message is ASCII, so that any log handler can write it."""

from __future__ import annotations

import ast
import io
import itertools
import logging
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from obs_sse_guard import rules
from obs_sse_guard._cli.sdks import SDKS
from obs_sse_guard._enforcement import audit, log
from obs_sse_guard._enforcement.decision import Decision, Outcome
from obs_sse_guard._enforcement.message import error_text, headline, log_text
from obs_sse_guard._hooks.botocore.advice import BOTOCORE
from obs_sse_guard._hooks.hook import Target
from obs_sse_guard._hooks.imports import ImportWatcher
from obs_sse_guard._hooks.installer import HookInstaller
from obs_sse_guard._hooks.obs.advice import ESDK
from obs_sse_guard._hooks.stores.advice import HTTP_STORE
from obs_sse_guard._policy.findings import CATALOGUE, ROW_TYPES, SSE_OBS_ROW, TRUSTED_HOST, Finding
from obs_sse_guard._policy.settings import Mode, Policy, Settings, read_settings
from obs_sse_guard.engines import ray
from obs_sse_guard.rules import Encryption
from tests.support.contexts import request
from tests.support.guard import MODE, POLICY, TRUSTED

if TYPE_CHECKING:
    from obs_sse_guard._policy.request import SDK

PACKAGE = Path(str(rules.__file__)).parent
NAME = "caf\u00e9 \u2192 \u5317\u4eac"  # an application can have any name
ESCAPED = "caf\\xe9 \\u2192 \\u5317\\u4eac"
ADVISED = {**{known.sdk: name for name, known in SDKS.items()}, HTTP_STORE.sdk: "HTTPStore"}
FINDINGS = [
    *(Finding(name, kind) for name, kind in CATALOGUE.items()),
    *(Finding(row.id, kind, row) for row, kind in zip(rules.RULES, itertools.cycle(ROW_TYPES))),
    *(Finding(row.id, SSE_OBS_ROW, row) for row in rules.SSE_OBS_RULES),
]


EVERY_KIND = [Finding(row.id, kind, row) for row in rules.RULES for kind in ROW_TYPES]


def _decisions(sdk: SDK, name: str = NAME, findings: Sequence[Finding] = FINDINGS) -> Iterator[Decision]:
    """Return every decision, each about another host, so that none is throttled."""
    settings = [Settings(mode, policy) for mode in (Mode.ENFORCE, Mode.WARN) for policy in Policy]
    for number, (finding, chosen) in enumerate(itertools.product([*findings, TRUSTED_HOST], settings)):
        context = request(
            sdk=sdk,
            call=f"put of {name}",
            operation=str(finding.row.operation if finding.row else "PutObject"),
            host=f"{name}-{number}",
            target=finding.row.target if finding.row else Encryption.SSE_C,
            source=finding.row.source if finding.row else Encryption.NONE,
            headers=(f"x-obs-meta-{name}",),
        )
        yield Decision(context, finding, chosen)


@pytest.fixture(params=["ascii", "cp1252"])
def written(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Log to a handler of each encoding; return a function that reads what it wrote."""

    def fail(record: logging.LogRecord) -> None:
        raise AssertionError(record.getMessage())

    stream = io.TextIOWrapper(io.BytesIO(), encoding=request.param, errors="strict")
    handler = logging.StreamHandler(stream)
    monkeypatch.setattr(handler, "handleError", fail)
    monkeypatch.setattr(log.logger, "handlers", [handler])

    def text() -> str:
        stream.flush()
        return stream.buffer.getvalue().decode("ascii")

    return text


each_sdk = pytest.mark.parametrize("sdk", ADVISED, ids=ADVISED.values())


def test_every_id_is_ascii() -> None:
    ids = {finding.id for finding in FINDINGS}
    assert len(ids) == 32 + len(rules.SSE_OBS_RULES) + len(CATALOGUE)
    assert all(each.isascii() for each in (*ids, TRUSTED_HOST.id))


def test_every_text_in_the_source_is_ascii() -> None:
    """Messages escape what they quote; their own words must need no escape."""
    for path in PACKAGE.rglob("*.py"):
        if "_cli" not in path.relative_to(PACKAGE).parts:
            nodes = ast.walk(ast.parse(path.read_text("utf-8")))
            texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
            assert [text for text in texts if not text.isascii()] == [], path


@pytest.mark.parametrize("sdk", [ESDK, BOTOCORE], ids=["obs", "botocore"])
def test_every_message_about_a_row_is_ascii(sdk: SDK) -> None:
    for decision in _decisions(sdk, findings=EVERY_KIND):
        if decision.outcome not in (Outcome.ALLOWED, Outcome.TRUSTED):
            for text in (headline(decision), error_text(decision), log_text(decision)):
                assert text.isascii()
                assert ESCAPED in text


@each_sdk
def test_the_advice_of_every_sdk_is_ascii(sdk: SDK) -> None:
    for decision in _decisions(sdk, "shop"):
        assert sdk.advise(decision.context, decision.finding.id).isascii()
        assert decision.finding.why.isascii()


@each_sdk
def test_a_handler_of_any_encoding_writes_every_finding(sdk: SDK, written: Callable[[], str]) -> None:
    reported = [decision for decision in _decisions(sdk) if decision.outcome is not Outcome.ALLOWED]
    for decision in reported:
        if decision.outcome is Outcome.REFUSED:
            log.logger.error("obs_sse_guard %s", error_text(decision))
        else:
            log.report(decision)
    records = [line for line in written().splitlines() if line.startswith("obs_sse_guard ")]
    assert len(records) == len(reported)
    assert all(f"http://{ESCAPED}-" in record for record in records)
    named = {match[1] for match in map(re.compile(r"\[(.*?)\]").search, records) if match}
    assert named == {finding.id for finding in FINDINGS}


class _Client:
    def call(self) -> None: ...


_TARGETS = [Target(__name__, f"_Client.{name}", lambda _, function: lambda *_: function()) for name in ("call", "gone")]


def _replace_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "_Client", mock.Mock())
    HookInstaller(_TARGETS)._place()


def _lose_hooks(_: pytest.MonkeyPatch) -> None:
    installer, call = HookInstaller(_TARGETS), _Client.call
    installer._place()
    _Client.call = call  # type: ignore[method-assign]
    installer._watcher._modules.add("json")
    installer.report_removed_hooks()


def _reload(_: pytest.MonkeyPatch) -> None:
    watcher = ImportWatcher(lambda _: None)
    watcher._modules.add("json")
    watcher._before_import("json", "the module that is reloaded")


def _fail(_: pytest.MonkeyPatch) -> None:
    try:
        raise type("Caf\u00e9", (Exception,), {})  # noqa: TRY301  # nothing else fails here
    except Exception:  # noqa: BLE001  # as the guard does
        log.log_failure("do this", "that stands")


def _repeat(_: pytest.MonkeyPatch) -> None:
    decision = next(one for one in _decisions(request().sdk) if one.outcome is Outcome.NOTICED)
    for _time in range(10):
        log.report(decision)


def _with(variable: str, value: str) -> Callable[[pytest.MonkeyPatch], object]:
    def read(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(variable, value)
        read_settings()

    return read


EVENTS: dict[str, Callable[[pytest.MonkeyPatch], object]] = {
    f"{MODE}: unknown value '{ESCAPED}'": _with(MODE, NAME),
    f"{POLICY}: unknown value '{ESCAPED}'": _with(POLICY, NAME),
    f"{TRUSTED}: unknown entry '{ESCAPED}'": _with(TRUSTED, NAME),
    f"{TRUSTED}: '*.com' covers": _with(TRUSTED, "*.com"),
    f"/{ESCAPED}/audit' cannot be written": lambda _: audit.write(f"/{NAME}/audit", "finding", {}),
    "has a worker_process_setup_hook of its own": lambda _: ray.guard_workers({"worker_process_setup_hook": NAME}),
    "unittest has replaced it": _replace_client,
    f"could not hook {__name__}._Client.gone": _lose_hooks,
    f"the hook on {__name__}._Client.call is gone": _lose_hooks,
    "json was imported without its hooks": _lose_hooks,
    "removed the import finder": _lose_hooks,
    "json is reloaded": _reload,
    "could not do this (Caf\\xe9 in _fail": _fail,
    "10 occurrences, 9 since last logged": _repeat,
}
"""What makes the guard log, by a part of the text."""


@pytest.mark.parametrize("part", EVENTS)
def test_a_handler_of_any_encoding_writes_every_other_message(
    part: str, written: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    EVENTS[part](monkeypatch)  # a warning that would raise, as here, is logged
    assert part in written()
