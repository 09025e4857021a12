"""``obs-sse-guard demo``: what the report shows is true, and a failure shows."""

from __future__ import annotations

import base64
import hashlib
import itertools
import os
import re
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest

from obs_sse_guard._cli import demo, main
from tests.support.commands import SOURCES
from tests.support.expected_rules import ROWS

# Everything of the demo but `run` is imported where it is used: Python 3.9 has no MiniStack to import.
pytestmark = pytest.mark.skipif(sys.version_info < (3, 10), reason="MiniStack needs 3.10")

SDKS = ("ObsClient", "boto3", "s3fs", "huaweicloud", "minio")
SCHEMES = ("http", "https")
TABLE = re.compile(r"Table (\d)\s")
ROW = re.compile(r"(\S+)\s+(HTTPS|either)\s+(.+?)\s*$")
CELL = re.compile(r"((?:✗ )?[A-Za-z]+(?: late)?(?: \d+)?\*?|-)(?:\s+|$)")
NOTE = re.compile(r"\* (\S+): (.+) \((.+)\)$")
# The operations of these rules have no S3 parameter for the encryption.
INEXPRESSIBLE = {
    "table-2/HeadObject",
    "table-2/GetObject",
    "table-2/CompleteMultipartUpload",
    "table-4/none-to-SSE-KMS",
    "table-4/SSE-KMS-to-SSE-KMS",
    "table-4/SSE-C-to-SSE-KMS",
}
# With these SDKs, only manual requests name SSE-KMS when reading an object, and the server refuses them.
_READS = {"table-2/HeadObject", "table-2/GetObject"}
LEFT_OUT = {
    "ObsClient": frozenset[str](),
    "boto3": INEXPRESSIBLE,
    "s3fs": INEXPRESSIBLE,
    "huaweicloud": {*_READS, "table-1/PostObject", "table-2/PostObject"},
    "minio": _READS,
}
# Releases before 3.23.5 drop the extension headers of completeMultipartUpload, the key among them.
EXTENSION_HEADERS_ARE_DROPPED = tuple(map(int, version("esdk-obs-python").split(".")[:3])) < (3, 23, 5)
LOOKS_LIKE_A_KEY = re.compile(r"[0-9a-f]{32}|[A-Za-z0-9+/]{43}=|[A-Za-z0-9+/]{22}==")

RECORD_KEYS = """
import os, secrets

token_hex = secrets.token_hex

def recorded(nbytes=None):
    key = token_hex(nbytes)
    with open(os.environ["RECORDED_KEYS"], "a") as file:
        print(key, file=file)
    return key

secrets.token_hex = recorded
"""
"""A ``sitecustomize`` that records the customer keys that the demo generates."""


def rows_of(report: str) -> dict[tuple[str, str, str], str]:
    """Return what was seen, by row, SDK and scheme."""
    rows, table = {}, ""
    columns = [(sdk, scheme) for sdk in SDKS for scheme in SCHEMES]
    for line in report.splitlines():
        heading, row = TABLE.match(line), ROW.match(line)
        table = heading[1] if heading else table
        if row:
            cells = CELL.findall(row[3])
            assert len(cells) == len(columns), line
            rows.update({(f"table-{table}/{row[1]}", *column): cell for column, cell in zip(columns, cells)})
    return rows


def notes_of(report: str) -> dict[tuple[str, str], set[str]]:
    """Return the SDKs that a note applies to, by row and note."""
    notes, table = {}, ""
    for line in report.splitlines():
        heading, note = TABLE.match(line), NOTE.match(line)
        table = heading[1] if heading else table
        if table and note:
            notes[f"table-{table}/{note[1]}", note[2]] = set(note[3].split(", "))
    return notes


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these words, in an environment without colors."""
    return subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8", "PYTHONDEVMODE": "", **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )


# ------------------------------------------------------------------------------ one run for all


class Run(NamedTuple):
    """One run of the demo: its result, its temporary directory and its customer keys."""

    result: subprocess.CompletedProcess[str]
    directory: Path
    keys: list[str]

    @property
    def report(self) -> str:
        """What the demo printed."""
        return self.result.stdout


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The demo as users run it, from a shell that is set up for something else."""
    directory, home = tmp_path_factory.mktemp("temporary"), tmp_path_factory.mktemp("home")
    nowhere = "http://127.0.0.1:9"
    (home / ".aws").mkdir()
    (home / ".aws" / "config").write_text("[default]\ns3 =\n  use_accelerate_endpoint = true\n", encoding="utf-8")
    (home / "sitecustomize.py").write_text(RECORD_KEYS, encoding="utf-8")
    result = run(
        *("-m", "obs_sse_guard", "demo"),
        PYTHONPATH=os.pathsep.join((str(home), str(SOURCES))),
        RECORDED_KEYS=str(home / "keys"),
        OBS_SSE_GUARD="off",
        OBS_SSE_GUARD_POLICY="strict",
        OBS_SSE_GUARD_TRUSTED_HOSTS="127.0.0.1",
        HOME=str(home),
        http_proxy=nowhere,
        HTTPS_PROXY=nowhere,
        AWS_ENDPOINT_URL=nowhere,
        AWS_ACCESS_KEY_ID="123456789012",
        AWS_PROFILE="nobody",
        S3FS_LOGGING_LEVEL="DEBUG",
        FSSPEC_S3_ANON="true",
        SERVICES="sqs",
        LOG_LEVEL="DEBUG",
        PERSIST_STATE="1",
        S3_PERSIST="1",
        S3_DATA_DIR=str(directory / "left-behind"),
        TMPDIR=str(directory),
    )
    return Run(result, directory, (home / "keys").read_text(encoding="ascii").split())


def test_the_demo_succeeds_whatever_the_environment(hostile: Run) -> None:
    assert (hostile.result.returncode, hostile.result.stderr) == (0, "")
    assert hostile.report.endswith("All 334 checks are as expected.\n")
    assert "✗" not in hostile.report


def test_the_report_is_short_and_fits_a_terminal(hostile: Run) -> None:
    lines = hostile.report.splitlines()
    assert len(lines) < 110
    assert max(len(line.rstrip()) for line in lines if ROW.match(line)) <= 110


def test_every_scenario_shows_each_sdk(hostile: Run) -> None:
    lines = [re.split(r"\s{2,}", line.strip()) for line in hostile.report.splitlines()]
    for label, seen in {
        "upload with SSE-C over http": "sent",
        "the same upload": "refused",
        "recorded by the proxy": "nothing",
        "an upload without encryption": "sent",
        "download with the key": "readable",
        "download without a key": "unreadable 400",
        "download with another key": "unreadable 403",
    }.items():
        row = next(line for line in lines if " ".join(line).startswith(label))
        assert " ".join(row) == " ".join((label, *[seen] * len(SDKS)))


def test_every_rule_holds_over_both_transports(hostile: Run) -> None:
    rows = rows_of(hostile.report)
    assert len(rows) == 32 * 2 * len(SDKS)
    for row in ROWS:
        for sdk, scheme in itertools.product(SDKS, SCHEMES):
            expected = "sent" if scheme in row.allowed else "refused"
            if row.id in LEFT_OUT[sdk]:
                expected = "-"
            assert re.fullmatch(rf"{expected}( \d+)?\*?", rows[row.id, sdk, scheme]), (row.id, sdk, scheme)


def test_every_call_that_is_sent_succeeds(hostile: Run) -> None:
    sent = {place: seen for place, seen in rows_of(hostile.report).items() if seen.startswith("sent")}
    assert len(sent) == 44 + 2 * (44 - 5 * 2 - 1) + (44 - 2 * 1 - 2 - 1) + (44 - 2 - 1)
    failed = {(row, sdk) for (row, sdk, _), seen in sent.items() if seen not in ("sent", "sent*")}
    old = {("table-1/CompleteMultipartUpload", "ObsClient")}
    assert failed == (old if EXTENSION_HEADERS_ARE_DROPPED else set())


def test_every_key_in_plaintext_is_reported_as_logged(hostile: Run) -> None:
    notes = notes_of(hostile.report)
    assert {row: sdks for (row, note), sdks in notes.items() if note == "logged key in plaintext"} == {
        "table-1/CompleteMultipartUpload": set(SDKS),
        "table-3/SSE-C-to-none": set(SDKS),
        "table-4/SSE-C-to-none": set(SDKS),
        "table-4/SSE-C-to-SSE-KMS": {"ObsClient", "huaweicloud", "minio"},
    }
    assert "not logged" not in hostile.report
    assert "unverified-tls" not in hostile.report


def test_a_call_that_another_rule_refuses_is_noted(hostile: Run) -> None:
    notes = notes_of(hostile.report)
    assert {place: sdks for place, sdks in notes.items() if place[1].startswith("refused")} == {
        ("table-2/UploadPart", "refused by inferred-kms"): {"boto3", "s3fs"},
        ("table-3/SSE-KMS-to-SSE-KMS", "refused by table-3/none-to-SSE-KMS"): {*SDKS} - {"ObsClient"},
        ("table-3/SSE-KMS-to-SSE-C", "refused by table-3/none-to-SSE-C"): {*SDKS} - {"ObsClient"},
        ("table-4/SSE-KMS-to-SSE-C", "refused by table-4/none-to-SSE-C"): {*SDKS} - {"ObsClient"},
    }


def test_neither_a_key_nor_its_checksum_is_printed(hostile: Run) -> None:
    assert len(hostile.keys) == 2
    for key in map(str.encode, hostile.keys):
        for secret in (key, base64.b64encode(key), base64.b64encode(hashlib.md5(key).digest())):  # noqa: S324
            assert secret.decode() not in hostile.report
    assert not LOOKS_LIKE_A_KEY.search(hostile.report)


def test_no_file_is_left(hostile: Run) -> None:
    assert list(hostile.directory.iterdir()) == []


# ---------------------------------------------------------------------------- runs of another kind


def test_the_rules_left_out_are_those_without_a_parameter_in_the_s3_model() -> None:
    from botocore.session import get_session

    from obs_sse_guard._cli.demo.drivers import s3

    model = get_session().get_service_model("s3")
    names = {"InitiateMultipartUpload": "CreateMultipartUpload"}
    parameter = {"SSE-C": "SSECustomerKey", "SSE-KMS": "ServerSideEncryption"}
    missing = {
        row.id
        for row in ROWS
        # Forms are no operation of the model: their fields are header names.
        if row.operation != "PostObject" and row.target != "none"
        if parameter[row.target]
        not in model.operation_model(names.get(row.operation, row.operation)).input_shape.members
    }
    # A part's encryption is that of its upload, which the guard saw start.
    assert missing - {"table-2/UploadPart"} == INEXPRESSIBLE == s3.INEXPRESSIBLE


@pytest.mark.full
def test_a_guard_that_does_not_guard_fails_the_demo() -> None:
    code = (
        "import sys, obs_sse_guard\n"
        "obs_sse_guard.uninstall()\n"
        "obs_sse_guard.install = lambda: None\n"
        "from obs_sse_guard._cli.main import main\n"
        "sys.exit(main(['demo']))\n"
    )
    result = run("-c", code)
    assert (result.returncode, result.stderr) == (1, "")
    rows = rows_of(result.stdout)
    for row in ROWS:
        for sdk in SDKS:
            if row.allowed == {"https"} and row.id not in LEFT_OUT[sdk]:
                assert re.fullmatch(r"✗ sent\*?", rows[row.id, sdk, "http"]), (row.id, sdk)
                assert rows[row.id, sdk, "https"] == "sent", (row.id, sdk)
    # By SDK: its rows; 3 or 4 more with a key in plaintext that is not logged; two of the second scenario.
    wrong = (20 + 19 + 19 + 17 + 19) + (4 + 3 + 3 + 4 + 4) - EXTENSION_HEADERS_ARE_DROPPED + 2 * len(SDKS)
    assert result.stdout.endswith(f"{wrong} of 334 checks are NOT as expected.\n")
    for sdk in SDKS:
        assert f"✗ the same upload, {sdk}: sent, expected: refused\n" in result.stdout
        assert f"✗ PutObject, {sdk} over http: sent, expected: refused\n" in result.stdout


WAIT = """
import asyncio, signal, sys
# A shell ignores the signal on behalf of what it starts in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)
from obs_sse_guard._cli.demo import runner, scenarios
from obs_sse_guard._cli.main import main
def wait(testbed):
    for driver in testbed.drivers:
        driver.upload("https", testbed.key)
    print(*(proxy.port for proxy in testbed.servers.proxies.values()), flush=True)
    testbed.drivers[2]._run(asyncio.sleep(60))
    yield
runner.SCENARIOS = (scenarios.Scenario("Wait", wait),)
sys.exit(main(["demo"]))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send SIGINT to one process")
@pytest.mark.full
def test_ctrl_c_stops_everything(tmp_path: Path) -> None:
    from tests.cli.demo.test_testbed import is_open

    with subprocess.Popen(
        [sys.executable, "-c", WAIT],
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONDEVMODE": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        ports = next(line.split() for line in process.stdout if re.match(r"\d+ \d+$", line))
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (130, "interrupted\n")
    assert list(tmp_path.iterdir()) == []
    assert len(ports) == 2
    for port in map(int, ports):
        assert not is_open(port)


@pytest.mark.parametrize("missing", [("rich",), ("boto3", "s3fs")], ids=", ".join)
def test_without_the_extra_one_line_shows_how_to_install_it(missing: tuple[str, ...]) -> None:
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({missing!r}))\n"
        "from obs_sse_guard._cli.main import main; sys.exit(main(['demo']))"
    )
    result = run("-c", code)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"the demo needs {', '.join(missing)}: pip install 'obs-sse-guard[demo]'\n"


def test_an_old_python_is_named_as_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "OLDEST_PYTHON", (4, 0))
    assert main.main(["demo"]) == 2
    assert capsys.readouterr().err == "the demo needs Python 4.0 or newer, because MiniStack does\n"


def test_a_server_that_fails_ends_the_demo_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from obs_sse_guard._cli.demo import runner
    from obs_sse_guard._cli.demo.drivers import obs

    assert callable(runner.run_scenarios)  # imported before the change, so that nothing of it outlasts this test
    monkeypatch.setattr(obs, "BUCKET", "NOT_A_BUCKET'S_NAME")
    assert main.main(["demo"]) == 1
    out = capsys.readouterr().out
    assert "The demo cannot continue: the server answered 400 InvalidBucketName" in out
    assert "as expected" not in out
