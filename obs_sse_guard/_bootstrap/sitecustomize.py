"""Arms a Python process that ``obs-sse-guard run`` started, then makes way for the ``sitecustomize`` behind it.

Whatever Python the program starts comes by here, an older one or one without the guard among
them: so nothing that Python 3.6 cannot read, and nothing but the standard library.
"""
# ruff: noqa: INP001  # a folder of PYTHONPATH, not a package

import contextlib
import importlib
import os
import sys

try:
    import obs_sse_guard  # noqa: F401  # the import arms
except Exception as error:  # noqa: BLE001  # whatever fails in the guard: the program runs, and not in silence
    _trouble = " ".join(f"{sys.executable}: {type(error).__name__}: {error}".split())
    with contextlib.suppress(AttributeError, OSError):  # there is no stderr, or nobody at its other end
        sys.stderr.write(f"obs-sse-guard run: NOT GUARDED: {_trouble}\n")

# From here on it is as if this file were not there: an error of the one behind it, and that there
# is none, go to `site`, which handles them as ever.
_folder = os.path.dirname(__file__)  # noqa: PTH120  # the entry of sys.path as it is spelled
sys.path[:] = [entry for entry in sys.path if entry != _folder]
del sys.modules["sitecustomize"]
try:
    importlib.import_module("sitecustomize")
finally:
    sys.path.insert(0, _folder)  # some programs hand on their sys.path as their children's PYTHONPATH
