"""Whether an SDK is hooked in this process, and the audit line that states it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from obs_sse_guard._enforcement import audit
from obs_sse_guard._enforcement.log import log_failure
from obs_sse_guard._policy.settings import Mode, read_settings
from obs_sse_guard._util.once import OncePerKey
from obs_sse_guard._version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

    from obs_sse_guard._policy.settings import Settings

__all__ = ["Armed", "armed"]


class Armed:
    """The SDKs that are hooked in this process.

    The line is written once per process: when the first SDK is hooked, when `configure` sets an audit file, or, where
    none was set by then or the process was forked later, before the first finding.

    Attributes:
        sdks: their names, as in the field ``sdk`` of a finding; empty if none is hooked.
    """

    def __init__(self) -> None:
        self.sdks: tuple[str, ...] = ()
        self._first_in_process = OncePerKey()

    def update(self, sdks: Iterable[str]) -> None:
        """Set which SDKs are hooked."""
        self.sdks = tuple(sorted(sdks))
        try:
            self.report(read_settings())
        except Exception:  # noqa: BLE001  # the import of the SDK must not fail because of us
            log_failure("report that an SDK is hooked", "it stays hooked")

    def report(self, settings: Settings) -> None:
        """Append the line to the audit file, unless this process has done so."""
        if not self.sdks or not settings.audit or settings.mode is Mode.OFF:
            return
        if self._first_in_process(str(os.getpid())) and not audit.write(
            settings.audit, "armed", self._fields(settings)
        ):
            self.forget()

    def mute(self) -> None:
        """Write no line for this process: it imports SDKs only to inspect them."""
        self._first_in_process(str(os.getpid()))

    def forget(self) -> None:
        """Forget that the line was written."""
        self._first_in_process.forget()

    def _fields(self, settings: Settings) -> dict[str, object]:
        return {
            "version": __version__,
            "mode": settings.mode.value,
            "policy": settings.policy.value,
            "sdks": [*self.sdks],
        }


armed = Armed()
"""The SDKs that are hooked in this process."""
