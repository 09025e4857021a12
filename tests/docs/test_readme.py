"""The README matches the package: its example runs, and its tables are complete."""

from __future__ import annotations

import re
import traceback
from typing import Any

import pytest

from obs_sse_guard import SSETransportError
from obs_sse_guard._cli import rules as rules_command
from obs_sse_guard._policy import settings
from obs_sse_guard._policy.findings import CATALOGUE
from tests.support import documents
from tests.support.documents import ROOT

README = documents.read(documents.README)


def _block(name: str) -> str:
    match = re.search(rf"<!-- {name} -->\n(.*?)\n?<!-- /{name} -->", README, re.DOTALL)
    assert match, f"the README has no block {name}"
    return match[1].strip()


def test_the_tables_of_the_rules_match_the_rules() -> None:
    assert _block("rules") == rules_command._FORMATS["markdown"]()  # what `obs-sse-guard rules` prints


_APP = """


from obs import ObsClient, PutObjectHeader, SseCHeader


def upload():
    client = ObsClient("access key", "secret key", server="http://obs.example.com")
    sse = SseCHeader.getInstance("a customer key of 32 characters.")
    return client.putContent(
        "bucket", "object", "text", headers=PutObjectHeader(sseHeader=sse)
    )
"""


def test_the_error_is_what_is_raised() -> None:
    pytest.importorskip("obs")
    names: dict[str, Any] = {}
    exec(compile(_APP, "app.py", "exec"), names)  # noqa: S102  # our own program
    with pytest.raises(SSETransportError) as refused:
        names["upload"]()
    shown = "".join(traceback.format_exception_only(refused.type, refused.value))
    assert _block("error") == f"```text\n{shown}```"


def test_every_finding_is_documented() -> None:
    for name, kind in CATALOGUE.items():
        [line] = [line for line in README.splitlines() if line.startswith(f"| `{name}`")]
        assert line.endswith(f"| {kind.documented.value} | {kind.strict.value} |")


@pytest.mark.parametrize("variable", [settings.MODE, settings.POLICY, settings.TRUSTED_HOSTS, settings.AUDIT])
def test_every_setting_is_documented(variable: str) -> None:
    assert f"| `{variable}` |" in README


def test_every_value_of_the_settings_is_documented() -> None:
    for word in (*settings._MODE_WORDS, *settings._POLICY_WORDS):
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
