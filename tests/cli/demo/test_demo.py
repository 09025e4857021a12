"""The demo: what it shows is true, and it says so where it is not."""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import warnings
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import obs
import pytest

import obs_sse_guard
from obs_sse_guard import SSETransportError
from obs_sse_guard._cli import demo as _demo
from obs_sse_guard._cli import main as _cli
from obs_sse_guard.rules import RULES
from tests.support.expected_rules import ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from obs_sse_guard._cli.demo.evidence import Evidence
    from obs_sse_guard._cli.demo.stage import Stage
    from obs_sse_guard._cli.demo.tap import Tap
    from obs_sse_guard.rules import Rule

# Everything of the demo but `run` is imported where it is used: Python 3.9 has no MiniStack to import.
pytestmark = pytest.mark.skipif(sys.version_info < (3, 10), reason="MiniStack needs 3.10")

SDKS = ("ObsClient", "boto3", "s3fs")
SCHEMES = ("http", "https")
TABLE = re.compile(r"Table (\d)\s")
ROW = re.compile(r"(\S+)\s+(HTTPS|either)\s+(.+?)\s*$")
CELL = re.compile(r"((?:✗ )?[A-Za-z]+(?: late)?(?: \d+)?\*?|-)(?:\s+|$)")
REMARK = re.compile(r"\* (\S+): (.+) \((.+)\)$")
# What no request of S3 can say: the parameters of these operations are others.
UNNAMED = {
    "table-2/HeadObject",
    "table-2/GetObject",
    "table-2/CompleteMultipartUpload",
    "table-4/none-to-SSE-KMS",
    "table-4/SSE-KMS-to-SSE-KMS",
    "table-4/SSE-C-to-SSE-KMS",
}
# Releases before 3.23.5 drop the extension headers of completeMultipartUpload, the key among them.
EXTENSION_HEADERS_ARE_DROPPED = tuple(map(int, version("esdk-obs-python").split(".")[:3])) < (3, 23, 5)
LOOKS_LIKE_A_KEY = re.compile(r"[0-9a-f]{32}|[A-Za-z0-9+/]{43}=|[A-Za-z0-9+/]{22}==")


def rows_of(report: str) -> dict[tuple[str, str, str], str]:
    """What was seen, by row, SDK and scheme."""
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


def remarks_of(report: str) -> dict[tuple[str, str], set[str]]:
    """The SDKs that something is remarked of, by row and remark."""
    remarks, table = {}, ""
    for line in report.splitlines():
        heading, remark = TABLE.match(line), REMARK.match(line)
        table = heading[1] if heading else table
        if table and remark:
            remarks[f"table-{table}/{remark[1]}", remark[2]] = set(remark[3].split(", "))
    return remarks


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python with these words, in an environment without colours."""
    return subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8", "PYTHONDEVMODE": "", **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )


# ---------------------------------------------------------------------------------- the whole


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """The demo as users run it, out of a shell that is set up for something else; and its temporary directory."""
    directory, home = tmp_path_factory.mktemp("temporary"), tmp_path_factory.mktemp("home")
    nowhere = "http://127.0.0.1:9"
    (home / ".aws").mkdir()
    (home / ".aws" / "config").write_text("[default]\ns3 =\n  use_accelerate_endpoint = true\n", encoding="utf-8")
    result = run(
        *("-m", "obs_sse_guard", "demo"),
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
    return result, directory


def test_the_demo_succeeds_whatever_the_shell_says(
    hostile: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    result, _ = hostile
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.endswith("All 198 checks are as expected.\n")
    assert "✗" not in result.stdout


def test_the_report_is_short_and_fits_a_terminal(hostile: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    lines = hostile[0].stdout.splitlines()
    assert len(lines) < 110
    assert max(len(line.rstrip()) for line in lines if ROW.match(line)) <= 80


def test_every_act_shows_each_sdk(hostile: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    lines = [re.split(r"\s{2,}", line.strip()) for line in hostile[0].stdout.splitlines()]
    for label, seen in {
        "upload with SSE-C over http": "sent",
        "the same upload": "refused",
        "what the tap recorded": "nothing",
        "an upload without encryption": "sent",
        "download with the key": "readable",
        "download without a key": "unreadable 400",
        "download with another key": "unreadable 403",
    }.items():
        row = next(line for line in lines if " ".join(line).startswith(label))
        assert " ".join(row) == " ".join((label, *[seen] * 3))


def test_all_rows_are_driven_over_both_transports_and_go_as_the_law_says(
    hostile: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    rows = rows_of(hostile[0].stdout)
    assert len(rows) == 32 * 2 * 3
    for row in ROWS:
        for sdk, scheme in itertools.product(SDKS, SCHEMES):
            expected = "sent" if scheme in row.allowed else "refused"
            if sdk != "ObsClient" and row.id in UNNAMED:
                expected = "-"
            assert re.fullmatch(rf"{expected}( \d+)?\*?", rows[row.id, sdk, scheme]), (row.id, sdk, scheme)


def test_every_call_that_is_sent_succeeds(hostile: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    sent = {place: seen for place, seen in rows_of(hostile[0].stdout).items() if seen.startswith("sent")}
    assert len(sent) == 44 + 2 * (44 - 5 * 2 - 1)
    failed = {(row, sdk) for (row, sdk, _), seen in sent.items() if seen not in ("sent", "sent*")}
    old = {("table-1/CompleteMultipartUpload", "ObsClient")}
    assert failed == (old if EXTENSION_HEADERS_ARE_DROPPED else set())


def test_keys_that_cross_in_clear_are_said_to_be_logged(
    hostile: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    remarks = remarks_of(hostile[0].stdout)
    assert {row: sdks for (row, remark), sdks in remarks.items() if remark == "logged key in clear"} == {
        "table-1/CompleteMultipartUpload": set(SDKS),
        "table-3/SSE-C-to-none": set(SDKS),
        "table-4/SSE-C-to-none": set(SDKS),
        "table-4/SSE-C-to-SSE-KMS": {"ObsClient"},
    }
    assert "not logged" not in hostile[0].stdout
    assert "unverified-tls" not in hostile[0].stdout


def test_what_a_request_of_s3_does_not_name_is_refused_by_what_is_known_of_it(
    hostile: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    remarks = remarks_of(hostile[0].stdout)
    assert {place: sdks for place, sdks in remarks.items() if place[1].startswith("refused")} == {
        ("table-2/UploadPart", "refused by inferred-kms"): {"boto3", "s3fs"},
        ("table-3/SSE-KMS-to-SSE-KMS", "refused by table-3/none-to-SSE-KMS"): {"boto3", "s3fs"},
        ("table-3/SSE-KMS-to-SSE-C", "refused by table-3/none-to-SSE-C"): {"boto3", "s3fs"},
        ("table-4/SSE-KMS-to-SSE-C", "refused by table-4/none-to-SSE-C"): {"boto3", "s3fs"},
    }


def test_the_rows_left_out_are_those_that_the_s3_model_has_no_parameter_for() -> None:
    from botocore.session import get_session

    from obs_sse_guard._cli.demo import s3_driver

    model = get_session().get_service_model("s3")
    names = {"InitiateMultipartUpload": "CreateMultipartUpload"}
    parameter = {"SSE-C": "SSECustomerKey", "SSE-KMS": "ServerSideEncryption"}
    unnamed = {
        row.id
        for row in ROWS
        # Forms are no operation of the model: they carry headers' names.
        if row.operation != "PostObject" and row.target != "none"
        if parameter[row.target]
        not in model.operation_model(names.get(row.operation, row.operation)).input_shape.members
    }
    # A part's encryption is that of its upload, which the guard saw begin.
    assert unnamed - {"table-2/UploadPart"} == UNNAMED == s3_driver.UNNAMED


def test_nothing_is_printed_that_looks_like_a_key(hostile: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    assert not LOOKS_LIKE_A_KEY.search(hostile[0].stdout)


def test_no_file_is_left(hostile: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    assert list(hostile[1].iterdir()) == []


def test_a_guard_that_does_not_guard_is_found_out() -> None:
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
            if row.allowed == {"https"} and (sdk == "ObsClient" or row.id not in UNNAMED):
                assert re.fullmatch(r"✗ sent\*?", rows[row.id, sdk, "http"]), (row.id, sdk)
                assert rows[row.id, sdk, "https"] == "sent", (row.id, sdk)
    # 20, 19 and 19 rows; up to 4, 3 and 3 more over which a key crosses unsaid; two lines of act 2.
    wrong = 58 + 10 - EXTENSION_HEADERS_ARE_DROPPED + 6
    assert result.stdout.endswith(f"{wrong} of 198 checks are NOT as expected.\n")
    for sdk in SDKS:
        assert f"✗ the same upload, {sdk}: sent, expected: refused\n" in result.stdout
        assert f"✗ PutObject, {sdk} over http: sent, expected: refused\n" in result.stdout


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no SIGINT for one process")
def test_ctrl_c_stops_everything(tmp_path: Path) -> None:
    code = (
        "import asyncio, signal, sys\n"
        # A shell ignores the signal on behalf of what it starts in the background.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from obs_sse_guard._cli.main import main\n"
        "from obs_sse_guard._cli.demo import acts, programme\n"
        "def wait(stage):\n"
        "    for driver in stage.drivers:\n"
        "        driver.upload('https', stage.key)\n"
        "    print(*(tap.port for tap in stage.servers.taps.values()), flush=True)\n"
        "    driver._run(asyncio.sleep(60))\n"
        "    yield\n"
        "programme.ACTS = (acts.Act('Wait', wait),)\n"
        "sys.exit(main(['demo']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
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
    for port in map(int, ports):
        assert not is_open(port)


@pytest.mark.parametrize("missing", [("rich",), ("boto3", "s3fs")], ids=", ".join)
def test_without_the_extra_one_line_tells_how_to_get_it(missing: tuple[str, ...]) -> None:
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({missing!r}))\n"
        "from obs_sse_guard._cli.main import main; sys.exit(main(['demo']))"
    )
    result = run("-c", code)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"the demo needs {', '.join(missing)}: pip install 'obs-sse-guard[demo]'\n"


def test_an_old_python_is_told_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(_demo, "OLDEST_PYTHON", (4, 0))
    assert _cli.main(["demo"]) == 2
    assert capsys.readouterr().err == "the demo needs Python 4.0 or newer, as MiniStack does\n"


# ------------------------------------------------------------------------- in this very process


def test_no_key_and_no_checksum_of_one_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from obs_sse_guard._cli.demo.props import CustomerKey

    keys: list[CustomerKey] = []
    made = CustomerKey.__init__

    def remember(key: CustomerKey) -> None:
        made(key)
        keys.append(key)

    monkeypatch.setattr(CustomerKey, "__init__", remember)
    assert _cli.main(["demo"]) == 0
    printed = "".join(capsys.readouterr())
    assert len(keys) == 2
    for key in keys:
        for secret in (key.text, key.header, key.md5):
            assert secret not in printed
            assert secret not in repr(key)


def test_a_server_that_fails_ends_the_demo_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from obs_sse_guard._cli.demo import obs_driver, programme

    assert callable(programme.perform)  # imported before the change, so that nothing of it outlasts this test
    monkeypatch.setattr(obs_driver, "BUCKET", "NOT_A_BUCKET'S_NAME")
    assert _cli.main(["demo"]) == 1
    out = capsys.readouterr().out
    assert "The demo cannot go on: the server answered 400 InvalidBucketName" in out
    assert "as expected" not in out


@pytest.mark.parametrize("leave", [contextlib.nullcontext, KeyboardInterrupt])
def test_everything_is_as_before_when_the_stage_is_left(leave: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    from obs_sse_guard._cli.demo.stage import set_up

    assert s3fs.S3FileSystem  # imported before the first look, for that changes what the guard has hooked
    monkeypatch.setenv("OBS_SSE_GUARD_POLICY", "strict")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    before = surroundings()
    with contextlib.suppress(KeyboardInterrupt), set_up() as stage:
        taps, ca = stage.servers.taps.values(), stage.servers.ca
        assert surroundings() != before
        for driver, scheme in itertools.product(stage.drivers, SCHEMES):
            driver.upload(scheme, None)
        assert ca.exists()
        if leave is KeyboardInterrupt:
            raise leave
    assert surroundings() == before
    assert not any(is_open(tap.port) for tap in taps)
    assert not ca.parent.exists()


def surroundings() -> tuple[object, ...]:
    guard, root = logging.getLogger("obs_sse_guard"), logging.getLogger()
    return (
        dict(os.environ),
        {thread.name for thread in threading.enumerate()},
        (guard.handlers[:], guard.level, guard.propagate),
        root.handlers[:],
        warnings.filters[:],
        obs_sse_guard.status(),
    )


def is_open(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    ("change", "undo"),
    [(obs_sse_guard.install, obs_sse_guard.uninstall), (obs_sse_guard.uninstall, obs_sse_guard.install)],
)
def test_the_guard_is_left_as_it_was(change: Callable[[], None], undo: Callable[[], None]) -> None:
    from obs_sse_guard._cli.demo.environment import guard_restored

    change()
    before = obs_sse_guard.status()
    with guard_restored():
        undo()
        assert obs_sse_guard.status() != before
    assert obs_sse_guard.status() == before


def test_foreign_settings_are_out_of_the_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from obs_sse_guard._cli.demo.environment import isolated

    foreign = (
        *("OBS_SSE_GUARD", "OBS_SSE_GUARD_POLICY", "OBS_SSE_GUARD_TRUSTED_HOSTS"),
        *("http_proxy", "HTTPS_PROXY", "ALL_PROXY", "no_proxy"),
        *("AWS_ENDPOINT_URL", "AWS_PROFILE", "MINISTACK_HOST", "LOCALSTACK_PERSISTENCE"),
        *("S3FS_LOGGING_LEVEL", "FSSPEC_S3_ANON"),
        *("S3_PERSIST", "PERSIST_STATE", "LOG_LEVEL", "GATEWAY_PORT", "EDGE_PORT", "CLOUDTRAIL_RECORDING"),
    )
    replaced = {
        "SERVICES": "s3",
        "S3_DATA_DIR": str(tmp_path / "s3"),
        "STATE_DIR": str(tmp_path / "state"),
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }
    for name in (*foreign, *replaced, "HOME_OF_SOMETHING_ELSE"):
        monkeypatch.setenv(name, "foreign")
    with isolated(tmp_path):
        assert [name for name in foreign if name in os.environ] == []
        assert {name: os.environ[name] for name in replaced} == replaced
        assert os.environ["HOME_OF_SOMETHING_ELSE"] == "foreign"


def test_what_the_guard_logs_is_kept_from_everyone_else() -> None:
    from obs_sse_guard._cli.demo.environment import guard_log

    others = logging.Handler()
    others.emit = lambda record: pytest.fail(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger().addHandler(others)
    try:
        with guard_log() as logged:
            logging.getLogger("obs_sse_guard").warning("noticed", extra={"rule": "key-in-url"})
    finally:
        logging.getLogger().removeHandler(others)
    assert logged == ["key-in-url"]
    assert logging.getLogger("obs_sse_guard").propagate


def test_trouble_of_the_guard_itself_shows_by_its_message() -> None:
    from obs_sse_guard._cli.demo.environment import guard_log

    with guard_log() as logged:
        logging.getLogger("obs_sse_guard").error("could not judge %s", "this")
        logging.getLogger("obs_sse_guard").warning("noticed", extra={"rule": "table-3/SSE-C-to-none"})
    assert logged == ["could not judge this", "table-3/SSE-C-to-none"]


# ------------------------------------------------------------------------------------ evidence


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A stage, with the guard armed."""
    from obs_sse_guard._cli.demo.stage import set_up

    with set_up() as built:
        yield built


STORING = [row for row in RULES if row.operation in ("PutObject", "PostObject", "CopyObject")]


@pytest.mark.parametrize("row", STORING, ids=str)
def test_a_rows_call_stores_what_the_row_names(stage: Stage, row: Rule) -> None:
    for driver in stage.drivers:
        before = _objects(stage)
        call = driver.prepare(row)
        assert call is not None
        assert call("https") in (200, 204)
        (stored,) = _objects(stage) - before
        key = obs.SseCHeader.getInstance(stage.key.text) if row.target == "SSE-C" else None
        answer = _client(stage).getObjectMetadata("sse-guard-demo", stored, sseHeader=key)
        named = {"none": (None, None), "SSE-C": ("AES256", None), "SSE-KMS": (None, "aws:kms")}
        assert (answer.body.get("sseC"), answer.body.get("sseKms")) == named[row.target], driver.name


def _objects(stage: Stage) -> set[str]:
    return {item.key for item in _client(stage).listObjects("sse-guard-demo").body.contents}


def _client(stage: Stage, scheme: str = "https") -> Any:
    from obs_sse_guard._cli.demo.obs_driver import ObsDriver

    driver = stage.drivers[0]
    assert isinstance(driver, ObsDriver)
    return driver.clients[scheme]


def test_what_a_driver_uploads_is_encrypted_and_comes_back(stage: Stage) -> None:
    for driver in stage.drivers:
        driver.upload("https", stage.key)
        assert driver.download(stage.key).content == b"Nobody on the path may read this."
        for key, status in ((None, 400), (stage.other_key, 403)):
            content, refused = driver.download(key)
            assert (content[:6], refused) == (b"<?xml " if content else b"", status), driver.name


def test_a_server_that_does_not_let_a_call_be_prepared_says_why(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    from obs_sse_guard._cli.demo import obs_driver, s3_driver
    from obs_sse_guard._cli.demo.driver import StageError

    for module in (obs_driver, s3_driver):
        monkeypatch.setattr(module, "BUCKET", "no-such-bucket")
    (row,) = (row for row in RULES if row.id == "table-1/UploadPart")
    for driver in stage.drivers:
        with pytest.raises(StageError, match="bucket"):
            driver.prepare(row)


def test_what_reaches_the_server_is_sent(stage: Stage) -> None:
    for scheme in SCHEMES:
        evidence = stage.watch(functools.partial(_list_buckets, _client(stage, scheme)))
        assert (evidence.seen, evidence.outcome, evidence.status) == ("sent", "sent", 200)
        assert (evidence.connections, evidence.requests) == (1, 1)
        assert stage.servers.requests[-1] == (scheme, "GET", "/")
        assert (b"GET / HTTP/1.1" in evidence.recorded) == (scheme == "http")


def _list_buckets(client: Any) -> int:
    return int(client.listBuckets().status)


def test_an_answer_that_tells_of_a_failure_shows() -> None:
    assert evidence_of(requests=1, status=403).outcome == "sent 403"


def test_a_call_that_touches_nothing_is_not_sent(stage: Stage) -> None:
    evidence = stage.watch(lambda: 200)
    assert (evidence.seen, evidence.connections, evidence.recorded) == ("nothing sent", 0, b"")


def test_a_refusal_with_a_connection_is_late(stage: Stage) -> None:
    def connect_and_refuse() -> int:
        # Left open, unread, silent: the least that can be left behind.
        socket.create_connection(("127.0.0.1", stage.servers.taps["http"].port)).close()
        message = "refused"
        raise SSETransportError(message)

    evidence = stage.watch(connect_and_refuse)
    assert (evidence.seen, evidence.connections) == ("refused late", 1)


def test_any_other_error_is_named(stage: Stage) -> None:
    evidence = stage.watch(lambda: 1 // 0)
    assert (evidence.seen, evidence.outcome) == ("ZeroDivisionError", "ZeroDivisionError")


def test_the_recorded_bytes_show_in_no_repr() -> None:
    assert "secret" not in repr(evidence_of(recorded=b"secret"))


def test_connections_are_counted_though_nobody_has_looked_yet(stage: Stage) -> None:
    tap: Tap = stage.servers.taps["http"]
    before = tap.connections
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(socket.create_connection(("127.0.0.1", tap.port)))
        tap.settle()
        assert tap.connections == before + 20


def evidence_of(**seen: Any) -> Evidence:
    from obs_sse_guard._cli.demo.evidence import Evidence

    nothing: dict[str, Any] = {
        "error": None,
        "status": 0,
        "connections": 0,
        "recorded": b"",
        "requests": 0,
        "logged": (),
    }
    return Evidence(**{**nothing, **seen})


# -------------------------------------------------------------------------------- the report


@pytest.mark.parametrize(
    ("logged", "key_in_clear", "ok", "notes"),
    [
        ((), False, True, ()),
        (("table-4/SSE-C-to-none",), True, True, ("logged key in clear",)),
        (("table-4/SSE-C-to-none", "key-in-url"), True, True, ("logged key in clear", "logged key-in-url")),
        ((), True, False, ("key in clear, not logged",)),
        (("key-in-url",), True, False, ("logged key-in-url", "key in clear, not logged")),
    ],
)
def test_a_key_in_clear_must_be_logged(
    logged: tuple[str, ...], *, key_in_clear: bool, ok: bool, notes: tuple[str, ...]
) -> None:
    from obs_sse_guard._cli.demo.lines import RowCell

    cell = RowCell(RULES[-1], "http", evidence_of(requests=1, status=200, logged=logged), key_in_clear)
    assert (cell.ok, cell.notes) == (ok, notes)


def test_a_refusal_by_another_row_is_noted() -> None:
    from obs_sse_guard._cli.demo.lines import RowCell

    for rule, notes in (("table-1/PutObject", ()), ("key-in-clear", ("refused by key-in-clear",))):
        error = SSETransportError("refused", rule=rule)
        cell = RowCell(RULES[0], "http", evidence_of(error=error), key_in_clear=False)
        assert (cell.ok, cell.notes) == (True, notes)


def test_a_report_with_something_wrong_fails(capsys: pytest.CaptureFixture[str]) -> None:
    from obs_sse_guard._cli.demo.lines import Column, Line, Quotation, RowCell, Seen, Table
    from obs_sse_guard._cli.demo.report import Report

    report = Report()
    cells = (Seen("so", "so", ("and more",)), Seen("so", "otherwise"))
    report.show(Table((Column("obs"), Column("s3")), (Line("this", cells),)))
    report.show(Quotation("A title", "[table-1/PutObject] is no markup"))
    row = RowCell(RULES[0], "http", evidence_of(requests=1, status=200), key_in_clear=False)
    columns = (Column("obs", "http"), Column("obs", "https"))
    report.show(Table(columns, (Line("PutObject", (row, None), "HTTPS"),), "Table 1"))
    assert not report.summary()
    out = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert "* this: and more (obs)" in out
    assert "✗ this, s3: otherwise, expected: so" in out
    assert "✗ PutObject, obs over http: sent, expected: refused" in out
    assert "[table-1/PutObject] is no markup" in "".join(out)
    assert any(re.fullmatch(r"this +so\* +✗ otherwise", line) for line in out)
    assert any(re.fullmatch(r"PutObject +HTTPS +✗ sent +-", line) for line in out)
    assert "2 of 3 checks are NOT as expected." in out


def test_colour_is_for_terminals_that_want_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from obs_sse_guard._cli.demo.lines import Column, Line, Seen, Table
    from obs_sse_guard._cli.demo.report import Report

    table = Table((Column("obs"),), (Line("this", (Seen("so", "so"),)),))

    def shown(**environment: str) -> str:
        with monkeypatch.context() as patch:
            for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
                patch.delenv(name, raising=False)
            for name, value in {"TERM": "xterm", "COLUMNS": "80", **environment}.items():
                patch.setenv(name, value)
            Report().show(table)
        return capsys.readouterr().out

    green = "\x1b[32m"
    assert "\x1b" not in shown()
    assert green in shown(FORCE_COLOR="1")
    assert green not in shown(FORCE_COLOR="1", NO_COLOR="1")


def test_an_encoding_without_arrows_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    from obs_sse_guard._cli.demo.report import Report

    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii", write_through=True))
    Report().say("SSE-C→none")
    assert written.getvalue() == b"SSE-C?none\n"


def test_a_stream_of_another_kind_is_written_to_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from obs_sse_guard._cli.demo.report import Report

    written = io.StringIO()
    monkeypatch.setattr(sys, "stdout", written)
    Report().say("SSE-C→none")
    assert written.getvalue() == "SSE-C→none\n"
