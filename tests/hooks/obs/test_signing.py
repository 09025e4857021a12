"""Signed URLs and POST policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from obs_sse_guard import SSETransportError
from tests.support import obs_calls
from tests.support.obs_calls import (
    BUCKET,
    OBJECT,
    open_client,
)
from tests.support.records import rules
from tests.support.sse import ENCODED, OBS_KEY_HEADER, S3_KEY_HEADER

if TYPE_CHECKING:
    from tests.support.servers import RecordingServer


def test_an_unknown_parameter_does_not_change_the_operation(http: RecordingServer) -> None:
    with open_client("v2", http) as client:
        with pytest.raises(SSETransportError, match="table-2/PutObject"):
            client.createSignedUrl(
                "PUT", BUCKET, OBJECT, queryParams={"foo": "1"}, headers={"x-amz-server-side-encryption": "aws:kms"}
            )
        with pytest.raises(SSETransportError, match="key-in-clear"):
            client.createSignedUrl("PUT", BUCKET, OBJECT, specialParam="acl", headers={S3_KEY_HEADER: ENCODED})


def test_a_form_for_a_custom_domain_is_checked(http: RecordingServer) -> None:
    headers = {"x-amz-server-side-encryption": "aws:kms"}
    with open_client("v2", http, is_cname=True) as client, pytest.raises(SSETransportError, match="PostObject"):
        client.createSignedUrl("POST", None, None, headers=headers)


@pytest.mark.parametrize("signer", ["createSignedUrl", "createV2SignedUrl", "createV4SignedUrl"])
def test_key_in_url_over_https(
    signer: str, policy: str, https: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    with obs_calls.open_client("v2", https) as client:
        call = getattr(client, signer)
        assert call("GET", BUCKET, OBJECT, headers={OBS_KEY_HEADER: ENCODED}).signedUrl
        assert not caplog.records
        if policy == "strict":
            with pytest.raises(SSETransportError, match=r"\[key-in-url\]") as caught:
                call("GET", BUCKET, OBJECT, queryParams={OBS_KEY_HEADER: ENCODED})
            assert ENCODED not in str(caught.value)
        else:
            assert call("GET", BUCKET, OBJECT, queryParams={OBS_KEY_HEADER: ENCODED}).signedUrl
            assert rules(caplog) == ["key-in-url"]


@pytest.mark.parametrize("signer", ["createPostSignature", "createV4PostSignature"])
def test_key_in_a_post_policy_over_https(
    signer: str, policy: str, https: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    with obs_calls.open_client("v2", https) as client:
        call = getattr(client, signer)
        if policy == "strict":
            with pytest.raises(SSETransportError, match=r"\[key-in-url\]"):
                call(BUCKET, OBJECT, formParams={OBS_KEY_HEADER: ENCODED})
        else:
            assert call(BUCKET, OBJECT, formParams={OBS_KEY_HEADER: ENCODED}).policy
            assert rules(caplog) == ["key-in-url"]
        assert call(BUCKET, OBJECT, formParams={"x-obs-server-side-encryption": "kms"}).policy
