"""A study run cell by cell: what is finished stays, what fails does not stop the others, what was stopped is taken up again."""

from __future__ import annotations

import statistics
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from dlprof.api import study_directory
from dlprof.api.comparing import compare
from dlprof.api.opening import now
from dlprof.api.progress import Progress
from dlprof.api.recording import Bench, epochs_of, record
from dlprof.api.study_directory import Directory
from dlprof.api.study_plan import Plan, PlannedCell, restricted
from dlprof.capture.monitors import MONITORS_FILE, Monitors
from dlprof.errors import DlprofError, Interrupted, NotComparable, Unsupported
from dlprof.store import MANIFEST_FILE, Capture
from dlprof.study import CellRecord, StudyRecord
from dlprof.study.record import FINISHED, Failure, Status


@dataclass(frozen=True, slots=True)
class Ran:
    """A study after a run. stopped: by Ctrl-C. chosen: ids that `--only` let through."""

    record: StudyRecord
    path: Path
    stopped: bool
    chosen: frozenset[str]

    @property
    def exit_code(self) -> int:
        """130 when stopped, 1 when a chosen cell failed, else 0."""
        if self.stopped:
            return Interrupted.exit_code
        failed = any(cell.status == "failed" for cell in self.record.cells if cell.id in self.chosen)
        return DlprofError.exit_code if failed else 0


def run_study(plan: Plan, output: Path, only: Sequence[str], progress: Progress) -> Ran:
    """Run the chosen cells that are not finished. study.json is written anew after each.

    Failed and interrupted cells of an earlier run are tried again. Ctrl-C ends the cell under way, which keeps what a
    `dlprof compare` keeps then, and the study.
    """
    wanted = frozenset(cell.record.id for cell in restricted(plan, only).cells)
    with study_directory.opened(output, plan) as directory:
        known = {cell.id: cell for cell in directory.record.cells}
        waiting = [one for one in plan.cells if one.record.id in wanted and known[one.record.id].status not in FINISHED]
        finished = len(wanted) - len(waiting)
        if finished:
            progress.say(f"{finished} of {len(wanted)} cells are finished already")
        stopped = False
        for at, planned in enumerate(waiting):
            record = known[planned.record.id]
            told = _CellProgress(progress, f"{finished + at + 1}/{len(wanted)}", _left_s(directory, waiting[at + 1 :]))
            progress.say(f"cell {finished + at + 1} of {len(wanted)}: {record.id}")
            after = _cell(planned, record, directory, told)
            directory.update(after)
            progress.say(
                f"  {after.status.replace('_', ' ')}: {after.error.message if after.error else after.sentence}"
            )
            if after.status == "interrupted":
                stopped = True
                break
        return Ran(directory.record, output, stopped, wanted)


def _cell(planned: PlannedCell, cell: CellRecord, directory: Directory, progress: Progress) -> CellRecord:
    """Run one cell; its new state. Whatever goes wrong in it is its own failure."""
    began, started = time.monotonic(), now()
    place = directory.place(cell)
    error: Failure | None = None
    status: Status = "failed"
    with study_directory.put_aside(place):
        try:
            status = _measured(planned, place, progress)
        except (KeyboardInterrupt, Interrupted):
            status = "interrupted"
        except DlprofError as failure:
            error = Failure(failure.message, failure.hint)
        except Exception as failure:  # noqa: BLE001  a bug that one cell meets must not cost the night's other cells
            report = place.with_name(f"{place.name}.error.txt")
            report.write_text("".join(traceback.format_exception(failure)), encoding="utf-8")
            message = f"dlprof itself failed: {type(failure).__name__}: {failure}"
            error = Failure(message, f"this is a bug; please report it with {report}")
    left = (place / MANIFEST_FILE).is_file() and status != "failed"
    if status == "interrupted" and not left:
        error = Failure("interrupted before anything of it was finished", "run again to take it up")
    return msgspec.structs.replace(
        cell,
        status=status,
        error=error,
        started=started,
        seconds=round(time.monotonic() - began, 3),
        **(study_directory.headline(place) if left else {"verdict": None, "sentence": None}),
    )


def _measured(planned: PlannedCell, place: Path, progress: Progress) -> Status:
    """Run the comparison or the capture of a cell, with its monitors. Returns how it ended."""
    if planned.hindrance:
        raise Unsupported(planned.hindrance)
    kinds = planned.record.options.monitors
    if not kinds:
        return _run(planned, place, progress)
    with Monitors(kinds, gpu=planned.gpu) as monitors:
        try:
            return _run(planned, place, progress)
        finally:
            # A cell that failed has no directory, and what it used until then may say why.
            file = place / MONITORS_FILE if place.is_dir() else place.with_name(f"{place.name}.{MONITORS_FILE}")
            monitors.write(file)


def _run(planned: PlannedCell, place: Path, progress: Progress) -> Status:
    if planned.compare is None:
        _capture(planned, place, progress)
        return "done"
    _, code = compare(replace(planned.compare, output=place), progress)
    if code == Interrupted.exit_code:
        return "interrupted"
    return "not_comparable" if code == NotComparable.exit_code else "done"


def _capture(planned: PlannedCell, place: Path, progress: Progress) -> Capture:
    """As `dlprof capture` records."""
    with tempfile.TemporaryDirectory(prefix="dlprof-") as scratch:
        bench = Bench(planned.run, progress, Path(scratch))
        assert planned.record.a is not None
        side = bench.side(planned.record.a)
        workload = planned.run.resolve(side.framework.name)
        fidelity = planned.record.options.fidelity or "exact"
        return record(bench, side, workload, fidelity=fidelity, epochs=epochs_of(planned.run, workload), target=place)


def _left_s(directory: Directory, waiting: Sequence[PlannedCell]) -> float:
    """Seconds for the cells to come: guesses, corrected by how wrong they were for the cells that are done."""
    done = [one for one in directory.record.cells if one.status == "done" and one.seconds]
    total = 0.0
    for planned in waiting:
        alike = [one for one in done if one.experiment == planned.record.experiment] or done
        factor = statistics.median((one.seconds or 0.0) / one.estimate_s for one in alike) if alike else 1.0
        total += planned.record.estimate_s * factor
    return total


class _CellProgress:
    """A cell's stages as part of the study's: numbered, and with the time of the cells after it (api.progress.Progress)."""

    def __init__(self, progress: Progress, number: str, rest_s: float) -> None:
        self._progress = progress
        self._number = number
        self._rest = {"cells to come": rest_s} if rest_s else {}

    def plan(self, stages: dict[str, float]) -> None:
        named = {self._named(name): seconds for name, seconds in stages.items()}
        self._progress.plan({**named, **self._rest})

    def stage(self, name: str, estimate_s: float | None = None) -> None:
        self._progress.stage(self._named(name), estimate_s)

    def expect(self, remaining_s: float) -> None:
        self._progress.expect(remaining_s)

    def detail(self, text: str) -> None:
        self._progress.detail(text)

    def say(self, text: str) -> None:
        self._progress.say(text)

    def _named(self, name: str) -> str:
        return f"[{self._number}] {name}"
