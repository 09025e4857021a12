"""``explain ID``: every id that an error or a log record may end with."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from obs_sse_guard import SSETransportError
from obs_sse_guard._cli import examples, explain, sdks
from obs_sse_guard._cli import main as command_line
from obs_sse_guard._cli.main import main
from obs_sse_guard._policy.findings import CATALOGUE
from obs_sse_guard.rules import RULES, SSE_OBS_RULES, Rule
from tests.support import oracle
from tests.support.commands import command
from tests.support.expected_rules import ROWS, ROWS_OF_2025, Row
from tests.support.obs_calls import drive, open_client
from tests.support.sse import KEY

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
SDKS = ["esdk-obs-python", "boto3", "huaweicloudsdkobs", "minio"]


def explained(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, list[str]]:
    """Return what is printed about an id, by the first word of the line."""
    assert main(["explain", *words]) == 0
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
    [cause] = rows["cause"]
    demand = "allows HTTP or HTTPS" if "http" in row.allowed else "requires HTTPS"
    assert f"OBS {demand} for {row.operation}" in cause
    assert cause.endswith(f"(obs_04_0108, table {row.table})")
    assert ("the customer key" in cause) is oracle.carries_key(row)
    assert [remedy.partition(": ")[0] for remedy in rows.get("remedy", [])] == (SDKS if REFUSED in outcomes else [])
    assert rows["page"] == ['obs_04_0108 "API Operations Related to Server-Side Encryption"']
    assert (rows["id"], rows["docs"]) == ([row.id], [f"docs/findings.md#{row.id}"])


@pytest.mark.parametrize("row", ROWS_OF_2025, ids=lambda row: row.id)
def test_a_later_rule_is_explained(row: Row, capsys: pytest.CaptureFixture[str]) -> None:
    rows = explained(capsys, row.id)
    assert rows["page"][0].endswith(", edition 2025-04")
    assert f"{row.operation} from {row.source} to {row.target}" in rows["cause"][0]
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
        assert rows["cause"] == [CATALOGUE[name].why]
    dropping = ["esdk-obs-python", "huaweicloudsdkobs"]
    fixed_in = {"sse-dropped": dropping, "unverified-host": [*dropping, "minio"], "trusted-host": []}
    assert [remedy.partition(": ")[0] for remedy in rows.get("remedy", [])] == fixed_in.get(name, SDKS)
    assert "page" not in rows
    assert (rows["id"], rows["docs"]) == ([name], [f"docs/findings.md#{name}"])


@pytest.mark.parametrize("name", ["esdk-obs-python", "boto3", "aiobotocore", "minio", "polars", "http.client"])
@pytest.mark.parametrize("identifier", ["table-1/PutObject", "table-2/HeadObject", "unverified-tls"])
def test_one_sdk_is_explained_in_its_words(name: str, identifier: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = explained(capsys, identifier, "--sdk", name.upper())
    [remedy] = rows["remedy"]
    assert remedy.startswith(f"{name}: ")
    assert "obs.example.com" in remedy or identifier == "unverified-tls"
    examples = rows.get("example", [])
    assert all(example.startswith(f"{name}: ") for example in examples)
    has_examples = {"unverified-tls": ("esdk-obs-python", "boto3")}
    assert bool(examples) is (name in has_examples.get(identifier, ("esdk-obs-python", "boto3", "aiobotocore")))
    assert (examples == [f"{name}: it has no parameter for this encryption"]) is (
        identifier == "table-2/HeadObject" and "boto" in name
    )


def test_the_sdks_of_the_command_line_are_those_that_are_explained() -> None:
    assert tuple(sdks.SDKS) == command_line._SDKS
    assert {*sdks.MAIN_SDKS, *sum(explain._FOUND_IN.values(), ()), *explain._WITH_EXAMPLES} <= {*sdks.SDKS}


_S3_WITHOUT_PARAMETER = {
    *("table-2/HeadObject", "table-2/GetObject", "table-2/UploadPart", "table-2/CompleteMultipartUpload"),
    *(row.id for row in ROWS if row.source == "SSE-KMS" or (row.table == 4 and row.target == "SSE-KMS")),
}


@pytest.mark.parametrize("rule", [rule for rule in RULES if not rule.id.endswith("none-to-none")], ids=str)
@pytest.mark.parametrize("is_s3", [False, True], ids=["obs", "s3"])
def test_the_example_of_a_rule_is_found_as_that_rule(is_s3: bool, rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    statement = examples.row_example(rule, is_s3=is_s3)
    assert (not statement) is (is_s3 and rule.id in _S3_WITHOUT_PARAMETER)
    if not statement:
        return
    boto3, obs = (pytest.importorskip(name) for name in ("boto3", "obs"))
    monkeypatch.setenv("OBS_SSE_GUARD_POLICY", "strict")
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(variable, "us-east-1")
    names = {
        **vars(obs),
        "obs_http": obs.ObsClient("access key", "secret key", server="http://obs.example.com"),
        "s3_http": boto3.client("s3", endpoint_url="http://obs.example.com"),
        "key": KEY,
        "sse_c": obs.SseCHeader.getInstance(KEY),
        "sse_kms": obs.SseKmsHeader.getInstance(),
        "parts": obs.CompleteMultipartUploadRequest([]),
    }
    with pytest.raises(SSETransportError) as refused:
        exec(statement, names)  # noqa: S102  # our own example
    assert refused.value.rule == rule.id


@pytest.mark.parametrize("rule", SSE_OBS_RULES, ids=str)
def test_only_a_copy_in_s3_has_a_parameter_for_sse_obs(rule: Rule) -> None:
    assert examples.row_example(rule, is_s3=False) == ""
    is_expressed = rule.table == 3 and rule.target == "SSE-OBS" and rule.source in ("none", "SSE-C")
    assert ('ServerSideEncryption="AES256"' in examples.row_example(rule, is_s3=True)) is is_expressed


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
