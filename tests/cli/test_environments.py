"""Every command in the environments of users: with one SDK, none, or this one."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from obs_sse_guard._cli.doctor.packages import PACKAGES
from obs_sse_guard._cli.main import main
from tests.support.environments import alone, installed
from tests.support.records import audited
from tests.support.servers import RecordingServer, assert_silent, leaks
from tests.support.sse import KEY

S3 = """
    options = dict(region_name="us-east-1", aws_access_key_id="id", aws_secret_access_key="secret")
    call = dict(Bucket="bucket", Key="object", Body=b"content", SSECustomerAlgorithm="AES256", SSECustomerKey=key)
"""
CALLS = {
    "esdk-obs-python": """
    from obs import ObsClient, PutObjectHeader, SseCHeader
    client = ObsClient(access_key_id="id", secret_access_key="secret", server=url)
    client.putContent("bucket", "object", "content", headers=PutObjectHeader(sseHeader=SseCHeader.getInstance(key)))
    """,
    "boto3": f"""
    import boto3
    {S3}
    boto3.client("s3", endpoint_url=url, **options).put_object(**call)
    """,
    "botocore": f"""
    from botocore.session import get_session
    {S3}
    get_session().create_client("s3", endpoint_url=url, **options).put_object(**call)
    """,
    "aiobotocore": f"""
    import asyncio
    from aiobotocore.session import get_session
    {S3}
    async def put():
        async with get_session().create_client("s3", endpoint_url=url, **options) as client:
            await client.put_object(**call)
    asyncio.run(put())
    """,
    "s3fs": """
    import s3fs
    options = dict(endpoint_url=url, region_name="us-east-1")
    files = s3fs.S3FileSystem(key="id", secret="secret", client_kwargs=options, skip_instance_cache=True)
    files.pipe_file("bucket/object", b"content", SSECustomerAlgorithm="AES256", SSECustomerKey=key)
    """,
    "huaweicloudsdkobs": """
    import os
    from huaweicloudsdkobs.v1 import ObsClient, PutObjectRequest
    from huaweicloudsdkobs.v1.obs_credentials import ObsCredentials
    client = ObsClient.new_builder().with_credentials(ObsCredentials("id", "secret")).with_endpoints([url]).build()
    sse = dict(x_obs_server_side_encryption_customer_algorithm="AES256", x_obs_server_side_encryption_customer_key=key)
    client.put_object(PutObjectRequest(open(os.devnull, "rb"), object_key="object", **sse))
    """,
}
"""By SDK, a program's call with SSE-C over http."""
PROGRAM = """
import sys
url, key = sys.argv[1:]
try:
    {call}
except Exception as error:
    print(type(error).__name__)
else:
    print("sent")
"""
NEEDED_BY_CRT = "awscrt is not installed"


class Environment(NamedTuple):
    """A Python, and the SDKs that programs use there."""

    python: str
    sdks: tuple[str, ...]

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run its Python without PYTHONPATH and without the tests' development mode."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return subprocess.run(
            [self.python, *words],
            env={**inherited, **variables},
            cwd=Path(self.python).parent,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    def guard(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run ``obs-sse-guard`` there."""
        return self.run("-m", "obs_sse_guard", *words, **variables)


INCLUDED_IN = {"botocore": "boto3", "aiobotocore": "s3fs"}
"""SDKs that another one requires; if it is installed, they run alone with --full."""


def _sdk(name: str) -> Any:
    including = INCLUDED_IN.get(name)
    return pytest.param(name, marks=[pytest.mark.full] if including and installed(including) else [])


@pytest.fixture(params=["none", *map(_sdk, CALLS)], scope="module")
def environment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Environments with one SDK each, and one without."""
    sdk = request.param
    if sdk == "none":
        return Environment(str(alone(tmp_path_factory.mktemp("env"))), ())
    if not installed(sdk):
        pytest.skip(f"{sdk} is not installed here")
    return Environment(str(alone(tmp_path_factory.mktemp("env"), sdk)), (sdk,))


def _program(sdk: str) -> str:
    return PROGRAM.format(call=CALLS[sdk].strip())


@functools.cache
def _report(environment: Environment) -> tuple[int, dict[str, Any]]:
    done = environment.guard("doctor", "--json")
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def test_the_doctor_tells_the_truth(environment: Environment) -> None:
    status, report = _report(environment)
    assert (status, report["protected"]) == ((0, True) if environment.sdks else (1, False)), report["reasons"]
    assert bool(report["reasons"]) is not bool(environment.sdks)
    here = {package["name"] for package in report["packages"] if package["version"]}
    assert here >= {*environment.sdks, "wrapt"}
    assert not any(hook["gap"] for hook in report["hooks"])
    # Only the CRT's modules may fail, and only because the CRT is missing.
    broken = {module["name"]: module["error"] for module in report["modules"] if module["error"]}
    assert set(broken) <= {"botocore.crt.auth", "s3transfer.crt"}
    assert {*broken.values()} <= {NEEDED_BY_CRT}


def test_nothing_else_is_installed(environment: Environment) -> None:
    _, report = _report(environment)
    here = {package["name"] for package in report["packages"] if package["state"] not in ("", "absent")}
    expected = {
        "esdk-obs-python": {"esdk-obs-python"},
        "boto3": {"botocore", "s3transfer"},
        "botocore": {"botocore"},
        "aiobotocore": {"botocore", "aiobotocore", "aiohttp"},
        "s3fs": {"botocore", "aiobotocore", "aiohttp"},
        "huaweicloudsdkobs": {"huaweicloudsdkobs", "huaweicloudsdkcore"},
    }
    here.discard("urllib3")  # most releases of most SDKs require it
    assert here == (expected[environment.sdks[0]] if environment.sdks else set())


@pytest.mark.sampled
def test_run_guards_its_sdk(environment: Environment, http: RecordingServer, tmp_path: Path) -> None:
    audit = tmp_path / "audit.jsonl"
    for sdk in environment.sdks:
        words = ("-W", "ignore", "-c", _program(sdk), http.url, KEY)
        done = environment.guard("run", "--require", "python", *words, OBS_SSE_GUARD_AUDIT=str(audit))
        assert (done.returncode, done.stdout, done.stderr) == (0, "SSETransportError\n", "")
        assert_silent(http)
        assert "table-1/PutObject" in {line.get("rule") for line in audited(audit)}
        summary = environment.guard("audit", str(audit))
        assert (summary.returncode, summary.stdout) == (2, ""), "the extra is not installed here"
        assert "pip install 'obs-sse-guard[report]'" in summary.stderr
        assert environment.run(*words).stdout == "sent\n"
        assert leaks(http.wire, KEY)


WITHOUT_SDK = (
    ("rules",),
    ("explain", "table-1/PutObject"),
    ("explain", "--operation", "CopyObject", "--source", "SSE-C", "--target", "SSE-KMS", "--scheme", "http"),
)


@pytest.mark.sampled
def test_commands_that_need_no_sdk_print_the_same(environment: Environment, capsys: pytest.CaptureFixture[str]) -> None:
    for words in WITHOUT_SDK:
        assert main([*words]) == 0
        done = environment.guard(*words)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == capsys.readouterr().out != ""


def test_the_demo_names_what_is_missing(environment: Environment) -> None:
    done = environment.guard("demo")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert sys.version_info < (3, 10) or "pip install 'obs-sse-guard[demo]'" in done.stderr


def test_this_environment_is_protected_if_it_has_an_sdk() -> None:
    has_sdk = any(installed(package.distribution) for package in PACKAGES if package.is_sdk)
    status, report = _report(Environment(sys.executable, ()))
    assert (status, report["protected"]) == ((0, True) if has_sdk else (1, False)), report["reasons"]
