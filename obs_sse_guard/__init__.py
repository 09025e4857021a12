"""Refuse server-side encryption over a transport that its rule forbids.

Import it to guard the supported SDKs, native stores and HTTP clients (docs/libraries.md). Forbidden requests raise
`SSETransportError` before anything is sent. With ``OBS_SSE_GUARD=off`` in the environment, the import does nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from obs_sse_guard import rules
from obs_sse_guard._errors import SSEGuardError, SSEGuardWarning, SSETransportError
from obs_sse_guard._policy.overrides import override_process
from obs_sse_guard._policy.settings import Mode, override_texts, read_settings
from obs_sse_guard._version import __version__ as __version__

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from obs_sse_guard._hooks.installer import HookInstaller

__all__ = [
    "SSEGuardError",
    "SSEGuardWarning",
    "SSETransportError",
    "configure",
    "install",
    "rules",
    "status",
    "uninstall",
]


def _installer() -> HookInstaller:
    # Imported when first needed: with OBS_SSE_GUARD=off the import of the package loads neither wrapt nor a hook.
    from obs_sse_guard._hooks.installer import installer  # noqa: PLC0415

    return installer


def install() -> None:
    """Hook the SDKs that are imported, and watch for those that are not yet.

    Importing the package does this. Idempotent and thread-safe. Imports no SDK. A place that cannot be hooked warns
    with `SSEGuardWarning` and shows in `status`.
    """
    _installer().install()


def uninstall() -> None:
    """Remove the hooks.

    A hook that another library has wrapped in the meantime stays where it is and lets everything pass, so that no
    wrapper is lost. Idempotent and thread-safe.
    """
    _installer().uninstall()


def status() -> dict[str, str]:
    """Return the state of every place that the guard hooks.

    Returns:
        By dotted name, one of ``active``; ``pending``, the SDK is not imported yet; ``unsupported``, this release of
        the SDK has no such place or could not be hooked there, for good or while a mock stands in its place; ``off``,
        the hook is not installed or was removed, or the import of the SDK would not be noticed, because another library
        removed the import finder.
    """
    return _installer().status()


def configure(
    *,
    mode: str | None = None,
    policy: str | None = None,
    trusted_hosts: str | Iterable[str] | None = None,
    audit: str | os.PathLike[str] | None = None,
) -> None:
    """Override the settings in the environment for this process.

    Each one that is ``None`` returns to the environment. Holds at once, in all threads, until the next call. A mode
    other than ``off`` also installs the hooks: with ``OBS_SSE_GUARD=off`` in the environment the import has not.

    Args:
        mode: ``enforce``, ``warn`` or ``off``.
        policy: ``documented`` or ``strict``.
        trusted_hosts: hosts to which plaintext is a trusted hop: a comma list, or any iterable of entries. An empty one
            trusts none.
        audit: path of the audit file. An empty one writes none.

    Raises:
        ValueError: a value is not valid. The message lists the valid ones, and nothing has changed.
    """
    override_process(override_texts(mode=mode, policy=policy, trusted_hosts=trusted_hosts, audit=audit))
    if read_settings().mode is not Mode.OFF and mode is not None:
        install()
    if audit is not None:
        from obs_sse_guard._enforcement.armed import armed  # noqa: PLC0415  # as above

        armed.report(read_settings())


if read_settings().mode is not Mode.OFF:
    install()
