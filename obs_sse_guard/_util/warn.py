"""Warnings about the guard itself."""

from __future__ import annotations

import logging
import warnings

from obs_sse_guard._errors import SSEGuardWarning
from obs_sse_guard._util.once import OncePerKey

__all__ = ["warn_once"]

first_warning = OncePerKey()


def warn_once(message: str) -> None:
    """Warn with `SSEGuardWarning`, once per message and process.

    Under ``-W error`` a warning raises, in the middle of a call of the application. It is logged there instead: trouble
    with the guard must not break a permitted call.
    """
    if not first_warning(message):
        return
    try:
        warnings.warn(message, SSEGuardWarning, stacklevel=2)
    except SSEGuardWarning:
        logging.getLogger("obs_sse_guard").warning("%s", message)
