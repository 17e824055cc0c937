"""A scratch copy of the working folder for each trial: what a script writes below it never touches the user's own files."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final

from dlprof import temporary
from dlprof.errors import UsageError
from dlprof.units import format_bytes

MOST_BYTES: Final = 2 << 30
"""What is copied for a trial at most; a larger folder holds data that are only read, and the user names it."""

_LINKED: Final = (".git", ".hg", "node_modules", "dlprof-out")
"""Folders that no training script writes to: linked."""

_MARKS: Final = ("pyvenv.cfg", "bisect.json")
"""A file that tells of its folder that no script writes to it: a virtual environment, a bisection that is under way there."""

_LEFT_OUT: Final = ("__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache")

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


def copied(folder: Path, target: Path, links: Sequence[Path] = (), origin: Path | None = None) -> Path:
    """Make `target` a copy of `folder`. links: what the script only reads, linked instead of copied. origin: the working folder
    where `folder` is a revision of it: links lead there, since data are seldom part of a revision. Raises `UsageError`."""
    origin = origin or folder
    named = _checked(links, origin)
    top = folder.resolve()
    # What lies in the folder and is dlprof's own, such as this copy where TMPDIR is there, would be copied into itself.
    own = {target.resolve(), target.parent.resolve()}
    wanted = {top / link.relative_to(origin) for link in named}
    try:
        entries = list(_entries(top, wanted, own))
        _check_size(folder, entries)
        target.mkdir(parents=True)
        for entry, is_linked in entries:
            _copy(entry, is_linked, top, target)
        if folder != origin:
            for link in named:
                _link(link, target, link.relative_to(origin))
    except OSError as error:
        if error.errno in _FULL:
            raise
        raise UsageError(
            f"{error.filename or folder}: cannot be copied: {error.strerror}",
            hint="name it with --link if the script only reads it, or say --in-place: trials then run in the folder itself",
        ) from None
    return target


def leads_out(words: Sequence[str], folder: Path) -> str | None:
    """The first argument that names, by `..`, something outside of the folder, which is not there beside its copy."""
    for word in words:
        path = word.partition("=")[2] if word.startswith("-") else word
        parts = () if Path(path).is_absolute() else Path(path).parts
        depths = accumulate(-1 if part == os.pardir else 1 for part in parts)
        if any(depth < 0 for depth in depths) and os.path.lexists(folder / path):
            return word
    return None


def _checked(links: Sequence[Path], origin: Path) -> list[Path]:
    """The links without `..`, and without those that lie in others. Raises `UsageError`."""
    found: list[Path] = []
    for link in sorted({Path(os.path.normpath(link.absolute())) for link in links}):
        if link == origin or not link.is_relative_to(origin):
            raise UsageError(f"--link {link}: not in the working folder", hint="only what would be copied is linked")
        if not os.path.lexists(link):
            raise UsageError(f"--link {link}: no such file or folder")
        if not any(link.is_relative_to(other) for other in found):
            found.append(link)
    return found


def _entries(top: Path, wanted: Collection[Path], own: Collection[Path]) -> Iterator[tuple[os.DirEntry[str], bool]]:
    """What the copy has, a folder before what lies in it, and whether it is linked."""
    left = [top]
    while left:
        with os.scandir(left.pop()) as entries:
            for entry in entries:
                path = Path(entry.path)
                if entry.name in _LEFT_OUT or path in own or temporary.is_temporary(entry.name):
                    continue
                is_folder = entry.is_dir(follow_symlinks=False)
                is_linked = (path in wanted and not _is_code(path)) or (is_folder and _is_for_reading(path))
                yield entry, is_linked
                if is_folder and not is_linked:
                    left.append(path)


def _is_code(path: Path) -> bool:
    """Python looks for what a script imports in the folder to which a link to it leads: a file of code is copied instead."""
    return path.suffix == ".py" and path.is_file()


def _is_for_reading(path: Path) -> bool:
    return path.name in _LINKED or any((path / file).is_file() for file in _MARKS)


def _check_size(folder: Path, entries: Sequence[tuple[os.DirEntry[str], bool]]) -> None:
    total = 0
    for entry, is_linked in entries:
        total += 0 if is_linked or not entry.is_file(follow_symlinks=False) else entry.stat().st_size
        if total > MOST_BYTES:
            raise UsageError(
                f"{folder}: over {format_bytes(MOST_BYTES)}, too much to be copied for every trial",
                hint="name what the script only reads with --link data, or say --in-place: trials then write where the script "
                "writes",
            )


def _copy(entry: os.DirEntry[str], is_linked: bool, top: Path, target: Path) -> None:
    """One entry. Pipes, sockets and devices are left out, and so is a file that is gone meanwhile."""
    path = Path(entry.path)
    place = target / path.relative_to(top)
    if entry.is_symlink():
        place.symlink_to(_led(path, top, target))
    elif is_linked:
        place.symlink_to(path)
    elif entry.is_dir():
        place.mkdir()
    elif entry.is_file():
        try:
            shutil.copy2(path, place)
        except FileNotFoundError:
            return


def _led(path: Path, top: Path, target: Path) -> Path:
    """Where the copy of a symbolic link leads: to the same place, and to the copy of what lies in the folder itself, which would
    otherwise be written to through it."""
    there = Path(os.path.realpath(path))
    return target / there.relative_to(top) if there.is_relative_to(top) else there


def _link(link: Path, target: Path, inside: Path) -> None:
    """Put a link at the place `inside` of the copy, in the stead of what the revision has there. Raises `UsageError`."""
    place = target / inside
    for parent in list(inside.parents)[:-1]:
        if (target / parent).is_symlink():  # what lies behind it is no part of the copy
            raise UsageError(
                f"--link {link}: {parent} is a symbolic link in the revision",
                hint="link what it leads to, or leave it out",
            )
    place.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    if _is_code(link):
        shutil.copy2(link, place)
    else:
        place.symlink_to(link)
