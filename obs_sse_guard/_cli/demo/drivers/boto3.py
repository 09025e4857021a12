"""boto3 on the demo's server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from obs_sse_guard._cli.demo.drivers import Download
from obs_sse_guard._cli.demo.drivers.s3 import (
    CLIENT_CONFIG,
    CREDENTIALS,
    REGION,
    S3Driver,
    customer_key,
    form_arguments,
)
from obs_sse_guard._cli.demo.fixtures import BUCKET, CONTENT, CustomerKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obs_sse_guard._cli.demo.servers import Servers

__all__ = ["Boto3Driver"]

_OBJECT = "secret-boto3.txt"


class Boto3Driver(S3Driver):
    """Drive a boto3 client."""

    name = "boto3"

    def __init__(self, servers: Servers, key: CustomerKey) -> None:
        super().__init__(servers, key)
        session = boto3.session.Session(*CREDENTIALS, region_name=REGION)
        config = Config(**CLIENT_CONFIG)
        self._clients = {
            scheme: session.client("s3", endpoint_url=servers.url(scheme), verify=str(servers.ca), config=config)
            for scheme in servers.proxies
        }

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.close()

    def send(self, scheme: str, method: str, **parameters: Any) -> Mapping[str, Any]:
        """See `S3Driver`."""
        response: dict[str, Any] = getattr(self._clients[scheme], method)(**parameters)
        if "Body" in response:
            response["Body"] = response["Body"].read()
        return response

    def sign_form(self, scheme: str, name: str, fields: Mapping[str, str]) -> Mapping[str, Any]:
        """See `S3Driver`."""
        form: dict[str, Any] = self._clients[scheme].generate_presigned_post(BUCKET, name, **form_arguments(fields))
        return form

    def upload(self, scheme: str, key: CustomerKey | None) -> int:
        """See `Driver`."""
        return self._call("put_object", Key=_OBJECT, Body=CONTENT, **customer_key(key))(scheme)

    def download(self, key: CustomerKey | None) -> Download:
        """See `Driver`."""
        try:
            response = self.send("https", "get_object", Bucket=BUCKET, Key=_OBJECT, **customer_key(key))
        except ClientError as error:
            return Download(b"", error.response["ResponseMetadata"]["HTTPStatusCode"])
        return Download(response["Body"], response["ResponseMetadata"]["HTTPStatusCode"])
