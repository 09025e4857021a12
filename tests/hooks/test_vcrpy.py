"""vcrpy replaces the HTTP connections: the real connection behind each decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

vcr = pytest.importorskip("vcr", reason="vcrpy is not installed here")

from obs_sse_guard import SSETransportError  # noqa: E402  # after the check for vcrpy
from tests.support.obs_calls import BUCKET, CONTENT, OBJECT, needs_https, open_client, put_sse_c  # noqa: E402
from tests.support.s3_calls import PUT_SSE_C, SERVERS, asking, each_sdk, outcome, refused, succeeded  # noqa: E402
from tests.support.servers import assert_silent, leaks  # noqa: E402
from tests.support.sse import KEY  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path


@needs_https
@pytest.mark.parametrize("scheme", SERVERS)
@pytest.mark.parametrize("transport", ["http.client", "long"])
def test_obs_client_is_judged_by_the_real_connection(transport: str, scheme: str, tmp_path: Path) -> None:
    with (
        SERVERS[scheme]() as server,
        vcr.use_cassette(str(tmp_path / "cassette.yaml"), record_mode="all"),
        open_client("v2", server, transport=transport) as client,
    ):
        assert client.putContent(BUCKET, OBJECT, CONTENT).status == 200
        if scheme == "https":
            assert put_sse_c(client).status == 200
            assert leaks(server.received, KEY)
        else:
            with pytest.raises(SSETransportError) as caught:
                put_sse_c(client)
            assert caught.value.rule == "table-1/PutObject"
            assert not leaks(server.wire, KEY)


@each_sdk
@pytest.mark.parametrize("scheme", SERVERS)
def test_botocore_is_judged_by_the_real_connection(scheme: str, sdk: str, tmp_path: Path, policy: str) -> None:
    with SERVERS[scheme]() as server, vcr.use_cassette(str(tmp_path / f"{policy}.yaml"), record_mode="all"):
        result: Any = outcome(sdk, server, PUT_SSE_C)
        if scheme == "https":
            assert succeeded(result)
            assert leaks(server.received, KEY)
        else:
            refused(result, "table-1/PutObject")
            assert_silent(server)
            assert succeeded(outcome(sdk, server, asking("PutObject")))
