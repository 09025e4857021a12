"""A pytest plugin for mutation testing: mutmut's frames between ours are not the application's."""

from __future__ import annotations

from obs_sse_guard._enforcement import callsite

vars(callsite)["_PACKAGES"] += ("mutmut",)
