"""What of the tests runs by default: products of parameters are thinned, and what is marked ``full`` is left out.

``pytest --full`` runs everything. The choice depends only on the tests' names, so that each worker makes the same.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest


def left_out(items: list[pytest.Item]) -> set[pytest.Item]:
    """Return the tests that only a full run has."""
    products: dict[str, list[Any]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("thinned"):
            products[item.nodeid.partition("[")[0]].append(item)
    thinned = {item for product in products.values() for item in _repetitions(product)}
    return thinned | {item for item in items if item.get_closest_marker("full")}


def _repetitions(product: list[Any]) -> Iterator[Any]:
    """The cases of one test that combine nothing which a case before them has not combined."""
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
