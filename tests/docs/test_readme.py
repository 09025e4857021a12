"""The README says only what is true now."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from obs_sse_guard._cli import rules as _rules_command
from obs_sse_guard._enforcement import message as _wording
from obs_sse_guard._enforcement.decision import Report
from obs_sse_guard._hooks import obs as _obs
from obs_sse_guard._policy import findings as _findings
from obs_sse_guard._policy import settings as _settings
from obs_sse_guard._policy.headers import header_names
from obs_sse_guard._policy.request import Facts, KeyPlace
from obs_sse_guard._policy.settings import Settings
from obs_sse_guard.rules import Encryption

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8") if (ROOT / "README.md").exists() else ""


def _block(name: str) -> str:
    match = re.search(rf"<!-- {name} -->\n(.*?)\n?<!-- /{name} -->", README, re.DOTALL)
    assert match, f"the README has no block {name}"
    return match[1].strip()


def test_the_tables_of_the_rules_are_the_data() -> None:
    assert _block("rules") == _rules_command._FORMATS["markdown"]()  # what `obs-sse-guard rules` prints


def test_the_error_is_what_is_raised() -> None:
    facts = Facts(
        sdk=_obs.ESDK,
        call="ObsClient.putContent",
        operation="PutObject",
        secure=False,
        host="obs.example.com",
        port=80,
        target=Encryption.SSE_C,
        key=KeyPlace.HEADER,
        headers=header_names(Encryption.SSE_C, Encryption.NONE, "x-obs-"),
    )
    [finding] = _findings.findings(facts)
    message = _wording.message(Report(facts, finding, Settings()))
    fix = "; a scheme in server= wins over is_secure="
    shown = message.split(fix)[0] + fix + ". Switch" + message.split(". Switch")[1]  # without the advice to upgrade
    assert _block("error") == f"```text\n{shown}\n```"


def test_every_finding_is_told() -> None:
    for name, case in _findings.CASES.items():
        [line] = [line for line in README.splitlines() if line.startswith(f"| `{name}`")]
        assert line.endswith(f"| {case.documented.value} | {case.strict.value} |")


@pytest.mark.parametrize("variable", [_settings.MODE, _settings.POLICY, _settings.TRUSTED_HOSTS])
def test_every_setting_is_told(variable: str) -> None:
    assert f"| `{variable}` |" in README


def test_every_word_of_the_settings_is_told() -> None:
    for word in (*_settings._MODE_WORDS, *_settings._POLICY_WORDS):
        assert re.search(rf"[` ]{word}[` ]", README)


def test_the_example_runs() -> None:
    for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(code, {})  # noqa: S102  # our own README


def test_ci_runs_the_test_command_word_for_word() -> None:
    commands = re.findall(r"```sh\n(.*?)\n```", README, re.DOTALL)
    assert len(commands) == 2
    assert all("\n" not in command for command in commands)
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8").strip().splitlines()
    assert ci[-1] == commands[1]
