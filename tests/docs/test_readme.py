"""The README is short, its error is what is raised, and its example runs."""

from __future__ import annotations

import re
import traceback
from pathlib import Path
from typing import Any

import pytest

from obs_sse_guard import SSETransportError
from tests.support import documents
from tests.support.documents import ROOT

README = documents.read(documents.README)


def _block(name: str) -> str:
    match = re.search(rf"<!-- {name} -->\n(.*?)\n?<!-- /{name} -->", README, re.DOTALL)
    assert match, f"the README has no block {name}"
    return match[1].strip()


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


WORDS = 900
CHARACTERS_PER_WORD = 1.7  # of Chinese


@pytest.mark.parametrize("page", [documents.README, documents.README_ZH], ids=lambda page: page.name)
def test_it_is_read_in_minutes(page: Path) -> None:
    other, characters = re.subn(r"[\u4e00-\u9fff]", " ", documents.read(page))
    words = [word for word in other.split() if re.search(r"\w", word)]
    assert len(words) + characters / CHARACTERS_PER_WORD <= WORDS


def test_the_example_runs() -> None:
    for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(code, {})  # noqa: S102  # our own README


def test_ci_runs_the_test_command_word_for_word() -> None:
    commands = re.findall(r"```sh\n(.*?)\n```", README, re.DOTALL)
    assert len(commands) == 2
    assert all("\n" not in command for command in commands)
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8").strip().splitlines()
    assert ci[-1] == commands[1]
