"""The pages match the package: their examples run, and every name on them exists."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import obs_sse_guard
from obs_sse_guard._cli import examples
from obs_sse_guard._cli import main as command_line
from obs_sse_guard._cli import rules as rules_command
from obs_sse_guard._policy import findings, settings
from obs_sse_guard._policy.findings import CATALOGUE, Action, FindingType, evaluate
from obs_sse_guard._policy.request import SDK, KeyLocation, RequestContext
from obs_sse_guard.rules import RULES, SSE_OBS_RULES, Encryption, Rule
from tests.support import documents
from tests.support.documents import CHINESE, DOCS, PAGES, README, README_ZH, ROOT, Block, Command, ExampleServers
from tests.support.servers import authority

CONTRIBUTING = ROOT / "CONTRIBUTING.md"
SETTINGS = [value for name, value in vars(settings).items() if name.isupper() and str(value).startswith("OBS_SSE_")]
TRUSTED_HOST = findings.TRUSTED_HOST.id

every_page = pytest.mark.parametrize("page", [*PAGES, README, README_ZH, CONTRIBUTING], ids=lambda page: page.name)


# ------------------------------------------------------------------------------------- examples


def _missing(modules: set[str]) -> list[str]:
    return [name for name in sorted(modules) if importlib.util.find_spec(name) is None]


def _needs(blocks: list[Block]) -> None:
    """Skip if the SDKs of these examples are missing or older than the examples."""
    modules = set().union(*map(documents.modules, blocks))
    missing = _missing(modules)
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    if "obs" in modules:
        from obs import ObsClient

        if not hasattr(ObsClient, "modifyFile"):
            pytest.skip("the examples are for esdk-obs-python 3.26.6 and newer")
    if "boto3" in modules:
        import boto3.compat

        # Some releases warn once that they will drop this Python.
        boto3.compat.filter_python_deprecation_warnings()


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ExampleServers]:
    """Provide the folder, the environment and the servers that the examples expect."""
    (tmp_path / "ca.pem").write_bytes(Path(authority().ca).read_bytes())
    monkeypatch.chdir(tmp_path)
    for variable in SETTINGS:  # monkeypatch also removes what an example leaves set
        monkeypatch.setenv(variable, "")
    for variable, value in {
        "AWS_CA_BUNDLE": "ca.pem",
        "AWS_ACCESS_KEY_ID": "access key",
        "AWS_SECRET_ACCESS_KEY": "secret key",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(variable, value)
    handler = signal.getsignal(signal.SIGUSR1) if hasattr(signal, "SIGUSR1") else None
    with documents.example_servers() as servers, documents.example_names(servers):
        yield servers
    if handler is not None:
        signal.signal(signal.SIGUSR1, handler)


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")  # the example of unverified TLS
@every_page
def test_the_python_examples_do_what_their_comments_state(
    page: Path, servers: ExampleServers, caplog: pytest.LogCaptureFixture
) -> None:
    _needs(documents.blocks(page, "python"))
    documents.run(page, caplog)


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")  # the example of unverified TLS
def test_the_examples_of_explain_lead_to_their_finding(
    servers: ExampleServers, caplog: pytest.LogCaptureFixture
) -> None:
    preamble = documents.blocks(DOCS / "findings.md", "python")[0]
    _needs([preamble])
    names: dict[str, Any] = {}
    exec(preamble.text, names)  # noqa: S102  # the project's own page
    upload = {"Bucket": "bucket", "Key": "object", "ServerSideEncryption": "aws:kms"}
    names["upload"] = names["s3_https"].create_multipart_upload(**upload)["UploadId"]
    for finding, statements in examples.FINDINGS.items():
        for statement in filter(None, statements):
            found = documents.outcome(compile(statement, statement, "exec"), names, caplog)
            assert [name for _, name in found] == [finding], statement
    assert {*examples.FINDINGS} == {*CATALOGUE} - {"cannot-judge"}


def test_a_statement_that_does_something_else_fails(
    tmp_path: Path, servers: ExampleServers, caplog: pytest.LogCaptureFixture
) -> None:
    preamble = documents.blocks(DOCS / "findings.md", "python")[0]
    _needs([preamble])
    call = 's3_http.list_parts(Bucket="bucket", Key="object", UploadId="id", **customer)'
    for comment in ("", "  # refused: table-1/PutObject", "  # logged: key-in-clear"):
        page = tmp_path / "page.md"
        page.write_text(f"```python\n{preamble.text}{call}{comment}\n```\n", encoding="utf-8")
        with pytest.raises(AssertionError, match=r"page\.md:"):
            documents.run(page, caplog)


@pytest.fixture
def processes(tmp_path: Path, servers: ExampleServers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the examples' commands on the PATH, and their host names into processes."""
    programs, names = tmp_path / "bin", tmp_path / "names"
    for folder in (programs, names):
        folder.mkdir()
    (names / "sitecustomize.py").write_text(documents.IN_A_PROCESS, encoding="utf-8")
    for name, words in {"python": "", "obs-sse-guard": "-m obs_sse_guard "}.items():
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {words}"$@"\n', encoding="utf-8")
        program.chmod(0o755)
    sources = str(Path(obs_sse_guard.__file__).parent.parent)
    monkeypatch.setenv("PATH", os.pathsep.join((str(programs), os.environ["PATH"])))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(names), sources)))
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")  # those of the SDKs about Python releases
    monkeypatch.delenv("PYTHONDEVMODE", raising=False)
    monkeypatch.setenv("EXAMPLE_PORT", str(servers.http.port))


def _has_commands(page: Path) -> bool:
    """Return whether a page has commands to run here, not in tests/engines/."""
    return page.name != "engines.md" and bool(documents.commands(page))


@pytest.mark.full  # a process or more for each command
@pytest.mark.skipif(os.name == "nt", reason="the commands are for a POSIX shell")
@pytest.mark.parametrize("page", [page for page in PAGES if _has_commands(page)], ids=lambda page: page.name)
def test_the_commands_print_what_the_page_shows(page: Path, processes: None) -> None:
    files = [block for block in documents.blocks(page, "python") if block.file]
    _needs(documents.blocks(DOCS / "findings.md", "python"))
    for block in files:
        Path(block.file).write_text(block.text, encoding="utf-8")
    for command in documents.commands(page):
        printed = _printed(command)
        assert documents.is_as_shown(printed, command.shown), f"{page.name}: $ {command.text}\n{printed}"
    typed = "".join(command.text for command in documents.commands(page))
    assert all(block.file in typed for block in files)


def _printed(command: Command) -> str:
    return subprocess.run(
        ["/bin/sh", "-c", command.text],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=120,
        check=False,
    ).stdout


@pytest.mark.parametrize(
    ("printed", "shown", "expected"),
    [
        ("one\ntwo\n", "one\ntwo", True),
        ("one\ntwo\n", "one", False),
        ("one (1.5)\ntwo\nthree", "one (…)\n…\nthree", True),
        ("one\nthree", "…two…", False),
        ("at 2025-01-06 10:00:00", "at 2026-11-22 19:57:08", True),
    ],
)
def test_output_is_compared(printed: str, shown: str, expected: bool) -> None:
    assert documents.is_as_shown(printed, shown) is expected


def _command_lines() -> list[tuple[Path, str]]:
    found = []
    for page in (*PAGES, README, README_ZH):
        typed = [block.text for block in documents.blocks(page, "sh")]
        typed += [command.text for command in documents.commands(page)]
        lines = re.findall(r"(?:^|[ /])obs-sse-guard (.*)$", "\n".join(typed), re.MULTILINE)
        found += [(page, line) for line in lines]
    return found


@pytest.mark.parametrize(("page", "line"), _command_lines(), ids=lambda value: getattr(value, "name", value))
def test_every_command_line_is_valid(page: Path, line: str) -> None:
    words = shlex.split(line)
    if command_line._passed_on(words) is None:
        command_line._parser().parse_args(words)


@pytest.mark.parametrize("command", [command.name for command in command_line.COMMANDS])
def test_every_command_is_documented(command: str) -> None:
    for page in (DOCS / "commands.md", CHINESE):
        assert f"| `obs-sse-guard {command}" in documents.read(page), page.name


@every_page
def test_every_named_command_exists(page: Path) -> None:
    named = set(re.findall(r"`obs-sse-guard (\w+)", documents.prose(page)))
    assert named <= {command.name for command in command_line.COMMANDS}


# ------------------------------------------------------------------------------------- findings


def rows_table() -> str:
    """Return every row with the actions over plaintext, which this module prints."""
    lines = [
        "| id | request | the row allows | `documented` | `strict` |",
        "|---|---|---|---|---|",
        *(f"| {_anchor(rule)} | {rule.subject} | {rule.demand} | {_actions(rule)} |" for rule in RULES),
    ]
    return "\n".join(lines)


def later_rows_table() -> str:
    """Return the same for the rows of the 2025-04 edition."""
    lines = ["| id | the row allows | found as | `documented` | `strict` |", "|---|---|---|---|---|"]
    for rule in SSE_OBS_RULES:
        found = evaluate(_request(rule))
        name = f"`{found[0].id}`" if found else "nothing"
        lines.append(f"| {_anchor(rule)} | {rule.demand} | {name} | {_actions(rule)} |")
    return "\n".join(lines)


def _anchor(rule: Rule) -> str:
    return f'<a id="{rule.id}"></a>`{rule.id}`'


def _request(rule: Rule) -> RequestContext:
    """Return the usual plaintext call of the row, with a key if either side is SSE-C."""
    key = KeyLocation.HEADER if Encryption.SSE_C in (rule.source, rule.target) else KeyLocation.NOWHERE
    sdk = SDK("an SDK", lambda *_: "")
    return RequestContext(
        sdk, "", rule.operation.value, secure=False, host="h", source=rule.source, target=rule.target, key=key
    )


def _actions(rule: Rule) -> str:
    found = evaluate(_request(rule))
    return _policies(found[0].type if found else FindingType(Action.ALLOW, Action.ALLOW, ""))


def _policies(kind: FindingType) -> str:
    return f"{kind.documented.value} | {kind.strict.value}"


def marked(page: Path, name: str) -> str:
    match = re.search(rf"<!-- {name} -->\n(.*?)\n?<!-- /{name} -->", documents.read(page), re.DOTALL)
    assert match, f"{page.name} has no block {name}"
    return match[1].strip()


def test_the_tables_of_the_rules_match_the_rules() -> None:
    printed = rules_command._FORMATS["markdown"]()
    assert marked(DOCS / "rules.md", "rules") == printed


def test_the_tables_of_the_rows_match_the_rules() -> None:
    page = DOCS / "findings.md"
    assert marked(page, "rows") == rows_table()
    assert marked(page, "later rows") == later_rows_table()


def test_every_finding_has_its_section_and_nothing_else_has() -> None:
    text = documents.prose(DOCS / "findings.md")
    beside = text.partition("\n## Other findings\n")[2]
    sections = re.findall(r"^### (.*)$", beside, re.MULTILINE)
    assert sections == [*CATALOGUE, TRUSTED_HOST]
    for section in re.split(r"^### ", beside, flags=re.MULTILINE)[1:]:
        assert section.count("**Cause.**") == section.count("**Remedy.**") == 1, section


def test_the_table_of_findings_matches_the_catalogue() -> None:
    lines = documents.prose(DOCS / "findings.md").splitlines()
    for name, kind in CATALOGUE.items():
        [line] = [line for line in lines if line.startswith(f"| [`{name}`](#{name}) |")]
        assert line.endswith(f"| {_policies(kind)} |")
    kinds = (findings.ROW_DEMANDS_HTTPS, findings.ROW_ALLOWS_KEY, findings.ROW_ALLOWS, findings.SSE_OBS_ROW)
    shown = [line.split(" | ", 2)[2] for line in lines if line.startswith("| [`table-…`]")]
    assert shown == [f"{_policies(kind)} |" for kind in kinds]
    assert _policies(findings.ROW_PROTECTS_KEY) == _policies(findings.ROW_DEMANDS_HTTPS)  # one line for both


@every_page
def test_every_named_row_exists(page: Path) -> None:
    known = {rule.id for rule in (*RULES, *SSE_OBS_RULES)}
    assert set(re.findall(r"table-\d/[\w-]+\w", documents.read(page))) <= known


def test_an_example_of_every_finding_is_run() -> None:
    text = "".join(block.text for block in documents.blocks(DOCS / "findings.md", "python"))
    shown = set(re.findall(r"# (?:refused|logged): (\S+)", text))
    assert shown >= {*CATALOGUE, TRUSTED_HOST}


# ------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize("variable", SETTINGS)
def test_every_setting_is_documented(variable: str) -> None:
    text = documents.prose(DOCS / "settings.md")
    assert f"\n## {variable}\n" in text
    assert f"| [`{variable}`](#{variable.lower()}) |" in text
    assert f"| `{variable}` |" in documents.read(CHINESE)


@every_page
def test_every_named_setting_exists(page: Path) -> None:
    assert set(re.findall(r"\bOBS_SSE_GUARD\w*", documents.read(page))) <= set(SETTINGS)


def test_every_value_of_the_settings_is_documented() -> None:
    text = documents.prose(DOCS / "settings.md")
    for word in (*settings._MODE_WORDS, *settings._POLICY_WORDS):
        assert f"`{word}`" in text


def _kinds_of_trusted_hosts() -> list[tuple[str, str]]:
    section = (
        documents.prose(DOCS / "settings.md").partition(f"\n## {settings.TRUSTED_HOSTS}\n")[2].partition("\n## ")[0]
    )
    return re.findall(r"^\| (`.*) \| (.*) \|$", section, re.MULTILINE)


@pytest.mark.parametrize("row", _kinds_of_trusted_hosts(), ids=lambda row: row[0])
def test_every_documented_kind_of_trusted_host_is_valid(row: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for entry in re.findall(r"`(.*?)`", row[0]):
        monkeypatch.setenv(settings.TRUSTED_HOSTS, entry)
        trusted = settings.read_settings().trusted  # a warning would be an error
        assert trusted.trusts(entry.replace("*", "any").partition("/")[0])
        assert not any(trusted.trusts(host) for host in re.findall(r"not `(.*?)`", row[1]))


# ---------------------------------------------------------------------------------------- links


def _slug(heading: str) -> str:
    """Return the anchor that GitHub creates for a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _anchors(page: Path) -> set[str]:
    text = documents.prose(page)
    return {*map(_slug, re.findall(r"^#+ (.*)$", text, re.MULTILINE)), *re.findall(r'<a id="(.*?)">', text)}


@every_page
def test_every_link_has_a_target(page: Path) -> None:
    for link in re.findall(r"\]\((.*?)\)", documents.prose(page)):
        if re.match(r"\w+:", link):
            assert link.startswith("https://")
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


def test_every_page_is_in_the_navigation_once() -> None:
    navigation = documents.read(ROOT / "mkdocs.yml").partition("\nnav:\n")[2].partition("\n\n")[0]
    listed = [name for name in re.findall(r"([\w-]+\.md)$", navigation, re.MULTILINE) if (DOCS / name).exists()]
    assert sorted(listed) == [page.name for page in PAGES], "add the page to nav in mkdocs.yml"


if __name__ == "__main__":
    print(rows_table(), later_rows_table(), sep="\n\n")  # noqa: T201
