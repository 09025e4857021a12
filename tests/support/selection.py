"""Select the tests of a default run: thin combinations, and omit ``full`` tests.

Of a test marked ``sampled``, such as one whose cases take a process each, only the first case runs.

``pytest --full`` runs everything. The selection depends only on the test names, so every worker makes the same.
"""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

_TRACED = 24  # cases of a test
_TRACED_WITH_SERVER = 8
_OF_OTHERS = ("tests/docs/", "tests/packaging/", "tests/support/")

NEEDS: Mapping[str, tuple[str, ...]] = {
    "obs": (
        "cli/audit/*",
        "cli/explain/*",
        "enforcement/test_a[!s]*",
        "enforcement/test_[!a]*",
        "hooks/obs/*",
        "hooks/test_canary.py",
        "hooks/test_concurrency.py",
        "hooks/test_end_to_end.py",
        "hooks/test_failing_servers.py",
        "hooks/test_foreign_wrappers.py",
        "hooks/test_forks.py",
        "hooks/test_greenlets.py",
        "hooks/test_import_order.py",
        "hooks/test_installer.py",
        "hooks/test_limits.py",
        "hooks/test_memory_errors.py",
        "hooks/test_tr*.py",
        "policy/test_kms_uploads.py",
    ),
    "botocore": ("hooks/aiobotocore/*", "hooks/botocore/*", "hooks/test_tr*.py", "enforcement/test_callsite.py"),
    "minio": ("hooks/minio/*",),
    "huaweicloudsdkobs": ("hooks/huaweicloud", "hooks/huaweicloud/*"),  # the folder, for its conftest.py
    "rich": ("cli/demo/*",),
    "duckdb": ("cli/audit/*",),
    "playwright": ("cli/audit/test_browser.py",),
    "pyspark": ("cli/audit/test_spark.py",),
    "ministack": ("cli/audit/test_spark.py",),
    "boto3": ("hooks/botocore/test_logs.py", "hooks/botocore/test_transfers.py"),
    "opentelemetry.sdk": ("enforcement/test_telemetry.py", "hooks/botocore/test_opentelemetry.py"),
}
"""By module, the test modules that are collected only if it is installed."""


def not_collected() -> list[str]:
    """Return the test modules that cannot run here, as patterns relative to tests/."""
    return [pattern for module, patterns in NEEDS.items() if not _is_installed(module) for pattern in patterns]


def _is_installed(module: str) -> bool:
    return find_spec(module.partition(".")[0]) is not None and find_spec(module) is not None


def left_out(items: list[pytest.Item]) -> set[pytest.Item]:
    """Return the tests that only a full run includes."""
    full = {item for item in items if item.get_closest_marker("full")}
    others = [item for item in items if item not in full]
    thinned = {item for product in _cases(others, "thinned") for item in _repetitions(product)}
    sampled = {item for cases in _cases(others, "sampled") for item in cases[1:]}
    return full | thinned | sampled


def _cases(items: list[pytest.Item], marker: str) -> list[list[Any]]:
    """Return the cases of each test with a marker, always in the same order."""
    found: dict[str, list[Any]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker(marker):
            found[item.nodeid.partition("[")[0]].append(item)
    return [sorted(cases, key=lambda item: str(item.nodeid)) for cases in found.values()]


def _repetitions(product: list[Any]) -> Iterator[Any]:
    """Return the cases of one test whose combinations of values other cases cover."""
    combined = [_combinations(item) for item in product]
    waiting = [(-len(found), number) for number, found in enumerate(combined)]
    heapq.heapify(waiting)
    seen: set[Any] = set()
    while waiting:  # next the case that adds most, which leaves the fewest cases
        _, number = heapq.heappop(waiting)
        new = len(combined[number] - seen)
        if waiting and new < -waiting[0][0]:
            heapq.heappush(waiting, (-new, number))
        elif new:
            seen |= combined[number]
        else:
            yield product[number]


def _combinations(item: Any) -> set[Any]:
    strength = item.get_closest_marker("thinned").kwargs.get("strength", 2)
    values = [(name, _identity(value)) for name, value in sorted(item.callspec.params.items())]
    return set(itertools.combinations(values, min(strength, len(values))))


def _identity(value: Any) -> Any:
    return value if isinstance(value, Hashable) else id(value)


def untraced(items: list[pytest.Item]) -> Iterator[pytest.Item]:
    """Return the tests to run unmeasured, because coverage takes a third of the time.

    They do not test the package, are marked ``unmeasured``, or belong to a test with many cases, of which the same few
    are always measured.
    """
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.nodeid.startswith(_OF_OTHERS) or item.get_closest_marker("unmeasured"):
            yield item
        else:
            cases[item.nodeid.partition("[")[0]].append(item)
    for found in cases.values():
        found.sort(key=lambda item: item.nodeid)
        step = -(-len(found) // (_TRACED_WITH_SERVER if found[0].get_closest_marker("server") else _TRACED))
        yield from (item for number, item in enumerate(found) if number % step)
