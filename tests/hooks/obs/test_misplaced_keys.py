"""SSE objects in place of text or a mapping put the key in a header or metadata."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import obs
import pytest

from obs_sse_guard import SSETransportError
from tests.support import obs_calls
from tests.support.guard import MODE
from tests.support.obs_calls import (
    BUCKET,
    CONTENT,
    OBJECT,
    SOURCE_BUCKET,
    SOURCE_OBJECT,
    OwnSseCHeader,
    needs_https,
    open_client,
    put_sse_c,
    refused_at_once,
    sse_c,
)
from tests.support.records import rules
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_no_key, assert_silent, leaks
from tests.support.sse import ENCODED, KEY, OBS_KEY_HEADER

_VALUES: dict[str, Any] = {
    "putContent, metadata": lambda c: c.putContent(BUCKET, OBJECT, CONTENT, metadata={"sseHeader": sse_c()}),
    "initiateMultipartUpload, metadata": lambda c: c.initiateMultipartUpload(
        BUCKET, OBJECT, metadata={"sseHeader": sse_c()}
    ),
    "by position": lambda c: c.putContent(BUCKET, OBJECT, CONTENT, {"sseHeader": sse_c()}),
    "copyObject, metadata": lambda c: c.copyObject(
        SOURCE_BUCKET, SOURCE_OBJECT, BUCKET, OBJECT, metadata={"sseHeader": sse_c()}
    ),
    "setObjectMetadata": lambda c: c.setObjectMetadata(BUCKET, OBJECT, metadata={"sseHeader": sse_c()}),
    "a list": lambda c: c.putContent(BUCKET, OBJECT, CONTENT, metadata={"note": [sse_c()]}),
    "extensionHeaders": lambda c: c.getObjectMetadata(BUCKET, OBJECT, extensionHeaders={"sseHeader": sse_c()}),
    "deleteObject": lambda c: c.deleteObject(BUCKET, OBJECT, extensionHeaders={"sseHeader": sse_c()}),
    "private": lambda c: c._make_put_request(BUCKET, OBJECT, extensionHeaders={"note": sse_c()}),
    "setBucketFetchJob": lambda c: c.setBucketFetchJob(BUCKET, "http://a.test/", objectHeaders={"sseHeader": sse_c()}),
}


@pytest.mark.parametrize("scheme", ["http", pytest.param("https", marks=needs_https)])
@pytest.mark.parametrize("case", _VALUES)
def test_an_sse_object_as_a_value_is_a_misplaced_key(case: str, scheme: str) -> None:
    server_class = TlsRecordingServer if scheme == "https" else RecordingServer
    with server_class() as server, open_client("v2", server) as client:
        with pytest.raises(SSETransportError, match=r"\[key-misplaced\]") as caught:
            _VALUES[case](client)
        assert not leaks(str(caught.value), KEY)
        assert_silent(server)


def test_modify_file_can_nest_a_misplaced_key(http: RecordingServer) -> None:
    with open_client("v2", http) as client:
        if not hasattr(client, "modifyFile"):
            pytest.skip("not in this release of the SDK")
        for headers in ({"metadata": {"sseHeader": sse_c()}}, {"note": (sse_c(),)}):
            with pytest.raises(SSETransportError, match="key-misplaced"):
                client.modifyFile(BUCKET, OBJECT, 0, CONTENT, headers=headers)
    assert_silent(http)


@pytest.mark.parametrize(
    "value", [{"key": "a", "value": "b"}, {}, [], [1], 5, None, {"encryption": "kms", "key": "id"}]
)
def test_other_values_are_allowed(value: Any, http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    with open_client("v2", http) as client:
        client.putContent(BUCKET, OBJECT, CONTENT, metadata={"note": value})
    assert len(http.requests) == 1
    assert not caplog.records


@needs_https
def test_a_metadata_name_with_the_same_ending_is_allowed(https: RecordingServer) -> None:
    with open_client("v2", https) as client:
        metadata = {"my-server-side-encryption-customer-key": "alias-7"}
        assert client.putContent(BUCKET, OBJECT, CONTENT, metadata=metadata).status == 200


_IN_PLACE: dict[str, Any] = {
    "putContent, metadata": lambda c: c.putContent(BUCKET, OBJECT, CONTENT, metadata=sse_c()),
    "putContent, extensionHeaders": lambda c: c.putContent(BUCKET, OBJECT, CONTENT, extensionHeaders=sse_c()),
    "deleteObject, extensionHeaders": lambda c: c.deleteObject(BUCKET, OBJECT, extensionHeaders=sse_c()),
    "setObjectMetadata": lambda c: c.setObjectMetadata(BUCKET, OBJECT, metadata=sse_c()),
    "setBucketFetchJob": lambda c: c.setBucketFetchJob(BUCKET, "http://a.test/", objectHeaders=sse_c()),
    "modifyFile, headers": lambda c: c.modifyFile(BUCKET, OBJECT, 0, CONTENT, headers=sse_c()),
    "renameFile, headers": lambda c: c.renameFile(BUCKET, OBJECT, "new", headers=sse_c()),
    "private": lambda c: c._make_delete_request(BUCKET, OBJECT, extensionHeaders=sse_c()),
    "createSignedUrl, headers": lambda c: c.createSignedUrl("PUT", BUCKET, OBJECT, headers=sse_c()),
    "createSignedUrl, an object in headers": lambda c: c.createSignedUrl(
        "PUT", BUCKET, OBJECT, headers={"sseHeader": sse_c()}
    ),
    "createPostSignature": lambda c: c.createPostSignature(BUCKET, OBJECT, formParams=sse_c()),
}


@pytest.mark.parametrize("scheme", ["http", pytest.param("https", marks=needs_https)])
@pytest.mark.parametrize("case", _IN_PLACE)
def test_an_sse_object_in_place_of_headers_is_a_misplaced_key(case: str, scheme: str) -> None:
    """It is a dict, so the SDK would send the raw key as a header or metadata."""
    server_class = TlsRecordingServer if scheme == "https" else RecordingServer
    with server_class() as server, open_client("v2", server) as client:
        if not hasattr(client, case.partition(",")[0]) and "File" in case:
            pytest.skip("not in this release of the SDK")
        with pytest.raises(SSETransportError, match=r"\[key-misplaced\]") as caught:
            _IN_PLACE[case](client)
        assert not leaks(str(caught.value), KEY)
        assert_silent(server)


@needs_https
@pytest.mark.parametrize("sse", [sse_c, obs.SseKmsHeader.getInstance])
def test_an_sse_object_in_place_of_the_header_object_is_dropped(
    sse: Any, https: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    with open_client("v2", https) as client:
        client.putContent(BUCKET, OBJECT, CONTENT, headers=sse())
    assert rules(caplog) == ["sse-dropped"]
    assert not leaks(https.received, KEY)
    assert "headers" in caplog.text


@pytest.mark.parametrize("metadata", [{"encryption": "AES256", "key": "envelope-7"}, {"key": "a"}])
def test_metadata_with_these_names_is_allowed(
    metadata: Any, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    with open_client("v2", http) as client:
        assert client.putContent(BUCKET, OBJECT, CONTENT, metadata=metadata).status == 200
        assert client.putContent(BUCKET, OBJECT, CONTENT, metadata=obs.SseKmsHeader.getInstance("id")).status == 200
    assert not caplog.records


@pytest.mark.parametrize("scheme", ["http", pytest.param("https", marks=needs_https)])
@pytest.mark.parametrize("method", ["modifyFile", "renameFile"])
@pytest.mark.parametrize(
    "sse",
    [
        pytest.param(lambda: obs.SseCHeader.getInstance(KEY), id="object"),
        pytest.param(lambda: {"encryption": "AES256", "key": KEY}, id="dict"),
    ],
)
def test_key_misplaced_is_refused_over_any_transport(method: str, scheme: str, sse: Any, policy: str) -> None:
    server_class = TlsRecordingServer if scheme == "https" else RecordingServer
    with server_class() as server, obs_calls.open_client("obs", server) as client:
        if not hasattr(client, method):
            pytest.skip("this release of the SDK has no such method")
        arguments = {"headers": {"sseHeader": sse()}}
        with pytest.raises(SSETransportError) as caught:
            if method == "modifyFile":
                client.modifyFile(BUCKET, OBJECT, 0, CONTENT, **arguments)
            else:
                client.renameFile(BUCKET, OBJECT, "new", **arguments)
        assert_silent(server)
        row_speaks = method == "modifyFile" and scheme == "http" and isinstance(sse(), obs.SseCHeader)
        assert caught.value.rule == ("table-1/PutObject" if row_speaks else "key-misplaced")


@pytest.mark.parametrize("name", [f" {OBS_KEY_HEADER}", "x-obs-meta-x-amz-server-side-encryption-customer-key"])
def test_metadata_that_hides_a_key_is_refused(name: str, http: RecordingServer) -> None:
    with obs_calls.open_client("obs", http) as client, pytest.raises(SSETransportError) as caught:
        client.putContent(BUCKET, OBJECT, CONTENT, metadata={name: ENCODED})
    assert caught.value.rule in ("key-misplaced", "table-1/PutObject")
    assert_no_key(http, KEY)


@needs_https
def test_metadata_of_the_other_dialect_would_store_the_key(https: RecordingServer) -> None:
    with obs_calls.open_client("obs", https) as client, pytest.raises(SSETransportError, match="key-misplaced"):
        client.putContent(BUCKET, OBJECT, CONTENT, metadata={"x-amz-server-side-encryption-customer-key": ENCODED})
    assert_no_key(https, KEY)


_ARGUMENTS: dict[str, Any] = {
    "getObjectMetadata, versionId": lambda c, sse: c.getObjectMetadata(BUCKET, OBJECT, sse),
    "getObjectMetadata, origin": lambda c, sse: c.getObjectMetadata(BUCKET, OBJECT, origin=sse),
    "getObjectMetadata, requestHeaders": lambda c, sse: c.getObjectMetadata(BUCKET, OBJECT, requestHeaders=sse),
    "headObject, versionId": lambda c, sse: c.headObject(BUCKET, OBJECT, sse),
    "deleteObject, versionId": lambda c, sse: c.deleteObject(BUCKET, OBJECT, sse),
    "copyObject, versionId": lambda c, sse: c.copyObject(SOURCE_BUCKET, SOURCE_OBJECT, BUCKET, OBJECT, versionId=sse),
    "copyPart, copySourceRange": lambda c, sse: c.copyPart(BUCKET, OBJECT, 1, "id", "source/key", sse),
    "copyPart, partNumber": lambda c, sse: c.copyPart(BUCKET, OBJECT, sse, "id", "source/key"),
    "initiateMultipartUpload, contentType": lambda c, sse: c.initiateMultipartUpload(BUCKET, OBJECT, contentType=sse),
    "initiateMultipartUpload, acl": lambda c, sse: c.initiateMultipartUpload(BUCKET, OBJECT, sse),
    "uploadPart, md5": lambda c, sse: c.uploadPart(BUCKET, OBJECT, 1, "id", CONTENT, md5=sse),
    "uploadPart, uploadId": lambda c, sse: c.uploadPart(BUCKET, OBJECT, 1, sse, CONTENT),
    "putContent, objectKey": lambda c, sse: c.putContent(BUCKET, sse, CONTENT),
    "putContent, content": lambda c, sse: c.putContent(BUCKET, OBJECT, sse),
    "listObjects, prefix": lambda c, sse: c.listObjects(BUCKET, sse),
    "listObjects, bucketName": lambda c, sse: c.listObjects(sse),
    "setBucketQuota, quota": lambda c, sse: c.setBucketQuota(BUCKET, sse),
    "createSignedUrl, specialParam": lambda c, sse: c.createSignedUrl("GET", BUCKET, OBJECT, specialParam=sse),
    "createSignedUrl, objectKey": lambda c, sse: c.createSignedUrl("GET", BUCKET, sse),
    "bucketClient": lambda c, sse: c.bucketClient(BUCKET).getObjectMetadata(OBJECT, sse),
}


@pytest.mark.parametrize("scheme", ["http", pytest.param("https", marks=needs_https)])
@pytest.mark.parametrize("case", _ARGUMENTS)
def test_an_sse_object_in_any_other_argument_is_a_misplaced_key(
    case: str, scheme: str, policy: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The SDK would convert it to text; it is refused before any request is sent."""
    server_class = TlsRecordingServer if scheme == "https" else RecordingServer
    with server_class() as server, open_client("obs", server) as client:
        error = refused_at_once(_ARGUMENTS[case], client, sse_c())
        method, _, argument = case.partition(", ")
        row_speaks = method.startswith("copy") and (scheme, policy) == ("http", "strict")
        assert error.rule.startswith("table-" if row_speaks else "key-misplaced")
        assert not leaks(str(error), KEY)
        assert error.headers == ((argument,) if argument else ("versionId",))
        assert method == "bucketClient" or f"ObsClient.{method}" in str(error)
        assert_silent(server)
        monkeypatch.setenv(MODE, "warn")
        with contextlib.suppress(Exception):  # the SDK may reject it
            _ARGUMENTS[case](client, sse_c())
    assert "key-misplaced" in rules(caplog)
    assert not leaks(caplog.text, KEY)


_TEXTS: dict[str, Any] = {
    "versionId": lambda c, text: c.getObjectMetadata(BUCKET, OBJECT, versionId=text),
    "contentType": lambda c, text: c.initiateMultipartUpload(BUCKET, OBJECT, contentType=text),
    "Content-Type": lambda c, text: c.putContent(
        BUCKET, OBJECT, CONTENT, headers=obs.PutObjectHeader(contentType=text)
    ),
    "Range": lambda c, text: c.getObject(BUCKET, OBJECT, headers=obs.GetObjectHeader(range=text)),
    "beside a key": lambda c, text: c.putContent(
        BUCKET, OBJECT, CONTENT, headers=obs.PutObjectHeader(contentType=text, sseHeader=sse_c())
    ),
    "metadata": lambda c, text: c.putContent(BUCKET, OBJECT, CONTENT, metadata={"note": text}),
    "extensionHeaders": lambda c, text: c.deleteObject(BUCKET, OBJECT, extensionHeaders={"note": text}),
    "requestHeaders": lambda c, text: c.getObjectMetadata(BUCKET, OBJECT, requestHeaders=[text]),
    "private": lambda c, text: c._make_get_request(BUCKET, OBJECT, pathArgs={"versionId": text}),
    "prefix": lambda c, text: c.listObjects(BUCKET, prefix=text),
    "objectKey": lambda c, text: c.getObject(BUCKET, text),
    "objectKey beside metadata": lambda c, text: c.putContent(BUCKET, text, CONTENT, metadata={"a": "b"}),
    "createSignedUrl, objectKey": lambda c, text: c.createSignedUrl("GET", BUCKET, text),
    "createSignedUrl, specialParam": lambda c, text: c.createSignedUrl("GET", BUCKET, specialParam=text),
    "createSignedUrl, a name": lambda c, text: c.createSignedUrl("GET", BUCKET, queryParams={text: "a"}),
    "createPostSignature, objectKey": lambda c, text: c.createPostSignature(BUCKET, text),
    "a name": lambda c, text: c._make_get_request(BUCKET, OBJECT, pathArgs={text: None}),
    "a name and its value": lambda c, text: c.putContent(BUCKET, OBJECT, CONTENT, metadata={text: sse_c()}),
}


@pytest.mark.parametrize("scheme", ["http", pytest.param("https", marks=needs_https)])
@pytest.mark.parametrize("case", _TEXTS)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(lambda: str(sse_c()), id="str"),
        pytest.param(lambda: f"see {obs.SseCHeader(key=KEY, encryption='AES256')}", id="in a sentence, key first"),
        pytest.param(lambda: f"{obs.SseCHeader.getInstance(KEY.encode())}", id="bytes"),
    ],
)
def test_the_text_of_an_sse_object_is_a_misplaced_key(text: Any, case: str, scheme: str) -> None:
    server_class = TlsRecordingServer if scheme == "https" else RecordingServer
    with server_class() as server, open_client("v2", server) as client:
        error = refused_at_once(_TEXTS[case], client, text())
        row_speaks = case == "beside a key" and scheme == "http"
        assert error.rule == ("table-1/PutObject" if row_speaks else "key-misplaced")
        assert not leaks(str(error), KEY)
        assert_silent(server)


@pytest.mark.parametrize("template", ["{}", "x-{}-y", "{}" + "a" * 100_000], ids=["alone", "within", "a long one"])
@pytest.mark.parametrize("key", [KEY, "c0ffee00" * 4, "a-short-KEY", ENCODED], ids=["raw", "hex", "short", "encoded"])
def test_a_key_in_a_name_is_not_shown(key: str, template: str, http: RecordingServer) -> None:
    name, sse = template.format(key), obs.SseCHeader(encryption="AES256", key=key)
    with open_client("v2", http) as client:
        errors = [
            refused_at_once(lambda: client.deleteObject(BUCKET, OBJECT, extensionHeaders={name: sse, "note": sse})),
            refused_at_once(client.putContent, BUCKET, OBJECT, CONTENT, {name: sse, "note": sse}),
        ]
    for error in errors:
        assert {*error.headers} == {"(a name that may contain a key)", "note"}
        assert key.lower() not in f"{error!s} {error!r}".lower()
    assert_silent(http)


@pytest.mark.parametrize("prefix", ["x-obs-", "x-obs-meta-x-amz-"])
def test_the_name_of_an_encryption_header_is_shown(prefix: str, http: RecordingServer) -> None:
    name, sse = f"{prefix}server-side-encryption-customer-key", obs.SseCHeader(encryption="AES256", key=KEY)
    with open_client("v2", http) as client:
        error = refused_at_once(lambda: client.deleteObject(BUCKET, OBJECT, extensionHeaders={name: sse}))
    assert {*error.headers} == {name}
    assert not leaks(str(error), KEY)
    assert_silent(http)


@pytest.mark.parametrize(
    "text",
    [
        str(obs.SseKmsHeader.getInstance("an-id")),
        str(obs.SseKmsHeader(key="an-id", encryption="kms")),
        '{"encryption": "AES256", "key": "wrapped"}',
        "encryption",
        "{'key': 'value'}",
    ],
)
def test_other_text_is_allowed(text: str, http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    with open_client("v2", http) as client:
        plain = [case for case in _TEXTS if case not in ("beside a key", "a name and its value")]
        for case in plain:
            _TEXTS[case](client, text)
    assert len(http.requests) == len([case for case in plain if not case.startswith("create")])
    assert not caplog.records


@pytest.mark.parametrize("key", [OwnSseCHeader(encryption="AES256", key=KEY), [sse_c()]], ids=["subclass", "list"])
def test_what_the_sdk_turns_into_an_object_key_is_a_misplaced_key(key: Any, http: RecordingServer) -> None:
    with open_client("v2", http) as client:
        assert refused_at_once(client.getObjectMetadata, BUCKET, key).rule == "key-misplaced"
    assert_silent(http)


@needs_https
def test_a_private_method_that_skips_the_request_hook_is_judged_at_the_connection(https: RecordingServer) -> None:
    with open_client("v2", https) as client:
        headers = {"note": str(sse_c())}
        with pytest.raises(SSETransportError, match="key-misplaced"):
            client._send_request("127.0.0.1", "PUT", "/bucket/key", headers, port=https.port)
    assert_no_key(https, KEY)


def test_an_sse_object_in_a_list_of_headers_is_a_misplaced_key(http: RecordingServer) -> None:
    option = obs.Options(origin="a.test", accessControlRequestMethods=[sse_c()])
    with open_client("v2", http) as client:
        assert refused_at_once(client.optionsObject, BUCKET, OBJECT, option).rule == "key-misplaced"
        error = refused_at_once(lambda: client.getObjectMetadata(BUCKET, OBJECT, None, None, None, [sse_c()]))
        assert error.rule == "key-misplaced"
    assert_silent(http)


def test_a_misplaced_key_beside_a_proper_one_is_named(https: RecordingServer) -> None:
    with open_client("v2", https) as client:
        error = refused_at_once(lambda: client.getObjectMetadata(BUCKET, OBJECT, sse_c(), sse_c()))
    assert (error.rule, error.headers[0]) == ("key-misplaced", "versionId")


@needs_https
def test_a_long_name_is_searched_in_linear_time(https: RecordingServer) -> None:
    """Quadratic time would be about twenty seconds."""
    with open_client("v2", https) as client:
        before = time.thread_time()
        assert put_sse_c(client, metadata={"meta-" * 100_000: "a"}).status == 200
        assert time.thread_time() - before < 5
