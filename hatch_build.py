"""Complete the package's metadata with links that work on a package index too.

The address of the repository stands in ``pyproject.toml``, once. While it is empty, the links of the README stay
relative, and the package has no project URLs.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!\w+:|#)([^)\s]+)\)")


class LinkMetadataHook(MetadataHookInterface):
    """Set the README and the project URLs."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add what ``dynamic`` announces to the metadata."""
        repository = self.config["repository"].rstrip("/")
        readme = Path(self.root, "README.md").read_text(encoding="utf-8")
        text = absolute(readme, repository, f"v{metadata['version']}")
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
        metadata["urls"] = urls(repository)


def absolute(text: str, repository: str, tag: str) -> str:
    """Return a text whose relative links lead to the repository at a tag.

    Without an address, the text is unchanged.
    """
    if not repository:
        return text

    def link(match: re.Match[str]) -> str:
        image, label, path = match.groups()
        return f"{image}[{label}]({repository}/{'raw' if image else 'blob'}/{tag}/{path})"

    return _LINK.sub(link, text)


def urls(repository: str) -> dict[str, str]:
    """Return the project URLs; none without an address."""
    if not repository:
        return {}
    return {
        "Repository": repository,
        "Documentation": f"{repository}/tree/HEAD/docs",
        "Changelog": f"{repository}/blob/HEAD/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }
