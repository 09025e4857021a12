"""The SDKs and libraries with hooks: what loads their targets, and SDKs' names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from obs_sse_guard._hooks.hook import Target

    LoadTargets = Callable[[], tuple[Target, ...]]

__all__ = ["SDK_NAMES", "SDK_TARGETS"]


# Import statements, not strings: tools that freeze applications follow only these.
def _obs() -> tuple[Target, ...]:
    # The hooks import it, and while they are half imported its own hook could not be placed.
    import http.client  # noqa: PLC0415, F401

    from obs_sse_guard._hooks.obs.targets import TARGETS  # noqa: PLC0415  # loaded with the SDK

    return TARGETS


def _botocore() -> tuple[Target, ...]:
    from obs_sse_guard._hooks.botocore.targets import TARGETS  # noqa: PLC0415  # loaded with the SDK

    return TARGETS


def _aiobotocore() -> tuple[Target, ...]:
    from obs_sse_guard._hooks.aiobotocore import TARGETS  # noqa: PLC0415  # loaded with the SDK

    return TARGETS


def _crt() -> tuple[Target, ...]:
    from obs_sse_guard._hooks.crt import TARGETS  # noqa: PLC0415  # loaded with the SDK

    return TARGETS


def _minio() -> tuple[Target, ...]:
    from obs_sse_guard._hooks.minio.targets import TARGETS  # noqa: PLC0415  # loaded with the SDK

    return TARGETS


def _http_client() -> tuple[Target, ...]:
    from obs_sse_guard._hooks.http.client import TARGETS  # noqa: PLC0415  # loaded with the library

    return TARGETS


def _huaweicloud() -> tuple[Target, ...]:
    from obs_sse_guard._hooks.huaweicloud.targets import TARGETS  # noqa: PLC0415  # loaded with the SDK

    return TARGETS


def _httpcore() -> tuple[Target, ...]:
    from obs_sse_guard._hooks.http.httpcore import TARGETS  # noqa: PLC0415  # loaded with the library

    return TARGETS


def _aiohttp() -> tuple[Target, ...]:
    from obs_sse_guard._hooks.http.aiohttp import TARGETS  # noqa: PLC0415  # loaded with the library

    return TARGETS


def _stores() -> tuple[Target, ...]:
    from obs_sse_guard._hooks.stores.targets import TARGETS  # noqa: PLC0415  # loaded with the SDK

    return TARGETS


SDK_TARGETS: Mapping[str, LoadTargets] = {
    "obs": _obs,
    "botocore": _botocore,
    "aiobotocore": _aiobotocore,
    "s3transfer": _crt,
    "awscrt": _crt,
    "minio": _minio,
    "huaweicloudsdkobs": _huaweicloud,
    "huaweicloudsdkcore": _huaweicloud,
    "http.client": _http_client,
    "urllib3": _http_client,
    "httpcore": _httpcore,
    "aiohttp": _aiohttp,
    "deltalake": _stores,
    "lance": _stores,
    "obstore": _stores,
    "polars": _stores,
}
"""By package, what loads its targets once the package is imported.

Most processes import one SDK or none.
"""

# Without the HTTP clients: nearly every process has one, whether or not it has anything to do with S3 or OBS.
SDK_NAMES: Mapping[str, str] = {
    "obs": "esdk-obs-python",
    "botocore": "botocore",
    "aiobotocore": "aiobotocore",
    "minio": "minio",
    "huaweicloudsdkobs": "huaweicloudsdkobs",
    "deltalake": "deltalake",
    "lance": "pylance",
    "obstore": "obstore",
    "polars": "polars",
}
"""By package, the SDK whose import makes a process one that is reported as armed."""
