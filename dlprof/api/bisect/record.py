"""bisect.json: what a bisection knows, written after each step, and read back to go on with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import msgspec

from dlprof.analysis.bisection import Bisection
from dlprof.errors import StoreError, UsageError
from dlprof.report import json
from dlprof.stored_files import DAMAGED, read_json, typed
from dlprof.temporary import atomic

FILE: Final = "bisect.json"
SCHEMA_VERSION: Final = 1


class _Head(msgspec.Struct, frozen=True):
    schema_version: int
    kind: str


def write(found: Bisection, folder: Path) -> None:
    """Into `folder`, which there must be."""
    with atomic(folder / FILE) as file:
        file.write_text(json.dump(value(found)), encoding="utf-8")


def value(found: Bisection) -> dict[str, Any]:
    """As plain values."""
    plain: dict[str, Any] = json.plain(asdict(found))
    return {"schema_version": SCHEMA_VERSION, "kind": "bisection", **plain}


def read(folder: Path) -> Bisection:
    """Raises `StoreError`."""
    file = folder / FILE
    try:
        plain = read_json(file)
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(f"{folder}: no bisection: {FILE} is missing", hint="name the folder that -o gave") from None
    head = typed(plain, _Head, file)
    if head.kind != "bisection" or head.schema_version > SCHEMA_VERSION:
        raise StoreError(f"{file}: not a bisection that this dlprof can read", hint="upgrade dlprof")
    found = typed(plain, Bisection, file)
    for place, named in _folders(found):
        if named in ("", ".", "..") or Path(named).name != named:
            raise StoreError(f"{file}: {place}: {named!r} is no folder inside of this one", hint=DAMAGED)
    return found


def _folders(found: Bisection) -> Iterator[tuple[str, str]]:
    """Each comparison that it names: where it names it, and its folder."""
    if found.ends is not None:
        yield "$.ends.folder", found.ends.folder
    for at, probe in enumerate(found.probes):
        yield f"$.probes[{at}].folder", probe.folder
    for at, one in enumerate(found.culprits):
        if one.neighbours is not None:
            yield f"$.culprits[{at}].neighbours.folder", one.neighbours.folder


def held(folder: Path, asked: Bisection) -> Bisection:
    """What was found of the same search so far. A directory may come from anybody, and what it names would be run: the command
    line must be repeated. Raises `UsageError` where it is another one, `StoreError`."""
    found = read(folder)
    begun = "repeat the command line with which it was begun"
    ends = f"--good {found.row[0].name} --bad {found.row[-1].name}" if found.row else ""
    for what, was, now, hint in (
        ("command", found.command, asked.command, f"{begun}: {found.command}"),
        ("package", found.package, asked.package, begun),
        ("options", found.how, asked.how, f"{begun}: {' '.join(found.how) or 'none of these'}"),
        (
            "row of revisions",
            [one.name for one in found.row],
            [one.name for one in asked.row],
            f"a branch may have moved on since; name the ends that it was begun with: {ends}",
        ),
    ):
        if was != now:
            raise UsageError(f"{folder}: its {what} is another one", hint=hint)
    return found
