"""For tests: other settings for some lines, and what was found in them.

``override`` sets the settings of the guard for a ``with`` block, and ``findings`` collects what is found in one. Both
are safe among threads and tasks: a test sees its own. Importing this module imports no test framework.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar, cast

from obs_sse_guard._enforcement.collector import ReportedFinding, collecting
from obs_sse_guard._policy.overrides import overriding
from obs_sse_guard._policy.settings import override_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = ["ReportedFinding", "findings", "override"]

_Function = TypeVar("_Function", bound="Callable[..., Any]")


def override(
    *, mode: str | None = None, policy: str | None = None, trusted_hosts: str | Iterable[str] | None = None
) -> _Override:
    """Override settings in a ``with`` block or a decorated function, async or not.

    Takes precedence over `obs_sse_guard.configure` and the environment. Holds for this thread or task, for the tasks
    that it starts, and for the worker threads of SDKs while it waits for them; not for threads of your own.

    Args:
        mode: ``enforce``, ``warn`` or ``off``.
        policy: ``documented`` or ``strict``.
        trusted_hosts: hosts to which plaintext is a trusted hop: a comma list, or any iterable of entries.

    Raises:
        ValueError: a value is not valid. The message lists the valid ones.
        TypeError: what is decorated is a generator function: use a ``with`` block in it.
    """
    return _Override(override_texts(mode=mode, policy=policy, trusted_hosts=trusted_hosts))


class _Override(contextlib.AbstractContextManager[None]):
    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._entered: list[contextlib.AbstractContextManager[None]] = []  # several if its blocks are nested

    def __enter__(self) -> None:
        self._entered.append(overriding(self._texts))
        self._entered[-1].__enter__()

    def __exit__(self, *_: object) -> None:
        self._entered.pop().__exit__(None, None, None)

    def __call__(self, function: _Function) -> _Function:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):  # runs after the call
            message = "override() decorates no generator function: use a with block in it"
            raise TypeError(message)
        if not inspect.iscoroutinefunction(function):
            return overriding(self._texts)(function)

        @functools.wraps(function)
        async def overridden(*args: Any, **kwargs: Any) -> Any:
            with overriding(self._texts):
                return await function(*args, **kwargs)

        return cast("_Function", overridden)


@contextlib.contextmanager
def findings() -> Iterator[list[ReportedFinding]]:
    """Collect what is refused or logged in a ``with`` block.

    This covers the thread or task, and the tasks that it starts. A thread without its own, such as a worker of an SDK,
    reports to every open ``findings()``. Where they are nested, only the innermost collects: what a test expects stays
    out of a fixture around it.

    Yields:
        The list, which grows. Nothing is raised: a refused call raises by itself.
    """
    with collecting() as found:
        yield found
