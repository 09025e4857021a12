"""Submit a signed form as a browser would: SDKs only sign it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from obs_sse_guard._cli.demo.fixtures import CONTENT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["submit"]


def submit(url: str, form: Mapping[str, str], ca: Path) -> int:
    """Upload the content with a form, and return the HTTP status of the response."""
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(ca)
        return session.post(url, data=form, files={"file": CONTENT}).status_code
