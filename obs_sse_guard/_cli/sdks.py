"""The SDKs by the names that a user may give them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from obs_sse_guard._hooks.aiobotocore import AIOBOTOCORE
from obs_sse_guard._hooks.botocore.advice import BOTOCORE
from obs_sse_guard._hooks.crt import CRT
from obs_sse_guard._hooks.http.advice import AIOHTTP, HTTP_CLIENT, HTTPX
from obs_sse_guard._hooks.huaweicloud.advice import HUAWEICLOUD
from obs_sse_guard._hooks.minio.advice import MINIO
from obs_sse_guard._hooks.obs.advice import ESDK
from obs_sse_guard._hooks.stores.advice import DELTALAKE, LANCE, OBSTORE, POLARS

if TYPE_CHECKING:
    from obs_sse_guard._policy.request import SDK

__all__ = ["MAIN_SDKS", "SDKS", "KnownSDK"]

_ENDPOINT_URL = "comes from endpoint_url= or use_ssl=False"


class KnownSDK(NamedTuple):
    """An SDK as explain shows it.

    Attributes:
        sdk: the SDK.
        prefix: of the header names that it sends.
        origin: where its http comes from; empty if it has only one origin.
        is_s3: whether its methods are those of boto3.
    """

    sdk: SDK
    prefix: str = "x-amz-"
    origin: str = ""
    is_s3: bool = False


_BOTO3 = KnownSDK(BOTOCORE, origin=_ENDPOINT_URL, is_s3=True)
_HTTP = KnownSDK(HTTP_CLIENT)
SDKS = {
    "esdk-obs-python": KnownSDK(ESDK, "x-obs-"),
    "boto3": _BOTO3,
    # What an audit file names a CRT transfer, too. boto3 itself gives the CRT's client TLS.
    "botocore": _BOTO3._replace(origin=f"{_ENDPOINT_URL}; in a CRT transfer, use_ssl=False of create_s3_crt_client()"),
    "aiobotocore": KnownSDK(AIOBOTOCORE, origin=_ENDPOINT_URL, is_s3=True),
    "awscrt": KnownSDK(CRT),
    "huaweicloudsdkobs": KnownSDK(HUAWEICLOUD, "x-obs-"),
    "minio": KnownSDK(MINIO),
    **dict.fromkeys(("http.client", "requests", "urllib3"), _HTTP),
    "httpx": KnownSDK(HTTPX),
    "aiohttp": KnownSDK(AIOHTTP),
    **{
        name: KnownSDK(client.sdk, origin="endpoint")
        for name, client in {"obstore": OBSTORE, "polars": POLARS, "deltalake": DELTALAKE, "pylance": LANCE}.items()
    },
}
"""By name."""
MAIN_SDKS = ("esdk-obs-python", "boto3", "huaweicloudsdkobs", "minio")
"""Those that are shown if none is asked for."""
