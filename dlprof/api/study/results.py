"""A study read back: its cells, and all their items and epochs as tables for programs and notebooks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from dlprof.analysis.model import ItemResult
from dlprof.analysis.timing.ranking import RankedSide
from dlprof.api import results
from dlprof.api.frames import Frame, Records, item_row
from dlprof.api.rankings import RankingResult
from dlprof.api.results import CaptureResult, ComparisonResult
from dlprof.api.study import result_directory
from dlprof.capture.machine import monitors
from dlprof.capture.machine.monitors import MONITORS_FILE
from dlprof.errors import StoreError
from dlprof.names import SIDES, pairs_of
from dlprof.protocol import Epoch
from dlprof.store import MANIFEST_FILE, Capture
from dlprof.study import CellRecord, StudyRecord

_OF_EPOCH: Final = tuple(name for name in Epoch.__struct_fields__ if name != "losses")
"""What a row of `StudyResult.epochs` tells of an epoch: all but the loss of each step."""


@dataclass(frozen=True, slots=True)
class StudyCell:
    """A cell of a study: `.record` (id, experiment, workload, a, b, status, …) and its directory."""

    record: CellRecord
    path: Path

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def status(self) -> str:
        """pending | done | failed | not_comparable | interrupted."""
        return self.record.status

    @property
    def has_result(self) -> bool:
        """Whether there is something to load: of an interrupted or failed cell perhaps what was finished before."""
        return (self.path / MANIFEST_FILE).is_file()

    def load(self) -> ComparisonResult | CaptureResult | RankingResult:
        """What the cell left. Raises `StoreError` where it left nothing, with why."""
        if not self.has_result:
            why = f": {self.record.error.message}" if self.record.error else ""
            raise StoreError(f"cell {self.id} is {self.status.replace('_', ' ')}{why}", hint="`dlprof run` runs it")
        capture = Capture.open(self.path)
        return RankingResult(capture) if capture.manifest.kind == "ranking" else results.load_run(self.path)

    def monitors(self) -> pa.Table | None:
        """What its children used (schema.MONITORS; metadata: period_s, samples, cost_cpu_s); None where that was not asked for.
        Raises `StoreError`."""
        beside = self.path.with_name(f"{self.path.name}.{MONITORS_FILE}")
        file = next((one for one in (self.path / MONITORS_FILE, beside) if one.is_file()), None)
        return None if file is None else monitors.read(file)


@dataclass(frozen=True, slots=True)
class StudyItem(ItemResult):
    """A timed item of one of a study's cells."""

    cell: StudyCell | None = None


class StudyResult:
    """A study: `.cells`, `.items` and `.epochs` (Records over all cells), `.record` (study.json)."""

    def __init__(self, path: Path, record: StudyRecord) -> None:
        self.path = path
        self.record = record

    @property
    def cells(self) -> tuple[StudyCell, ...]:
        """All cells, in the order of the study."""
        return tuple(StudyCell(cell, self.path / cell.path) for cell in self.record.cells)

    def cell(self, name: str) -> StudyCell:
        """The cell of that id. Raises `StoreError`."""
        for cell in self.cells:
            if cell.id == name:
                return cell
        raise StoreError(f"{self.path}: no cell {name!r}", hint=f"there are: {', '.join(c.id for c in self.cells)}")

    @property
    def items(self) -> Frame[StudyItem]:
        """The items of all cells that left a comparison: as those of a comparison, each with its `cell`. A cell of more than two
        sides has those of each pair of them.

        Columns: what the cell is, ratio (time of B ÷ time of A), low, high, confidence, verdict, q, medians in ns.
        """
        found = [(cell, result, at) for cell, result in self._comparisons() for at in range(len(result.found.items))]
        return Frame(
            [_study_item(cell, result.found.items[at]) for cell, result, at in found],
            [_item_row(cell, result, at) for cell, result, at in found],
        )

    @property
    def epochs(self) -> Records:
        """One row a trained epoch of a traced run, over all cells: side, epoch, traced, wall_ns, losses and accuracies."""
        return Records(tuple(row for cell in self.cells if cell.has_result for row in _epochs(cell)))

    def __repr__(self) -> str:
        done = sum(cell.status == "done" for cell in self.record.cells)
        return f"<StudyResult: {self.record.title}, {done} of {len(self.record.cells)} cells done>"

    def _repr_html_(self) -> str:
        from dlprof.report import notebook_html

        return notebook_html.study(self.record)

    def _comparisons(self) -> Iterator[tuple[StudyCell, ComparisonResult]]:
        for cell in self.cells:
            if cell.has_result and cell.record.method != "capture":
                found = cell.load()
                assert not isinstance(found, CaptureResult)
                pairs = (
                    [found]
                    if isinstance(found, ComparisonResult)
                    else [found.pair(*two) for two in pairs_of(found.letters)]
                )
                for pair in pairs:
                    yield cell, pair


def load(path: Path) -> StudyResult:
    """The study whose directory `path` is. Raises `StoreError`."""
    return StudyResult(path, result_directory.read(path))


def _about(cell: StudyCell) -> dict[str, Any]:
    record = cell.record
    return {
        "cell": record.id,
        "experiment": record.experiment,
        "method": record.method,
        "status": record.status,
        "workload": record.workload,
        "preset": record.preset,
        "device": record.device,
        "seed": record.seed,
        "run": record.run,
        "epochs": record.epochs,
        "batch_size": int(record.settings["batch_size"]) if "batch_size" in record.settings else None,
    }


def _study_item(cell: StudyCell, item: ItemResult) -> StudyItem:
    return StudyItem(**{one.name: getattr(item, one.name) for one in fields(item)}, cell=cell)


def _item_row(cell: StudyCell, found: ComparisonResult, at: int) -> dict[str, Any]:
    sides = {
        f"{name}{suffix}": getattr(side, key)
        for name, side in zip(SIDES, (found.found.a, found.found.b), strict=True)
        for suffix, key in (("", "label"), ("_framework", "framework"), ("_version", "version"), ("_mode", "mode"))
    }
    return {**_about(cell), **sides, **item_row(found.found.items[at], headline=at == 0)}


def _letter(side: RankedSide) -> str:
    return side.letter


def _epochs(cell: StudyCell) -> Iterator[dict[str, Any]]:
    found = cell.load()
    if isinstance(found, ComparisonResult):
        trained = {"a": (found.found.a.label, found.epochs("a")), "b": (found.found.b.label, found.epochs("b"))}
    elif isinstance(found, RankingResult):
        trained = {one.letter: (one.side.label, found.epochs(one.letter)) for one in sorted(found.sides, key=_letter)}
    else:
        trained = {"a": (found.side.label, found.manifest.epochs)}
    for name, (label, epochs) in trained.items():
        for epoch in epochs:
            yield {**_about(cell), "side": name, "label": label, **{key: getattr(epoch, key) for key in _OF_EPOCH}}
