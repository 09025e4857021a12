"""``obs-sse-guard rules``: every format shows what the document says."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from obs_sse_guard._cli import main as cli
from obs_sse_guard._cli import rules as rules_command
from obs_sse_guard.rules import RULES
from tests.support import oracle
from tests.support.commands import command, command_here
from tests.support.expected_rules import ROWS, Row

if TYPE_CHECKING:
    from collections.abc import Iterable

DRAWING = Path(__file__).parents[3] / "docs" / "rules.svg"
SVG = "{http://www.w3.org/2000/svg}"
FORMATS = ("text", "markdown", "json", "svg")


@functools.cache
def printed(form: str, encoding: str = "utf-8") -> str:
    done = command("rules", "--format", form, environment={"PYTHONIOENCODING": encoding})
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def tables(lines: Iterable[list[str]]) -> set[Row]:
    """Read the rules back from tables with columns such as "table 1: SSE-C"."""
    rows: set[Row] = set()
    columns: list[tuple[int, str]] = []
    for subject, *cells in lines:
        if cells[0].startswith("table"):
            columns = [(int(cell[6]), cell[9:]) for cell in cells]
            continue
        for (table, heading), cell in zip(columns, cells):
            copied = subject.split(" to ")
            name, source, target = (heading, *copied) if len(copied) == 2 else (subject, "none", heading)
            rows.add(Row(table, name, source, target, frozenset(cell.lower().split(" or "))))
    return rows


def test_text_is_the_default_and_shows_every_rule() -> None:
    out = printed("text")
    assert command("rules").stdout == out
    title, *body = out.splitlines()
    assert "obs_04_0108" in title
    assert tables(re.split(r"  +", line) for line in body if line) == set(ROWS)
    ends = {len(line) - len(line.rstrip()) for line in body}
    assert ends == {0}


def test_text_is_aligned_in_columns() -> None:
    for table in printed("text").split("\n\n")[1:]:
        lines = table.splitlines()
        for heading in re.finditer(r"table \d", lines[0]):
            assert {line[heading.start() - 1] for line in lines} == {" "}
            assert " " not in {line[heading.start()] for line in lines}


def test_markdown_shows_every_rule() -> None:
    lines = [line for line in printed("markdown").splitlines() if line and not line.startswith("|---")]
    cells = [[cell.strip().replace("**", "") for cell in line.strip("|").split("|")] for line in lines]
    assert tables(cells) == set(ROWS)


def test_json_has_every_rule() -> None:
    document = json.loads(printed("json"))
    assert {"page": document["page"], "title": document["title"]} == {
        "page": "obs_04_0108",
        "title": "API Operations Related to Server-Side Encryption",
    }
    rules = document["rules"]
    assert [list(rule) for rule in rules] == 32 * [
        ["id", "table", "operation", "source", "target", "transports", "text"]
    ]
    assert [
        Row(rule["table"], rule["operation"], rule["source"], rule["target"], frozenset(rule["transports"]))
        for rule in rules
    ] == list(ROWS)
    assert [rule["id"] for rule in rules] == [row.id for row in ROWS]


@pytest.mark.parametrize("words", [("--format", "pdf"), ("--format",), ("--formt", "svg"), ("svg",)])
def test_invalid_words_exit_with_2(words: tuple[str, ...]) -> None:
    done = command_here("rules", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: obs-sse-guard")


def test_an_unknown_format_lists_the_known_ones() -> None:
    errors = command_here("rules", "--format", "pdf").stderr
    assert all(form in errors.splitlines()[-1] for form in FORMATS)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_ascii_and_the_same_in_any_encoding(form: str) -> None:
    assert printed(form).isascii()
    assert printed(form, encoding="ascii") == printed(form)


@pytest.mark.measured_processes
@pytest.mark.parametrize("form", ["text", "svg"])  # less and more than a buffer holds
def test_a_reader_that_goes_away_causes_no_traceback(form: str) -> None:
    words = [sys.executable, "-m", "obs_sse_guard", "rules", "--format", form]
    buffered = {**os.environ, "PYTHONUNBUFFERED": ""}
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=buffered) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(60) == cli.READER_GONE == 141


def test_every_format_in_this_process(capsys: pytest.CaptureFixture[str]) -> None:
    for form in FORMATS:
        assert cli.main(["rules", "--format", form]) == 0
        assert capsys.readouterr().out == f"{rules_command._FORMATS[form]()}\n"
        with contextlib.redirect_stdout(io.StringIO()) as stream:  # which has no encoding to set
            assert cli.main(["rules", "--format", form]) == 0
        assert stream.getvalue() == f"{rules_command._FORMATS[form]()}\n"


# --------------------------------------------------------------------------------- the drawing


def test_the_committed_drawing_is_current() -> None:
    assert DRAWING.read_text(encoding="utf-8") == printed("svg")


def drawing() -> ET.Element:
    return ET.fromstring(rules_command._FORMATS["svg"]())  # noqa: S314  # our own


WORDS = {oracle.REFUSED: "refused", oracle.LOGGED: "allowed by its rule and logged", oracle.SILENT: "allowed"}


def test_every_cell_of_the_drawing_is_as_the_rules_say() -> None:
    seen = [title.text or "" for title in drawing().iterfind(f"{SVG}g/{SVG}title")]
    expected = {
        f"{row.id} over {scheme.upper()}: {WORDS[oracle.outcome(row, scheme)]}"
        for row in ROWS
        for scheme in ("http", "https")
    }
    assert {re.split(r": a |: the ", title)[0] for title in seen} == expected
    assert len(seen) == len(expected) == 64


def test_every_action_has_its_own_appearance() -> None:
    signs: dict[str, set[str | None]] = {}
    for cell in drawing().iterfind(f"{SVG}g"):
        [title, rectangle, sign] = cell
        look = f"{rectangle.get('class')} {sign.get('class')} {sign.get('d')}"
        signs.setdefault(str(title.text).split(" over HTTP")[1].partition(": ")[2], set()).add(look)
    assert len(signs) == 3
    looks = [look for [look] in signs.values()]
    assert len(set(looks)) == 3
    legend = {text.text for text in drawing().iterfind(f"{SVG}text")}
    assert set(signs) <= legend


def test_nothing_in_the_drawing_overlaps_or_leaves_it() -> None:
    root = drawing()
    width, height = (float(root.get(name, "")) for name in ("width", "height"))
    assert root.get("viewBox") == f"0 0 {width:g} {height:g}"
    boxes = [
        tuple(float(box.get(name, "")) for name in ("x", "y", "width", "height"))
        for box in root.iter(f"{SVG}rect")
        if box.get("class") != "page"
    ]
    assert len(boxes) == 64 + 3
    for index, (x, y, w, h) in enumerate(boxes):
        assert 0 < x < x + w < width
        assert 0 < y < y + h < height
        for other_x, other_y, *_ in boxes[:index]:
            assert abs(x - other_x) >= w or abs(y - other_y) >= h
    for text in root.iterfind(f"{SVG}text"):
        assert 0 < float(text.get("x", "")) < width
        assert 0 < float(text.get("y", "")) < height


def test_the_drawing_has_a_description_for_screen_readers() -> None:
    root = drawing()
    assert root.get("role") == "img"
    by_id = {element.get("id"): element.text or "" for element in root if element.get("id")}
    assert list(by_id) == (root.get("aria-labelledby") or "").split()
    described = by_id["description"]
    for rule in RULES:
        assert (f"{rule.subject};" in f"{described.rstrip('.')};".replace(": ", "; ")) is ("http" in rule.transports)


def test_the_drawing_names_its_source() -> None:
    words = " ".join(text.text or "" for text in drawing().iterfind(f"{SVG}text"))
    assert "page obs_04_0108" in words
    assert all(f"table {number}" in words for number in range(1, 5))


def test_the_drawing_has_colors_for_light_and_dark() -> None:
    style = drawing().findtext(f"{SVG}style") or ""
    light, _, dark = style.partition("@media (prefers-color-scheme: dark)")
    classes = {name for element in drawing().iter() for name in (element.get("class") or "").split()}
    colored = re.compile(r"\.([\w-]+) \{[^}]*(?:fill|stroke): (#\w{6})")
    by_light, by_dark = dict(colored.findall(light)), dict(colored.findall(dark))
    assert set(by_light) == set(by_dark) <= classes
    assert all(by_light[name] != by_dark[name] for name in by_light)
    assert {*classes} - {*by_light} == {"title", "heading", "sign"}  # shapes and type, no color of their own
