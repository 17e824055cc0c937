"""Files that are read whole: regular ones, up to a stated size. A pipe would wait for ever, a device never end."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from dlprof.errors import StoreError, UsageError

LONGEST: Final = 16 * 2**20
"""Bytes of a study or workload file: a hundred times what the longest has."""


def check_regular(path: Path, kind: type[Exception] = UsageError) -> None:
    """Raises `kind` for what is there and is neither a file nor a folder."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return  # whoever opens it says why it cannot be
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise kind(f"{path}: a pipe or device, where a file is read")


def check_name(path: Path) -> None:
    """Raises `UsageError` for the name of an output that is no UTF-8: Arrow and TensorBoard can write to no such place."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UsageError(f"{path}: no UTF-8, which the name of an output must be", hint="choose another -o") from None


def check_parent(path: Path) -> None:
    """Raises `StoreError` where the folder that an output is to lie in does not exist."""
    if not path.parent.is_dir():
        raise StoreError(f"{path}: the folder {path.parent} does not exist", hint="make it, or choose another -o")


def read_text(path: Path) -> str:
    """A text file that somebody wrote by hand. Raises `UsageError`, also `OSError` and `UnicodeDecodeError` as `Path` does."""
    check_regular(path)
    if path.stat().st_size > LONGEST:
        raise UsageError(f"{path}: over {LONGEST // 2**20} MiB, which no study or workload has")
    return path.read_text(encoding="utf-8")
