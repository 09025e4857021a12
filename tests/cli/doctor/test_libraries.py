"""The doctor lists every installed S3 or OBS library, and what guards it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from obs_sse_guard._cli.doctor import inspection, libraries
from obs_sse_guard._cli.doctor.libraries import LIBRARIES, Guard, Library
from obs_sse_guard._hooks.sdk_targets import SDK_TARGETS
from tests.cli.doctor.test_doctor import examined, shown
from tests.docs.test_pages import marked
from tests.support.commands import command
from tests.support.documents import CHINESE, DOCS

ROWS = (
    Library("guarded", Guard.HOOKS, ("obs",), "a note"),
    Library("caught", Guard.NET, ("botocore",), "a note"),
    Library("harmless", Guard.NOT_NEEDED, note="no option", remedy="another filesystem"),
    Library("around", Guard.NONE, note="sends by itself", remedy="use another"),
    Library("ahead", Guard.HOOKS, ("no_such_sdk",), "a note", "a remedy"),
    Library("missing", Guard.NONE),
)


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the doctor know these libraries, of which all but one are installed."""
    monkeypatch.setattr(inspection, "LIBRARIES", ROWS)
    monkeypatch.setattr(inspection, "installed_version", lambda name: None if name == "missing" else "1.0")


def test_what_stands_in_the_place_of_urllib3_is_not_guarded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pool = pytest.importorskip("urllib3.connectionpool")
    names = ("requests", "urllib3", "http.client")
    rows = tuple(Library(name, Guard.NET, (name.replace("requests", "urllib3"),)) for name in names)
    monkeypatch.setattr(inspection, "LIBRARIES", rows)
    monkeypatch.setattr(inspection, "installed_version", lambda _: "1.0")
    assert [library["guard"] for library in examined(capsys)[1]["libraries"]] == ["net"] * 3
    monkeypatch.setattr(pool, "HTTPConnection", type("HTTPConnection", (), {}))
    assert [library["guard"] for library in examined(capsys)[1]["libraries"]] == ["none", "none", "net"]


def test_every_installed_library_is_named(rows: None, capsys: pytest.CaptureFixture[str]) -> None:
    status, report = examined(capsys)
    assert status == 0
    assert report["libraries"] == [
        {"name": "guarded", "version": "1.0", "guard": "hooks", "note": "a note", "remedy": ""},
        {"name": "caught", "version": "1.0", "guard": "net", "note": "a note", "remedy": ""},
        {
            "name": "harmless",
            "version": "1.0",
            "guard": "not needed",
            "note": "no option",
            "remedy": "another filesystem",
        },
        {"name": "around", "version": "1.0", "guard": "none", "note": "sends by itself", "remedy": "use another"},
        {
            "name": "ahead",
            "version": "1.0",
            "guard": "none",
            "note": "this release of the guard has no hooks for it",
            "remedy": "",
        },
    ]
    lines = shown(capsys).splitlines()
    start = lines.index("Libraries that can reach S3 or OBS")
    assert lines[start + 1 : start + 6] == [
        "  guarded by hooks: guarded.",
        "  a customer key over plaintext is refused: caught.",
        "  sends no customer key: harmless 1.0: no option. Remedy: another filesystem.",
        "  not guarded: around 1.0: sends by itself. Remedy: use another.",
        "  not guarded: ahead 1.0: this release of the guard has no hooks for it.",
    ]


def test_strict_makes_every_unguarded_library_a_reason(
    rows: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = inspection.inspect_environment(strict=True)
    assert report.reasons == ["sends around the hooks, which --strict does not allow: around, ahead"]
    assert report.remedies == ["around: use another"]
    monkeypatch.setattr(inspection, "LIBRARIES", ROWS[:3])
    assert inspection.inspect_environment(strict=True).protected


def test_strict_on_the_command_line() -> None:
    found = {row["name"]: row["guard"] for row in _report("--json")["libraries"]}
    done = command("doctor", "--strict")
    assert done.returncode == ("none" in found.values())


def _report(*words: str) -> Any:
    import json

    return json.loads(command("doctor", *words).stdout)


def test_every_library_is_guarded_by_hooks_that_exist() -> None:
    modules = {hook for library in LIBRARIES for hook in library.hooks}
    assert modules <= {*SDK_TARGETS}
    assert all(bool(library.hooks) is (library.guard in (Guard.HOOKS, Guard.NET)) for library in LIBRARIES)


def test_every_hooked_sdk_is_a_library() -> None:
    assert {*SDK_TARGETS} <= {hook for library in LIBRARIES for hook in library.hooks}


def test_every_library_that_is_not_guarded_says_why_and_what_to_do() -> None:
    assert len({library.distribution for library in LIBRARIES}) == len(LIBRARIES)
    for library in LIBRARIES:
        assert library.note
        assert not re.search(r"[.|]$", library.note + library.remedy)
        assert bool(library.remedy) is (library.guard in (Guard.NOT_NEEDED, Guard.NONE))


def test_the_tables_of_the_documentation() -> None:
    table = libraries.markdown()
    assert marked(DOCS / "libraries.md", "libraries") == table
    chinese = marked(CHINESE, "libraries").splitlines()
    columns = [[row.split(" | ")[0] for row in rows[2:]] for rows in (table.splitlines(), chinese)]
    assert columns[0] == columns[1]
    assert all(f"{library.distribution}" in table for library in LIBRARIES)
