"""A pytest plugin for mutation testing.

mutmut's frames between ours are not the application's. A mutant that never stops fails before it fills the memory.
"""

from __future__ import annotations

import resource

from obs_sse_guard._enforcement import callsite

vars(callsite)["_PACKAGES"] += ("mutmut",)
_LIMIT = 4 << 30
resource.setrlimit(resource.RLIMIT_AS, (_LIMIT, resource.getrlimit(resource.RLIMIT_AS)[1]))
