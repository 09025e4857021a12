"""Presigned URLs and POST policies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import minio
import pytest

from tests.support import oracle
from tests.support.guard import unguarded
from tests.support.minio_calls import (
    BUCKET,
    OBJECT,
    SERVERS,
    asking,
    client_for,
    new_policy,
    outcome,
    raw_headers,
    refused,
)
from tests.support.records import rules
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_silent, leaks
from tests.support.sse import KEY

QUERY = raw_headers("SSE-C")
Sign = Callable[[Any, dict[str, str]], Any]
SIGNERS: dict[str, tuple[Sign, str]] = {
    "get: extra_query_params": (
        lambda client, query: client.presigned_get_object(BUCKET, OBJECT, extra_query_params=dict(query)),
        "GetObject",
    ),
    "get: response_headers": (
        lambda client, query: client.presigned_get_object(BUCKET, OBJECT, response_headers=dict(query)),
        "GetObject",
    ),
    "any: positional": (
        lambda client, query: client.get_presigned_url(
            "PUT", BUCKET, OBJECT, timedelta(hours=1), None, None, None, dict(query)
        ),
        "PutObject",
    ),
    "any: head": (
        lambda client, query: client.get_presigned_url("HEAD", BUCKET, OBJECT, extra_query_params=dict(query)),
        "HeadObject",
    ),
    "any: initiate": (
        lambda client, query: client.get_presigned_url(
            "POST", BUCKET, OBJECT, extra_query_params={"uploads": "", **query}
        ),
        "InitiateMultipartUpload",
    ),
    "any: no row": (
        lambda client, query: client.get_presigned_url("DELETE", BUCKET, OBJECT, extra_query_params=dict(query)),
        "",
    ),
}
each_signer = pytest.mark.parametrize("name", SIGNERS)


@pytest.mark.parametrize("region", ["us-east-1", None], ids=["region", "no region"])
@pytest.mark.parametrize("scheme", SERVERS)
@each_signer
def test_a_key_in_a_url(
    name: str, scheme: str, region: str | None, policy: str, caplog: pytest.LogCaptureFixture
) -> None:
    sign, operation = SIGNERS[name]
    with SERVERS[scheme]() as server:
        result = outcome(client_for(server, region=region), lambda client: sign(client, QUERY))
        if scheme == "http":
            refused(result, f"table-1/{operation}" if operation else "key-in-clear")
            assert_silent(server)
        elif policy == "strict":
            error = refused(result, "key-in-url")
            assert error.call == "Minio.get_presigned_url"
            assert "extra_query_params=" in str(error)
            assert_silent(server)
        else:
            assert leaks(result, KEY)
            assert rules(caplog) == ["key-in-url"]
        assert not leaks(caplog.text, KEY)


@each_signer
def test_sse_kms_in_a_url(name: str, http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    sign, operation = SIGNERS[name]
    result = outcome(client_for(http), lambda client: sign(client, raw_headers("SSE-KMS")))
    row = oracle.row_of(operation, "none", "SSE-KMS")
    if row is not None and oracle.outcome(row, "http") == oracle.REFUSED:
        refused(result, row.id)
    else:
        assert isinstance(result, str)
        assert rules(caplog) == ([] if row else ["kms-in-clear"])


@pytest.mark.parametrize("scheme", SERVERS)
def test_urls_without_encryption(scheme: str, caplog: pytest.LogCaptureFixture) -> None:
    with SERVERS[scheme]() as server:
        client = client_for(server)
        assert client.presigned_get_object(BUCKET, OBJECT).startswith(server.url)
        assert client.presigned_put_object(BUCKET, OBJECT, timedelta(hours=1)).startswith(server.url)
        assert client.get_presigned_url("GET", BUCKET, OBJECT, extra_query_params={"partNumber": "1"})
        assert client.presigned_post_policy(new_policy())
        assert not caplog.records
        assert_silent(server)


def test_sse_kms_over_https_is_silent(https: TlsRecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    client = client_for(https)
    for sign, _ in SIGNERS.values():
        assert sign(client, raw_headers("SSE-KMS"))
    asking("PostObject", "SSE-KMS")(client)
    assert not caplog.records


@pytest.mark.parametrize("scheme", SERVERS)
@pytest.mark.parametrize("keyword", [False, True])
def test_a_key_in_a_policy(scheme: str, keyword: bool, policy: str, caplog: pytest.LogCaptureFixture) -> None:
    form = new_policy()
    for name, value in QUERY.items():
        form.add_equals_condition(name, value)
    with SERVERS[scheme]() as server:
        client = client_for(server)
        result = outcome(
            client,
            lambda client: client.presigned_post_policy(policy=form) if keyword else client.presigned_post_policy(form),
        )
        if scheme == "http":
            assert refused(result, "table-1/PostObject").call == "Minio.presigned_post_policy"
        elif policy == "strict":
            refused(result, "key-in-url")
        else:
            assert result["policy"]
            assert rules(caplog) == ["key-in-url"]
        assert_silent(server)


def test_a_condition_that_starts_with(http: RecordingServer) -> None:
    form = new_policy()
    form._conditions["starts-with"]["x-obs-server-side-encryption-customer-key"] = KEY  # the SDK refuses only x-amz-
    refused(outcome(client_for(http), lambda client: client.presigned_post_policy(form)), "table-1/PostObject")


BAD: dict[str, Callable[[Any], Any]] = {
    "bucket": lambda client: client.get_presigned_url("GET", "Bad Bucket", OBJECT, extra_query_params=QUERY),
    "object": lambda client: client.presigned_get_object(BUCKET, "", extra_query_params=QUERY),
    "expires": lambda client: client.presigned_get_object(BUCKET, OBJECT, timedelta(days=8), extra_query_params=QUERY),
    "missing argument": lambda client: client.get_presigned_url("GET", BUCKET, extra_query_params=QUERY),
    "no policy": lambda client: client.presigned_post_policy("a policy"),
    "missing policy": lambda client: client.presigned_post_policy(),
    "no client": lambda _: minio.Minio.presigned_post_policy(),  # type: ignore[call-arg]
    "anonymous": lambda client: _anonymous(client).presigned_post_policy(_policy_with_key()),
}


def _policy_with_key() -> Any:
    form = new_policy()
    for name, value in QUERY.items():
        form.add_equals_condition(name, value)
    return form


def _anonymous(client: Any) -> Any:
    return minio.Minio(client._base_url.host, secure=False)


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_stay_the_errors_of_the_sdk(
    name: str, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    def shown() -> str:
        error = outcome(client_for(http), BAD[name])
        assert isinstance(error, Exception), error
        return f"{type(error)} {error}"

    with unguarded():
        expected = shown()
    assert shown() == expected
    assert "SSETransportError" not in expected
    assert not caplog.records


@each_signer
def test_what_is_allowed_is_signed_as_without_the_guard(name: str, https: TlsRecordingServer) -> None:
    def signed() -> str:
        query = {**QUERY, "X-Amz-Date": ""}
        return str(SIGNERS[name][0](client_for(https), query)).partition("X-Amz-Date")[0]

    with unguarded():
        expected = signed()
    assert signed() == expected
