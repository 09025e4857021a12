"""Every place that is hooked in minio-py, and in urllib3 below it."""

from __future__ import annotations

from obs_sse_guard._hooks.hook import Target
from obs_sse_guard._hooks.log_records import record_hook
from obs_sse_guard._hooks.minio.logs import headers_hook, trace_hook
from obs_sse_guard._hooks.minio.methods import method_hook
from obs_sse_guard._hooks.minio.signing import policy_hook, url_hook
from obs_sse_guard._hooks.minio.transfers import task_hook
from obs_sse_guard._hooks.minio.wire import connection_hook, execute_hook, open_hook, pool_hook

__all__ = ["TARGETS"]

TARGETS: tuple[Target, ...] = (
    Target("minio.api", "Minio.put_object", method_hook),
    Target("minio.api", "Minio.fget_object", method_hook),
    Target("minio.api", "Minio.copy_object", method_hook),
    Target("minio.api", "Minio.compose_object", method_hook),
    Target("minio.api", "Minio.upload_snowball_objects", method_hook, optional=True),
    Target("minio.api", "Minio.append_object", method_hook, optional=True),
    Target("minio.api", "Minio.get_presigned_url", url_hook),
    Target("minio.api", "Minio.presigned_post_policy", policy_hook),
    Target("minio.api", "Minio._execute", execute_hook),
    Target("minio.api", "Minio._url_open", open_hook),
    Target("minio.api", "Minio.trace_on", trace_hook),
    Target("minio.api", "headers_to_strings", headers_hook),
    Target("minio.api", "ThreadPool.add_task", task_hook),
    # By the names that they have in minio-py: a process without it is left alone.
    Target("minio.api", "urllib3.PoolManager.urlopen", pool_hook),
    Target("minio.api", "urllib3.connection.HTTPConnection.request", connection_hook),
    Target("minio.api", "urllib3.connectionpool.logging.Logger.makeRecord", record_hook),
)
"""Every place that is hooked in minio-py."""
