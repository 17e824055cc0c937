"""Runs a study cell by cell: what is finished stays, a failure stops no other cell, a stopped study is taken up again."""

from __future__ import annotations

import statistics
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from dlprof import temporary
from dlprof.api.compare.run import compare
from dlprof.api.import_traces import now
from dlprof.api.progress import Progress
from dlprof.api.record import Bench, epochs_of, record
from dlprof.api.study import result_directory
from dlprof.api.study.plan import Plan, PlannedCell, restricted
from dlprof.api.study.result_directory import Directory
from dlprof.capture.machine import monitors
from dlprof.capture.machine.monitors import MONITORS_FILE, Monitors
from dlprof.errors import DlprofError, Interrupted, NotComparable, Unsupported, UsageError, of_system
from dlprof.store import MANIFEST_FILE, Capture
from dlprof.study import CellRecord, StudyRecord
from dlprof.study.record import FINISHED, Failure, Status


@dataclass(frozen=True, slots=True)
class Ran:
    """A study after a run.

    stopped: whether Ctrl-C ended it
    chosen: ids of the cells that `--only` let through
    """

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
    with result_directory.opened(output, plan) as directory:
        known = {cell.id: cell for cell in directory.record.cells}
        waiting = [one for one in plan.cells if one.record.id in wanted and known[one.record.id].status not in FINISHED]
        finished = len(wanted) - len(waiting)
        if finished:
            progress.say(f"{finished} of {len(wanted)} cells are finished already")
        if directory.elsewhere:
            progress.say(
                f"warning: this study was last run on another machine ({directory.elsewhere}): its cells are compared within "
                "themselves, and differ from those of this machine by more than the hour; each cell's manifest says where it ran"
            )
        stopped = False
        for at, planned in enumerate(waiting):
            number = f"{finished + at + 1}/{len(wanted)}"
            rest_s = sum(_factor(directory, one) * one.record.estimate_s for one in waiting[at + 1 :])
            told = _CellProgress(progress, number, _factor(directory, planned), rest_s)
            told.stage(planned.record.id)
            after = _cell(planned, known[planned.record.id], directory, told)
            directory.update(after)
            said = after.error.message if after.error else after.sentence
            progress.say(f"  {after.status.replace('_', ' ')}: {said}")
            if after.status == "interrupted":
                stopped = True
                break
        return Ran(directory.record, output, stopped, wanted)


def _cell(planned: PlannedCell, cell: CellRecord, directory: Directory, progress: Progress) -> CellRecord:
    """Run one cell; its new state. Whatever goes wrong in it is its own failure."""
    began, started = time.monotonic(), now()
    place = directory.place(cell)
    status, error = _tried(planned, place, progress)
    left = (place / MANIFEST_FILE).is_file() and status != "failed"
    if status == "interrupted" and not left and not result_directory.can_go_on(place):
        error = Failure("interrupted before anything of it was finished", "run again to take it up")
    return msgspec.structs.replace(
        cell,
        status=status,
        error=error,
        started=started,
        seconds=round(time.monotonic() - began, 3),
        **(result_directory.headline(place) if left else {"verdict": None, "sentence": None}),
    )


def _tried(planned: PlannedCell, place: Path, progress: Progress) -> tuple[Status, Failure | None]:
    """Run the comparison or the capture of a cell: how it ended. One that left finished trials is gone on with."""
    resumed = result_directory.can_go_on(place)
    try:
        with (
            nullcontext() if resumed else result_directory.put_aside(place),
            _monitored(planned, place, resumed=resumed),
        ):
            return _measured(planned, place, progress, resumed=resumed), None
    except (KeyboardInterrupt, Interrupted):
        return "interrupted", None
    except UsageError as failure:
        # All options were checked when the study was planned, so this is about what the trials so far were made with.
        return "failed", Failure(failure.message, f"remove {place} to begin the cell anew" if resumed else failure.hint)
    except DlprofError as failure:
        return "failed", Failure(failure.message, failure.hint)
    except Exception as failure:  # noqa: BLE001  a bug that one cell meets must not cost the night's other cells
        if isinstance(failure, OSError) and (refused := of_system(failure, under_way=place)):
            return "failed", Failure(refused.message, refused.hint)
        report = place.with_name(f"{place.name}.error.txt")
        report.write_text("".join(traceback.format_exception(failure)), encoding="utf-8")
        message = f"dlprof itself failed: {type(failure).__name__}: {failure}"
        return "failed", Failure(message, f"this is a bug; please report it with {report}")


@contextmanager
def _monitored(planned: PlannedCell, place: Path, *, resumed: bool) -> Iterator[None]:
    """Monitors a cell while it runs, and writes the samples into what it left.

    Where it left nothing they lie beside its place: what a cell used until it failed may say why.
    """
    kinds = planned.record.options.monitors
    if not kinds:
        yield
        return
    inside, beside = place / MONITORS_FILE, place.with_name(f"{place.name}.{MONITORS_FILE}")
    if resumed and inside.exists():
        inside.rename(beside)  # out of the directory, whose manifest is written anew with the digests of its files
    earlier = monitors.read(beside) if resumed and beside.exists() else None
    with Monitors(kinds, gpu=planned.gpu, earlier=earlier, spare=beside) as sampling:
        try:
            yield
        finally:
            sampling.write(inside if place.is_dir() else beside)
            if place.is_dir():
                beside.unlink(missing_ok=True)


def _measured(planned: PlannedCell, place: Path, progress: Progress, *, resumed: bool) -> Status:
    if planned.hindrance:
        raise Unsupported(planned.hindrance)
    if planned.compare is None:
        _capture(planned, place, progress)
        return "done"
    _, code = compare(replace(planned.compare, output=place, resume=place if resumed else None), progress)
    if code == Interrupted.exit_code:
        return "interrupted"
    return "not_comparable" if code == NotComparable.exit_code else "done"


def _capture(planned: PlannedCell, place: Path, progress: Progress) -> Capture:
    """As `dlprof capture` records."""
    with temporary.folder() as scratch:
        fidelity = planned.record.options.fidelity or "exact"
        bench = Bench(planned.run, progress, scratch)
        assert planned.record.a is not None
        side = bench.side(planned.record.a)
        progress.plan({f"tracing {side.label}, fidelity {fidelity}": planned.record.estimate_s})
        workload = planned.run.resolve(side.framework.name)
        return record(bench, side, workload, fidelity=fidelity, epochs=epochs_of(planned.run, workload), target=place)


def _factor(directory: Directory, planned: PlannedCell) -> float:
    """How wrong guesses were so far: median of time taken ÷ time guessed, of the experiment's cells that are done, or of all."""
    done = [one for one in directory.record.cells if one.status == "done" and one.seconds]
    alike = [one for one in done if one.experiment == planned.record.experiment] or done
    return statistics.median((one.seconds or 0.0) / one.estimate_s for one in alike) if alike else 1.0


class _CellProgress:
    """A cell's stages as part of the study's: numbered, and with the time of the cells after it (api.progress.Progress).

    factor: what the cell's own guesses are multiplied by
    rest_s: seconds for the cells to come
    """

    def __init__(self, progress: Progress, number: str, factor: float, rest_s: float) -> None:
        self._progress = progress
        self._number = number
        self._factor = factor
        self._rest = {"cells to come": rest_s} if rest_s else {}

    def plan(self, stages: dict[str, float]) -> None:
        named = {self._named(name): seconds * self._factor for name, seconds in stages.items()}
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
