"""The Chinese pages match the English ones, in the words of OBS's documentation."""
# ruff: noqa: RUF001  # Chinese punctuation

from __future__ import annotations

import re
from pathlib import Path

from obs_sse_guard._policy.findings import CATALOGUE
from obs_sse_guard.rules import RULES, Encryption, Operation
from tests.docs.test_pages import marked
from tests.support import documents
from tests.support.documents import CHINESE, README, README_ZH

ACTIONS = {"refuse": "拒绝", "log": "记录", "allow": "允许"}
OPERATIONS = {
    Operation.PUT_OBJECT: "PUT上传对象",
    Operation.POST_OBJECT: "POST上传对象",
    Operation.INITIATE_MULTIPART_UPLOAD: "初始化上传段任务",
    Operation.HEAD_OBJECT: "获取对象元数据",
    Operation.GET_OBJECT: "获取对象内容",
    Operation.UPLOAD_PART: "上传段",
    Operation.COMPLETE_MULTIPART_UPLOAD: "合并段",
    Operation.COPY_OBJECT: "复制对象",
    Operation.UPLOAD_PART_COPY: "拷贝段",
}
"""The names of the page obs_04_0108 in its Chinese edition."""
ENCRYPTIONS = {Encryption.NONE: "非加密", Encryption.SSE_C: "SSE-C加密", Encryption.SSE_KMS: "SSE-KMS加密"}


def test_the_chinese_readme_has_the_same_blocks() -> None:
    for language in ("sh", "python", "text"):
        english, chinese = ([block.text for block in documents.blocks(page, language)] for page in (README, README_ZH))
        assert chinese == english


def test_the_chinese_tables_of_the_rules_match_the_rules() -> None:
    tables: dict[str, list[str]] = {}
    for rule in RULES:
        name = f"{OPERATIONS[rule.operation]}（{rule.operation}）"
        label = f"{ENCRYPTIONS[rule.source]} → {ENCRYPTIONS[rule.target]}" if rule.is_copy else name
        tables.setdefault(label, []).append("**HTTP 或 HTTPS**" if "http" in rule.transports else "HTTPS")
    shown = re.findall(r"^\| (.*) \| (.*) \| (.*) \|$", marked(CHINESE, "rules"), re.MULTILINE)
    heads = [
        ("接口", "表 1：SSE-C", "表 2：SSE-KMS"),
        ("源对象 → 目标对象（段）", "表 3：复制对象（CopyObject）", "表 4：拷贝段（UploadPartCopy）"),
    ]
    assert [row for row in shown if row in heads] == heads
    assert [row for row in shown if row not in heads] == [(label, *cells) for label, cells in tables.items()]


def test_the_chinese_readme_has_the_same_parts() -> None:
    english, chinese = (re.findall(r"^(#+) ", documents.prose(page), re.MULTILINE) for page in (README, README_ZH))
    assert chinese == english
    english, chinese = (_tables(page) for page in (README, README_ZH))
    assert chinese == english


def _tables(page: Path) -> list[tuple[int, int]]:
    """Return the size of every table of a page."""
    tables = re.findall(r"^\|.*?\|\n(?!\|)", documents.prose(page), re.DOTALL | re.MULTILINE)
    return [(len(rows), rows[1].count("|")) for rows in (table.splitlines() for table in tables)]


def test_the_chinese_table_of_findings_matches_the_catalogue() -> None:
    lines = documents.read(CHINESE).splitlines()
    for name, kind in CATALOGUE.items():
        [line] = [line for line in lines if line.startswith(f"| `{name}`")]
        assert line.endswith(f"| {ACTIONS[kind.documented.value]} | {ACTIONS[kind.strict.value]} |")
