"""The rules, transcribed a second time, by hand, from the page itself.

The package derives everything from its own copy of the rules, so a test of the package against
itself cannot detect a typo there. This module is independent: it is written from the page
``obs_04_0108``, never from the package, and imports nothing of it. Do not generate one table from
another here: the repetition is intended.
"""

from __future__ import annotations

from typing import NamedTuple

HTTPS = frozenset({"https"})
EITHER = frozenset({"http", "https"})


class Row(NamedTuple):
    """One line of one table, with the transports that it allows."""

    table: int
    operation: str
    source: str
    target: str
    allowed: frozenset[str]

    @property
    def id(self) -> str:
        """Return the id of the row, as messages and documentation show it."""
        if self.table in (1, 2):
            return f"table-{self.table}/{self.operation}"
        return f"table-{self.table}/{self.source}-to-{self.target}"


ROWS: tuple[Row, ...] = (
    # 表 1  与SSE-C相关的接口对传输协议的使用要求
    Row(1, "PutObject", "none", "SSE-C", HTTPS),  # PUT上传对象
    Row(1, "PostObject", "none", "SSE-C", HTTPS),  # POST上传对象
    Row(1, "InitiateMultipartUpload", "none", "SSE-C", HTTPS),  # 初始化上传段任务
    Row(1, "HeadObject", "none", "SSE-C", HTTPS),  # 获取对象元数据
    Row(1, "GetObject", "none", "SSE-C", HTTPS),  # 获取对象内容
    Row(1, "UploadPart", "none", "SSE-C", HTTPS),  # 上传段
    Row(1, "CompleteMultipartUpload", "none", "SSE-C", EITHER),  # 合并段
    # 表 2  与SSE-KMS相关的接口对传输协议的使用要求
    Row(2, "PutObject", "none", "SSE-KMS", HTTPS),  # PUT上传对象
    Row(2, "PostObject", "none", "SSE-KMS", HTTPS),  # POST上传对象
    Row(2, "InitiateMultipartUpload", "none", "SSE-KMS", HTTPS),  # 初始化上传段任务
    Row(2, "HeadObject", "none", "SSE-KMS", EITHER),  # 获取对象元数据
    Row(2, "GetObject", "none", "SSE-KMS", HTTPS),  # 获取对象内容
    Row(2, "UploadPart", "none", "SSE-KMS", HTTPS),  # 上传段
    Row(2, "CompleteMultipartUpload", "none", "SSE-KMS", EITHER),  # 合并段
    # 表 3  复制对象接口对传输协议的使用要求: 源对象, 目标对象
    Row(3, "CopyObject", "none", "SSE-KMS", HTTPS),
    Row(3, "CopyObject", "SSE-KMS", "SSE-KMS", HTTPS),
    Row(3, "CopyObject", "SSE-C", "SSE-KMS", HTTPS),
    Row(3, "CopyObject", "none", "SSE-C", HTTPS),
    Row(3, "CopyObject", "SSE-KMS", "SSE-C", HTTPS),
    Row(3, "CopyObject", "SSE-C", "SSE-C", HTTPS),
    Row(3, "CopyObject", "none", "none", EITHER),
    Row(3, "CopyObject", "SSE-KMS", "none", EITHER),
    Row(3, "CopyObject", "SSE-C", "none", EITHER),
    # 表 4  拷贝段接口对传输协议的使用要求: 源对象, 目标段
    Row(4, "UploadPartCopy", "none", "SSE-KMS", EITHER),
    Row(4, "UploadPartCopy", "SSE-KMS", "SSE-KMS", EITHER),
    Row(4, "UploadPartCopy", "SSE-C", "SSE-KMS", EITHER),
    Row(4, "UploadPartCopy", "none", "SSE-C", HTTPS),
    Row(4, "UploadPartCopy", "SSE-KMS", "SSE-C", HTTPS),
    Row(4, "UploadPartCopy", "SSE-C", "SSE-C", HTTPS),
    Row(4, "UploadPartCopy", "none", "none", EITHER),
    Row(4, "UploadPartCopy", "SSE-KMS", "none", EITHER),
    Row(4, "UploadPartCopy", "SSE-C", "none", EITHER),
)

# The edition of 2025-04-27 adds SSE-OBS, in tables 3 and 4 only. As a target it has rows of its
# own; as a source it never changes the transports of the target.
ROWS_OF_2025: tuple[Row, ...] = (
    Row(3, "CopyObject", "none", "SSE-OBS", HTTPS),
    Row(3, "CopyObject", "SSE-KMS", "SSE-OBS", HTTPS),
    Row(3, "CopyObject", "SSE-C", "SSE-OBS", HTTPS),
    Row(3, "CopyObject", "SSE-OBS", "SSE-OBS", HTTPS),
    Row(3, "CopyObject", "SSE-OBS", "SSE-KMS", HTTPS),
    Row(3, "CopyObject", "SSE-OBS", "SSE-C", HTTPS),
    Row(3, "CopyObject", "SSE-OBS", "none", EITHER),
    Row(4, "UploadPartCopy", "none", "SSE-OBS", EITHER),
    Row(4, "UploadPartCopy", "SSE-KMS", "SSE-OBS", EITHER),
    Row(4, "UploadPartCopy", "SSE-C", "SSE-OBS", EITHER),
    Row(4, "UploadPartCopy", "SSE-OBS", "SSE-OBS", EITHER),
    Row(4, "UploadPartCopy", "SSE-OBS", "SSE-KMS", EITHER),
    Row(4, "UploadPartCopy", "SSE-OBS", "SSE-C", HTTPS),
    Row(4, "UploadPartCopy", "SSE-OBS", "none", EITHER),
)

OPERATIONS: tuple[str, ...] = (
    "PutObject",
    "PostObject",
    "InitiateMultipartUpload",
    "HeadObject",
    "GetObject",
    "UploadPart",
    "CompleteMultipartUpload",
    "CopyObject",
    "UploadPartCopy",
)
