"""Keys are redacted when the application's handlers log through the SDK's logger."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest
from huaweicloudsdkcore.http.http_handler import HttpHandler
from huaweicloudsdkobs import v1
from huaweicloudsdkobs.v1.obs_credentials import ObsCredentials

from tests.support.guard import unguarded
from tests.support.huaweicloud_calls import PUT_SSE_C, obs_client
from tests.support.servers import TlsRecordingServer, leaks
from tests.support.sse import KEY


class Own(v1.ObsClient):  # type: ignore[misc]  # the SDK ships no types
    """A client of the application; its logger is named after the class."""


def _logging_client(made: Any, server: TlsRecordingServer, stream: io.StringIO) -> Any:
    def log_headers(request: Any, logger: Any) -> None:
        logger.info("%s %s", request.url, request.header_params)
        logger.info(f"sending {request.header_params}")  # noqa: G004  # as an application would

    builder = made.new_builder().with_http_handler(HttpHandler().add_request_handler(log_headers))
    with obs_client("sync", server, made=made) as client:
        settings = client.get_http_client().config
    builder = builder.with_http_config(settings).with_credentials(ObsCredentials("AK", "SK"))
    return builder.with_endpoints([server.named_url]).with_stream_log(stream, logging.DEBUG).build()


def _logged(made: Any, server: TlsRecordingServer) -> str:
    stream = io.StringIO()
    client = _logging_client(made, server, stream)
    PUT_SSE_C(client)
    client.get_http_client().executor.shutdown()
    client.get_http_client()._session.close()
    return stream.getvalue()


@pytest.mark.parametrize("made", [v1.ObsClient, Own])
def test_keys_are_redacted_in_the_log_of_the_sdk(made: Any, https: TlsRecordingServer) -> None:
    with unguarded():
        plain = _logged(made, https)
    assert leaks(plain, KEY)
    guarded = _logged(made, https)
    assert not leaks(guarded, KEY)
    assert guarded.count("******") == 4, "the key and its MD5, twice"
    assert guarded.count("x-obs-server-side-encryption-customer-key") == plain.count(
        "x-obs-server-side-encryption-customer-key"
    )
