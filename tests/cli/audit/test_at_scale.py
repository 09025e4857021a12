"""docs/audit-at-scale.md shows the queries and the columns that the command uses."""

from __future__ import annotations

import re

import pytest

from obs_sse_guard._cli.audit.summary import COLUMNS, QUERIES
from tests.support import documents
from tests.support.documents import ROOT

PAGE = ROOT / "docs" / "audit-at-scale.md"


@pytest.mark.parametrize(("number", "name"), [(0, "tallies"), (1, "hosts")])
def test_the_page_shows_the_queries(number: int, name: str) -> None:
    assert documents.blocks(PAGE, "sql")[number].text.strip() == QUERIES[name]


def test_the_schema_for_spark_is_that_for_duckdb() -> None:
    [program] = documents.blocks(PAGE, "python")
    columns = re.findall(r"(\w+) (STRING|STRUCT)\b", program.text)
    assert {name for name, _ in columns} == {*COLUMNS}
