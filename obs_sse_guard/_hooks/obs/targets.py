"""Every place that is hooked in esdk-obs-python."""

from __future__ import annotations

from obs_sse_guard._hooks.hook import Target
from obs_sse_guard._hooks.log_records import record_hook
from obs_sse_guard._hooks.obs.logs import log_hook
from obs_sse_guard._hooks.obs.methods import METHODS, method_hook, other_method_hook, other_methods
from obs_sse_guard._hooks.obs.models import HEADER_OBJECTS, header_object_hook
from obs_sse_guard._hooks.obs.signing import post_signature_hook, signed_url_hook
from obs_sse_guard._hooks.obs.transfers import part_hook, task_hook, tasks_hook
from obs_sse_guard._hooks.obs.wire import connection_hook, request_hook

__all__ = ["TARGETS"]

_MODULES = {"ObsClient": "obs.client", "CryptoObsClient": "obs.crypto_client"}

TARGETS: tuple[Target, ...] = (
    *(
        Target(_MODULES[method.owner], f"{method.owner}.{method.name}", method_hook(method), method.optional)
        for method in METHODS
    ),
    *(Target("obs.model", f"{name}.__init__", header_object_hook) for name in HEADER_OBJECTS),
    Target("obs.client", "ObsClient.*", other_method_hook, select=other_methods),
    Target("obs.client", "ObsClient._createV2SignedUrl", signed_url_hook),
    Target("obs.client", "ObsClient._createV4SignedUrl", signed_url_hook),
    Target("obs.client", "ObsClient._createPostSignature", post_signature_hook),
    Target("obs.client", "_BasicClient._make_request_with_retry", request_hook),
    Target("obs.client", "_BasicClient._parse_request_connection", connection_hook),
    Target("obs.transfer", "uploadOperation._upload_part", part_hook),
    Target("obs.transfer", "downloadOperation._download_part", part_hook),
    Target("obs.client", "_download_files", tasks_hook),
    Target("obs.extension", "_task_wrap", task_hook),
    Target("obs.ilog", "LogClient.log", log_hook),
    # The standard library's: with use_http_conns, urllib3 logs URLs and errors.
    Target("obs.ilog", "logging.Logger.makeRecord", record_hook),
)
