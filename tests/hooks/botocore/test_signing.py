"""Signed URLs and POST forms, by the client and by its signers.

By default, botocore signs URLs with HMAC-SHA1, which writes the customer key into the URL. The newer
signature signs only the name of the header.
"""

from __future__ import annotations

import base64
import inspect
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.signers import S3PostPresigner

from obs_sse_guard import SSETransportError
from tests.support.guard import POLICY, unguarded
from tests.support.records import rules
from tests.support.s3_calls import (
    ACCESS_KEY,
    BUCKET,
    NAMES,
    OBJECT,
    REGION,
    SECRET_KEY,
    SERVERS,
    UPLOAD_ID,
    Call,
    customer,
    each_sdk,
    outcome,
    posting,
    raw_headers,
    refused,
    steady,
)
from tests.support.servers import RecordingServer, TlsRecordingServer, assert_silent, leaks
from tests.support.sse import ENCODED, KEY, S3_KEY_HEADER

each_policy = pytest.mark.parametrize("policy", ["documented", "strict"])

INTO_THE_URL = {"HMAC-SHA1": "s3", "the default": None}
"""The signatures that write the key into the URL."""
SIGNATURES = {**INTO_THE_URL, "version 4": "s3v4"}

each_signature = pytest.mark.parametrize("signature", SIGNATURES)


def url_for(method: str, encryption: str = "none", **more: Any) -> Call:
    """Return the call that signs a URL for a method of the client."""
    parameters = {"Bucket": BUCKET, "Key": OBJECT, **customer(encryption), **more}
    return lambda client: client.generate_presigned_url(method, Params=parameters)


_PART = {"UploadId": UPLOAD_ID, "PartNumber": 1}
URLS: dict[str, tuple[Call, str]] = {
    "put_object, SSE-C": (url_for("put_object", "SSE-C"), "table-1/PutObject"),
    "get_object, SSE-C": (url_for("get_object", "SSE-C"), "table-1/GetObject"),
    "head_object, SSE-C": (url_for("head_object", "SSE-C"), "table-1/HeadObject"),
    "upload_part, SSE-C": (url_for("upload_part", "SSE-C", **_PART), "table-1/UploadPart"),
    "create_multipart_upload, SSE-C": (
        url_for("create_multipart_upload", "SSE-C"),
        "table-1/InitiateMultipartUpload",
    ),
    "copy_object, SSE-C": (
        url_for("copy_object", "SSE-C", CopySource={"Bucket": "source", "Key": OBJECT}),
        "table-3/none-to-SSE-C",
    ),
    "list_parts, SSE-C": (url_for("list_parts", "SSE-C", UploadId=UPLOAD_ID), "key-in-clear"),
    "put_object, SSE-KMS": (url_for("put_object", "SSE-KMS"), "table-2/PutObject"),
    "create_multipart_upload, SSE-KMS": (
        url_for("create_multipart_upload", "SSE-KMS"),
        "table-2/InitiateMultipartUpload",
    ),
}
each_url = pytest.mark.parametrize("name", URLS)
WITH_KEY = [name for name in URLS if name.endswith("SSE-C")]


def _signed(sdk: str, server: RecordingServer, call: Call, signature: str) -> Any:
    return outcome(sdk, server, call, signature_version=SIGNATURES[signature])


# ------------------------------------------------------------------------------------- URLs


@pytest.mark.thinned
@each_signature
@each_sdk
@pytest.mark.parametrize("scheme", SERVERS)
@pytest.mark.parametrize("name", WITH_KEY)
def test_which_signatures_write_the_key_into_the_url(name: str, scheme: str, sdk: str, signature: str) -> None:
    with SERVERS[scheme]() as server, unguarded():
        url = _signed(sdk, server, URLS[name][0], signature)
    assert url.startswith(scheme)
    assert bool(leaks(url, KEY)) == (signature in INTO_THE_URL)


@pytest.mark.thinned
@each_signature
@each_sdk
@each_url
def test_nothing_is_signed_for_plaintext(
    name: str, sdk: str, signature: str, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    call, rule = URLS[name]
    error = refused(_signed(sdk, http, call, signature), rule)
    assert (error.sdk, error.scheme, error.endpoint) == (NAMES[sdk], "http", http.url)
    assert error.call == "S3.generate_presigned_url"
    assert not caplog.records
    assert_silent(http)


@pytest.mark.thinned
@each_policy
@each_sdk
@pytest.mark.parametrize("signature", INTO_THE_URL)
@pytest.mark.parametrize("name", WITH_KEY)
def test_key_in_url_over_https(
    name: str,
    signature: str,
    sdk: str,
    policy: str,
    https: TlsRecordingServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(POLICY, policy)
    call = URLS[name][0]
    with unguarded():
        expected = _signed(sdk, https, call, signature)
    url = _signed(sdk, https, call, signature)
    if policy == "strict":
        error = refused(url, "key-in-url")
        assert 'signature_version="s3v4"' in str(error)
        assert not caplog.records
    else:
        assert steady(url) == steady(expected)
        assert rules(caplog) == ["key-in-url"]
        assert not leaks(caplog.text, KEY)


@pytest.mark.thinned
@each_policy
@each_sdk
@each_url
def test_a_url_without_a_key_is_signed_over_https(
    name: str,
    sdk: str,
    policy: str,
    https: TlsRecordingServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(POLICY, policy)
    call = URLS[name][0]
    with unguarded():
        expected = _signed(sdk, https, call, "version 4")
    assert steady(_signed(sdk, https, call, "version 4")) == steady(expected)
    assert not caplog.records


@pytest.mark.thinned
@each_signature
@each_sdk
@pytest.mark.parametrize("scheme", SERVERS)
def test_urls_without_encryption_are_signed_as_before(
    scheme: str, sdk: str, signature: str, caplog: pytest.LogCaptureFixture
) -> None:
    with SERVERS[scheme]() as server:
        with unguarded():
            expected = _signed(sdk, server, url_for("get_object"), signature)
        assert steady(_signed(sdk, server, url_for("get_object"), signature)) == steady(expected)
    assert not caplog.records


@each_signature
@each_sdk
def test_a_key_that_a_handler_adds_before_signing_is_detected(
    signature: str, sdk: str, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The handler runs after the client's hook: only the signer's hook sees the key."""

    def sign(client: Any) -> Any:
        def add(params: Any, **_: Any) -> None:
            params.update(customer())

        client.meta.events.register("before-parameter-build.s3.GetObject", add)
        return url_for("get_object")(client)

    refused(_signed(sdk, http, sign, signature), "table-1/GetObject")


@each_sdk
def test_a_key_that_a_handler_adds_to_the_signed_request_is_detected(
    sdk: str, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    def sign(client: Any) -> Any:
        def add(request: Any, **_: Any) -> None:
            request.headers[S3_KEY_HEADER] = ENCODED

        client.meta.events.register("before-sign.s3.GetObject", add)
        return url_for("get_object")(client)

    assert leaks(_signed(sdk, https, sign, "HMAC-SHA1"), KEY)
    assert rules(caplog) == ["key-in-url"]


@each_sdk
def test_a_handler_that_rewrites_the_url_to_plaintext_is_detected(
    sdk: str, https: TlsRecordingServer, http: RecordingServer
) -> None:
    def sign(client: Any) -> Any:
        def to_plaintext(request: Any, **_: Any) -> None:
            request.url = request.url.replace(https.url, http.url)
            request.headers[S3_KEY_HEADER] = ENCODED

        client.meta.events.register("before-sign.s3.GetObject", to_plaintext)
        return url_for("get_object")(client)

    for signature in SIGNATURES:
        refused(_signed(sdk, https, sign, signature), "table-1/GetObject")


# ------------------------------------------------------------------------------------ forms


_IN_CONDITIONS = {
    "fields and conditions": posting(raw_headers("SSE-C")),
    "eq": lambda client: client.generate_presigned_post(
        BUCKET, OBJECT, Conditions=[["eq", f"${S3_KEY_HEADER.upper()}", ENCODED]]
    ),
}
_IN_FIELDS = {
    "fields alone": lambda client: client.generate_presigned_post(BUCKET, OBJECT, Fields=raw_headers("SSE-C")),
}
_WITHOUT_KEY = {
    "starts-with": lambda client: client.generate_presigned_post(
        BUCKET, OBJECT, Conditions=[["starts-with", f"${S3_KEY_HEADER}", ""]]
    ),
}
FORMS: dict[str, Call] = {**_IN_CONDITIONS, **_IN_FIELDS, **_WITHOUT_KEY}


def _texts(form: dict[str, Any]) -> str:
    """Return the fields of a form, with its policy decoded."""
    return repr(form) + base64.b64decode(form["fields"]["policy"]).decode()


@pytest.mark.thinned
@each_signature
@each_sdk
@pytest.mark.parametrize("name", _IN_CONDITIONS)
def test_the_policy_contains_the_key(name: str, sdk: str, signature: str, http: RecordingServer) -> None:
    with unguarded():
        form = _signed(sdk, http, FORMS[name], signature)
    assert leaks(base64.b64decode(form["fields"]["policy"]), KEY)


@pytest.mark.thinned
@each_signature
@each_sdk
@pytest.mark.parametrize("name", FORMS)
def test_no_form_with_ssec_is_signed_for_plaintext(name: str, sdk: str, signature: str, http: RecordingServer) -> None:
    error = refused(_signed(sdk, http, FORMS[name], signature), "table-1/PostObject")
    assert (error.operation, error.sdk) == ("PostObject", NAMES[sdk])
    assert error.call == "S3.generate_presigned_post"


@each_sdk
def test_no_form_with_kms_is_signed_for_plaintext(sdk: str, http: RecordingServer) -> None:
    form = posting(raw_headers("SSE-KMS"))
    refused(outcome(sdk, http, form), "table-2/PostObject")


@pytest.mark.thinned
@each_policy
@each_signature
@each_sdk
@pytest.mark.parametrize("name", [*_IN_CONDITIONS, *_WITHOUT_KEY])
def test_a_key_in_a_policy_over_https(
    name: str,
    sdk: str,
    signature: str,
    policy: str,
    https: TlsRecordingServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(POLICY, policy)
    form = _signed(sdk, https, FORMS[name], signature)
    if name in _WITHOUT_KEY:
        assert not leaks(_texts(form), KEY)
        assert not caplog.records
    elif policy == "strict":
        refused(form, "key-in-url")
    else:
        assert leaks(_texts(form), KEY)
        assert rules(caplog) == ["key-in-url"]


@pytest.mark.thinned
@each_sdk
def test_forms_without_a_key_are_signed_over_https(
    sdk: str, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    for form in (posting({}), posting(raw_headers("SSE-KMS"))):
        assert set(outcome(sdk, https, form)) == {"url", "fields"}
    assert not caplog.records


# -------------------------------------------------------------------- the signers called directly


def _request_dict(client: Any, url: str, headers: dict[str, str]) -> dict[str, Any]:
    context = {
        "client_region": REGION,
        "client_config": client.meta.config,
        "has_streaming_input": False,
        "auth_type": None,
        "is_presign_request": True,
    }
    path = f"/{BUCKET}/{OBJECT}"
    shared = {"url_path": path, "query_string": {}, "method": "GET", "body": b"", "context": context}
    return {**shared, "url": url + path, "headers": headers}


def _by_request_signer(server: RecordingServer) -> Call:
    return lambda client: client._request_signer.generate_presigned_url(
        _request_dict(client, server.url, raw_headers("SSE-C")), "GetObject", expires_in=60
    )


def _by_keywords(server: RecordingServer) -> Call:
    return lambda client: client._request_signer.generate_presigned_url(
        operation_name="GetObject", request_dict=_request_dict(client, server.url, raw_headers("SSE-C"))
    )


def _by_sign(server: RecordingServer) -> Call:
    def sign(client: Any) -> Any:
        parts = _request_dict(client, server.url, raw_headers("SSE-C"))
        request = AWSRequest("GET", parts["url"], headers=parts["headers"])
        request.context.update(parts["context"])
        signing = client._request_signer.sign("GetObject", request, signing_type="presign-url", expires_in=60)

        async def signed() -> str:
            await signing
            return str(request.url)

        return signed() if inspect.isawaitable(signing) else request.url

    return sign


SIGNERS: dict[str, Callable[[RecordingServer], Call]] = {
    "generate_presigned_url": _by_request_signer,
    "generate_presigned_url by keywords": _by_keywords,
    "sign": _by_sign,
}


@each_signature
@each_sdk
@pytest.mark.parametrize("name", SIGNERS)
def test_the_request_signer_by_itself(
    name: str, sdk: str, signature: str, http: RecordingServer, https: TlsRecordingServer
) -> None:
    with unguarded():
        expected = _signed(sdk, https, SIGNERS[name](https), signature)
        assert bool(leaks(expected, KEY)) == (signature in INTO_THE_URL)
    refused(_signed(sdk, http, SIGNERS[name](http), signature), "table-1/GetObject")
    assert steady(_signed(sdk, https, SIGNERS[name](https), signature)) == steady(expected)


@each_sdk
@pytest.mark.parametrize("name", SIGNERS)
def test_the_request_signer_and_a_key_in_the_url(
    name: str,
    sdk: str,
    https: TlsRecordingServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert leaks(_signed(sdk, https, SIGNERS[name](https), "HMAC-SHA1"), KEY)
    assert rules(caplog) == ["key-in-url"]
    monkeypatch.setenv(POLICY, "strict")
    refused(_signed(sdk, https, SIGNERS[name](https), "HMAC-SHA1"), "key-in-url")


def _post_presigner(sdk: str) -> Any:
    if sdk == "boto3":
        return S3PostPresigner
    from aiobotocore.signers import AioS3PostPresigner

    return AioS3PostPresigner


def _by_post_presigner(sdk: str, server: RecordingServer) -> Call:
    def sign(client: Any) -> Any:
        request_dict = _request_dict(client, server.url, {})
        fields = raw_headers("SSE-C")
        return _post_presigner(sdk)(client._request_signer).generate_presigned_post(
            request_dict, fields=fields, conditions=[{name: value} for name, value in fields.items()]
        )

    return sign


@each_signature
@each_sdk
def test_the_post_presigner_by_itself(
    sdk: str,
    signature: str,
    http: RecordingServer,
    https: TlsRecordingServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with unguarded():
        assert leaks(_texts(_signed(sdk, http, _by_post_presigner(sdk, http), signature)), KEY)
    refused(_signed(sdk, http, _by_post_presigner(sdk, http), signature), "table-1/PostObject")
    assert not caplog.records
    assert leaks(_texts(_signed(sdk, https, _by_post_presigner(sdk, https), signature)), KEY)
    assert rules(caplog) == ["key-in-url"]


class _OwnQueryAuth(botocore.auth.BaseSigner):  # type: ignore[misc,name-defined,unused-ignore]
    """A signer of the application, which writes all headers into the URL."""

    def __init__(self, credentials: Any, *_: Any, **__: Any) -> None:
        self.credentials = credentials

    def add_auth(self, request: Any) -> None:
        request.url += "?" + urlencode(dict(request.headers.items()))


class _OwnPostAuth(_OwnQueryAuth):
    def add_auth(self, request: Any) -> None:
        request.context["s3-presign-post-fields"]["policy"] = ""


@each_sdk
def test_a_signer_of_the_application(
    sdk: str,
    http: RecordingServer,
    https: TlsRecordingServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setitem(botocore.auth.AUTH_TYPE_MAPS, "own-query", _OwnQueryAuth)
    monkeypatch.setitem(botocore.auth.AUTH_TYPE_MAPS, "own-presign-post", _OwnPostAuth)
    url, form = url_for("get_object", "SSE-C"), posting(raw_headers("SSE-C"))
    with unguarded():
        assert leaks(outcome(sdk, http, url, signature_version="own"), KEY)
        assert leaks(repr(outcome(sdk, http, form, signature_version="own")), KEY)
    refused(outcome(sdk, http, url, signature_version="own"), "table-1/GetObject")
    refused(outcome(sdk, http, form, signature_version="own"), "table-1/PostObject")
    assert not caplog.records
    assert leaks(outcome(sdk, https, url, signature_version="own"), KEY)
    assert leaks(repr(outcome(sdk, https, form, signature_version="own")), KEY)
    assert rules(caplog) == ["key-in-url", "key-in-url"]


# ------------------------------------------------------------------------------ signed by hand

CREDENTIALS = Credentials(ACCESS_KEY, SECRET_KEY)


def _query_auth(name: str) -> Any:
    module: Any = botocore.auth
    if name.startswith("Crt"):
        pytest.importorskip("awscrt", reason="awscrt is not installed here")
        module = pytest.importorskip("botocore.crt.auth", reason="this botocore does not sign by the CRT")
    if not hasattr(module, name):
        pytest.skip("this botocore has no such signer")
    return _made(getattr(module, name))


def _made(auth: Any) -> Any:
    if auth.__name__.startswith("Hmac"):
        return auth(CREDENTIALS)
    more = {"identity_cache": None} if auth.__name__.startswith("S3Express") else {}
    return auth(CREDENTIALS, "s3", REGION, **more)


QUERY_AUTHS = (
    "HmacV1QueryAuth",
    "SigV4QueryAuth",
    "S3SigV4QueryAuth",
    "S3ExpressQueryAuth",
    "CrtSigV4QueryAuth",
    "CrtS3SigV4QueryAuth",
    "CrtSigV4AsymQueryAuth",
    "CrtS3SigV4AsymQueryAuth",
)
each_auth = pytest.mark.parametrize("name", QUERY_AUTHS)


def _signed_by_hand(name: str, url: str, headers: dict[str, str]) -> Any:
    request = AWSRequest("GET", f"{url}/{BUCKET}/{OBJECT}", headers=headers)
    auth = _query_auth(name)
    try:
        auth.add_auth(request)
    except SSETransportError as error:
        return error
    return request.url


@each_auth
def test_a_url_signed_by_hand(
    name: str, http: RecordingServer, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    with unguarded():
        assert "ignature=" in _signed_by_hand(name, http.url, raw_headers("SSE-C"))
    refused(_signed_by_hand(name, http.url, raw_headers("SSE-C")), "table-1/GetObject")
    refused(_signed_by_hand(name, http.url, raw_headers("SSE-KMS")), "table-2/GetObject")
    assert not caplog.records
    url = _signed_by_hand(name, https.url, raw_headers("SSE-C"))
    assert "ignature=" in url
    assert rules(caplog) == (["key-in-url"] if leaks(url, KEY) else [])
    assert bool(leaks(url, KEY)) == (name == "HmacV1QueryAuth")


@each_auth
def test_a_key_that_the_application_writes_into_the_query(
    name: str, https: TlsRecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    request = AWSRequest("GET", f"{https.url}/{BUCKET}/{OBJECT}?{S3_KEY_HEADER}=x")
    _query_auth(name).add_auth(request)
    assert rules(caplog) == ["key-in-url"]
    monkeypatch.setenv(POLICY, "strict")
    with pytest.raises(SSETransportError, match=r"\[key-in-url\]"):
        _query_auth(name).add_auth(AWSRequest("GET", f"{https.url}/{BUCKET}/{OBJECT}?{S3_KEY_HEADER}=x"))


@each_auth
@pytest.mark.parametrize("scheme", SERVERS)
def test_a_url_without_encryption_is_signed_by_hand_as_before(
    name: str, scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"{scheme}://host.test"
    with unguarded():
        expected = _signed_by_hand(name, url, {"x-amz-meta-note": "n"})
    assert steady(_signed_by_hand(name, url, {"x-amz-meta-note": "n"})) == steady(expected)
    assert not caplog.records


@pytest.mark.parametrize("version", ["s3-query", "s3v4-query"])
def test_an_auth_instance_of_a_client(version: str, http: RecordingServer, https: TlsRecordingServer) -> None:
    """``get_auth_instance`` returns a client's own signer."""

    def sign(server: RecordingServer) -> Call:
        def call(client: Any) -> Any:
            auth = client._request_signer.get_auth_instance("s3", REGION, version, expires=60)
            request = AWSRequest("GET", f"{server.url}/{BUCKET}/{OBJECT}", headers=raw_headers("SSE-C"))
            auth.add_auth(request)
            return request.url

        return call

    with unguarded():
        assert bool(leaks(outcome("boto3", http, sign(http)), KEY)) == (version == "s3-query")
    refused(outcome("boto3", http, sign(http)), "table-1/GetObject")
    assert "ignature=" in outcome("boto3", https, sign(https))


POST_AUTHS = ("HmacV1PostAuth", "S3SigV4PostAuth", "S3ExpressPostAuth")


def _form_by_hand(name: str, url: str) -> Any:
    if not hasattr(botocore.auth, name):
        pytest.skip("this botocore has no such signer")
    request = AWSRequest("POST", f"{url}/{BUCKET}")
    fields = raw_headers("SSE-C")
    request.context["s3-presign-post-fields"] = dict(fields)
    request.context["s3-presign-post-policy"] = {"conditions": [{key: value} for key, value in fields.items()]}
    try:
        _made(getattr(botocore.auth, name)).add_auth(request)
    except SSETransportError as error:
        return error
    return {"fields": request.context["s3-presign-post-fields"]}


@pytest.mark.parametrize("name", POST_AUTHS)
def test_a_form_signed_by_hand(
    name: str, http: RecordingServer, https: TlsRecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    with unguarded():
        assert leaks(_texts(_form_by_hand(name, http.url)), KEY)
    refused(_form_by_hand(name, http.url), "table-1/PostObject")
    assert leaks(_texts(_form_by_hand(name, https.url)), KEY)
    assert rules(caplog) == ["key-in-url"]


@each_sdk
@each_policy
def test_a_trusted_hop_does_not_allow_a_key_in_a_url(
    policy: str, sdk: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Trust covers the transport, not the key in the URL, known only after signing."""
    monkeypatch.setenv("OBS_SSE_GUARD_TRUSTED_HOSTS", "127.0.0.1")
    monkeypatch.setenv(POLICY, policy)
    result = outcome(sdk, http, url_for("get_object", "SSE-C"), signature_version="s3")
    if policy == "strict":
        refused(result, "key-in-url")
    else:
        assert ENCODED[:20] in result
        assert rules(caplog) == ["trusted-host", "key-in-url"]
