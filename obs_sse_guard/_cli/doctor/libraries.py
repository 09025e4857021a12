"""The libraries that can reach S3 or OBS, and what guards each of them."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LIBRARIES", "Guard", "Library", "markdown"]


class Guard(Enum):
    """What guards a library."""

    HOOKS = "hooks"
    NET = "net"
    NOT_NEEDED = "not needed"
    NONE = "none"

    @property
    def phrase(self) -> str:
        """What it means, in words."""
        return _PHRASES[self]


_PHRASES = {
    Guard.HOOKS: "guarded by hooks",
    Guard.NET: "a customer key over plaintext is refused",
    Guard.NOT_NEEDED: "sends no customer key",
    Guard.NONE: "not guarded",
}


class Library(NamedTuple):
    """A library that can reach S3 or OBS.

    Attributes:
        distribution: its name.
        guard: what guards it.
        hooks: the modules whose hooks do.
        note: what is guarded, or why it is not.
        remedy: what to do instead.
    """

    distribution: str
    guard: Guard
    hooks: tuple[str, ...] = ()
    note: str = ""
    remedy: str = ""

    def guard_with(self, hooked: Iterable[str]) -> Guard:
        """Return what guards it, given the modules that this release of the guard hooks."""
        modules = [f"{module}." for module in hooked]
        here = all(any(module.startswith(f"{hook}.") for module in modules) for hook in self.hooks)
        return self.guard if here else Guard.NONE


_OPTIONS = "checked when options are handed over: endpoint, encryption, environment"
_PLAINTEXT = "any request over plaintext HTTP that names a customer key"

LIBRARIES: tuple[Library, ...] = (
    # SDKs and what is built on them
    Library("esdk-obs-python", Guard.HOOKS, ("obs",), "every call, attempt and redirect"),
    Library(
        "huaweicloudsdkobs",
        Guard.HOOKS,
        ("huaweicloudsdkobs", "huaweicloudsdkcore"),
        "every call, attempt and redirect",
    ),
    Library("botocore", Guard.HOOKS, ("botocore",), "every call and attempt"),
    Library("boto3", Guard.HOOKS, ("botocore",), "through botocore"),
    Library("s3transfer", Guard.HOOKS, ("botocore",), "through botocore"),
    Library("awscrt", Guard.HOOKS, ("awscrt", "s3transfer"), "each request of its S3 client"),
    Library("aiobotocore", Guard.HOOKS, ("aiobotocore",), "every call, attempt and redirect"),
    Library(
        "s3fs", Guard.HOOKS, ("aiobotocore",), "through aiobotocore; so are pandas, dask, xarray and zarr, which use it"
    ),
    Library("dvc-s3", Guard.HOOKS, ("aiobotocore",), "through s3fs"),
    Library("minio", Guard.HOOKS, ("minio",), "every call, attempt and redirect"),
    Library("awscli", Guard.HOOKS, ("botocore",), "through botocore, if it runs under obs-sse-guard run"),
    Library("apache-airflow-providers-amazon", Guard.HOOKS, ("botocore",), "through boto3"),
    Library("awswrangler", Guard.HOOKS, ("botocore",), "through boto3"),
    Library("cloudpathlib", Guard.HOOKS, ("botocore",), "through boto3"),
    Library("django-storages", Guard.HOOKS, ("botocore",), "through boto3"),
    Library("mlflow-skinny", Guard.HOOKS, ("botocore",), "through boto3"),
    Library("s3path", Guard.HOOKS, ("botocore",), "through boto3"),
    Library("smart-open", Guard.HOOKS, ("botocore",), "through boto3"),
    # native clients
    Library("obstore", Guard.HOOKS, ("obstore",), _OPTIONS),
    Library("polars", Guard.HOOKS, ("polars",), _OPTIONS),
    Library("deltalake", Guard.HOOKS, ("deltalake",), _OPTIONS),
    Library("pylance", Guard.HOOKS, ("lance",), _OPTIONS),
    # HTTP clients
    Library("requests", Guard.NET, ("http.client", "urllib3"), _PLAINTEXT),
    Library("urllib3", Guard.NET, ("http.client", "urllib3"), _PLAINTEXT),
    Library("httpcore", Guard.NET, ("httpcore",), _PLAINTEXT),
    Library("httpx", Guard.NET, ("httpcore",), _PLAINTEXT),
    Library("aiohttp", Guard.NET, ("aiohttp",), _PLAINTEXT),
    Library(
        "urllib3-future",
        Guard.NONE,
        note="sends without http.client, including for requests, niquests and urllib3, which it replaces; SDKs stay "
        "guarded by their hooks",
        remedy="pip uninstall urllib3-future niquests; pip install --force-reinstall urllib3",
    ),
    # without a seam
    Library(
        "pyarrow",
        Guard.NOT_NEEDED,
        note="its S3FileSystem has no option for SSE-C or SSE-KMS and ignores such metadata",
        remedy="for these, pass it a filesystem of s3fs",
    ),
    Library(
        "duckdb",
        Guard.NONE,
        note="its httpfs extension sends what SQL secrets say, KMS_KEY_ID over plaintext if USE_SSL is false",
        remedy="keep USE_SSL true, or register a filesystem of s3fs: connection.register_filesystem(...)",
    ),
)
"""The libraries, in the order of docs/libraries.md."""


def markdown() -> str:
    """Return the table of docs/libraries.md; libraries guarded alike share a row."""
    shared: dict[tuple[str, str], list[str]] = {}
    for library in LIBRARIES:
        what = "; ".join(filter(None, (library.note, library.remedy)))
        shared.setdefault((library.guard.phrase, what), []).append(library.distribution)
    rows = [f"| {', '.join(names)} | {guard} | {what} |" for (guard, what), names in shared.items()]
    return "\n".join(["| libraries | guard | what is checked, or what to do |", "|---|---|---|", *rows])
