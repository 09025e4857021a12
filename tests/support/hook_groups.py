"""Groups of hooks by name. Disable some to test that the others refuse alone."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Any

from obs_sse_guard._hooks.hook import mark
from obs_sse_guard._hooks.installer import installer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pytest

HOOK_GROUPS: dict[str, tuple[str, ...]] = {
    "ObsClient: methods": ("obs.client.ObsClient.[!_*]*", "obs.crypto_client.*"),
    "ObsClient: other methods": ("obs.client.ObsClient.[*]",),
    "ObsClient: signed URLs and policies": ("obs.client.ObsClient._create*",),
    "ObsClient: each request": ("obs.client._BasicClient._make_request_with_retry",),
    "ObsClient: each connection": ("obs.client._BasicClient._parse_request_connection",),
    "ObsClient: workers": (
        "obs.transfer.*._upload_part",
        "obs.transfer.*._download_part",
        "obs.client._download_files",
        "obs.extension._task_wrap",
    ),
    "ObsClient: header objects": ("obs.model.*",),
    "ObsClient: log": ("obs.ilog.LogClient.*",),
    "botocore: operations": ("botocore.client.*",),
    "botocore: each attempt": ("botocore.endpoint.Endpoint.*",),
    "botocore: each connection": ("botocore.awsrequest.*",),
    "botocore: signers": ("botocore.signers.*",),
    "botocore: signatures": ("botocore.auth.*", "botocore.crt.*"),
    "botocore: log": ("*.logging.Logger.makeRecord",),
    "aiobotocore: operations": ("aiobotocore.client.*",),
    "aiobotocore: each attempt": ("aiobotocore.endpoint.*",),
    "aiobotocore: signers": ("aiobotocore.signers.*",),
    "aiobotocore: each hop": ("aiobotocore.httpsession.aiohttp.*",),
    "HTTP clients": ("http.client.*", "httpcore.[!_]*", "aiohttp.*", "urllib3.connectionpool.HTTP*"),
    "HTTP clients: sessions": ("botocore.httpsession.*", "aiobotocore.*Session.send"),
    "huaweicloudsdkobs: operations": ("huaweicloudsdkobs.*",),
    "huaweicloudsdkobs: calls": ("huaweicloudsdkcore.client.Client.do_http_request",),
    "huaweicloudsdkobs: workers": (
        "huaweicloudsdkcore.client.Client.build_future_request",
        "huaweicloudsdkcore.client.Client._do_http_request_async",
        "huaweicloudsdkcore.http.future_session.*",
    ),
    "huaweicloudsdkobs: each hop": ("huaweicloudsdkcore.http.http_client.*",),
    "native clients: options": ("deltalake.*", "lance.*", "obstore.*", "polars.*"),
    "CRT: requests": ("s3transfer.crt.*", "awscrt.s3.S3Client.make_request"),
    "CRT: clients": ("awscrt.io.*", "awscrt.s3.S3Client.__init__"),
    "minio: methods": ("minio.api.Minio.*_object", "minio.api.Minio.*_objects"),
    "minio: signed URLs and policies": ("minio.api.Minio.*presigned_*",),
    "minio: each request": ("minio.api.Minio._execute", "minio.api.Minio._url_open"),
    "minio: each connection": ("minio.api.urllib3.*request", "minio.api.urllib3.*urlopen"),
    "minio: workers": ("minio.api.ThreadPool.*",),
    "minio: log": ("minio.api.Minio.trace_on", "minio.api.headers_to_strings"),
}
"""The hooks of each group, as patterns of their names in ``status()``."""


def hooks(group: str, names: Iterable[str]) -> list[str]:
    """Return the hooks of a group."""
    return [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in HOOK_GROUPS[group])]


def disable_hooks(monkeypatch: pytest.MonkeyPatch, *groups: str) -> None:
    """Replace the hooks of these groups by hooks that only call the original."""
    targets = {target.name: target for target in installer.targets}
    for group in groups:
        for name in hooks(group, targets):
            for owner, attribute in targets[name].places():
                function = vars(owner)[attribute].__wrapped__
                monkeypatch.setattr(owner, attribute, mark(_pass_through(function), function, attribute))


def _pass_through(function: Callable[..., Any]) -> Callable[..., Any]:
    def hook(*args: Any, **kwargs: Any) -> Any:  # a new function, because it is marked as a hook
        return function(*args, **kwargs)

    return hook
