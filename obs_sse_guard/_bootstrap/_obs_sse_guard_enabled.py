"""Written by ``obs-sse-guard enable``; Python calls it when it starts."""
# ruff: noqa: INP001

import sys


def start() -> None:
    """Have the first import of an SDK activate the guard, unless it is uninstalled."""
    try:
        import _obs_sse_guard_startup  # noqa: PLC0415

        _obs_sse_guard_startup.install()
    except ModuleNotFoundError:
        pass
    except Exception as error:  # noqa: BLE001
        sys.stderr.write(f"obs-sse-guard: NOT GUARDED: {sys.executable}: {type(error).__name__}\n")
