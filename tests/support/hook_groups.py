"""The gates by name, and how to leave one open: what stands behind it then has to hold alone."""

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
    "ObsClient: log": ("obs.ilog.*",),
    "botocore: operations": ("botocore.client.*",),
    "botocore: each attempt": ("botocore.endpoint.Endpoint.*",),
    "botocore: signers": ("botocore.signers.*",),
    "botocore: signatures": ("botocore.auth.*", "botocore.crt.*"),
    "botocore: log": ("botocore.endpoint.logging.*",),
    "aiobotocore: operations": ("aiobotocore.client.*",),
    "aiobotocore: each attempt": ("aiobotocore.endpoint.*",),
    "aiobotocore: signers": ("aiobotocore.signers.*",),
    "aiobotocore: each hop": ("aiobotocore.httpsession.*",),
    "CRT: requests": ("s3transfer.crt.*", "awscrt.s3.S3Client.make_request"),
    "CRT: clients": ("awscrt.io.*", "awscrt.s3.S3Client.__init__"),
}
"""Each with its hooks, by patterns of their names in ``status()``."""


def hooks(gate: str, names: Iterable[str]) -> list[str]:
    """Those of the hooks that are a gate's."""
    return [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in HOOK_GROUPS[gate])]


def disable_hooks(monkeypatch: pytest.MonkeyPatch, *gates: str) -> None:
    """Put hooks that only call on in the place of the guard's own."""
    targets = {target.name: target for target in installer.targets}
    for gate in gates:
        for name in hooks(gate, targets):
            for owner, attribute in targets[name].places():
                function = vars(owner)[attribute].__wrapped__
                monkeypatch.setattr(owner, attribute, mark(_calls_on(function), function))


def _calls_on(function: Callable[..., Any]) -> Callable[..., Any]:
    def gate(*args: Any, **kwargs: Any) -> Any:  # a function of its own, for a hook is marked
        return function(*args, **kwargs)

    return gate
