"""huaweicloudsdkobs, of Huawei Cloud's SDK v3, on the demo's server."""

from __future__ import annotations

import io
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException, SdkException
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkobs import v1
from huaweicloudsdkobs.v1.obs_credentials import ObsCredentials

from obs_sse_guard._cli.demo.drivers import TIMEOUT_SECONDS, Download
from obs_sse_guard._cli.demo.drivers.rest import Answer, Request, RestDriver
from obs_sse_guard._cli.demo.drivers.s3 import CREDENTIALS
from obs_sse_guard._cli.demo.fixtures import BUCKET, CONTENT, CustomerKey
from obs_sse_guard._cli.demo.proxy import DOMAIN, HOST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obs_sse_guard._cli.demo.servers import Servers

__all__ = ["HuaweiCloudDriver"]

_OBJECT = "secret-huaweicloud.txt"


class HuaweiCloudDriver(RestDriver):
    """Drive ``huaweicloudsdkobs.v1.ObsClient``."""

    name = "huaweicloud"
    error = SdkException

    def __init__(self, servers: Servers, key: CustomerKey) -> None:
        super().__init__(servers, key)
        self._clients = {scheme: _open(scheme, servers) for scheme in servers.proxies}

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.get_http_client().executor.shutdown()
            client.get_http_client()._session.close()  # noqa: SLF001  # the SDK never closes it

    def send(self, scheme: str, request: Request) -> Answer:
        """See `RestDriver`."""
        with _local_names():
            response = self._clients[scheme].do_http_request(
                request.method,
                f"/{request.name}",
                query_params=[*request.query.items()],
                header_params={"Content-Type": "application/octet-stream", **_obs_headers(request)},
                body=_Body(request.body),
                cname=BUCKET,
                response_type="PutObjectResponse",
            )
        return Answer(response.status_code, response.raw_content)

    def upload(self, scheme: str, key: CustomerKey | None) -> int:
        """See `Driver`."""
        request = v1.PutObjectRequest(bucket_name=BUCKET, object_key=_OBJECT, stream=_Body(CONTENT), **_sse_c(key))
        with _local_names():
            return int(self._clients[scheme].put_object(request).status_code)

    def download(self, key: CustomerKey | None) -> Download:
        """See `Driver`."""
        request = v1.GetObjectRequest(bucket_name=BUCKET, object_key=_OBJECT, **_sse_c(key))
        try:
            with _local_names():
                response = self._clients["https"].get_object(request)
        except ClientRequestException as error:
            return Download(b"", error.status_code)
        content: list[bytes] = []
        response.consume_download_stream(content.extend)
        return Download(b"".join(content), response.status_code)


class _Body(io.BytesIO):
    """Content as the SDK takes it: like a file that is open for reading."""

    mode = "rb"


def _open(scheme: str, servers: Servers) -> Any:
    config = HttpConfig(ssl_ca_cert=str(servers.ca), timeout=TIMEOUT_SECONDS)
    builder = v1.ObsClient.new_builder().with_http_config(config).with_credentials(ObsCredentials(*CREDENTIALS))
    # The SDK puts the bucket in front of the host, which must be a name for that.
    return builder.with_endpoint(f"{scheme}://{DOMAIN}:{urlsplit(servers.url(scheme)).port}").build()


@contextmanager
def _local_names() -> Iterator[None]:
    """Resolve names under localhost to this machine, which not every system does."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        return resolve(HOST if str(host).endswith(f".{DOMAIN}") else host, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo
    try:
        yield
    finally:
        socket.getaddrinfo = resolve


def _sse_c(key: CustomerKey | None) -> dict[str, str]:
    if key is None:
        return {}
    prefix = "x_obs_server_side_encryption_customer"
    return {f"{prefix}_algorithm": "AES256", f"{prefix}_key": key.header, f"{prefix}_key_md5": key.md5}


def _obs_headers(request: Request) -> dict[str, str]:
    """Return the headers in the dialect of OBS."""
    return {
        name.replace("x-amz-", "x-obs-").replace("aws-kms", "kms"): value.replace("aws:kms", "kms")
        for name, value in request.headers.items()
    }
