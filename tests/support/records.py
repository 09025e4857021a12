"""Reading what the guard said: in the log, and in the audit file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement import enforce
from obs_sse_guard._enforcement import log as log_module
from obs_sse_guard._policy import settings
from obs_sse_guard._policy.kms_uploads import kms_uploads

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def forget() -> None:
    """Let the guard forget what it has said and learnt."""
    kms_uploads.clear()
    for said in (enforce.first_bug, log_module.first_use_of_trust, log_module.noise, settings.first_warning):
        said.forget()
    settings._understood.cache_clear()


def rules(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The rule or finding of every record, in order."""
    return [fields["rule"] for fields in fields_of(caplog)]


def fields_of(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Everything that the records carry, the structured fields among it."""
    return [vars(record) for record in caplog.records]


def audited(path: Path) -> list[dict[str, Any]]:
    """Every line of an audit file, in order; none where there is no file."""
    lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]
