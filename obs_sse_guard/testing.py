"""For tests: other settings for some lines, and what was found in them.

``override`` sets the settings of the guard for a ``with`` block, and ``findings`` collects what is found in one. Both
are safe among threads and tasks: a test sees its own. Importing this module imports no test framework.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from obs_sse_guard._enforcement.collector import ReportedFinding, collecting
from obs_sse_guard._policy.overrides import overriding
from obs_sse_guard._policy.settings import override_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["ReportedFinding", "findings", "override"]


@contextlib.contextmanager
def override(
    *, mode: str | None = None, policy: str | None = None, trusted_hosts: str | Iterable[str] | None = None
) -> Iterator[None]:
    """Override settings in a ``with`` block, or in a function, but no coroutine, that is decorated with it.

    Takes precedence over `obs_sse_guard.configure` and the environment. Holds for this thread or task, for the tasks
    that it starts, and for the worker threads of SDKs while it waits for them; not for threads of your own.

    Args:
        mode: ``enforce``, ``warn`` or ``off``.
        policy: ``documented`` or ``strict``.
        trusted_hosts: hosts to which plaintext is a trusted hop: a comma list, or any iterable of entries.

    Raises:
        ValueError: a value is not valid. The message lists the valid ones.
    """
    with overriding(override_texts(mode=mode, policy=policy, trusted_hosts=trusted_hosts)):
        yield


@contextlib.contextmanager
def findings() -> Iterator[list[ReportedFinding]]:
    """Collect what is refused or logged in a ``with`` block: in this thread or task, and in the tasks that it starts.

    Of a thread that has none, such as a worker of an SDK, every open ``findings()`` collects what is found. Where they
    are nested, the innermost alone collects: what a test expects stays out of a fixture around it.

    Yields:
        The list, which grows. Nothing is raised: a refused call raises by itself.
    """
    with collecting() as found:
        yield found
