"""Activate the guard in a Python process that ``obs-sse-guard run`` started, then import the next ``sitecustomize``.

Every Python that the program starts runs this file, including older ones and ones without the guard. It must
stay readable to Python 3.6 and use nothing but the standard library.
"""
# ruff: noqa: INP001  # a PYTHONPATH entry, not a package

import contextlib
import importlib
import os
import sys

try:
    import obs_sse_guard  # noqa: F401  # the import installs the hooks
except Exception as error:  # noqa: BLE001  # whatever fails in the guard, the program runs, but not silently
    _reason = " ".join(f"{sys.executable}: {type(error).__name__}: {error}".split())
    with contextlib.suppress(AttributeError, OSError):  # stderr is missing or closed
        sys.stderr.write(f"obs-sse-guard run: NOT GUARDED: {_reason}\n")

# From here on, behave as if this file did not exist. If the next one fails or is missing, the error goes
# to `site`, which handles it as usual.
_folder = os.path.dirname(__file__)  # noqa: PTH120  # the entry of sys.path as it is spelled
sys.path[:] = [entry for entry in sys.path if entry != _folder]
del sys.modules["sitecustomize"]
try:
    importlib.import_module("sitecustomize")
finally:
    sys.path.insert(0, _folder)  # some programs pass their sys.path on as their children's PYTHONPATH
