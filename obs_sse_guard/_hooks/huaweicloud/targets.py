"""Every place that is hooked in huaweicloudsdkobs and its core."""

from __future__ import annotations

from obs_sse_guard._hooks.hook import Target
from obs_sse_guard._hooks.huaweicloud.methods import method_hook, operation_hook, operations
from obs_sse_guard._hooks.huaweicloud.wire import adapter_hook, request_hook
from obs_sse_guard._hooks.huaweicloud.workers import future_hook, session_hook, worker_hook
from obs_sse_guard._hooks.log_records import record_hook

__all__ = ["TARGETS"]

TARGETS: tuple[Target, ...] = (
    Target("huaweicloudsdkobs.v1.obs_client", "ObsClient.*", operation_hook, select=operations),
    Target("huaweicloudsdkobs.v1.obs_async_client", "ObsAsyncClient.*", operation_hook, select=operations),
    Target("huaweicloudsdkcore.client", "Client.do_http_request", method_hook),
    Target("huaweicloudsdkcore.client", "Client.build_future_request", future_hook),
    Target("huaweicloudsdkcore.client", "Client._do_http_request_async", worker_hook),
    Target("huaweicloudsdkcore.http.future_session", "FutureSession.request", session_hook),
    Target("huaweicloudsdkcore.http.http_client", "HttpClient.do_request_sync", request_hook),
    Target("huaweicloudsdkcore.http.http_client", "HttpClient.do_request_async", request_hook),
    # That of requests, and the standard library's, by the names that they have in the core: a process without it is
    # left alone.
    Target("huaweicloudsdkcore.http.http_client", "HTTPAdapter.send", adapter_hook),
    Target("huaweicloudsdkcore.client", "logging.Logger.makeRecord", record_hook),
)
"""Every place that is hooked in huaweicloudsdkobs and its core."""
