"""Each SDK's fix of a finding: code to copy, with the caller's own host."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

import pytest

from obs_sse_guard._enforcement.message import REMARK
from obs_sse_guard._hooks.aiobotocore import AIOBOTOCORE
from obs_sse_guard._hooks.botocore.advice import BOTOCORE, REWRITTEN
from obs_sse_guard._hooks.crt import CRT
from obs_sse_guard._hooks.http.advice import AIOHTTP, HTTP_CLIENT, HTTPX
from obs_sse_guard._hooks.huaweicloud.advice import HUAWEICLOUD
from obs_sse_guard._hooks.huaweicloud.advice import REWRITTEN as BY_A_HANDLER
from obs_sse_guard._hooks.minio.advice import HTTP_CLIENT as BY_A_POOL
from obs_sse_guard._hooks.minio.advice import MINIO
from obs_sse_guard._hooks.obs.advice import ESDK
from obs_sse_guard._hooks.stores.advice import DELTALAKE, LANCE, OBSTORE, POLARS
from obs_sse_guard._policy.findings import CATALOGUE
from tests.support.contexts import put_with_key

if TYPE_CHECKING:
    from obs_sse_guard._policy.request import SDK

ENDPOINT = {"origin": "comes from endpoint_url="}
OPTION = {"origin": "endpoint"}
URL = "https://obs.test"
SDKS = (ESDK, BOTOCORE, AIOBOTOCORE, CRT, HUAWEICLOUD, MINIO, HTTP_CLIENT, HTTPX, AIOHTTP)
STORES = (OBSTORE.sdk, POLARS.sdk, DELTALAKE.sdk, LANCE.sdk)


def fix(sdk: SDK, finding: str, **known: Any) -> str:
    return sdk.advise(put_with_key(sdk=sdk, **{"origin": OPTION["origin"] if sdk in STORES else "", **known}), finding)


@pytest.mark.parametrize(
    ("sdk", "known", "code"),
    [
        (ESDK, {}, f'ObsClient(server="{URL}")'),
        (BOTOCORE, ENDPOINT, f'boto3.client("s3", endpoint_url="{URL}")'),
        (BOTOCORE, {"origin": "comes from AWS_ENDPOINT_URL"}, f"AWS_ENDPOINT_URL={URL}"),
        (BOTOCORE, {"origin": "comes from AWS_ENDPOINT_URL_S3"}, f"AWS_ENDPOINT_URL_S3={URL}"),
        (BOTOCORE, {"origin": "comes from use_ssl=False"}, 'boto3.client("s3", use_ssl=True)'),
        (BOTOCORE, {"origin": REWRITTEN}, "keep the https:// of the URL"),
        (AIOBOTOCORE, ENDPOINT, f'session.create_client("s3", endpoint_url="{URL}")'),
        (CRT, {}, "create_s3_crt_client(..., use_ssl=True)"),
        (HUAWEICLOUD, {}, f'ObsClient.new_builder().with_endpoint("{URL}")'),
        (HUAWEICLOUD, {"origin": BY_A_HANDLER}, 'request.schema = "https"'),
        (MINIO, {}, 'Minio("obs.test", secure=True)'),
        (MINIO, {"port": 9000}, 'Minio("obs.test:9000", secure=True)'),
        (MINIO, {"port": 80}, 'Minio("obs.test", secure=True)'),
        (MINIO, {"origin": BY_A_POOL}, 'Minio("obs.test", http_client=None)'),
        (HTTP_CLIENT, {}, f"use an https:// URL: {URL}"),
        (HTTPX, {}, f"use an https:// URL: {URL}"),
        (AIOHTTP, {}, f"use an https:// URL: {URL}"),
        (OBSTORE.sdk, OPTION, f'S3Store(..., endpoint="{URL}")'),
        (POLARS.sdk, {"origin": "aws_endpoint_url_s3"}, f'storage_options={{"aws_endpoint_url_s3": "{URL}"}}'),
        (POLARS.sdk, {"origin": "endpoint_url in the AWS configuration file"}, f"endpoint_url = {URL}"),
        (DELTALAKE.sdk, OPTION, f'storage_options={{"aws_endpoint": "{URL}"}}'),
        (LANCE.sdk, OPTION, f'storage_options={{"aws_endpoint": "{URL}"}}'),
    ],
)
def test_a_plaintext_endpoint_is_fixed_where_it_comes_from(sdk: SDK, known: dict[str, Any], code: str) -> None:
    written, _, remark = fix(sdk, "table-1/PutObject", **known).partition(REMARK)
    assert written == code
    origin = known.get("origin", "")
    assert origin.partition("; ")[0] in remark


def test_a_variable_of_the_environment_is_fixed_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT", "http://obs.test")
    assert fix(POLARS.sdk, "table-1/PutObject", origin="AWS_ENDPOINT") == (
        f"AWS_ENDPOINT={URL}   the http comes from AWS_ENDPOINT"
    )


@pytest.mark.parametrize(
    ("dropped", "encryption"), [("aws_sse_customer_key_base64", "sse-c"), ("aws_sse_kms_key_id", "aws:kms")]
)
def test_the_encryption_that_the_ignored_option_needs(dropped: str, encryption: str) -> None:
    assert f'server_side_encryption="{encryption}")' in fix(OBSTORE.sdk, "sse-dropped", dropped=(dropped,))


def test_a_certificate_is_verified() -> None:
    assert fix(OBSTORE.sdk, "unverified-tls").startswith(
        'S3Store(..., client_options={"allow_invalid_certificates": False})'
    )
    assert fix(POLARS.sdk, "unverified-tls").startswith('storage_options={"allow_invalid_certificates": "false"}')


@pytest.mark.parametrize("sdk", [ESDK, BOTOCORE, AIOBOTOCORE, HUAWEICLOUD, MINIO], ids=lambda sdk: sdk.name)
def test_a_redirect_to_plaintext_is_fixed_at_the_service(sdk: SDK) -> None:
    assert fix(sdk, "downgraded-redirect").startswith(f"make the service redirect to {URL}{REMARK}")


@pytest.mark.parametrize("finding", CATALOGUE)
@pytest.mark.parametrize("sdk", [*SDKS, *STORES], ids=lambda sdk: sdk.name)
def test_every_fix_is_one_line_of_ascii_without_placeholders(sdk: SDK, finding: str) -> None:
    text = fix(sdk, finding, secure=finding in ("unverified-tls", "key-in-url"))
    assert text.isascii()
    assert text.isprintable()
    assert not re.search(r"\{(url|host|make|port|name)\}", text)
    assert text.count(REMARK) <= 1
    code = text.partition(REMARK)[0]
    if code.endswith(")"):
        ast.parse(code)
