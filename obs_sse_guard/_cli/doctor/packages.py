"""The packages that matter to the guard, and what is found of them."""

from __future__ import annotations

from importlib import metadata
from typing import NamedTuple

__all__ = ["PACKAGES", "PATCHERS", "Package", "Patcher", "versions"]


class Package(NamedTuple):
    """A distribution, and the top-level module that it installs."""

    distribution: str
    module: str
    is_sdk: bool = False


PACKAGES: tuple[Package, ...] = (
    Package("esdk-obs-python", "obs", is_sdk=True),
    Package("botocore", "botocore", is_sdk=True),
    Package("aiobotocore", "aiobotocore", is_sdk=True),
    Package("boto3", "boto3"),
    Package("s3transfer", "s3transfer"),
    Package("s3fs", "s3fs"),
    Package("aiohttp", "aiohttp"),
    Package("awscrt", "awscrt"),
    Package("requests", "requests"),
    Package("wrapt", "wrapt"),
)
"""The SDKs, what stands above them, and what the guard and they are built on."""


class Patcher(NamedTuple):
    """A package that patches the same SDKs, and what to know of it beside the guard."""

    distribution: str
    module: str
    note: str


_MAY_STRIP = "wraps the same methods; should its removal take a hook along, status() says 'off' for that place"

PATCHERS: tuple[Patcher, ...] = (
    Patcher("opentelemetry-instrumentation-botocore", "opentelemetry.instrumentation.botocore", _MAY_STRIP),
    Patcher("aws-xray-sdk", "aws_xray_sdk", "wraps the same methods, and is never removed again"),
    Patcher("ddtrace", "ddtrace", _MAY_STRIP),
    Patcher("elastic-apm", "elasticapm", _MAY_STRIP),
    Patcher("sentry-sdk", "sentry_sdk", "registers event handlers on each client; wraps nothing that the guard hooks"),
    Patcher("moto", "moto", "answers in place of the network: calls are judged, yet nothing reaches the wire"),
)


def versions() -> dict[str, str]:
    """The versions of all distributions above that are installed, by name."""
    names = [*(package.distribution for package in PACKAGES), *(patcher.distribution for patcher in PATCHERS)]
    return {name: version for name, version in zip(names, map(_version, names)) if version is not None}


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
