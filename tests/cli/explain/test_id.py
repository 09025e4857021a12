"""``obs-sse-guard explain ID``: every id that an error or a log record may end with."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from obs_sse_guard import SSETransportError
from obs_sse_guard._cli.main import main
from obs_sse_guard._policy.findings import CATALOGUE
from tests.support import oracle
from tests.support.commands import command
from tests.support.expected_rules import ROWS, ROWS_OF_2025, Row
from tests.support.obs_calls import drive, open_client

if TYPE_CHECKING:
    from tests.support.servers import RecordingServer

REFUSED, LOGGED, ALLOWED = "refused, nothing is sent", "sent and logged", "allowed, nothing is logged"
OUTCOMES = {oracle.REFUSED: REFUSED, oracle.LOGGED: LOGGED, oracle.SILENT: ALLOWED}
FINDINGS = {
    "inferred-kms": (REFUSED, REFUSED),
    "key-in-clear": (REFUSED, REFUSED),
    "downgraded-redirect": (REFUSED, REFUSED),
    "key-misplaced": (REFUSED, REFUSED),
    "kms-in-clear": (LOGGED, REFUSED),
    "key-in-url": (LOGGED, REFUSED),
    "cross-host-redirect": (LOGGED, REFUSED),
    "unverified-tls": (LOGGED, REFUSED),
    "unverified-host": (LOGGED, LOGGED),
    "sse-dropped": (LOGGED, REFUSED),
    "cannot-judge": (LOGGED, REFUSED),
    "read-in-clear": (LOGGED, LOGGED),
    "trusted-host": 2 * ("sent, and logged once per host",),
}
SDKS = ["esdk-obs-python", "botocore", "huaweicloudsdkobs", "minio"]


def explained(capsys: pytest.CaptureFixture[str], name: str) -> dict[str, list[str]]:
    """Return what is printed about an id, by the first word of the line."""
    assert main(["explain", name]) == 0
    out, err = capsys.readouterr()
    assert (out.isascii(), err) == (True, "")
    rows: dict[str, list[str]] = {}
    for line in out.splitlines():
        label, text = re.split(" +", line, maxsplit=1)
        rows.setdefault(label, []).append(text)
    return rows


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_rule_is_explained(row: Row, capsys: pytest.CaptureFixture[str]) -> None:
    rows = explained(capsys, row.id)
    outcomes = [OUTCOMES[oracle.outcome(row, "http", policy)] for policy in ("documented", "strict")]
    assert [rows["documented"], rows["strict"]] == [[f"over http: {outcome}"] for outcome in outcomes]
    [meaning] = rows["meaning"]
    demand = "allows HTTP or HTTPS" if "http" in row.allowed else "requires HTTPS"
    assert f"OBS {demand} for {row.operation}" in meaning
    assert meaning.endswith(f"(obs_04_0108, table {row.table})")
    assert ("the customer key" in meaning) is oracle.carries_key(row)
    assert [fix.partition(": ")[0] for fix in rows.get("fix", [])] == (SDKS if REFUSED in outcomes else [])
    assert rows["page"] == ['obs_04_0108 "API Operations Related to Server-Side Encryption"']
    assert (rows["id"], rows["docs"]) == ([row.id], [f"docs/findings.md#{row.id}"])


@pytest.mark.parametrize("row", ROWS_OF_2025, ids=lambda row: row.id)
def test_a_later_rule_is_explained(row: Row, capsys: pytest.CaptureFixture[str]) -> None:
    rows = explained(capsys, row.id)
    assert rows["page"][0].endswith(", edition 2025-04")
    assert f"{row.operation} from {row.source} to {row.target}" in rows["meaning"][0]
    sse = oracle.RequestSSE(row.operation, row.source, row.target, "header" if oracle.carries_key(row) else "")
    for policy in ("documented", "strict"):
        [(name, outcome)] = oracle.evaluate(sse, secure=False, policy=policy).items() or [(row.id, oracle.SILENT)]
        by_another = f" [{name}]" if name != row.id else ""
        assert rows[policy] == [f"over http: {OUTCOMES[outcome]}{by_another}"]


@pytest.mark.parametrize("name", FINDINGS)
def test_a_finding_is_explained(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = explained(capsys, name)
    assert [*rows["documented"], *rows["strict"]] == [*FINDINGS[name]]
    if name in CATALOGUE:
        assert rows["meaning"] == [CATALOGUE[name].why]
    dropping = ["esdk-obs-python", "huaweicloudsdkobs"]
    fixed_in = {"sse-dropped": dropping, "unverified-host": [*dropping, "minio"], "trusted-host": []}
    assert [fix.partition(": ")[0] for fix in rows.get("fix", [])] == fixed_in.get(name, SDKS)
    assert "page" not in rows
    assert (rows["id"], rows["docs"]) == ([name], [f"docs/findings.md#{name}"])


def test_no_finding_of_the_catalogue_is_missing() -> None:
    assert set(FINDINGS) == {*CATALOGUE, "trusted-host"}


def test_the_command_in_an_error_works(http: RecordingServer) -> None:
    with open_client("obs", http) as client, pytest.raises(SSETransportError) as refused:
        drive(client, ROWS[0])
    *_, more = str(refused.value).splitlines()
    label, program, *words = shlex.split(more)
    assert (label, program) == ("more:", "obs-sse-guard")
    done = command(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].split() == ["id", refused.value.rule]


@pytest.mark.parametrize("name", ["KEY-in-url", "[key-in-url]", " key-in-url "])
def test_an_id_is_taken_in_any_letter_case_and_as_a_record_shows_it(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explained(capsys, name)["id"] == ["key-in-url"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("table-1/PutObjct", "did you mean table-1/PutObject, "),
        ("key-in-uri", "did you mean key-in-url, "),
        ("table-3/SSE-C→none", "did you mean table-3/SSE-C-to-none, "),
        ("nonsense", "known are inferred-kms, "),
    ],
)
def test_an_unknown_id_suggests_the_nearest(name: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", name]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"obs-sse-guard explain: error: unknown id {name!a}; {hint}")
    assert err.isascii()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: ID, or --operation, --target, --scheme"),
        (["key-in-url", "--scheme", "http"], "give either an ID or a request, not both"),
        (["key-in-url", "--source", "none"], "give either an ID or a request, not both"),
    ],
)
def test_an_id_or_a_request_is_needed(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", *words]) == 2
    assert capsys.readouterr() == ("", f"obs-sse-guard explain: error: {message}\n")
