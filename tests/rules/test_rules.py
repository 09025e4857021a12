"""The rules match their independent transcription."""

from __future__ import annotations

import ast
import inspect
import itertools
import subprocess
import sys
from typing import Any

import pytest

from obs_sse_guard import rules
from obs_sse_guard.rules import RULES, SSE_OBS_RULES, Encryption, Operation, check
from tests.support import expected_rules

SCHEMES = ("http", "https")


def _as_expected(rule: rules.Rule) -> expected_rules.Row:
    return expected_rules.Row(rule.table, rule.operation.value, rule.source.value, rule.target.value, rule.transports)


def test_the_32_rows_match_the_page_in_order() -> None:
    assert [_as_expected(rule) for rule in RULES] == list(expected_rules.ROWS)
    assert len(RULES) == 32
    assert [rule.id for rule in RULES] == [row.id for row in expected_rules.ROWS]


def test_the_later_rows_are_marked_with_their_edition() -> None:
    assert [_as_expected(rule) for rule in SSE_OBS_RULES] == list(expected_rules.ROWS_OF_2025)
    assert {rule.edition for rule in SSE_OBS_RULES} == {"2025-04"}
    assert {rule.edition for rule in RULES} == {""}
    assert "2025-04" in SSE_OBS_RULES[0].text


def test_a_rule_is_frozen_and_names_its_page() -> None:
    row = RULES[0]
    assert (row.page, str(row)) == ("obs_04_0108", "table-1/PutObject")
    with pytest.raises(AttributeError):
        row.table = 2  # type: ignore[misc]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("row", expected_rules.ROWS, ids=lambda row: row.id)
def test_every_row_decides_its_requests(row: expected_rules.Row, scheme: str) -> None:
    verdict = check(row.operation, scheme, target=row.target, source=row.source)
    assert verdict.allowed is (scheme in row.allowed)
    assert verdict.rule is not None
    assert verdict.rule.id == row.id
    assert row.operation in verdict.reason
    assert "obs_04_0108" in verdict.reason
    as_enums = check(
        Operation(row.operation), scheme.upper(), target=Encryption(row.target), source=Encryption(row.source)
    )
    assert as_enums == verdict


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("row", expected_rules.ROWS_OF_2025, ids=lambda row: row.id)
def test_a_later_row_applies_only_on_request(row: expected_rules.Row, scheme: str) -> None:
    assert check(row.operation, scheme, target=row.target, source=row.source).rule is None
    verdict = check(row.operation, scheme, target=row.target, source=row.source, sse_obs_edition=True)
    assert verdict.allowed is (scheme in row.allowed)
    assert verdict.rule is not None
    assert verdict.rule.id == row.id


def test_a_request_without_a_row_is_allowed_without_a_rule() -> None:
    known = {row[1:4] for row in expected_rules.ROWS}
    operations = [*expected_rules.OPERATIONS, "ListParts", "SelectObjectContent", "GetObjectAttributes", ""]
    for operation, source, target in itertools.product(operations, Encryption, Encryption):
        verdict = check(operation, "http", target=target, source=source)
        assert (verdict.rule is None) is ((operation, source.value, target.value) not in known)
        if verdict.rule is None:
            assert verdict.allowed
            assert verdict.reason == f"no row of obs_04_0108 covers {operation} from {source} to {target}"


@pytest.mark.parametrize("name", ["AppendObject", "ModifyObject", "modifyFile", "appendObject"])
@pytest.mark.parametrize("target", ["SSE-C", "SSE-KMS"])
def test_other_names_of_an_upload_have_its_rule(name: str, target: str) -> None:
    assert check(name, "http", target=target)[:2] == check("PutObject", "http", target=target)[:2]


@pytest.mark.parametrize("name", ["putObject", "PUTOBJECT", "putobject"])
def test_operation_names_are_case_insensitive(name: str) -> None:
    assert not check(name, "http", target="SSE-C").allowed


@pytest.mark.parametrize("scheme", ["ftp", "", "http:", " http", None, "httpss"])
def test_an_unknown_scheme_raises_with_the_valid_ones(scheme: str) -> None:
    with pytest.raises(ValueError, match="valid values: http, https"):
        check("PutObject", scheme, target="none")


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("value", ["sse-c", "AES256", "", "kms", None])
def test_an_unknown_encryption_raises_with_the_valid_ones(side: str, value: str) -> None:
    sides: dict[str, Any] = {"source": "none", "target": "none", side: value}
    with pytest.raises(
        ValueError, match=rf"^unknown encryption of the {side}: .*; valid values: none, SSE-C, SSE-KMS, SSE-OBS$"
    ):
        check("PutObject", "http", **sides)


def test_the_module_imports_only_the_standard_library() -> None:
    tree = ast.parse(inspect.getsource(rules))
    imported = {
        (node.module or "").partition(".")[0] if isinstance(node, ast.ImportFrom) else alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    names = getattr(sys, "stdlib_module_names", imported)  # since Python 3.10
    assert imported <= {*names}
    assert "obs_sse_guard" not in imported


def test_enum_values_are_strings_and_print_as_strings() -> None:
    assert Operation("PutObject") == "PutObject"
    assert f"{Encryption('SSE-C')} {Operation('GetObject')}" == "SSE-C GetObject"


def test_importing_the_rules_does_not_activate_the_guard() -> None:
    code = (
        "import sys, os; os.environ['OBS_SSE_GUARD'] = 'off'; from obs_sse_guard import rules; "
        "print(rules.check('PutObject', 'http', target='SSE-C').allowed, 'wrapt' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_the_tables_built_at_import() -> None:
    """Build the tables again: mutmut activates a mutant after the import."""
    first, last = SSE_OBS_RULES[0], SSE_OBS_RULES[-1]
    for row in (first, last):
        assert rules._later(row.table, row.operation, row.source, row.target, row.transports) == row
    assert rules._index(RULES) == rules._ROWS
    assert list(rules._index(RULES).values()) == list(RULES)
