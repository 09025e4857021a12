"""Guard every worker of Ray, without a line of code.

Set ``RAY_RUNTIME_ENV_HOOK=obs_sse_guard.engines.ray.guard_workers``. Ray calls the function when a driver connects, and
starts the workers in the environment that it returns.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from obs_sse_guard._util.warn import warn_once

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["guard_workers"]

_SETUP = "worker_process_setup_hook"
_INSTALL = "obs_sse_guard.install"


def guard_workers(runtime_env: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a runtime environment in which each worker installs the hooks.

    The workers have the settings of this process; settings among its ``env_vars`` win. A setup hook that it already has
    is left alone, because Ray runs only one; a warning is issued.
    """
    made = dict(runtime_env or {})
    settings = {name: value for name, value in os.environ.items() if name.startswith("OBS_SSE_GUARD")}
    made["env_vars"] = {**settings, **(made.get("env_vars") or {})}
    made[_SETUP] = made.get(_SETUP) or _INSTALL
    if made[_SETUP] != _INSTALL:
        warn_once(
            f"the runtime environment has a {_SETUP} of its own: call {_INSTALL}() in it to guard the workers of Ray"
        )
    return made
