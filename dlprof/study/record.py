"""What study.json holds: the cells of a study with their state, as `dlprof run` keeps it up to date."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from dlprof.manifest import Machine
from dlprof.study.cells import Cell

STUDY_FILE: Final = "study.json"
SPEC_FILE: Final = "study.toml"
VERSION: Final = 1

Status = Literal["pending", "done", "failed", "not_comparable", "interrupted"]
FINISHED: Final = ("done", "not_comparable")
"""States that running again does not change."""


class Failure(msgspec.Struct, frozen=True):
    """Why a cell failed, in the words of its error."""

    message: str
    hint: str | None = None


class CellRecord(Cell, frozen=True, kw_only=True):
    """A cell and how it went.

    path: its directory, relative to the study's
    work_sha256: of the resolved workload of both sides
    verdict, sentence: of its headline; of many items what they say together, `mixed` where they differ
    started: UTC
    seconds: how long it ran
    """

    status: Status = "pending"
    error: Failure | None = None
    path: str
    started: str | None = None
    seconds: float | None = None
    estimate_s: float
    work_sha256: str
    verdict: str | None = None
    sentence: str | None = None

    def definition(self) -> dict[str, Any]:
        """What was asked for, without how it went."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return {name: plain[name] for name in (*Cell.__struct_fields__, "work_sha256")}


class StudyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What study.json holds.

    created: when the study was first run
    machine: of the latest run (each cell's manifest has its own)
    """

    schema_version: int = VERSION
    kind: Literal["study"] = "study"
    name: str
    title: str
    spec_sha256: str
    quick: bool
    dlprof_version: str
    created: str
    machine: Machine
    cells: list[CellRecord]

    def encoded(self) -> bytes:
        """As JSON, indented."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


def differing(old: Sequence[CellRecord], new: Sequence[CellRecord]) -> dict[str, str]:
    """Cells of `old` that `new` has not, or has otherwise: id → what differs. A cell that only `new` has is no difference."""
    by_id = {cell.id: cell for cell in new}
    found = {}
    for cell in old:
        if cell.id not in by_id:
            found[cell.id] = "no longer in the study file"
            continue
        was, now = cell.definition(), by_id[cell.id].definition()
        changed = [name for name in was if was[name] != now[name]]
        if changed:
            found[cell.id] = "; ".join(_difference(name, was[name], now[name]) for name in changed)
    return found


def _difference(name: str, was: Any, now: Any) -> str:
    if name == "work_sha256":
        return "the workload itself has changed"
    if isinstance(was, dict) and isinstance(now, dict):
        keys = [key for key in {**was, **now} if was.get(key) != now.get(key)]
        return ", ".join(f"{key} was {was.get(key)!r} and is {now.get(key)!r}" for key in keys)
    return f"{name} was {was!r} and is {now!r}"
