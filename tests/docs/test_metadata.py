"""The README's links work from a package index if the repository has an address."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from obs_sse_guard import __version__
from tests.support import documents
from tests.support.documents import ROOT

ADDRESS = "https://forge.example/owner/obs-sse-guard"

core = pytest.importorskip("hatchling.metadata.core")
manager = pytest.importorskip("hatchling.plugin.manager")


def _metadata(folder: Path, address: str) -> tuple[str, dict[str, str]]:
    """Return the README and the URLs of a package that is built with this address."""
    (folder / "obs_sse_guard").mkdir()
    for name in ("README.md", "LICENSE", "hatch_build.py", "obs_sse_guard/_version.py"):
        shutil.copy(ROOT / name, folder / name)
    project = documents.read(ROOT / "pyproject.toml")
    project, replaced = re.subn(r'^repository = ".*"$', f'repository = "{address}"', project, flags=re.MULTILINE)
    assert replaced == 1
    (folder / "pyproject.toml").write_text(project, encoding="utf-8")
    metadata = core.ProjectMetadata(str(folder), manager.PluginManager()).core
    assert metadata.readme_content_type == "text/markdown"
    return metadata.readme, metadata.urls


def test_without_an_address_the_links_are_relative(tmp_path: Path) -> None:
    assert _metadata(tmp_path, "") == (documents.read(documents.README), {})


@pytest.mark.parametrize("address", [ADDRESS, f"{ADDRESS}/"])
def test_with_an_address_every_link_leads_to_the_repository(tmp_path: Path, address: str) -> None:
    readme, urls = _metadata(tmp_path, address)
    links = [link for link in re.findall(r"\]\((.*?)\)", readme) if not link.startswith("#")]
    assert links
    assert all(link.startswith("https://") for link in links)
    targets = re.findall(rf"\({ADDRESS}/(\w+)/v{re.escape(__version__)}/([^)#]*)", readme)
    assert len(targets) == len([link for link in links if link.startswith(ADDRESS)])
    for kind, path in targets:
        assert (ROOT / path).exists(), path
        assert kind == ("raw" if path.endswith(".svg") else "blob")
    assert all(f"{link}/".startswith(f"{ADDRESS}/") for link in urls.values())
    assert {"Repository", "Documentation", "Changelog", "Issues"} == {*urls}


def test_the_address_stands_nowhere_else() -> None:
    """Everything that needs it reads it from ``pyproject.toml``."""
    [address] = re.findall(r'^repository = "(.*)"', documents.read(ROOT / "pyproject.toml"), re.MULTILINE)
    assert address == "" or address.startswith("https://")
    for path in (documents.README, documents.README_ZH, ROOT / "mkdocs.yml", *documents.PAGES):
        assert not address or address not in documents.read(path), path.name
