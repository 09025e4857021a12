"""minio-py on the demo's server."""

from __future__ import annotations

import io
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import urllib3
from minio import Minio
from minio.datatypes import PostPolicy
from minio.error import S3Error
from minio.sse import SseCustomerKey

from obs_sse_guard._cli.demo.drivers import TIMEOUT_SECONDS, Call, Download
from obs_sse_guard._cli.demo.drivers.forms import submit
from obs_sse_guard._cli.demo.drivers.rest import Answer, Request, RestDriver
from obs_sse_guard._cli.demo.drivers.s3 import CREDENTIALS, REGION
from obs_sse_guard._cli.demo.fixtures import BUCKET, CONTENT, CustomerKey, form_fields, new_name

if TYPE_CHECKING:
    from obs_sse_guard._cli.demo.servers import Servers
    from obs_sse_guard.rules import Rule

__all__ = ["MinioDriver"]

_OBJECT = "secret-minio.txt"


class MinioDriver(RestDriver):
    """Drive a client of minio-py."""

    name = "minio"
    error = S3Error

    def __init__(self, servers: Servers, key: CustomerKey) -> None:
        super().__init__(servers, key)
        self._pool = urllib3.PoolManager(
            cert_reqs="CERT_REQUIRED", ca_certs=str(servers.ca), timeout=TIMEOUT_SECONDS, retries=False
        )
        self._clients = {
            scheme: Minio(
                servers.url(scheme).partition("://")[2],
                *CREDENTIALS,
                secure=scheme == "https",
                region=REGION,
                http_client=self._pool,
            )
            for scheme in servers.proxies
        }

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def send(self, scheme: str, request: Request) -> Answer:
        """See `RestDriver`."""
        # minio-py has no public method for the parts of an upload: applications that send them call this.
        response = self._clients[scheme]._execute(  # noqa: SLF001
            request.method, BUCKET, request.name, request.body or None, {**request.headers}, {**request.query}
        )
        return Answer(response.status, response.data)

    def sign_form(self, rule: Rule) -> Call:
        """See `RestDriver`."""
        fields = {"key": new_name(), **form_fields(rule.target, self._key)}

        def post(scheme: str) -> int:
            policy = PostPolicy(BUCKET, datetime.now(timezone.utc) + timedelta(hours=1))
            for name, value in fields.items():
                policy.add_equals_condition(name, value)
            form = self._clients[scheme].presigned_post_policy(policy)
            return submit(f"{self._servers.url(scheme)}/{BUCKET}", {**fields, **form}, self._servers.ca)

        return post

    def upload(self, scheme: str, key: CustomerKey | None) -> int:
        """See `Driver`."""
        self._clients[scheme].put_object(BUCKET, _OBJECT, io.BytesIO(CONTENT), len(CONTENT), sse=_sse_c(key))
        return 0

    def download(self, key: CustomerKey | None) -> Download:
        """See `Driver`."""
        try:
            response = self._clients["https"].get_object(BUCKET, _OBJECT, ssec=_sse_c(key))
        except S3Error as error:
            return Download(b"", error.response.status)
        with response:
            return Download(response.read(), response.status)


def _sse_c(key: CustomerKey | None) -> SseCustomerKey | None:
    return SseCustomerKey(key.text.encode()) if key else None
