"""Which SQLite database a file is, from its first bytes: the schema stands there as text, between the first tables' pages."""

from __future__ import annotations

from typing import Final

_MAGIC: Final = b"SQLite format 3\0"
_NSYS: Final = (
    *(b"CREATE TABLE StringIds", b"CUPTI_ACTIVITY_KIND_", b"NVTX_EVENTS", b"META_DATA_EXPORT", b"META_DATA_CAPTURE"),
    *(b"TARGET_INFO_SESSION_START_TIME", b"ENUM_NSYS_EVENT_TYPE", b"ENUM_CUDA_MEMCPY_OPER"),
)
LOOKED_AT: Final = 4 << 20
"""Bytes of a database in which its schema is looked for: more than of other files, for its pages lie scattered."""


def is_database(head: bytes) -> bool:
    """Any SQLite database."""
    return head.startswith(_MAGIC)


def is_nsys(head: bytes) -> bool:
    """What `nsys export --type sqlite` writes."""
    return is_database(head) and not is_rocpd(head) and any(word in head for word in _NSYS)


def is_rocpd(head: bytes) -> bool:
    """What `rocprofv3` writes as rocpd."""
    return is_database(head) and (b"rocpd_string" in head or b"rocpd_info_" in head)
