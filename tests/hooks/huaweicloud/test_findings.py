"""Findings outside the rows."""

from __future__ import annotations

from typing import Any

import pytest
from huaweicloudsdkobs import v1

from obs_sse_guard._hooks.huaweicloud.advice import HUAWEICLOUD, advise
from obs_sse_guard._policy.findings import CATALOGUE
from obs_sse_guard._policy.kms_uploads import kms_uploads
from obs_sse_guard._policy.request import RequestContext
from tests.support.guard import unguarded
from tests.support.hook_groups import disable_hooks
from tests.support.huaweicloud_calls import (
    BUCKET,
    KMS_ANSWER,
    PUT,
    SERVERS,
    by_invoker,
    by_model,
    each_client,
    invoke,
    model_for,
    obs_client,
    outcome,
    raw_headers,
    refused,
    sending,
)
from tests.support.records import fields_of, rules
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_silent, leaks
from tests.support.sse import ENCODED, KEY, MD5, OBS_KEY_HEADER, S3_KEY_HEADER

each_scheme = pytest.mark.parametrize("scheme", SERVERS)


@pytest.mark.parametrize("name", [f"x-obs-meta-{OBS_KEY_HEADER}", f"x-obs-meta-{S3_KEY_HEADER}"])
@each_scheme
@each_client
def test_a_key_in_user_metadata(kind: str, scheme: str, name: str) -> None:
    with SERVERS[scheme]() as server, obs_client(kind, server) as client:
        error = refused(outcome(by_invoker("PutObject", {name: ENCODED}), client), "key-misplaced")
        assert name in str(error)
        assert_silent(server)


@each_scheme
@each_client
def test_a_key_in_the_query(kind: str, scheme: str, policy: str, caplog: pytest.LogCaptureFixture) -> None:
    with SERVERS[scheme]() as server, obs_client(kind, server) as client:
        result = outcome(sending("GET", [(OBS_KEY_HEADER, ENCODED)], {}), client)
        if scheme == "http":
            refused(result, "table-1/GetObject")
        elif policy == "strict":
            refused(result, "key-in-url")
        else:
            assert rules(caplog) == ["key-in-url"]
            return
        assert_silent(server)


@each_client
def test_a_key_without_a_row(kind: str, http: RecordingServer) -> None:
    with obs_client(kind, http) as client:
        error = refused(outcome(sending("DELETE", [], raw_headers("SSE-C")), client), "key-in-clear")
        assert error.operation == "DELETE object"
        refused(outcome(sending("PUT", [("acl", "")], raw_headers("SSE-C")), client), "key-in-clear")
    assert_silent(http)


@each_client
def test_a_method_in_lower_case(kind: str, http: RecordingServer) -> None:
    with obs_client(kind, http) as client:
        refused(outcome(sending("put", [], raw_headers("SSE-C")), client), "table-1/PutObject")
    assert_silent(http)


@each_client
def test_the_other_dialect(kind: str, http: RecordingServer) -> None:
    with obs_client(kind, http) as client:
        refused(outcome(by_invoker("PutObject", raw_headers("SSE-C", stem="X-Amz-")), client), "table-1/PutObject")
    assert_silent(http)


@each_client
def test_headers_that_a_client_adds_to_every_request(
    kind: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    disable_hooks(monkeypatch, "huaweicloudsdkobs: each hop")
    with obs_client(kind, http) as client:
        client.preset_headers = raw_headers("SSE-C")
        error = refused(outcome(PUT, client), "table-1/PutObject")
    assert "Client.put_object" in error.call
    assert_silent(http)


@each_client
def test_headers_that_a_session_adds_to_every_request(kind: str, http: RecordingServer) -> None:
    with obs_client(kind, http) as client:
        client.get_http_client()._session.headers.update(raw_headers("SSE-C"))
        error = refused(outcome(PUT, client), "table-1/PutObject")
    assert "huaweicloud_calls.py" in error.call_site
    assert_silent(http)


@each_client
def test_a_bucket_with_sse_kms(kind: str, policy: str, http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    body = v1.CreateBucketRequestBody(location="region")
    fields = {"x_obs_server_side_encryption": "kms"}
    if "x_obs_server_side_encryption" not in v1.CreateBucketRequest.attribute_map:
        pytest.skip("this release has no encryption of buckets")
    with obs_client(kind, http) as client:
        result = outcome(
            lambda it: invoke(it, "create_bucket", v1.CreateBucketRequest(bucket_name=BUCKET, body=body, **fields)),
            client,
        )
    if policy == "strict":
        refused(result, "kms-in-clear")
        assert_silent(http)
    else:
        assert rules(caplog) == ["kms-in-clear"]


# ------------------------------------------------------------------------------ what is dropped


def _with_unknown_field(client: Any) -> Any:
    request = model_for("PutObject", {})
    request.x_amz_server_side_encryption_customer_key = ENCODED
    return invoke(client, "put_object", request)


@each_scheme
@each_client
def test_an_attribute_that_the_request_model_does_not_have(
    kind: str, scheme: str, policy: str, caplog: pytest.LogCaptureFixture
) -> None:
    with SERVERS[scheme]() as server:
        with unguarded(), obs_client(kind, server) as client:
            _with_unknown_field(client)
        assert not leaks(server.received, KEY)
        assert "encryption" not in repr(server.requests)
        before = len(server.requests)
        with obs_client(kind, server) as client:
            result = outcome(_with_unknown_field, client)
        if policy == "strict":
            error = refused(result, "sse-dropped")
            assert "x_amz_server_side_encryption_customer_key" in str(error)
            assert "huaweicloud_calls.py" in error.call_site
            assert len(server.requests) == before
        else:
            assert rules(caplog) == ["sse-dropped"]
            [fields] = fields_of(caplog)
            assert (fields["operation"], fields["endpoint"]) == ("PutObject", server.named_url)
            assert "attribute_map" in caplog.text


@each_client
def test_the_invoker_drops_it_too(kind: str, http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    request = model_for("PutObject", {})
    request.x_amz_server_side_encryption = "kms"
    with obs_client(kind, http) as client:
        getattr(client, f"put_object{'_async' if kind == 'async' else ''}_invoker")(request=request)
    assert rules(caplog) == ["sse-dropped"]


def test_attributes_that_are_not_set_drop_nothing(http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    request = model_for("PutObject", {})
    request.note, request.own_encryption = "of the application", None
    with obs_client("sync", http) as client:
        client.put_object(request)
    assert not caplog.records


# -------------------------------------------------------------------------------- what was read


@each_client
def test_an_object_read_in_clear(kind: str, http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    http.answer(lambda request: True, headers=KMS_ANSWER)
    with obs_client(kind, http) as client:
        by_model("HeadObject", {})(client)
        sending("GET", [("acl", "")], {})(client)
        PUT(client)
        assert not caplog.records
        by_model("GetObject", {})(client)
    assert rules(caplog) == ["read-in-clear"]
    [fields] = fields_of(caplog)
    assert (fields["operation"], fields["endpoint"]) == ("GetObject", http.named_url)
    assert "huaweicloud_calls.py" in fields["call_site"]


@each_client
def test_an_object_without_sse_kms_or_an_error(
    kind: str, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    with obs_client(kind, http) as client:
        by_model("GetObject", {})(client)
        http.answer(lambda request: True, 403, headers=KMS_ANSWER)
        assert isinstance(outcome(by_model("GetObject", {}), client), Exception)
    assert not caplog.records


@each_client
def test_an_object_read_over_tls(kind: str, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    https.answer(lambda request: True, headers=KMS_ANSWER)
    with obs_client(kind, https) as client:
        by_model("GetObject", {})(client)
    assert not caplog.records


@each_client
def test_a_part_of_an_upload_that_another_sdk_began(
    kind: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    kms_uploads.add("obs.test", BUCKET, "upload")
    part = sending("PUT", [("partNumber", "1"), ("uploadId", "upload")], {})
    other = sending("PUT", [("partNumber", "1"), ("uploadId", "another")], {})
    with obs_client(kind, http) as client:
        refused(outcome(part, client), "inferred-kms")
        assert_silent(http)
        other(client)
        disable_hooks(monkeypatch, "huaweicloudsdkobs: calls")
        error = outcome(part, client)
    assert len(http.requests) == (1 if isinstance(error, Exception) else 2)


# ---------------------------------------------------------------------------------- the advice


@pytest.mark.parametrize("finding", [*CATALOGUE, "table-1/PutObject"])
def test_every_finding_has_a_fix(finding: str) -> None:
    context = RequestContext(HUAWEICLOUD, "ObsClient.put_object", "PutObject", secure=False, host="obs.test")
    text = advise(context, finding)
    assert text.isascii()
    assert "{" not in text


def test_a_region_that_the_environment_overrides(http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUAWEICLOUD_SDK_REGION_OBS_MY_REGION", f"{http.named_url},https://other.test")
    with obs_client("sync", http) as client:
        error = refused(outcome(by_model("PutObject", raw_headers("SSE-C")), client), "table-1/PutObject")
    variable = "HUAWEICLOUD_SDK_REGION_OBS_MY_REGION"
    assert f"{variable}=https://obs.test   the http comes from {variable}" in str(error)
    assert MD5 not in str(error)
