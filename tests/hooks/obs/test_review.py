"""What reviewers found by attacking the guard: each finding stays mended."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap
import time
from collections import UserDict
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote

import obs
import pytest
from obs.ilog import LogClient, LogConf

import obs_sse_guard
from obs_sse_guard import SSETransportError
from obs_sse_guard._hooks import obs as obs_hooks
from obs_sse_guard._hooks.redaction import redacted
from obs_sse_guard._util import fork
from obs_sse_guard._util.once import OncePerKey
from tests.support import obs_calls
from tests.support.guard import TRUSTED
from tests.support.obs_calls import (
    BUCKET,
    CONTENT,
    KEY,
    OBJECT,
    SOURCE_BUCKET,
    SOURCE_OBJECT,
    needs_https,
    needs_requests,
    open_client,
    put_sse_c,
    sse_c,
)
from tests.support.records import audited, fields_of, rules
from tests.support.servers import ConnectProxy, RecordingServer, TlsRecordingServer, assert_no_key, assert_silent, leaks
from tests.support.sse import ENCODED, S3_KEY_HEADER

# ------------------------------------------------------- trust is for where the bytes really go


@needs_requests
@pytest.mark.parametrize("trick", ["127.0.0.1:{}/x", "127.0.0.1:{}#x", "127.0.0.1:{}?x", "127.0.0.1:{}\\x"])
def test_a_bucket_name_leads_nowhere_else(trick: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRUSTED, "obs.test,*.obs.test")
    options = {"is_signature_negotiation": False, "server": "http://obs.test"}
    with open_client("obs", http, transport="requests", **options) as client, pytest.raises(SSETransportError):
        put_sse_c(client, trick.format(http.port))
    assert_no_key(http, KEY)


@needs_requests
@pytest.mark.parametrize("how", ["all_proxy", "ALL_PROXY", "session"])
def test_every_proxy_is_a_hop(how: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRUSTED, "127.0.0.1")
    with ConnectProxy() as proxy:
        address = proxy.url.replace("127.0.0.1", "localhost")
        with open_client("v2", http, transport="requests", trust_env=how != "session") as client:
            if how == "session":
                client.session.session.proxies = {"http": address}
            else:
                monkeypatch.setenv(how, address)
            with pytest.raises(SSETransportError):
                put_sse_c(client)
        assert_silent(proxy)


def test_a_pooled_connection_leads_where_it_was_made_for(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRUSTED, "obs.test")
    options = {"is_signature_negotiation": False, "server": f"http://far.obs.test:{http.port}", "path_style": True}
    with open_client("v2", http, transport="long", **options) as client:
        client.putContent(BUCKET, OBJECT, CONTENT)
        client.server = "obs.test"
        with pytest.raises(SSETransportError):
            put_sse_c(client)
    assert_no_key(http, KEY)


@pytest.mark.parametrize("host", ["127.0.0.1\\.obs.test", "a/.obs.test", "a@b.obs.test", "a b.obs.test", ".obs.test:1"])
def test_what_is_no_host_name_is_not_trusted(
    host: str, https: RecordingServer, http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRUSTED, "*.obs.test")
    assert not obs_sse_guard._policy.settings.read().trusted.trusts(host)
    assert obs_sse_guard._policy.settings.read().trusted.trusts("a.obs.test")


# ------------------------------------------------------------- an SSE object where text belongs

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


def test_modify_file_may_hide_it_deeper(http: RecordingServer) -> None:
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
def test_other_values_are_the_applications(value: Any, http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    with open_client("v2", http) as client:
        client.putContent(BUCKET, OBJECT, CONTENT, metadata={"note": value})
    assert len(http.requests) == 1
    assert not caplog.records


@needs_https
def test_a_metadata_name_that_ends_alike_is_the_applications(https: RecordingServer) -> None:
    with open_client("v2", https) as client:
        metadata = {"my-server-side-encryption-customer-key": "alias-7"}
        assert client.putContent(BUCKET, OBJECT, CONTENT, metadata=metadata).status == 200


# ------------------------------------------------------------------------- imports, once more


def _run(code: str) -> str:
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


_REFUSES = """
from obs import ObsClient, PutObjectHeader, SseCHeader
client = ObsClient(access_key_id='a', secret_access_key='b', server='http://127.0.0.1:9')
try:
    client.putContent('b', 'k', 'x', headers=PutObjectHeader(sseHeader=SseCHeader.getInstance('k' * 32)))
except obs_sse_guard.SSETransportError:
    print('refused')
"""


@pytest.mark.parametrize("first", ["import obs, obs_sse_guard", "import obs_sse_guard, obs"])
def test_an_sdk_that_is_imported_anew_is_guarded(first: str) -> None:
    purge = "import sys\nfor name in [n for n in sys.modules if n.split('.')[0] == 'obs']: del sys.modules[name]"
    status = "print(set(obs_sse_guard.status().values()) - {'active', 'unsupported', 'pending'})"
    assert _run(f"{first}\n{purge}\n{purge}\n{_REFUSES}\n{purge}\n{_REFUSES}\n{status}").split() == [
        "refused",
        "refused",
        "set()",
    ]


def test_a_guard_imported_in_the_middle_of_the_sdks_import_is_placed_later(tmp_path: Path) -> None:
    code = f"""
    import sys, builtins
    real = builtins.__import__
    def importing(name, *args, **kwargs):
        if name == 'obs.scheduler' or name == 'obs.bucket':
            builtins.__import__ = real
            import obs_sse_guard
        return real(name, *args, **kwargs)
    builtins.__import__ = importing
    import obs
    import obs_sse_guard
    {textwrap.indent(_REFUSES, "    ").lstrip()}
    print(obs_sse_guard.status()['obs.client.ObsClient.putContent'])
    """
    assert _run(code).split() == ["refused", "active"]


def test_a_callable_without_a_signature_is_no_method() -> None:
    obs.ObsClient.mapping_factory = dict
    try:
        obs_sse_guard.install()
        assert "active" in obs_sse_guard.status().values()
        obs_sse_guard.uninstall()
    finally:
        del obs.ObsClient.mapping_factory
        obs_sse_guard.install()


def test_a_place_that_failed_may_be_hooked_later() -> None:
    original = vars(obs.ObsClient)["putContent"].__wrapped__
    obs_sse_guard.uninstall()
    obs.ObsClient.putContent = mock.MagicMock()
    with pytest.warns(obs_sse_guard.SSEGuardWarning, match="putContent"):
        obs_sse_guard.install()
    name = "obs.client.ObsClient.putContent"
    assert obs_sse_guard.status()[name] == "unsupported"
    obs.ObsClient.putContent = original
    obs_sse_guard.install()
    assert obs_sse_guard.status()[name] == "active"


def test_a_platform_without_fork_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.register_at_fork", raising=False)
    fork.after_fork_in_child(lambda: None)
    assert OncePerKey()("said")


# ------------------------------------------------------------------------ legal calls go through


@pytest.mark.parametrize("method", ["putObject", "downloadFile"])
def test_self_may_be_a_keyword(method: str, http: RecordingServer, tmp_path: Path) -> None:
    arguments = {"content": CONTENT} if method == "putObject" else {"downloadFile": str(tmp_path / "file")}
    call: Any = getattr(obs.ObsClient, method)
    with open_client("v2", http) as client:
        assert call(self=client, bucketName=BUCKET, objectKey=OBJECT, **arguments).status == 200


def test_sse_obs_with_a_key_id_is_sse_obs(http: RecordingServer, caplog: pytest.LogCaptureFixture) -> None:
    header = obs.PutObjectHeader(sseHeader=obs.SseKmsHeader.getInstance("an-id", "AES256"))
    with open_client("obs", http) as client:
        assert client.putContent(BUCKET, OBJECT, CONTENT, headers=header).status == 200
    assert not caplog.records


@needs_https
def test_a_refusal_that_was_handled_spoils_no_transfer(
    https: RecordingServer, http: RecordingServer, tmp_path: Path
) -> None:
    handled: list[str] = []

    class Own(obs.ObsClient):  # type: ignore[misc,name-defined,unused-ignore]
        def _uploadPartWithNotifier(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802  # the SDK's name
            with open_client("v2", http) as other:
                try:
                    put_sse_c(other)
                except SSETransportError as error:
                    handled.append(error.rule)
            return super()._uploadPartWithNotifier(*args, **kwargs)

    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    client = Own(access_key_id="a", secret_access_key="b", server=https.url, ssl_verify=https.ca)
    assert client.uploadFile(BUCKET, OBJECT, str(path)).status == 200

    def callback(_key: str, _result: object) -> None:
        with open_client("v2", http) as other, pytest.raises(SSETransportError):
            put_sse_c(other)
        handled.append("in the callback")

    state = client.downloadFiles(BUCKET, "", str(tmp_path), taskCallback=callback)
    assert state.failed_tasks == 0
    client.close()
    assert {"table-1/PutObject", "in the callback"} == set(handled)


# --------------------------------------------------------- nothing at all leaves before a refusal


@needs_https
def test_a_part_of_a_kms_upload_opens_no_connection(https: RecordingServer, http: RecordingServer) -> None:
    class Body:
        reads = 0

        def read(self, _: int = -1) -> bytes:
            self.reads += 1
            return b""

    body = Body()
    with open_client("obs", https) as client:
        begun = client.initiateMultipartUpload(BUCKET, OBJECT, sseHeader=obs.SseKmsHeader.getInstance())
        client.is_secure, client.port = False, http.port
        client.server = "OBS.test."
        client.cache = type(client.cache)(maxlen=1)
        with pytest.raises(SSETransportError, match=r"\[inferred-kms\]"):
            client.uploadPart(BUCKET, OBJECT, 1, begun.body.uploadId, body, isAttachMd5=True)
    assert body.reads == 0
    assert_silent(http)


@pytest.mark.parametrize("argument", ["extensionHeaders", "metadata"])
def test_any_mapping_is_read(argument: str, http: RecordingServer) -> None:
    mapping = UserDict({"x-obs-server-side-encryption-customer-key": ENCODED})
    with open_client("obs", http) as client:
        with pytest.raises(SSETransportError):
            client.putContent(BUCKET, OBJECT, CONTENT, **{argument: mapping})
        with pytest.raises(SSETransportError):
            client.uploadFile(BUCKET, OBJECT, __file__, headers=UserDict(sseHeader=sse_c()))
    assert_silent(http)


def test_a_fetch_job_opens_no_connection(http: RecordingServer) -> None:
    headers = {"x-obs-server-side-encryption-customer-key": ENCODED}
    with open_client("obs", http) as client, pytest.raises(SSETransportError, match="key-in-clear"):
        client.setBucketFetchJob(BUCKET, "http://a.test/", objectHeaders=headers)
    assert_silent(http)


# ----------------------------------------------------------------------------- the right facts


def test_read_in_clear_names_the_host_that_was_read(
    https: RecordingServer, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if not obs_calls.https_works():
        pytest.skip("HTTPS of this release is broken on this Python")
    monkeypatch.setenv(TRUSTED, "127.0.0.1")
    https.answer("GET", 302, {"Location": f"http://far.obs.test:{http.port}/{BUCKET}/{OBJECT}"})
    http.answer("GET", headers={"x-amz-server-side-encryption": "aws:kms"})
    with open_client("v2", https) as client:
        client.getObject(BUCKET, OBJECT, loadStreamInMemory=True)
    assert rules(caplog) == ["read-in-clear"]
    assert fields_of(caplog)[0]["endpoint"] == f"http://far.obs.test:{http.port}"


def test_a_parameter_that_nobody_knows_changes_no_operation(http: RecordingServer) -> None:
    with open_client("v2", http) as client:
        with pytest.raises(SSETransportError, match="table-2/PutObject"):
            client.createSignedUrl(
                "PUT", BUCKET, OBJECT, queryParams={"foo": "1"}, headers={"x-amz-server-side-encryption": "aws:kms"}
            )
        with pytest.raises(SSETransportError, match="key-in-clear"):
            client.createSignedUrl("PUT", BUCKET, OBJECT, specialParam="acl", headers={S3_KEY_HEADER: ENCODED})


def test_a_form_for_a_custom_domain_is_a_form(http: RecordingServer) -> None:
    headers = {"x-amz-server-side-encryption": "aws:kms"}
    with open_client("v2", http, is_cname=True) as client, pytest.raises(SSETransportError, match="PostObject"):
        client.createSignedUrl("POST", None, None, headers=headers)


def test_a_port_is_left_out_only_where_it_is_the_schemes_own(http: RecordingServer) -> None:
    facts = obs_hooks._facts
    with open_client("v2", http, server="http://host.test:443") as client:
        assert facts(client, "call", "PutObject").endpoint == "http://host.test:443"
    with open_client("v2", http, server="http://host.test") as client:
        assert facts(client, "call", "PutObject").endpoint == "http://host.test"


@needs_https
def test_a_switch_from_warn_to_enforce_counts_for_clients_that_were_warned(
    https: RecordingServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD_POLICY", "strict")
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")
    monkeypatch.setenv("OBS_SSE_GUARD_AUDIT", str(tmp_path / "audit"))
    with open_client("v2", https, ssl_verify=False) as client:
        for _ in range(2):
            assert put_sse_c(client).status == 200
        assert [line["rule"] for line in audited(tmp_path / "audit")] == ["unverified-tls"] * 2
        monkeypatch.setenv("OBS_SSE_GUARD", "enforce")
        with pytest.raises(SSETransportError, match="unverified-tls"):
            put_sse_c(client)


def test_a_request_to_another_host_is_said_for_itself(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")
    with open_client("v2", http) as client, open_client("v2", http, server=f"http://far.obs.test:{http.port}") as far:

        class Body:
            def read(self, _: int = -1) -> bytes:
                far.path_style = True
                put_sse_c(far)
                return b""

        headers = obs.PutObjectHeader(sseHeader=sse_c())
        client.putContent(BUCKET, OBJECT, Body(), headers=headers)
    assert [fields["endpoint"].rpartition(":")[0] for fields in fields_of(caplog)] == [
        "http://127.0.0.1",
        "http://far.obs.test",
    ]


# ------------------------------------------------------------------------------ the SDK's log


@pytest.mark.parametrize(
    "piece",
    [
        "meta-sseheader:%7B&",
        "meta-sseheader:%7B'",
        "meta-sseheader:%7B%22",
        f'{S3_KEY_HEADER}":"',
        f"{S3_KEY_HEADER}=&",
        "meta-a",
    ],
)
def test_masking_takes_no_time_to_speak_of(piece: str) -> None:
    text = piece * (400_000 // len(piece))
    start = time.process_time()
    redacted((text,))
    assert time.process_time() - start < 5  # half a minute and growing by the square, once


@pytest.mark.parametrize(
    "line",
    [
        "{{'{name}': \"%5B'{value}'%5D\"}}",
        "x-obs-meta-sseheader:%7B'encryption': 'AES256', 'key': 'a}}b{value}'%7D\nnext",
        '{{"{name}": "{value}',
    ],
)
def test_masking_finds_the_value(line: str) -> None:
    [shown] = redacted((line.format(name=S3_KEY_HEADER, value=ENCODED),))
    assert ENCODED not in shown
    assert "******" in shown


# --------------------------------------------------------- an SSE object in place of its mapping

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
    """It is a dict, and the SDK takes it for a mapping: the raw key went out as a header, or as metadata."""
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
def test_metadata_of_these_names_is_the_applications(
    metadata: Any, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    with open_client("v2", http) as client:
        assert client.putContent(BUCKET, OBJECT, CONTENT, metadata=metadata).status == 200
        assert client.putContent(BUCKET, OBJECT, CONTENT, metadata=obs.SseKmsHeader.getInstance("id")).status == 200
    assert not caplog.records


# ------------------------------------------------------------------------- what chance found


@needs_https
def test_a_strict_refusal_of_unverified_tls_sends_no_more_than_the_negotiation(
    https: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD_POLICY", "strict")
    refused = pytest.raises(SSETransportError, match="unverified-tls")
    with open_client("obs", https, ssl_verify=False) as client, refused:
        put_sse_c(client)
    assert https.calls == ()
    assert_no_key(https, KEY)


@pytest.mark.parametrize(
    "key",
    [
        "0000000000000000000000001234567'",
        "000000000000'}0000000000001234567",
        "00000000'}000\"000000000001234567",
        '00000000"}0000000000000001234567',
        "000000\\'}000000\\\"%7D00000012345\\",
        "é" * 31 + "'",
    ],
)
def test_a_misplaced_key_is_masked_whatever_is_in_it(
    key: str, http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")
    with open_client("v2", http) as client, caplog.at_level(logging.DEBUG):
        client.log_client = LogClient(LogConf(), "obs-sdk-that-flows-on", "sdk")
        client.log_client.logger.propagate = True
        client.putContent(BUCKET, OBJECT, CONTENT, metadata={"sseHeader": obs.SseCHeader.getInstance(key)})
        client.log_client = obs.ilog.NoneLogClient()
    assert "******" in caplog.text
    assert not leaks(caplog.text, key)
    assert quote(key, safe="' ;/?:@&=+$,*") not in caplog.text
    assert quote(key[-8:], safe="' ;/?:@&=+$,*") not in caplog.text
