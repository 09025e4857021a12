"""Select the tests of a default run: combinations of parameters are thinned, and tests marked ``full`` are deselected.

``pytest --full`` runs everything. The selection depends only on the test names, so every worker makes the same.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest


def left_out(items: list[pytest.Item]) -> set[pytest.Item]:
    """Return the tests that only a full run includes."""
    products: dict[str, list[Any]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("thinned"):
            products[item.nodeid.partition("[")[0]].append(item)
    thinned = {item for product in products.values() for item in _repetitions(product)}
    return thinned | {item for item in items if item.get_closest_marker("full")}


def _repetitions(product: list[Any]) -> Iterator[Any]:
    """Return the cases of one test whose pairs of values all occur in earlier cases."""
    seen: set[Any] = set()
    for item in sorted(product, key=lambda item: item.nodeid):
        strength = item.get_closest_marker("thinned").kwargs.get("strength", 2)
        values = [(name, _identity(value)) for name, value in sorted(item.callspec.params.items())]
        combined = set(itertools.combinations(values, min(strength, len(values))))
        if combined <= seen:
            yield item
        seen |= combined


def _identity(value: Any) -> Any:
    return value if isinstance(value, Hashable) else id(value)
