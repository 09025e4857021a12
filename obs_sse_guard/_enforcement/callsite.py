"""Find where in the application a call was made.

Looked up only when something is reported. The stack is walked outwards from the hook, skipping the guard, the SDKs,
their wrappers, storage libraries, task runners, and the standard library. All are recognized by the folders they were
imported from, because an application may have the name of one of them, or be installed in site-packages itself. Where
nothing else is on the stack, the application is in the thread that waits for this one.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

from obs_sse_guard._enforcement.waiting import is_waiting, waiting_frames
from obs_sse_guard._util.failure import attempt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType

__all__ = ["CallSite", "Caller", "call_site", "called_by", "caller", "caller_id"]

_PACKAGES = (
    "obs_sse_guard",
    # SDKs and their HTTP clients
    "obs", "boto3", "botocore", "s3transfer", "awscrt", "aiobotocore", "s3fs", "fsspec", "minio",
    "huaweicloudsdkcore", "huaweicloudsdkobs",
    "aiohttp", "httpcore", "httpx", "urllib3", "requests", "hyper",
    # native clients
    "deltalake", "lance", "obstore", "polars",
    # programs that store with these
    "airflow", "awswrangler", "cloudpathlib", "dask", "datasets", "distributed", "django", "dvc", "dvc_data",
    "dvc_objects", "dvc_s3", "fastparquet", "geopandas", "h5netcdf", "h5py", "kerchunk", "mlflow", "numpy", "pandas",
    "pyarrow", "pyiceberg", "s3path", "smart_open", "storages", "torch", "upath", "xarray", "zarr",
    # what runs applications, and works for them
    "billiard", "celery", "eventlet", "gevent", "gunicorn", "joblib", "pyspark", "ray", "rq", "uvicorn",
    # libraries that wrap calls
    "wrapt", "opentelemetry", "aws_xray_sdk", "ddtrace", "sentry_sdk", "elasticapm", "newrelic", "moto",
)  # fmt: skip

_TRIES = 10
"""How often to look for a caller that goes on meanwhile, to another line."""

_STDLIB = threading.__file__.rpartition(os.sep)[0] + os.sep
# Installed packages lie below the standard library's folder without being part of it.
_INSTALLED = tuple(f"{_STDLIB}{name}{os.sep}" for name in ("site-packages", "dist-packages"))
# Beyond these frames the stack shows who runs the event loop, not who made the call.
_EVENT_LOOP = frozenset(f"{_STDLIB}asyncio{os.sep}{name}" for name in ("events.py", "base_events.py", "runners.py"))


class CallSite(NamedTuple):
    """A place in the application's code."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} in {self.function}"


class Caller(NamedTuple):
    """A call of the application.

    Attributes:
        id: as `caller_id` returns it.
        site: as `call_site` returns it.
    """

    id: int
    site: CallSite | None


# The caller, set by a hook in a worker thread. Not its frame, which would keep the locals of the call alive.
_told: ContextVar[Caller | None] = ContextVar("obs_sse_guard_caller", default=None)


def call_site() -> CallSite | None:
    """Return where in the application this call was made.

    Returns:
        The innermost frame of the application on this thread's stack, or on that of the thread that waits for it.
        ``None`` if there is none: in a worker thread that nobody waits for, unless `called_by` knows, and in a task
        whose outermost coroutine is an SDK's.
    """
    return caller().site or attempt(_waiting_site, None)


def caller() -> Caller:
    """Return the application's call that is under way in this thread."""
    frame = _application_frame(sys._getframe())  # noqa: SLF001  # the only way to walk the stack
    if frame is None:
        return _told.get() or Caller(id(None), None)
    return Caller(id(frame), _site(frame))


def _waiting_site() -> CallSite | None:
    for _ in range(_TRIES):
        found = next(_waiting_callers(), None)
        if found is None:
            return None
        thread, waiting, site = found
        if is_waiting(thread, waiting):
            return site
    return None


def _waiting_callers() -> Iterator[tuple[int, FrameType, CallSite]]:
    for thread, waiting in waiting_frames():
        frame = _application_frame(waiting)
        if frame is not None:
            yield thread, waiting, _site(frame)


def _site(frame: FrameType) -> CallSite:
    return CallSite(frame.f_code.co_filename, frame.f_lineno, _name(frame.f_code))


@contextlib.contextmanager
def called_by(known: Caller) -> Iterator[None]:
    """Let a worker thread know which call of the application it works for."""
    token = _told.set(known)
    try:
        yield
    finally:
        _told.reset(token)


def caller_id() -> int:
    """Return an id that distinguishes the calls of the application under way.

    It is the same for all calls without a call site. One call passes several hooks, and each finds the same frame of
    the application. A call made within it, for example by a body while it is read, comes from another frame, even at
    the same line.
    """
    frame = _application_frame(sys._getframe())  # noqa: SLF001  # it stays where it is while its call is under way
    return id(frame) if frame is not None else caller().id


def _application_frame(frame: FrameType | None) -> FrameType | None:
    """Return the innermost frame of the application, from this one outwards."""
    packages = _folders()
    while frame is not None:
        file = frame.f_code.co_filename
        if file in _EVENT_LOOP:
            return None
        if not file.startswith(packages) and (not file.startswith(_STDLIB) or file.startswith(_INSTALLED)):
            return frame
        frame = frame.f_back
    return None


def _folders() -> tuple[str, ...]:
    folders = ["<frozen "]  # of the standard library: what runs a module
    for name in _PACKAGES:
        with contextlib.suppress(Exception):  # a lazy module may fail to be imported now
            # A namespace package, such as OpenTelemetry's, has several folders.
            folders += [f"{folder}{os.sep}" for folder in getattr(sys.modules.get(name), "__path__", ())]
    return tuple(folders)


def _name(code: CodeType) -> str:
    return str(getattr(code, "co_qualname", code.co_name))  # Python 3.11 and newer have the qualified name
