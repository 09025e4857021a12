"""Activate the guard when the first SDK is imported.

Beside the package, not in it: importing anything of the package loads all that it needs. This module runs whenever an
enabled Python starts, and imports nothing that is not loaded by then.
"""

import os
import sys

TYPE_CHECKING = False  # not from typing, which would have to be imported
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["SDKS", "install"]

# Those of the installer; a test compares them.
SDKS = frozenset((
    "aiobotocore", "aiohttp", "awscrt", "botocore", "deltalake", "http.client", "httpcore", "huaweicloudsdkcore",
    "huaweicloudsdkobs", "lance", "minio", "obs", "obstore", "polars", "s3transfer", "urllib3",
))  # fmt: skip


class _Finder:
    """Activates the guard when an SDK is imported; after that it does nothing.

    Only ``sys.meta_path`` refers to it.
    """

    def __init__(self) -> None:
        self.is_done = False

    def __del__(self) -> None:
        """Report its removal, except at the end of the interpreter.

        An interpreter that ends sets ``sys.meta_path`` to ``None`` first.
        """
        if not self.is_done and "obs_sse_guard" not in sys.modules and sys.meta_path is not None:
            _write("another library removed the import finder from sys.meta_path")

    def find_spec(
        self, name: str, _path: "Sequence[str] | None" = None, _target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """Activate the guard if this is an SDK, or if another finder has imported one."""
        if self.is_done or (name not in SDKS and sys.modules.keys().isdisjoint(SDKS)):
            return None
        self.activate()
        if name not in SDKS or name in sys.modules or "obs_sse_guard" not in sys.modules:
            return None
        # The finders of the guard stand before this one: search again from the first.
        from importlib.util import find_spec  # noqa: PLC0415  # loaded with the guard

        return find_spec(name)

    def activate(self) -> None:
        """Import the guard. Where another thread is doing so, wait for it."""
        try:
            import obs_sse_guard  # noqa: F401, PLC0415  # the import installs the hooks
        except Exception as error:  # noqa: BLE001  # whatever fails in the guard, the program runs, but never silently
            _report(error)
        self.is_done = True


def install() -> None:
    """Activate the guard at the first import of an SDK, or now if there was one.

    Idempotent.
    """
    finder = next((other for other in sys.meta_path if isinstance(other, _Finder)), None)
    if finder is None:
        finder = _Finder()
        sys.meta_path.insert(0, finder)
    if not sys.modules.keys().isdisjoint(SDKS):
        finder.activate()


def _report(error: Exception) -> None:
    _write(f"{type(error).__name__}: {error}")
    if "_OBS_SSE_GUARD_REQUIRE" in os.environ:  # of obs-sse-guard run --require
        os._exit(1)  # an exception would be one of the program's imports


def _write(reason: str) -> None:
    line = " ".join(f"{sys.executable}: {reason}".split())
    try:
        sys.stderr.write(f"obs-sse-guard: NOT GUARDED: {line}\n")
        sys.stderr.flush()
    except Exception:  # noqa: BLE001, S110  # stderr is missing or closed
        pass
