"""Render the summary of audit files as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from obs_sse_guard._cli.audit.summary import Group, Summary

__all__ = ["render"]


def render(summary: Summary, paths: list[str]) -> str:
    """Return everything in the summary, with every group."""
    return (
        json.dumps(
            {
                "files": paths,
                **summary.total().as_dict(),
                "damaged_lines": summary.damaged,
                "all_places_told_apart": summary.is_complete,
                "call_sites": {policy: summary.call_sites(policy) for policy in ("enforce", "strict")},
                "without_call_site": {policy: summary.without_call_site(policy) for policy in ("enforce", "strict")},
                "by_rule": [_group(group, "rule") for group in summary.groups("rule")],
                "by_operation": [_group(group, "operation") for group in summary.groups("operation")],
                "by_host": [_group(group, "host") for group in summary.groups("host")],
                "by_call_site": [_group(group, "call_site") for group in summary.groups("site_text")],
                "places": [
                    _group(group, "rule", "operation", "host", "call_site")
                    for group in summary.groups("rule", "operation", "host", "site_text")
                ],
            },
            indent=2,
        )
        + "\n"
    )


def _group(group: Group, *names: str) -> dict[str, Any]:
    return {**dict(zip(names, group.names)), **group.tally.as_dict()}
