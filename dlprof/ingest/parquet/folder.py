"""Which folder is an export of Nsight Systems as Parquet: one file a table, called as the table is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from dlprof.errors import TraceError
from dlprof.names import as_text

_ENDING: Final = ".parquet"
_TEXTS: Final = "StringIds"
_READ: Final = re.compile(r"CUPTI_ACTIVITY_KIND_(KERNEL|GRAPH_TRACE|MEMCPY|MEMSET|RUNTIME)|NVTX_EVENTS")
"""Tables whose events are read (dialects/nsys.py)."""
_OWN: Final = re.compile(
    r"CUPTI_ACTIVITY_KIND_\w+|NVTX_EVENTS|StringIds|META_DATA_EXPORT|TARGET_INFO_SESSION_START_TIME"
)
"""Tables that nobody else's folder of Parquet files has."""
_MAGIC: Final = b"PAR1"
_AGAIN: Final = "export it again, with all its tables: nsys export --type parquetdir REPORT.nsys-rep"


def table_files(folder: Path) -> dict[str, Path]:
    """The file of each table, by its name."""
    try:
        with os.scandir(folder) as found:
            names = sorted(one.name for one in found if one.name.endswith(_ENDING) and one.is_file())
    except OSError as error:
        raise TraceError(f"{as_text(folder)}: cannot be read: {error.strerror}", hint="check the path") from None
    return {as_text(name.removesuffix(_ENDING)): folder / name for name in names}


def is_of_export(name: str) -> bool:
    """Whether a file's name is that of a table of such an export."""
    return name.endswith(_ENDING) and _OWN.fullmatch(name.removesuffix(_ENDING)) is not None


def is_export(folder: Path) -> bool:
    """Whether a folder holds tables of such an export, all that are needed or not."""
    try:
        with os.scandir(folder) as found:
            return any(is_of_export(one.name) for one in found)
    except OSError:
        return False


def exports(files: Iterable[Path]) -> dict[Path, list[Path]]:
    """The folders that are such exports, of all in which these files lie → their tables."""
    found: dict[Path, list[Path]] = {}
    for path in files:
        if path.name.endswith(_ENDING):
            found.setdefault(path.parent, []).append(path)
    return {folder: tables for folder, tables in found.items() if any(is_of_export(one.name) for one in tables)}


def check_whole(folder: Path, label: str) -> None:
    """Raises `TraceError` for an export without its texts, or without any events that are read."""
    names = table_files(folder)
    if _TEXTS not in names:
        raise TraceError(
            f"{label}: an export of Nsight Systems without {_TEXTS}{_ENDING}, which holds all its names", hint=_AGAIN
        )
    if not any(_READ.fullmatch(name) for name in names):
        raise TraceError(
            f"{label}: an export of Nsight Systems without a table of kernels, copies, CUDA calls or NVTX ranges",
            hint="record with --trace=cuda,nvtx, or " + _AGAIN,
        )


def check_no_table(head: bytes, path: Path, label: str) -> None:
    """Raises `TraceError` for a single Parquet file: one table of such an export, or none that is a trace."""
    if not head.startswith(_MAGIC):
        return
    if is_of_export(path.name) or is_export(path.parent):
        raise TraceError(
            f"{label}: one table of an export of Nsight Systems, not a trace", hint=f"name its folder: {path.parent}"
        )
    raise TraceError(
        f"{label}: a Parquet table, not a trace",
        hint="of Parquet, dlprof reads the folders that nsys export --type parquetdir writes, and its own results",
    )
