"""The packages that matter to the guard, and their installed versions."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NEEDS", "PACKAGES", "PATCHERS", "Package", "Patcher", "installed_version", "versions"]


class Package(NamedTuple):
    """A distribution, and the top-level module that it installs."""

    distribution: str
    module: str
    is_sdk: bool = False


PACKAGES: tuple[Package, ...] = (
    Package("esdk-obs-python", "obs", is_sdk=True),
    Package("botocore", "botocore", is_sdk=True),
    Package("aiobotocore", "aiobotocore", is_sdk=True),
    Package("minio", "minio", is_sdk=True),
    Package("huaweicloudsdkobs", "huaweicloudsdkobs", is_sdk=True),
    Package("huaweicloudsdkcore", "huaweicloudsdkcore"),
    Package("deltalake", "deltalake", is_sdk=True),
    Package("obstore", "obstore", is_sdk=True),
    Package("polars", "polars", is_sdk=True),
    Package("pylance", "lance", is_sdk=True),
    Package("boto3", "boto3"),
    Package("s3transfer", "s3transfer"),
    Package("s3fs", "s3fs"),
    Package("aiohttp", "aiohttp"),
    Package("awscrt", "awscrt"),
    Package("requests", "requests"),
    Package("urllib3", "urllib3"),
    Package("wrapt", "wrapt"),
)
"""The SDKs, libraries built on them, and the dependencies of both and the guard."""

NEEDS: Mapping[str, str] = {"botocore.crt.auth": "awscrt"}
"""By module, the dependency that its import needs and its import error omits."""


class Patcher(NamedTuple):
    """A package that patches the same SDKs, and how it behaves with the guard."""

    distribution: str
    module: str
    note: str


_MAY_STRIP = "wraps the same methods; if removing it also removes a hook, status() shows that target as off"

PATCHERS: tuple[Patcher, ...] = (
    Patcher("opentelemetry-instrumentation-botocore", "opentelemetry.instrumentation.botocore", _MAY_STRIP),
    Patcher("aws-xray-sdk", "aws_xray_sdk", "wraps the same methods, and is never removed"),
    Patcher("ddtrace", "ddtrace", _MAY_STRIP),
    Patcher("elastic-apm", "elasticapm", _MAY_STRIP),
    Patcher("sentry-sdk", "sentry_sdk", "registers event handlers on each client; wraps nothing that the guard hooks"),
    Patcher("moto", "moto", "answers in place of the network: calls are checked, but nothing is sent"),
)


def versions() -> dict[str, str]:
    """Return the versions of the installed distributions among these, by name."""
    names = [*(package.distribution for package in PACKAGES), *(patcher.distribution for patcher in PATCHERS)]
    return {name: version for name, version in zip(names, map(installed_version, names)) if version is not None}


def installed_version(distribution: str) -> str | None:
    """Return the version of a distribution; ``None`` if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
