"""A scratch copy of the working folder for each trial: what a script writes below it never touches the user's own files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from dlprof.errors import UsageError
from dlprof.units import format_bytes

MOST_BYTES: Final = 2 << 30
"""What is copied for a trial at most; a larger folder holds data that are only read, and the user names it."""

_LINKED: Final = (".git", ".hg", "node_modules", "dlprof-out")
"""Folders that no training script writes to: linked. So is every virtual environment."""

_LEFT_OUT: Final = ("__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache")


def copied(folder: Path, target: Path, links: Sequence[Path] = (), origin: Path | None = None) -> Path:
    """Make `target` a copy of `folder`. links: what the script only reads, linked instead of copied. origin: the working folder
    where `folder` is a revision of it: links lead there, since data are seldom part of a revision. Raises `UsageError`."""
    origin = origin or folder
    named = {link.absolute() for link in links}
    for link in named:
        if not link.is_relative_to(origin):
            raise UsageError(f"--link {link}: not in the working folder", hint="only what would be copied is linked")
    wanted = frozenset(folder / link.relative_to(origin) for link in named)
    total = 0
    for size in _sizes(folder, wanted):
        total += size
        if total > MOST_BYTES:
            raise UsageError(
                f"{folder}: over {format_bytes(MOST_BYTES)}, too much to be copied for every trial",
                hint="name what the script only reads with --link data, or say --in-place: trials then write where the script "
                "writes",
            )
    _copy(folder, target, wanted)
    if folder != origin:
        for link in named:
            place = target / link.relative_to(origin)
            place.unlink(missing_ok=True)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(link)
    return target


def _is_linked(path: Path, wanted: frozenset[Path]) -> bool:
    return path in wanted or path.name in _LINKED or (path / "pyvenv.cfg").is_file()


def _sizes(folder: Path, wanted: frozenset[Path]) -> Iterator[int]:
    for entry in list(os.scandir(folder)):
        path = Path(entry.path)
        if entry.is_symlink() or path in wanted:
            continue
        if entry.is_dir():
            if entry.name not in _LEFT_OUT and not _is_linked(path, wanted):
                yield from _sizes(path, wanted)
        elif entry.is_file():
            yield entry.stat().st_size


def _copy(folder: Path, target: Path, wanted: frozenset[Path]) -> None:
    target.mkdir(parents=True)
    for entry in list(os.scandir(folder)):
        path, place = Path(entry.path), target / entry.name
        if entry.is_symlink():  # where it leads is outside of the copy: as in the original
            place.symlink_to(path.resolve())
        elif path in wanted or (entry.is_dir() and _is_linked(path, wanted)):
            place.symlink_to(path)
        elif entry.is_dir():
            if entry.name not in _LEFT_OUT:
                _copy(path, place, wanted)
        elif entry.is_file():
            shutil.copy2(path, place)
