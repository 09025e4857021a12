"""``explain --operation ...``: what each policy does, as the caller reads it."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from obs_sse_guard import SSETransportError
from obs_sse_guard._cli import explain
from obs_sse_guard._cli.main import main
from obs_sse_guard._policy.findings import evaluate
from obs_sse_guard._policy.request import KeyLocation
from obs_sse_guard._policy.settings import Policy
from obs_sse_guard.rules import Encryption, Operation
from tests.support import oracle
from tests.support.commands import SOURCES, command, command_here
from tests.support.contexts import request
from tests.support.expected_rules import ROWS, ROWS_OF_2025, Row
from tests.support.obs_calls import drive, open_client, without_backoff

if TYPE_CHECKING:
    from tests.support.servers import RecordingServer

POLICIES = ("documented", "strict")
WORDS = {
    oracle.REFUSED: "refused, nothing is sent",
    oracle.LOGGED: "sent and logged",
    oracle.SILENT: "allowed, nothing is logged",
}

LINES = {WORDS[oracle.REFUSED]: 6, WORDS[oracle.LOGGED]: 1, WORDS[oracle.SILENT]: 0}


def words_of(row: Row, scheme: str) -> list[str]:
    return ["--operation", row.operation, "--target", row.target, "--source", row.source, "--scheme", scheme]


def explained(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return the facts of the request, and by policy its action and message lines."""
    assert main(["explain", *words]) == 0
    request, *treatments = capsys.readouterr().out.rstrip("\n").split("\n\n")
    by_policy: dict[str, list[str]] = {}
    for treatment in treatments:
        heading, *message = treatment.splitlines()
        policy, _, what = heading.partition(": ")
        by_policy[policy] = [what, *message]
    assert tuple(by_policy) == POLICIES
    return dict(re.split(r"  +", line, maxsplit=1) for line in request.splitlines()), by_policy


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_every_row_is_explained(row: Row, scheme: str, capsys: pytest.CaptureFixture[str]) -> None:
    request, treatments = explained(capsys, *words_of(row, scheme))
    demand = "HTTP or HTTPS" if "http" in row.allowed else "HTTPS"
    assert request["row"] == f"{row.id}: {demand}"
    assert request["page"] == 'obs_04_0108 "API Operations Related to Server-Side Encryption"'
    assert request["key"] == ("a customer key in a request header" if oracle.carries_key(row) else "none")
    for policy in POLICIES:
        [what, *message] = treatments[policy]
        assert what == WORDS[oracle.outcome(row, scheme, policy)]
        assert (
            len(message) == {oracle.REFUSED: 6, oracle.LOGGED: 1, oracle.SILENT: 0}[oracle.outcome(row, scheme, policy)]
        )
        assert all(f"[{row.id}]" in text for text in message[:1])
        assert all(text == f"  more: obs-sse-guard explain {row.id}" for text in message[5:])


@pytest.mark.parametrize("row", ROWS_OF_2025, ids=lambda row: row.id)
def test_a_later_row_is_explained_with_its_edition(row: Row, capsys: pytest.CaptureFixture[str]) -> None:
    request, treatments = explained(capsys, *words_of(row, "https"))
    assert row.id in request["row"]
    assert request["page"].endswith(", edition 2025-04")
    assert [what for what, *_ in treatments.values()] == 2 * [WORDS[oracle.SILENT]]


def test_only_the_strict_policy_applies_a_later_row(capsys: pytest.CaptureFixture[str]) -> None:
    _, treatments = explained(capsys, "--operation", "CopyObject", "--target", "SSE-OBS", "--scheme", "http")
    assert treatments["documented"] == [WORDS[oracle.SILENT]]
    assert treatments["strict"][0] == WORDS[oracle.REFUSED]
    assert treatments["strict"][1].endswith(" [table-3/none-to-SSE-OBS]")


def test_a_request_without_a_row_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    request, treatments = explained(capsys, "--operation", "PutObject", "--target", "none", "--scheme", "http")
    assert request["row"] == "none"
    assert [what for what, *_ in treatments.values()] == 2 * [WORDS[oracle.SILENT]]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_the_message_is_what_the_sdks_caller_reads(
    row: Row,
    policy: str,
    http: RecordingServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD_POLICY", policy)
    [_, *expected] = explained(capsys, *words_of(row, "http"))[1][policy]
    messages: list[str] = []
    with open_client("obs", http) as client, without_backoff():
        try:
            drive(client, row)
        except SSETransportError as error:
            messages.append(str(error))
        except Exception:  # noqa: BLE001, S110  # what the SDK makes of the response does not matter
            pass
    messages += [record.getMessage() for record in caplog.records if record.name == "obs_sse_guard"]
    assert [line for text in messages for line in _as_explained(text, http.named_url).splitlines()] == expected


def _as_explained(message: str, url: str) -> str:
    """Return a message as if about the sample's endpoint, which has no call site."""
    host = url.partition("//")[2].partition(":")[0]
    elsewhere = message.replace(url, "http://obs.example.com").replace(host, "obs.example.com")
    return re.sub(r"(call: [\w.]+), [^;\n]+:\d+ in [\w.<>]+", r"\1", elsewhere)


@pytest.mark.parametrize(
    ("sdk", "call", "fix"),
    [
        ("boto3", "S3.put_object", 'boto3.client("s3", endpoint_url="https://obs.example.com")'),
        ("aiobotocore", "S3.put_object", 'session.create_client("s3", endpoint_url="https://obs.example.com")'),
        ("minio", "a call of minio", 'Minio("obs.example.com", secure=True)'),
        ("esdk-obs-python", "ObsClient.putContent", 'ObsClient(server="https://obs.example.com")'),
    ],
)
def test_the_message_is_that_of_the_sdk(sdk: str, call: str, fix: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--operation", "PutObject", "--target", "SSE-C", "--scheme", "http", "--sdk", sdk)
    _, treatments = explained(capsys, *words)
    for lines in treatments.values():
        assert f"  call: {call}" in lines
        assert any(line.startswith(f"  fix:  {fix}   ") for line in lines)


# ----------------------------------------------------------------------------------- as a process


def test_the_command_exits_with_0_whatever_the_policies_do() -> None:
    words = ("explain", "--operation", "PutObject", "--target", "SSE-KMS", "--scheme")
    refused, allowed = command(*words, "http"), command(*words, "https")
    assert refused.returncode == allowed.returncode == 0
    assert refused.stdout.count("refused, nothing is sent") == 2
    assert allowed.stdout.count("allowed, nothing is logged") == 2
    assert "table-2/PutObject: HTTPS" in refused.stdout
    assert "\x1b" not in refused.stdout


def test_the_policy_in_the_environment_changes_nothing() -> None:
    words = ("explain", "--operation", "HeadObject", "--target", "SSE-KMS", "--scheme", "http")
    plain = command(*words).stdout
    assert plain == command(*words, environment={"OBS_SSE_GUARD": "off", "OBS_SSE_GUARD_POLICY": "strict"}).stdout
    assert "documented: allowed" in plain
    assert "strict: refused" in plain


def test_words_are_taken_in_any_letter_case() -> None:
    done = command_here(
        "explain", "--operation", "COPYOBJECT", "--target", "None", "--source", "sse-c", "--scheme", "HTTP"
    )
    assert done.returncode == 0
    assert "CopyObject, target none, source SSE-C, over http" in done.stdout


WRONG = {
    "--operation": ("PutObjekt", [str(word) for word in Operation]),
    "--target": ("AES256", [str(word) for word in Encryption]),
    "--source": ("kms", [str(word) for word in Encryption]),
    "--scheme": ("ftp", ["http", "https"]),
}


@pytest.mark.parametrize("option", WRONG)
def test_a_wrong_word_lists_the_right_ones(option: str) -> None:
    word, right = WRONG[option]
    words = {"--operation": "CopyObject", "--target": "SSE-C", "--source": "none", "--scheme": "http", option: word}
    done = command_here("explain", *itertools.chain(*words.items()))
    assert (done.returncode, done.stdout) == (2, "")
    complaint = done.stderr.splitlines()[-1]
    assert option in complaint
    assert word in complaint
    assert ("did you mean PutObject or PostObject or GetObject? " in complaint) is (option == "--operation")
    assert all(re.search(rf"\b{name}\b", complaint) for name in right)


@pytest.mark.parametrize("option", ["--operation", "--target", "--scheme"])
def test_a_missing_option_is_named(option: str) -> None:
    words = {"--operation": "PutObject", "--target": "SSE-C", "--scheme": "http"}
    del words[option]
    done = command_here("explain", *itertools.chain(*words.items()))
    assert done.returncode == 2
    assert option in done.stderr.splitlines()[-1]


def test_a_source_where_nothing_is_copied_is_refused() -> None:
    words = ("explain", "--operation", "PutObject", "--target", "none", "--scheme", "http", "--source")
    done = command_here(*words, "SSE-C")
    assert (done.returncode, done.stdout) == (2, "")
    assert "PutObject copies nothing; operations with a source are CopyObject, UploadPartCopy" in done.stderr
    assert command_here(*words, "none").returncode == 0


def test_the_output_is_ascii() -> None:
    words = ("explain", "--operation", "CopyObject", "--target", "SSE-C", "--scheme", "http")
    done = command(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "[table-3/none-to-SSE-C]" in done.stdout
    assert done.stdout.isascii()


def test_a_broken_sdk_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "obs.py").write_text("print('noise')\nraise OSError('no luck')\n")
    done = command(
        "explain",
        *words_of(ROWS[0], "http"),
        environment={"PYTHONPATH": os.pathsep.join([str(tmp_path), str(SOURCES)])},
    )
    assert done.returncode == 0
    assert "noise" not in done.stdout
    assert "table-1/PutObject" in done.stdout


def test_the_fix_is_for_the_release_in_use() -> None:
    code = (
        "import sys; from obs_sse_guard._cli.main import main; "
        "main(['explain', '--operation', 'GetObject', '--target', 'SSE-C', '--scheme', 'http']); "
        "print('obs.const' in sys.modules)"
    )
    assert command(python=("-c", code)).stdout.splitlines()[-1] == "True"


def test_the_most_severe_finding_decides() -> None:
    context = request(operation="RestoreObject", target=Encryption.SSE_KMS, key=KeyLocation.METADATA)
    assert [found.id for found in evaluate(context)] == ["kms-in-clear", "key-misplaced"]
    shown = explain._treatment(context, Policy.DOCUMENTED)
    assert shown.startswith("documented: refused, nothing is sent\n")
    assert "[key-misplaced]" in shown
