"""Prepare a Python process that ``obs-sse-guard run`` started.

The first import of an SDK activates the guard. Then the next ``sitecustomize`` is imported.

Every Python that the program starts runs this file, including older ones and ones without the guard. It must
stay readable to Python 2.7 and use nothing but the standard library.
"""
# ruff: noqa: INP001  # a PYTHONPATH entry, not a package

import importlib
import os
import sys

try:
    import _obs_sse_guard_startup

    _obs_sse_guard_startup.install()
except Exception as error:  # noqa: BLE001  # whatever fails in the guard, the program never runs silently without it
    _reason = " ".join("{}: {}: {}".format(sys.executable, type(error).__name__, error).split())  # noqa: UP032  # 2.7
    try:
        sys.stderr.write("obs-sse-guard run: NOT GUARDED: " + _reason + "\n")
        sys.stderr.flush()
    except Exception:  # noqa: BLE001, S110  # stderr is missing or closed
        pass
    if "_OBS_SSE_GUARD_REQUIRE" in os.environ:
        os._exit(1)  # an exception would be printed with a traceback, or ignored, depending on the release

# From here on, behave as if this file did not exist. If the next one fails or is missing, the error goes
# to `site`, which handles it as usual.
_folder = os.path.dirname(__file__)  # noqa: PTH120  # the entry of sys.path as it is spelled
sys.path[:] = [entry for entry in sys.path if entry != _folder]
_this = sys.modules.pop("sitecustomize")  # kept: Python 2 clears the names of a module without references
try:
    importlib.import_module("sitecustomize")
finally:
    sys.path.insert(0, _folder)  # some programs pass their sys.path on as their children's PYTHONPATH
