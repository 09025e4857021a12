"""What sends a signed form: SDKs sign it and leave the rest to browsers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from obs_sse_guard._cli.demo.props import CONTENT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["submit"]


def submit(url: str, form: Mapping[str, str], ca: Path) -> int:
    """Upload the content with a form; returns the status of the answer."""
    with requests.Session() as browser:
        browser.trust_env = False
        browser.verify = str(ca)
        return browser.post(url, data=form, files={"file": CONTENT}).status_code
